#include "../window.h"
#include "dot.h"

/* The number of cells first, first + stride, ... below size. */
static int32_t cells_below(int32_t size, int32_t first, int32_t stride)
{
    return first < size ? (size - first + stride - 1) / stride : 0;
}

/* Transposed convolution: the window moves over the output, a stride for each input pixel. An output is the sum over the
   input pixels whose window covers it. So every stride-th output of a row uses the same cells of the filters, which are a
   stride apart: this is a convolution of its own. The exporter puts the cells of each such convolution together, by the
   first row and then by the first column of them. As in conv2d_int8, at most `most` patches are copied to scratch. */
static void transpose_conv2d_int8(const window2d *w, const filters_int8 *f, const int8_t *in, int8_t *out,
                                  int32_t *scratch, int32_t most)
{
    const int32_t channels = w->in_channels, filter = w->out_channels * channels;
    for (int32_t row = 0; row < w->out_height; row++) {
        const int32_t last_y = (row + w->top) / w->stride_y, first_i = row + w->top - last_y * w->stride_y;
        const int32_t tall = cells_below(w->height, first_i, w->stride_y);
        filters_int8 part = *f;
        for (int32_t i = 0; i < first_i; i++) {
            part.weights += cells_below(w->height, i, w->stride_y) * w->width * filter;
        }
        for (int32_t first_j = 0; first_j < w->stride_x; first_j++) {
            const int32_t wide = cells_below(w->width, first_j, w->stride_x);
            const int32_t depth = tall * wide * channels, padded = (depth + 3) & ~3;
            const block_int8 block = block_in(scratch, most, padded);
            int32_t column = (first_j - w->left) % w->stride_x;
            column = column < 0 ? column + w->stride_x : column;
            while (column < w->out_width) {
                const int32_t begin = column;
                int32_t pixels = 0;
                int16_t *to = block.patches;
                for (; pixels < most && column < w->out_width; pixels++, column += w->stride_x) {
                    const int32_t last_x = (column + w->left) / w->stride_x;
                    for (int32_t y = last_y; y > last_y - tall; y--) {
                        for (int32_t x = last_x; x > last_x - wide; x--) {
                            int32_t k = 0;
                            if (y >= 0 && y < w->in_height && x >= 0 && x < w->in_width) {
                                const int8_t *const cell = in + (y * w->in_width + x) * channels;
                                for (; k < channels; k++) {
                                    *to++ = (int16_t)(cell[k] - f->input_zero_point);
                                }
                            }
                            for (; k < channels; k++) {
                                *to++ = 0;
                            }
                        }
                    }
                    for (int32_t k = depth; k < padded; k++) {
                        *to++ = 0;
                    }
                }
                multiply_block(&part, depth, 0, w->out_channels, &block, pixels,
                               out + (row * w->out_width + begin) * w->out_channels, w->stride_x * w->out_channels);
            }
            part.weights += tall * wide * filter;
        }
    }
}
