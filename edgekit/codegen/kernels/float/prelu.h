#include "../slopes.h"

/* x if it is at least 0, otherwise x times its slope. */
static void prelu_float(const slopes_3d *s, const float *in, const float *slopes, float *out)
{
    for (int32_t i = 0; i < s->size[0]; i++) {
        for (int32_t j = 0; j < s->size[1]; j++) {
            const float *slope = slopes + i * s->step[0] + j * s->step[1];
            for (int32_t k = 0; k < s->size[2]; k++, slope += s->step[2], in++) {
                *out++ = *in < 0 ? *in * *slope : *in;
            }
        }
    }
}
