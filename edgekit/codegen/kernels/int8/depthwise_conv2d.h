#include "../window.h"
#include "filters.h"

/* Depthwise convolution: each input channel has filters of its own, out_channels / in_channels of them. The rows under
   the window are kept in scratch as a ring, widened, the zero point taken off, with a border of 0 left and right; so
   an output row may lie where an input row was that has been copied already. */
static void depthwise_conv2d_int8(const window2d *w, const filters_int8 *f, const int8_t *in, int8_t *out,
                                  int16_t *scratch)
{
    const int32_t channels = w->in_channels, multiplier = w->out_channels / channels;
    const int32_t across = (w->out_width - 1) * w->stride_x + w->width; /* cells of a row with its border */
    int32_t next = -w->top; /* the input row to be copied next */
    for (int32_t row = 0; row < w->out_height; row++) {
        const int32_t first = row * w->stride_y - w->top;
        for (next = next < first ? first : next; next < first + w->height; next++) {
            int16_t *to = scratch + (next + w->top) % w->height * across * channels;
            for (int32_t x = -w->left; x < across - w->left; x++) {
                const int inside = next >= 0 && next < w->in_height && x >= 0 && x < w->in_width;
                for (int32_t c = 0; c < channels; c++) {
                    *to++ = inside ? (int16_t)(in[(next * w->in_width + x) * channels + c] - f->input_zero_point) : 0;
                }
            }
        }
        for (int32_t c = 0; c < w->out_channels; c++) {
            const int32_t scale = f->multiplier[c], shift = f->shift[c];
            for (int32_t x = 0; x < w->out_width; x++) {
                int32_t sum = f->bias[c];
                for (int32_t i = 0; i < w->height; i++) {
                    const int16_t *from = scratch + ((first + w->top + i) % w->height * across + x * w->stride_x) * channels
                                          + c / multiplier;
                    const int8_t *weight = f->weights + i * w->width * w->out_channels + c;
                    for (int32_t j = 0; j < w->width; j++) {
                        sum += from[j * channels] * weight[j * w->out_channels];
                    }
                }
                out[(row * w->out_width + x) * w->out_channels + c] = output_int8(f, sum, scale, shift);
            }
        }
    }
}
