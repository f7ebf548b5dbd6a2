#include <math.h>
#include <stdint.h>

/* The natural logarithm of each value. */
static void log_float(const float *in, float *out, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        out[i] = logf(in[i]);
    }
}
