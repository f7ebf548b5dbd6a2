#include <stdint.h>

/* x if it is above 0, otherwise alpha * x. */
static void leaky_relu_float(const float *in, float *out, int32_t size, float alpha)
{
    for (int32_t i = 0; i < size; i++) {
        out[i] = in[i] > 0 ? in[i] : alpha * in[i];
    }
}
