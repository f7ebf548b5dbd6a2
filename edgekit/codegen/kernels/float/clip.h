#include <stdint.h>

#include "clamp.h"

/* A ReLU: each value within [lowest, highest]. */
static void clip_float(const float *in, float *out, int32_t size, float lowest, float highest)
{
    for (int32_t i = 0; i < size; i++) {
        out[i] = clamp_float(in[i], lowest, highest);
    }
}
