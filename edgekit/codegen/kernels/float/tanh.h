#include <math.h>
#include <stdint.h>

/* tanh(x) of each value. */
static void tanh_float(const float *in, float *out, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        out[i] = tanhf(in[i]);
    }
}
