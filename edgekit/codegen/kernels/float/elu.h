#include <math.h>
#include <stdint.h>

/* x if it is at least 0, otherwise exp(x) - 1. */
static void elu_float(const float *in, float *out, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        out[i] = in[i] < 0 ? expm1f(in[i]) : in[i];
    }
}
