#include <math.h>
#include <stdint.h>

/* exp(x) of each value. */
static void exp_float(const float *in, float *out, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        out[i] = expf(in[i]);
    }
}
