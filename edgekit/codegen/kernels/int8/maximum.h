#include "two_inputs.h"

/* The greater value of two tensors, which have the output's scale. A step is 1, or 0 for an input that is one value. */
static void maximum_int8(const two_inputs_int8 *s, const int8_t *first, int32_t first_step, const int8_t *second,
                         int32_t second_step, int8_t *out, int32_t size)
{
    (void)s;
    for (int32_t i = 0; i < size; i++, first += first_step, second += second_step) {
        out[i] = *first > *second ? *first : *second;
    }
}
