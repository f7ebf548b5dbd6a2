#include "two_inputs.h"

/* The product of two tensors. A step is 1, or 0 for an input that is one value. */
static void mul_int8(const two_inputs_int8 *s, const int8_t *first, int32_t first_step, const int8_t *second,
                     int32_t second_step, int8_t *out, int32_t size)
{
    for (int32_t i = 0; i < size; i++, first += first_step, second += second_step) {
        const int32_t product = (*first - s->zero_point[0]) * (*second - s->zero_point[1]);
        out[i] =
            clamp_int8(requantize(product, s->multiplier[2], s->shift[2]) + s->zero_point[2], s->lowest, s->highest);
    }
}
