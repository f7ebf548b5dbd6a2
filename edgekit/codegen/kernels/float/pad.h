#include "../bytes/move.h"

/* A border of values `fill`, and the input inside it; `start` is in bytes, `size` in values. */
static void pad_float(const blocks *inside, const void *in, float *out, int32_t start, int32_t size, float fill)
{
    for (int32_t i = 0; i < size; i++) {
        out[i] = fill;
    }
    move_blocks(inside, in, (uint8_t *)out + start);
}
