#include "../repeating.h"
#include "two_inputs.h"

/* An op on two tensors, one of which repeats values: a call of the op for each row. */
typedef void (*row_int8)(const two_inputs_int8 *s, const int8_t *first, int32_t first_step, const int8_t *second,
                         int32_t second_step, int8_t *out, int32_t size);

static void repeat_int8(row_int8 op, const repeating *r, const two_inputs_int8 *s, const int8_t *first,
                        const int8_t *second, int8_t *out)
{
    for (int32_t i = 0; i < r->turns[0]; i++) {
        for (int32_t j = 0; j < r->turns[1]; j++) {
            op(s, first + i * r->first[0] + j * r->first[1], r->first[2], second + i * r->second[0] + j * r->second[1],
               r->second[2], out, r->turns[2]);
            out += r->turns[2];
        }
    }
}
