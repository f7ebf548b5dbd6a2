#include <stdint.h>

#include "clamp.h"

/* The sum of two tensors. */
static void add_float(const float *first, const float *second, float *out, int32_t size, float lowest, float highest)
{
    for (int32_t i = 0; i < size; i++) {
        out[i] = clamp_float(first[i] + second[i], lowest, highest);
    }
}
