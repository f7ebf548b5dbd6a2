#include "filters.h"

/* Fully connected: each output of a row is a weighted sum of all inputs of the row. The inputs minus their zero point are
   copied to scratch first, so the outputs may replace them. */
static void fully_connected_int8(int32_t rows, int32_t depth, int32_t channels, const filters_int8 *f, const int8_t *in,
                                 int8_t *out, int32_t *scratch)
{
    int16_t *const x = (int16_t *)(void *)scratch;
    for (int32_t row = 0; row < rows; row++, in += depth, out += channels) {
        for (int32_t k = 0; k < depth; k++) {
            x[k] = (int16_t)(in[k] - f->input_zero_point);
        }
        const int8_t *weight = f->weights;
        for (int32_t c = 0; c < channels; c++) {
            int32_t sum = f->bias[c];
            for (int32_t k = 0; k < depth; k++) {
                sum += x[k] * *weight++;
            }
            outputs_int8(f, c, &sum, 1, out + c, 1);
        }
    }
}
