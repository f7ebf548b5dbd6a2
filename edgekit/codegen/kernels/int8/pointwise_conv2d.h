#include "../window.h"
#include "dot.h"

/* A convolution with a window of one cell: every pixel is its own patch, so rows do not matter and a block is any run of
   pixels. In and out may share memory: where channels grow, the blocks are taken from the last to the first. */
static void pointwise_conv2d_int8(const window2d *w, const filters_int8 *f, const int8_t *in, int8_t *out,
                                  int16_t *scratch, int32_t block)
{
    const int32_t depth = w->in_channels, padded = (depth + 1) & ~1, pixels = w->out_height * w->out_width;
    const int32_t blocks = (pixels + block - 1) / block;
    int16_t *const patches = scratch + 2 * padded;
    for (int32_t i = 0; i < blocks; i++) {
        const int32_t start = (w->out_channels > depth ? blocks - 1 - i : i) * block;
        const int32_t count = pixels - start < block ? pixels - start : block;
        const int8_t *source = in + start * depth;
        int16_t *to = patches;
        for (int32_t p = 0; p < count; p++) {
            for (int32_t k = 0; k < depth; k++) {
                *to++ = (int16_t)(*source++ - f->input_zero_point);
            }
            if (padded > depth) {
                *to++ = 0;
            }
        }
        multiply_block(f, depth, w->out_channels, patches, count, scratch, out + start * w->out_channels);
    }
}
