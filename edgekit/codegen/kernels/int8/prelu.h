#include "../slopes.h"
#include "requantize.h"

typedef struct {
    int32_t zero_point[3];           /* of the input, the slopes and the output */
    int32_t multiplier[2], shift[2]; /* of values above and below 0 */
} prelu_int8_scales;

/* x if it is at least 0, otherwise x times its slope. */
static void prelu_int8(const prelu_int8_scales *p, const slopes_3d *s, const int8_t *in, const int8_t *slopes,
                       int8_t *out)
{
    for (int32_t i = 0; i < s->size[0]; i++) {
        for (int32_t j = 0; j < s->size[1]; j++) {
            const int8_t *slope = slopes + i * s->step[0] + j * s->step[1];
            for (int32_t k = 0; k < s->size[2]; k++, slope += s->step[2]) {
                const int32_t x = *in++ - p->zero_point[0], below = x < 0;
                const int32_t product = below ? x * (*slope - p->zero_point[1]) : x;
                const int32_t y = requantize(product, p->multiplier[below], p->shift[below]);
                *out++ = clamp_int8(y + p->zero_point[2], -128, 127);
            }
        }
    }
}
