#include "../window.h"
#include "dot.h"

/* Convolution. The patches under the window, for at most `most` pixels of a row at a time, are copied side by side to
   scratch; the zero point is subtracted, and cells outside the image are 0. multiply_block does the rest. Because the
   patches are copies, the output may be written over rows of the input that no later block reads. */
static void conv2d_int8(const window2d *w, const filters_int8 *f, const int8_t *in, int8_t *out, int32_t *scratch,
                        int32_t most)
{
    const int32_t run = w->width * w->in_channels, depth = w->height * run, padded = (depth + 3) & ~3;
    const block_int8 block = block_in(scratch, most, padded);
    for (int32_t row = 0; row < w->out_height; row++) {
        for (int32_t start = 0; start < w->out_width; start += most) {
            const int32_t pixels = w->out_width - start < most ? w->out_width - start : most;
            int16_t *to = block.patches;
            for (int32_t p = 0; p < pixels; p++) {
                const int32_t x = (start + p) * w->stride_x - w->left;
                for (int32_t i = 0; i < w->height; i++) {
                    const int32_t y = row * w->stride_y - w->top + i;
                    const int32_t first = x < 0 ? -x : 0, outside = x + w->width - w->in_width;
                    const int32_t last = outside > 0 ? w->width - outside : w->width;
                    const int32_t from = first * w->in_channels, until = last * w->in_channels;
                    int32_t k = 0;
                    if (y >= 0 && y < w->in_height) {
                        const int8_t *const source = in + (y * w->in_width + x) * w->in_channels;
                        for (; k < from; k++) {
                            to[k] = 0;
                        }
                        for (; k < until; k++) {
                            to[k] = (int16_t)(source[k] - f->input_zero_point);
                        }
                    }
                    for (; k < run; k++) {
                        to[k] = 0;
                    }
                    to += run;
                }
                for (int32_t k = depth; k < padded; k++) {
                    *to++ = 0;
                }
            }
            multiply_block(f, depth, 0, w->out_channels, &block, pixels,
                           out + (row * w->out_width + start) * w->out_channels, w->out_channels);
        }
    }
}
