#include "move.h"

/* A border whose bytes are all `fill`, and the input inside it; `size` is the output's, in bytes. */
static void pad(const blocks *inside, const void *in, void *out, int32_t start, int32_t size, uint8_t fill)
{
    memset(out, fill, (size_t)size);
    move_blocks(inside, in, (uint8_t *)out + start);
}
