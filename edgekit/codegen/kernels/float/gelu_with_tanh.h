#include <math.h>
#include <stdint.h>

/* GELU, approximated with tanh; the factor is sqrt(2 / pi). */
static void gelu_with_tanh_float(const float *in, float *out, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        const float x = in[i];
        out[i] = 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    }
}
