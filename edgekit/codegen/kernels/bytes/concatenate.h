#include <stdint.h>
#include <string.h>

/* Copies one input of a concatenation: its rows of `bytes` bytes start `stride` bytes apart in the output. */
static void concatenate(const void *in, void *out, int32_t rows, int32_t bytes, int32_t stride)
{
    for (int32_t row = 0; row < rows; row++) {
        memcpy((uint8_t *)out + row * stride, (const uint8_t *)in + row * bytes, (size_t)bytes);
    }
}
