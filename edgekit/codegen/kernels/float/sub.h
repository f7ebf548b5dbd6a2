#include <stdint.h>

#include "clamp.h"

/* The difference of two tensors. A step is 1, or 0 for an input that is one value. */
static void sub_float(const float *first, int32_t first_step, const float *second, int32_t second_step, float *out,
                      int32_t size, float lowest, float highest)
{
    for (int32_t i = 0; i < size; i++, first += first_step, second += second_step) {
        out[i] = clamp_float(*first - *second, lowest, highest);
    }
}
