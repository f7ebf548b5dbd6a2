#include "../window.h"
#include "filters.h"

/* Transposed convolution: the window moves over the output, a stride for each input pixel. An output is the sum over the
   input pixels whose window covers it; their filter cells are a stride apart. */
static void transpose_conv2d_float(const window2d *w, const filters_float *f, const float *in, float *out)
{
    for (int32_t row = w->top; row < w->top + w->out_height; row++) {
        for (int32_t column = w->left; column < w->left + w->out_width; column++) {
            for (int32_t c = 0; c < w->out_channels; c++) {
                float sum = f->bias[c];
                int32_t y = row / w->stride_y;
                for (int32_t i = row % w->stride_y; i < w->height && y >= 0; i += w->stride_y, y--) {
                    int32_t x = column / w->stride_x;
                    for (int32_t j = column % w->stride_x; j < w->width && x >= 0; j += w->stride_x, x--) {
                        if (y < w->in_height && x < w->in_width) {
                            const float *const pixel = in + (y * w->in_width + x) * w->in_channels;
                            const float *const weight =
                                f->weights + ((c * w->height + i) * w->width + j) * w->in_channels;
                            for (int32_t k = 0; k < w->in_channels; k++) {
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
