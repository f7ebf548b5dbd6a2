#include "requantize.h"

/* a * b of numbers of which 2^31 stands for 1, nearest, halves up. */
static inline int32_t multiply_q31(int32_t a, int32_t b)
{
    return requantize(a, b, 0);
}

/* Softmax: exponentials[d] is exp(-d * scale of the input), 2^31 standing for 1, and 0 where it is too small to count.
   Fixed point throughout, as gemmlowp does it, since every rounding shows. */
static void softmax_int8(const int32_t *exponentials, const int8_t *in, int8_t *out, int32_t rows, int32_t classes)
{
    for (int32_t row = 0; row < rows; row++, in += classes, out += classes) {
        int32_t largest = -128, zeros = 0;
        uint32_t sum = 0; /* 2^19 stands for 1 */
        for (int32_t c = 0; c < classes; c++) {
            largest = in[c] > largest ? in[c] : largest;
        }
        for (int32_t c = 0; c < classes; c++) {
            sum += ((uint32_t)exponentials[largest - in[c]] + (1u << 11)) >> 12;
        }
        /* sum, shifted until its first bit leaves, is 1 + x. Three steps of Newton and Raphson find 2 / (1 + x). */
        while (!(sum & 0x80000000u)) {
            sum <<= 1;
            zeros++;
        }
        const int32_t half = (int32_t)(sum >> 1);
        int32_t y = 1515870810 + multiply_q31(half, -1010580540); /* 48/17 - 32/17 * half, 2^29 standing for 1 */
        for (int32_t step = 0; step < 3; step++) {
            y += 4 * multiply_q31(y, (1 << 29) - multiply_q31(half, y));
        }
        const int32_t reciprocal = y > 0x3fffffff ? 0x7fffffff : 2 * y;
        const int32_t shift = 12 - zeros + 31 - 8;
        for (int32_t c = 0; c < classes; c++) {
            const int32_t part = multiply_q31(reciprocal, exponentials[largest - in[c]]);
            /* The nearest; with hundreds of classes a part may be too small for any. */
            const int32_t share = shift > 31 ? 0 : ((part >> (shift - 1)) + 1) >> 1;
            out[c] = clamp_int8(share - 128, -128, 127);
        }
    }
}
