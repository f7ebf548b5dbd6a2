#include <stdint.h>

/* The absolute value. */
static void abs_float(const float *in, float *out, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        out[i] = in[i] < 0 ? -in[i] : in[i];
    }
}
