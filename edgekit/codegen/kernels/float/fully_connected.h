#include <stdint.h>

#include "filters.h"

/* Fully connected: each output of a row is a weighted sum of all inputs of the row. */
static void fully_connected_float(int32_t rows, int32_t depth, int32_t channels, const filters_float *f,
                                  const float *in, float *out)
{
    for (int32_t row = 0; row < rows; row++, in += depth, out += channels) {
        const float *weight = f->weights;
        for (int32_t c = 0; c < channels; c++) {
            float sum = f->bias[c];
            for (int32_t k = 0; k < depth; k++) {
                sum += in[k] * *weight++;
            }
            out[c] = clamp_float(sum, f->lowest, f->highest);
        }
    }
}
