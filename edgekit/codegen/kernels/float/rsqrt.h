#include <math.h>
#include <stdint.h>

/* 1 / sqrt(x) of each value. */
static void rsqrt_float(const float *in, float *out, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        out[i] = 1.0f / sqrtf(in[i]);
    }
}
