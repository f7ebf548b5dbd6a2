#include "../window.h"
#include "filters.h"

/* Transposed convolution: the window moves over the output, a stride for each input pixel. An output is the sum over the
   input pixels whose window covers it; their filter cells are a stride apart. */
static void transpose_conv2d_int8(const window2d *w, const filters_int8 *f, const int8_t *in, int8_t *out)
{
    for (int32_t row = w->top; row < w->top + w->out_height; row++) {
        for (int32_t column = w->left; column < w->left + w->out_width; column++) {
            const int32_t last_y = row / w->stride_y, last_x = column / w->stride_x;
            const int32_t first_i = row - last_y * w->stride_y, first_j = column - last_x * w->stride_x;
            for (int32_t c = 0; c < w->out_channels; c++) {
                int32_t sum = f->bias[c], y = last_y;
                for (int32_t i = first_i; i < w->height && y >= 0; i += w->stride_y, y--) {
                    int32_t x = last_x;
                    for (int32_t j = first_j; j < w->width && x >= 0; j += w->stride_x, x--) {
                        if (y < w->in_height && x < w->in_width) {
                            const int8_t *const pixel = in + (y * w->in_width + x) * w->in_channels;
                            const int8_t *const weight =
                                f->weights + ((c * w->height + i) * w->width + j) * w->in_channels;
                            for (int32_t k = 0; k < w->in_channels; k++) {
                                sum += (pixel[k] - f->input_zero_point) * weight[k];
                            }
                        }
                    }
                }
                outputs_int8(f, c, &sum, 1, out++, 1);
            }
        }
    }
}
