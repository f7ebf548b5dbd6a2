#include "../window.h"
#include "dot.h"

/* Convolution in groups of channels, or with gaps between the cells of the window: as conv2d_int8, but cell by cell, and
   for one group after the other. */
static void grouped_conv2d_int8(const window2d *w, int32_t groups, const filters_int8 *f, const int8_t *in, int8_t *out,
                                int32_t *scratch, int32_t most)
{
    const int32_t channels = w->in_channels / groups, filters = w->out_channels / groups;
    const int32_t depth = w->height * w->width * channels, padded = (depth + 3) & ~3;
    const block_int8 block = block_in(scratch, most, padded);
    for (int32_t row = 0; row < w->out_height; row++) {
        for (int32_t start = 0; start < w->out_width; start += most) {
            const int32_t pixels = w->out_width - start < most ? w->out_width - start : most;
            for (int32_t g = 0; g < groups; g++) {
                int16_t *to = block.patches;
                for (int32_t p = 0; p < pixels; p++) {
                    for (int32_t i = 0; i < w->height; i++) {
                        const int32_t y = row * w->stride_y - w->top + i * w->dilation_y;
                        for (int32_t j = 0; j < w->width; j++) {
                            const int32_t x = (start + p) * w->stride_x - w->left + j * w->dilation_x;
                            int32_t k = 0;
                            if (y >= 0 && y < w->in_height && x >= 0 && x < w->in_width) {
                                const int8_t *const cell = in + (y * w->in_width + x) * w->in_channels + g * channels;
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
                multiply_block(f, depth, g * filters, (g + 1) * filters, &block, pixels,
                               out + (row * w->out_width + start) * w->out_channels, w->out_channels);
            }
        }
    }
}
