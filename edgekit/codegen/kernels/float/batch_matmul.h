#include <stdint.h>

#include "../matrices.h"

/* The products of two batches of matrices. */
static void batch_matmul_float(const matrices *m, const float *a, const float *b, float *out)
{
    for (int32_t i = 0; i < m->batch[0] * m->batch[1]; i++) {
        const float *first = a + i / m->batch[1] * m->a_batch[0] + i % m->batch[1] * m->a_batch[1];
        const float *second = b + i / m->batch[1] * m->b_batch[0] + i % m->batch[1] * m->b_batch[1];
        for (int32_t row = 0; row < m->rows; row++) {
            for (int32_t column = 0; column < m->columns; column++) {
                const float *x = first + row * m->a_row, *y = second + column * m->b_column;
                float sum = 0;
                for (int32_t k = 0; k < m->depth; k++) {
                    sum += x[k * m->a_column] * y[k * m->b_row];
                }
                *out++ = sum;
            }
        }
    }
}
