#include "two_inputs.h"

/* The sum of two tensors. Both inputs are converted to a common scale with 20 more bits, and the sum to the output's.
   A step is 1, or 0 for an input that is one value. */
static void add_int8(const two_inputs_int8 *s, const int8_t *first, int32_t first_step, const int8_t *second,
                     int32_t second_step, int8_t *out, int32_t size)
{
    for (int32_t i = 0; i < size; i++, first += first_step, second += second_step) {
        const int32_t a = requantize((*first - s->zero_point[0]) * (1 << 20), s->multiplier[0], s->shift[0]);
        const int32_t b = requantize((*second - s->zero_point[1]) * (1 << 20), s->multiplier[1], s->shift[1]);
        const int32_t sum = requantize(a + b, s->multiplier[2], s->shift[2]) + s->zero_point[2];
        out[i] = clamp_int8(sum, s->lowest, s->highest);
    }
}
