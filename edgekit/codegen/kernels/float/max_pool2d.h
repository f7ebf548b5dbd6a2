#include "../window.h"
#include "clamp.h"

/* The largest of the cells under the window. */
static void max_pool2d_float(const window2d *w, float lowest, float highest, const float *in, float *out)
{
    for (int32_t row = 0; row < w->out_height; row++) {
        for (int32_t column = 0; column < w->out_width; column++) {
            for (int32_t c = 0; c < w->in_channels; c++) {
                float largest = -3.4e38f;
                for (int32_t i = 0; i < w->height; i++) {
                    const int32_t y = row * w->stride_y - w->top + i;
                    for (int32_t j = 0; y >= 0 && y < w->in_height && j < w->width; j++) {
                        const int32_t x = column * w->stride_x - w->left + j;
                        if (x >= 0 && x < w->in_width) {
                            const float value = in[(y * w->in_width + x) * w->in_channels + c];
                            largest = value > largest ? value : largest;
                        }
                    }
                }
                *out++ = clamp_float(largest, lowest, highest);
            }
        }
    }
}
