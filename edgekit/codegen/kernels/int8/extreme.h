#include "../reduction.h"

/* The largest value over the reduced axes if `flip` is 0. If it is -1, all bits of the values are flipped, which reverses
   their order: then the result is the smallest. */
static void extreme_int8(const reduction *r, int32_t flip, const int8_t *in, int8_t *out)
{
    const int32_t *const n = r->reduced, *const step = r->reduced_step;
    for (int32_t a = 0; a < r->kept[0]; a++) {
        for (int32_t b = 0; b < r->kept[1]; b++) {
            for (int32_t c = 0; c < r->kept[2]; c++) {
                const int8_t *const from = in + a * r->kept_step[0] + b * r->kept_step[1] + c * r->kept_step[2];
                int32_t largest = -128;
                for (int32_t i = 0; i < n[0]; i++) {
                    for (int32_t j = 0; j < n[1]; j++) {
                        for (int32_t k = 0; k < n[2]; k++) {
                            const int32_t value = from[i * step[0] + j * step[1] + k * step[2]] ^ flip;
                            largest = value > largest ? value : largest;
                        }
                    }
                }
                *out++ = (int8_t)(largest ^ flip);
            }
        }
    }
}
