#include <stdint.h>

/* A resize to the mean of the four nearest pixels, weighted by distance. Places are in 1024ths of a pixel. */
typedef struct {
    int32_t in_height, in_width, channels, out_height, out_width;
    int32_t scale_y, scale_x, offset_y, offset_x;
} resize_int8;

static void resize_bilinear_int8(const resize_int8 *r, const int8_t *in, int8_t *out)
{
    for (int32_t row = 0; row < r->out_height; row++) {
        const int32_t y = row * r->scale_y + r->offset_y;
        const int32_t y0 = y > 0 ? y / 1024 : 0;
        const int32_t y1 = (y + 1023) / 1024 < r->in_height ? (y + 1023) / 1024 : r->in_height - 1;
        const int32_t down = y - 1024 * y0;
        for (int32_t column = 0; column < r->out_width; column++) {
            const int32_t x = column * r->scale_x + r->offset_x;
            const int32_t x0 = x > 0 ? x / 1024 : 0;
            const int32_t x1 = (x + 1023) / 1024 < r->in_width ? (x + 1023) / 1024 : r->in_width - 1;
            const int32_t right = x - 1024 * x0;
            const int8_t *a = in + (y0 * r->in_width + x0) * r->channels,
                         *b = in + (y0 * r->in_width + x1) * r->channels;
            const int8_t *c = in + (y1 * r->in_width + x0) * r->channels,
                         *d = in + (y1 * r->in_width + x1) * r->channels;
            for (int32_t i = 0; i < r->channels; i++) {
                const int32_t above = a[i] * (1024 - right) + b[i] * right,
                              below = c[i] * (1024 - right) + d[i] * right;
                const int32_t sum = above * (1024 - down) + below * down;
                *out++ = (int8_t)((sum > 0 ? sum + (1 << 19) : sum - (1 << 19)) / (1 << 20));
            }
        }
    }
}
