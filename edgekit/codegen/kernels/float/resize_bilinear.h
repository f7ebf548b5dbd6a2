#include <stdint.h>

/* A resize to the mean of the four nearest pixels, weighted by distance. */
typedef struct {
    int32_t in_height, in_width, channels, out_height, out_width;
    float scale_y, scale_x, offset_y, offset_x;
} resize_float;

static void resize_bilinear_float(const resize_float *r, const float *in, float *out)
{
    for (int32_t row = 0; row < r->out_height; row++) {
        const float y = ((float)row + r->offset_y) * r->scale_y - r->offset_y;
        const int32_t y0 = y > 0 ? (int32_t)y : 0;
        const int32_t y1 = (float)y0 < y && y0 + 1 < r->in_height ? y0 + 1 : y0;
        const float down = y - (float)y0;
        for (int32_t column = 0; column < r->out_width; column++) {
            const float x = ((float)column + r->offset_x) * r->scale_x - r->offset_x;
            const int32_t x0 = x > 0 ? (int32_t)x : 0;
            const int32_t x1 = (float)x0 < x && x0 + 1 < r->in_width ? x0 + 1 : x0;
            const float right = x - (float)x0;
            const float *a = in + (y0 * r->in_width + x0) * r->channels,
                        *b = in + (y0 * r->in_width + x1) * r->channels;
            const float *c = in + (y1 * r->in_width + x0) * r->channels,
                        *d = in + (y1 * r->in_width + x1) * r->channels;
            for (int32_t i = 0; i < r->channels; i++) {
                const float above = a[i] * (1 - right) + b[i] * right, below = c[i] * (1 - right) + d[i] * right;
                *out++ = above * (1 - down) + below * down;
            }
        }
    }
}
