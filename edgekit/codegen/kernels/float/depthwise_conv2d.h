#include "../window.h"
#include "filters.h"

/* Depthwise convolution: each input channel has its own out_channels / in_channels filters. */
static void depthwise_conv2d_float(const window2d *w, const filters_float *f, const float *in, float *out)
{
    const int32_t multiplier = w->out_channels / w->in_channels;
    for (int32_t row = 0; row < w->out_height; row++) {
        for (int32_t column = 0; column < w->out_width; column++) {
            for (int32_t c = 0; c < w->out_channels; c++) {
                float sum = f->bias[c];
                for (int32_t i = 0; i < w->height; i++) {
                    const int32_t y = row * w->stride_y - w->top + i * w->dilation_y;
                    for (int32_t j = 0; y >= 0 && y < w->in_height && j < w->width; j++) {
                        const int32_t x = column * w->stride_x - w->left + j * w->dilation_x;
                        if (x >= 0 && x < w->in_width) {
                            sum += in[(y * w->in_width + x) * w->in_channels + c / multiplier]
                                   * f->weights[(i * w->width + j) * w->out_channels + c];
                        }
                    }
                }
                *out++ = clamp_float(sum, f->lowest, f->highest);
            }
        }
    }
}
