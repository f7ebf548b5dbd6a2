#include "../matrices.h"
#include "requantize.h"

/* The products of two batches of matrices; each sum is converted to the output's scale. */
typedef struct {
    int32_t zero_point[3], multiplier, shift; /* zero points of the first and second input and of the output */
} batch_matmul_int8_scales;

static void batch_matmul_int8(const matrices *m, const batch_matmul_int8_scales *s, const int8_t *a, const int8_t *b,
                              int8_t *out)
{
    for (int32_t i = 0; i < m->batch[0] * m->batch[1]; i++) {
        const int8_t *first = a + i / m->batch[1] * m->a_batch[0] + i % m->batch[1] * m->a_batch[1];
        const int8_t *second = b + i / m->batch[1] * m->b_batch[0] + i % m->batch[1] * m->b_batch[1];
        for (int32_t row = 0; row < m->rows; row++) {
            for (int32_t column = 0; column < m->columns; column++) {
                const int8_t *x = first + row * m->a_row, *y = second + column * m->b_column;
                int32_t sum = 0;
                for (int32_t k = m->depth; k > 0; k--, x += m->a_column, y += m->b_row) {
                    sum += (*x - s->zero_point[0]) * (*y - s->zero_point[1]);
                }
                *out++ = clamp_int8(requantize(sum, s->multiplier, s->shift) + s->zero_point[2], -128, 127);
            }
        }
    }
}
