#include "requantize.h"

/* The weights of a layer, and the numbers that turn an accumulator into an output. The real multiplier of a channel is
   multiplier / 2^31 * 2^shift. A shift that is 64 too high marks a channel that must use `requantize`. */
typedef struct {
    int32_t input_zero_point, output_zero_point, lowest, highest;
    const int8_t *weights;
    const int32_t *bias, *multiplier;
    const int8_t *shift;
} filters_int8;

/* Turns the accumulators of channel c into its outputs; each output is `step` bytes after the one before.

   After a ReLU, sums <= 0 all give the zero point. The exporter proves for nearly every channel that the other sums are
   below 2^21. Then the product needs no 64 bits, and the two roundings are one addition before one shift; e is the
   shift to the right:
   ((x * m + 2^30 >> 31) + 2^(e-1)) >> e = (x * m + 2^30 + 2^(30+e)) >> (31+e). */
static void outputs_int8(const filters_int8 *f, int32_t c, const int32_t *accumulator, int32_t count, int8_t *out,
                         int32_t step)
{
    const int32_t zero_point = f->output_zero_point, shift = f->shift[c], multiplier = f->multiplier[c];
    const int32_t *const end = accumulator + count;
    if (shift >= 0 || f->lowest < zero_point) {
        for (; accumulator != end; accumulator++, out += step) {
            const int32_t y = requantize(*accumulator, multiplier, shift < 0 ? shift : shift - 64);
            *out = clamp_int8(y + zero_point, f->lowest, f->highest);
        }
        return;
    }
    const int32_t highest = f->highest - zero_point;
#if XCHAL_HAVE_MUL32_HIGH
    const uint32_t right = (uint32_t)(1 - shift), rounding = 1u + (1u << -shift);
#else
    /* The product from three parts of the multiplier, of 10, 10 and 11 bits, without its nine lowest bits. */
    const uint32_t high = (uint32_t)multiplier >> 21, middle = ((uint32_t)multiplier >> 11) & 1023u;
    const uint32_t low = (uint32_t)multiplier & 2047u;
    const uint32_t right = (uint32_t)(10 - shift), rounding = (1u + (1u << -shift)) << 9;
#endif
    for (; accumulator != end; accumulator++, out += step) {
        if (*accumulator <= 0) {
            *out = (int8_t)zero_point;
            continue;
        }
        const uint32_t x = (uint32_t)*accumulator;
#if XCHAL_HAVE_MUL32_HIGH
        const uint32_t product = (uint32_t)multiply_high((int32_t)(x << 2), multiplier);
#else
        const uint32_t product = x * high + ((x * middle + ((x * low) >> 11)) >> 10);
#endif
        const int32_t y = (int32_t)((product + rounding) >> right);
        *out = (int8_t)((y > highest ? highest : y) + zero_point);
    }
}
