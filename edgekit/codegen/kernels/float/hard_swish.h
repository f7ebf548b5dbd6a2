#include <stdint.h>

#include "clamp.h"

/* x * relu6(x + 3) / 6. */
static void hard_swish_float(const float *in, float *out, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        out[i] = in[i] * clamp_float(in[i] + 3.0f, 0.0f, 6.0f) / 6.0f;
    }
}
