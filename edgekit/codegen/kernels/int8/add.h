#include "requantize.h"

/* The sum of two tensors. Both inputs are converted to a common scale with 20 more bits, and the sum to the output's. */
typedef struct {
    int32_t zero_point[3], multiplier[3], shift[3]; /* of the first and second input and of the output */
    int32_t lowest, highest;
} add_int8_scales;

static void add_int8(const add_int8_scales *s, const int8_t *first, const int8_t *second, int8_t *out, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        const int32_t a = requantize((first[i] - s->zero_point[0]) * (1 << 20), s->multiplier[0], s->shift[0]);
        const int32_t b = requantize((second[i] - s->zero_point[1]) * (1 << 20), s->multiplier[1], s->shift[1]);
        const int32_t sum = requantize(a + b, s->multiplier[2], s->shift[2]) + s->zero_point[2];
        out[i] = clamp_int8(sum, s->lowest, s->highest);
    }
}
