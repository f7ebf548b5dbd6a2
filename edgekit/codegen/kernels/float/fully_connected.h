#include <stdint.h>

#include "filters.h"

/* Fully connected: each output is a weighted sum of all inputs. */
static void fully_connected_float(int32_t depth, int32_t channels, const filters_float *f, const float *in, float *out)
{
    const float *weight = f->weights;
    for (int32_t c = 0; c < channels; c++) {
        float sum = f->bias[c];
        for (int32_t k = 0; k < depth; k++) {
            sum += in[k] * *weight++;
        }
        out[c] = clamp_float(sum, f->lowest, f->highest);
    }
}
