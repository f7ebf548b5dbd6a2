#include "../repeating.h"

/* An op on two tensors, one of which repeats values: a call of the op for each row. */
typedef void (*row_float)(const float *first, int32_t first_step, const float *second, int32_t second_step, float *out,
                          int32_t size, float lowest, float highest);

static void repeat_float(row_float op, const repeating *r, const float *first, const float *second, float *out,
                         float lowest, float highest)
{
    for (int32_t i = 0; i < r->turns[0]; i++) {
        for (int32_t j = 0; j < r->turns[1]; j++) {
            op(first + i * r->first[0] + j * r->first[1], r->first[2], second + i * r->second[0] + j * r->second[1],
               r->second[2], out, r->turns[2], lowest, highest);
            out += r->turns[2];
        }
    }
}
