#include "requantize.h"

/* The weights of a layer, and how an accumulator becomes an output. The real multiplier of a channel is
   multiplier / 2^31 * 2^shift; a shift that is 64 too high marks a channel whose accumulator may need all 32 bits. */
typedef struct {
    int32_t input_zero_point, output_zero_point, lowest, highest;
    const int8_t *weights;
    const int32_t *bias, *multiplier;
    const int8_t *shift;
} filters_int8;

/* The output of a channel. Where |accumulator| < 2^29 and the shift is to the right, which the exporter proves for
   nearly every channel, both roundings are one addition: 2^e for the second, e = -shift, and 1 for the first, twice
   as large here; a negative number's half must be rounded down, so it gets one less, twice. */
static inline int8_t output_int8(const filters_int8 *f, int32_t accumulator, int32_t multiplier, int32_t shift)
{
    int32_t y;
    if (shift < 0) {
        const int32_t twice = multiply_high(accumulator * 4, multiplier) + 1;
        y = (twice + (1 << -shift) + 2 * (twice >> 31)) >> (1 - shift);
    } else {
        y = requantize(accumulator, multiplier, shift - 64);
    }
    return clamp_int8(y + f->output_zero_point, f->lowest, f->highest);
}
