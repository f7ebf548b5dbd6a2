#include <math.h>
#include <stdint.h>

/* 1 / (1 + exp(-x)) of each value. */
static void sigmoid_float(const float *in, float *out, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        out[i] = 1.0f / (1.0f + expf(-in[i]));
    }
}
