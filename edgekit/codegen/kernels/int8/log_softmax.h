#include "fixed_point.h"

typedef struct {
    int32_t multiplier[2], shift[2]; /* from input steps to fractions, in which 2^26 stands for 1, and back */
    int32_t farthest;                /* values that are more steps below the largest do not count */
    const int32_t *exponentials;     /* of a distance in steps, as for a softmax */
} log_softmax_int8_scales;

static inline int32_t leading_zeros(int32_t x)
{
    int32_t zeros = 0;
    for (uint32_t bits = (uint32_t)x; !(bits & 0x80000000u); bits <<= 1) {
        zeros++;
    }
    return zeros;
}

/* x / 2^exponent, rounded to the nearest, halves away from zero. */
static inline int32_t rounding_shift(int32_t x, int32_t exponent)
{
    const int32_t mask = (int32_t)((1u << exponent) - 1u);
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0));
}

static inline int32_t saturate(uint32_t x)
{
    return x > 0x7fffffffu ? 0x7fffffff : (int32_t)x;
}

/* The logarithm of a number of at least 1: 2^19 stands for 1 in it, and 2^26 in the result.
   x is 2^n * r. Of two ways to choose n, with r around 1 or around sqrt(1/2), the one with the smaller r is taken;
   log(r) is a fraction of two polynomials around the fourth root of 1/2. */
static inline int32_t log_q26(int32_t x)
{
    const int32_t root = 1518500250, middle = 1805811301; /* sqrt(1/2) and its root */
    const int32_t zeros_of_first = leading_zeros(x), zeros_of_second = leading_zeros(multiply_q31(x, root)) - 1;
    const int32_t first = saturate(2u * (uint32_t)multiply_q31(x << (zeros_of_first - 1), root));
    const int32_t second = saturate((uint32_t)x << zeros_of_second);
    const int32_t power_of_first = (12 - zeros_of_first) * (1 << 25) + (1 << 23);
    const int32_t power_of_second = (12 - zeros_of_second) * (1 << 25) - (1 << 23);
    const int32_t power = power_of_first > power_of_second ? power_of_first : power_of_second;
    const int32_t r = first < second ? first : second;
    const int32_t p = (int32_t)(((uint32_t)r + (uint32_t)middle + 1u) >> 1), q = 2 * (r - middle);
    const int32_t square = multiply_q31(q, q);
    const int32_t above = multiply_q31(q, r) + multiply_q31(multiply_q31(q, square), 117049297);
    const int32_t sum = 1057819769 + q + multiply_q31(127690142, square);
    const int32_t below = multiply_q31(p, sum) + multiply_q31(638450708, q); /* the denominator - 1 */
    const int32_t reciprocal = half_of_reciprocal((int32_t)(((uint32_t)below + 0x80000000u) >> 1));
    return 2 * (multiply_q31(power, 1488522236) + multiply_q31(rounding_shift(above, 6), reciprocal)); /* log(2) */
}

/* Log-softmax: each value minus the logarithm of the sum of all exponentials. */
static void log_softmax_int8(const log_softmax_int8_scales *s, const int8_t *in, int8_t *out, int32_t rows,
                             int32_t classes)
{
    for (int32_t row = 0; row < rows; row++, in += classes, out += classes) {
        int32_t largest = -128, sum = 0; /* 2^19 stands for 1 */
        for (int32_t c = 0; c < classes; c++) {
            largest = in[c] > largest ? in[c] : largest;
        }
        for (int32_t c = 0; c < classes; c++) {
            sum += rounding_shift(s->exponentials[largest - in[c]], 12);
        }
        const int32_t logarithm = log_q26(sum);
        int32_t lowest = requantize(logarithm - 2147483647 - 1, s->multiplier[1], s->shift[1]);
        lowest = lowest < -s->farthest - 1 ? -s->farthest - 1 : lowest;
        for (int32_t c = 0; c < classes; c++) {
            const int32_t steps = in[c] - largest;
            int32_t share = -128;
            if (steps > lowest) {
                share = rounding_shift(requantize(steps, s->multiplier[0], s->shift[0]) - logarithm, 22) + 127;
            }
            out[c] = clamp_int8(share, -128, 127);
        }
    }
}
