#include <stdint.h>
#include <string.h>

/* Adds a border to an image whose cells have `bytes` bytes; every byte of the border is `fill`. */
static void pad(const void *in, void *out, int32_t height, int32_t width, int32_t bytes, int32_t top, int32_t bottom,
                int32_t left, int32_t right, uint8_t fill)
{
    const uint8_t *from = (const uint8_t *)in;
    uint8_t *to = (uint8_t *)out;
    for (int32_t y = -top; y < height + bottom; y++) {
        if (y < 0 || y >= height) {
            for (int32_t i = 0; i < (left + width + right) * bytes; i++) {
                *to++ = fill;
            }
            continue;
        }
        for (int32_t i = 0; i < left * bytes; i++) {
            *to++ = fill;
        }
        memcpy(to, from, (size_t)(width * bytes));
        from += width * bytes;
        to += width * bytes;
        for (int32_t i = 0; i < right * bytes; i++) {
            *to++ = fill;
        }
    }
}
