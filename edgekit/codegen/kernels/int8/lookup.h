#include <stdint.h>

/* A function of one value as a table over the input's bits: 0 to 127, then -128 to -1. */
static void lookup_int8(const int8_t *table, const int8_t *in, int8_t *out, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        out[i] = table[(uint8_t)in[i]];
    }
}
