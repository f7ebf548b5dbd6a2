#include <stdint.h>

/* The mean of each channel over all cells. */
static void mean_float(int32_t cells, int32_t channels, const float *in, float *out)
{
    for (int32_t c = 0; c < channels; c++) {
        float sum = 0;
        for (int32_t i = 0; i < cells; i++) {
            sum += in[i * channels + c];
        }
        out[c] = sum / (float)cells;
    }
}
