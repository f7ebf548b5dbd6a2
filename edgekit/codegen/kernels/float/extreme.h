#include "../reduction.h"

/* The largest value over the reduced axes if `sign` is 1, and the smallest if it is -1. */
static void extreme_float(const reduction *r, float sign, const float *in, float *out)
{
    const int32_t *const n = r->reduced, *const step = r->reduced_step;
    for (int32_t a = 0; a < r->kept[0]; a++) {
        for (int32_t b = 0; b < r->kept[1]; b++) {
            for (int32_t c = 0; c < r->kept[2]; c++) {
                const float *const from = in + a * r->kept_step[0] + b * r->kept_step[1] + c * r->kept_step[2];
                float largest = sign * from[0];
                for (int32_t i = 0; i < n[0]; i++) {
                    for (int32_t j = 0; j < n[1]; j++) {
                        for (int32_t k = 0; k < n[2]; k++) {
                            const float value = sign * from[i * step[0] + j * step[1] + k * step[2]];
                            largest = value > largest ? value : largest;
                        }
                    }
                }
                *out++ = sign * largest;
            }
        }
    }
}
