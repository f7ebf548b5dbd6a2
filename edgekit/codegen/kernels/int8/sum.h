#include "../reduction.h"
#include "requantize.h"

/* The sum over the reduced axes, in the steps of the output. It begins with minus the zero points of all its values. A
   mean's division is in the multiplier. */
static void sum_int8(const reduction *r, int32_t begin, int32_t multiplier, int32_t shift, int32_t output_zero_point,
                     const int8_t *in, int8_t *out)
{
    const int32_t *const n = r->reduced, *const step = r->reduced_step;
    for (int32_t a = 0; a < r->kept[0]; a++) {
        for (int32_t b = 0; b < r->kept[1]; b++) {
            for (int32_t c = 0; c < r->kept[2]; c++) {
                const int8_t *const from = in + a * r->kept_step[0] + b * r->kept_step[1] + c * r->kept_step[2];
                int32_t sum = begin;
                for (int32_t i = 0; i < n[0]; i++) {
                    for (int32_t j = 0; j < n[1]; j++) {
                        for (int32_t k = 0; k < n[2]; k++) {
                            sum += from[i * step[0] + j * step[1] + k * step[2]];
                        }
                    }
                }
                *out++ = clamp_int8(requantize(sum, multiplier, shift) + output_zero_point, -128, 127);
            }
        }
    }
}
