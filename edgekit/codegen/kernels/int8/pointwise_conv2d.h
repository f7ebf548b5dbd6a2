#include "../window.h"
#include "dot.h"

/* A convolution with a window of one cell: every pixel is a patch, so a block may be any sequence of pixels. In and out
   may share memory: if there are more output channels, the blocks are computed from the last to the first. */
static void pointwise_conv2d_int8(const window2d *w, const filters_int8 *f, const int8_t *in, int8_t *out,
                                  int32_t *scratch, int32_t most)
{
    const int32_t depth = w->in_channels, padded = (depth + 3) & ~3, pixels = w->out_height * w->out_width;
    const int32_t blocks = (pixels + most - 1) / most;
    const int32_t zero_point = f->input_zero_point;
    const block_int8 block = block_in(scratch, most, padded);
    for (int32_t i = 0; i < blocks; i++) {
        const int32_t start = (w->out_channels > depth ? blocks - 1 - i : i) * most;
        const int32_t count = pixels - start < most ? pixels - start : most;
        const int8_t *source = in + start * depth;
        int16_t *to = block.patches;
        for (int32_t p = 0; p < count; p++) {
            int32_t k = 0;
            for (; k + 4 <= depth; k += 4, to += 4, source += 4) {
                to[0] = (int16_t)(source[0] - zero_point);
                to[1] = (int16_t)(source[1] - zero_point);
                to[2] = (int16_t)(source[2] - zero_point);
                to[3] = (int16_t)(source[3] - zero_point);
            }
            for (; k < depth; k++) {
                *to++ = (int16_t)(*source++ - zero_point);
            }
            for (; k < padded; k++) {
                *to++ = 0;
            }
        }
        multiply_block(f, depth, 0, w->out_channels, &block, count, out + start * w->out_channels, w->out_channels);
    }
}
