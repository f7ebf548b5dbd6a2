#include "fixed_point.h"

/* Softmax: exponentials[d] is exp(-d * scale of the input), where 2^31 stands for 1, and 0 if it is too small to count.
   All steps are in fixed point, as in gemmlowp, because every rounding changes the result. */
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
        /* sum, shifted until its first bit is lost, is 1 + x: the reciprocal is 1 / (1 + x). */
        while (!(sum & 0x80000000u)) {
            sum <<= 1;
            zeros++;
        }
        const int32_t reciprocal = half_of_reciprocal((int32_t)(sum >> 1));
        const int32_t shift = 12 - zeros + 31 - 8;
        for (int32_t c = 0; c < classes; c++) {
            const int32_t part = multiply_q31(reciprocal, exponentials[largest - in[c]]);
            /* Rounded to the nearest; with hundreds of classes a part may be too small for this shift. */
            const int32_t share = shift > 31 ? 0 : ((part >> (shift - 1)) + 1) >> 1;
            out[c] = clamp_int8(share - 128, -128, 127);
        }
    }
}
