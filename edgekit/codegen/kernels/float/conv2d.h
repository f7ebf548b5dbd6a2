#include "../window.h"
#include "filters.h"

/* Convolution, in groups of channels if there are more than one. Cells outside the image count as 0. */
static void conv2d_float(const window2d *w, int32_t groups, const filters_float *f, const float *in, float *out)
{
    const int32_t depth = w->in_channels / groups, filters = w->out_channels / groups;
    for (int32_t row = 0; row < w->out_height; row++) {
        for (int32_t column = 0; column < w->out_width; column++) {
            const float *weight = f->weights;
            for (int32_t c = 0; c < w->out_channels; c++) {
                float sum = f->bias[c];
                for (int32_t i = 0; i < w->height; i++) {
                    const int32_t y = row * w->stride_y - w->top + i * w->dilation_y;
                    for (int32_t j = 0; j < w->width; j++, weight += depth) {
                        const int32_t x = column * w->stride_x - w->left + j * w->dilation_x;
                        if (y >= 0 && y < w->in_height && x >= 0 && x < w->in_width) {
                            const float *const pixel =
                                in + (y * w->in_width + x) * w->in_channels + c / filters * depth;
                            for (int32_t k = 0; k < depth; k++) {
                                sum += pixel[k] * weight[k];
                            }
                        }
                    }
                }
                *out++ = clamp_float(sum, f->lowest, f->highest);
            }
        }
    }
}
