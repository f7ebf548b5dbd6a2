#include <math.h>
#include <stdint.h>

/* The square root of each value. */
static void sqrt_float(const float *in, float *out, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        out[i] = sqrtf(in[i]);
    }
}
