#include "requantize.h"

/* The mean of each channel over all cells; the division by their number is in the multiplier. */
static void mean_int8(int32_t cells, int32_t channels, int32_t input_zero_point, int32_t multiplier, int32_t shift,
                      int32_t output_zero_point, const int8_t *in, int8_t *out)
{
    for (int32_t c = 0; c < channels; c++) {
        int32_t sum = -cells * input_zero_point;
        for (int32_t i = 0; i < cells; i++) {
            sum += in[i * channels + c];
        }
        out[c] = clamp_int8(requantize(sum, multiplier, shift) + output_zero_point, -128, 127);
    }
}
