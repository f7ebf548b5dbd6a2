#include "../window.h"
#include "requantize.h"

/* The mean of the cells under the window that lie inside the image, rounded to nearest, halves away from zero. */
static void average_pool2d_int8(const window2d *w, int32_t lowest, int32_t highest, const int8_t *in, int8_t *out)
{
    for (int32_t row = 0; row < w->out_height; row++) {
        for (int32_t column = 0; column < w->out_width; column++) {
            for (int32_t c = 0; c < w->in_channels; c++) {
                int32_t sum = 0, cells = 0;
                for (int32_t i = 0; i < w->height; i++) {
                    const int32_t y = row * w->stride_y - w->top + i;
                    for (int32_t j = 0; y >= 0 && y < w->in_height && j < w->width; j++) {
                        const int32_t x = column * w->stride_x - w->left + j;
                        if (x >= 0 && x < w->in_width) {
                            sum += in[(y * w->in_width + x) * w->in_channels + c];
                            cells++;
                        }
                    }
                }
                *out++ = clamp_int8((sum > 0 ? sum + cells / 2 : sum - cells / 2) / cells, lowest, highest);
            }
        }
    }
}
