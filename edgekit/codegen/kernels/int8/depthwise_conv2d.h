#include "../window.h"
#include "filters.h"

/* Depthwise convolution: each input channel has its own out_channels / in_channels filters. Channel by channel, at most
   `most` rows at a time, the input is copied to scratch as int16; the zero point is subtracted, and a border of 0 is
   added. So, with one filter for each channel, the output may replace the input. */
static int16_t *copy_channel(const int8_t *from, int32_t step, int32_t zero_point, int16_t *to, int32_t count)
{
    for (int16_t *const pairs = to + (count & ~1); to != pairs; to += 2) {
        const int32_t first = *from, second = from[step];
        to[0] = (int16_t)(first - zero_point);
        to[1] = (int16_t)(second - zero_point);
        from += step;
        from += step;
    }
    if (count & 1) {
        *to++ = (int16_t)(*from - zero_point);
    }
    return to;
}

static int16_t *fill_border(int16_t *to, int32_t count)
{
    while (count-- > 0) {
        *to++ = 0;
    }
    return to;
}

static void copy_rows_int8(const window2d *w, int32_t zero_point, const int8_t *in, int32_t first, int32_t rows,
                           int16_t *to, int32_t across)
{
    const int32_t channels = w->in_channels, room = across - w->left;
    const int32_t inside = w->in_width < room ? w->in_width : room;
    for (int32_t y = first; y < first + rows; y++) {
        if (y < 0 || y >= w->in_height) {
            to = fill_border(to, across);
            continue;
        }
        to = fill_border(to, w->left);
        to = copy_channel(in + y * w->in_width * channels, channels, zero_point, to, inside);
        to = fill_border(to, room - inside);
    }
}

/* Sums with a window of any size. */
static void sums_of_rows(const window2d *w, const filters_int8 *f, int32_t c, const int16_t *in, int32_t across,
                         int32_t rows, int32_t *sums)
{
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t x = 0; x < w->out_width; x++) {
            const int16_t *from = in + row * w->stride_y * across + x * w->stride_x;
            const int8_t *weight = f->weights + c;
            int32_t sum = f->bias[c];
            for (int32_t i = 0; i < w->height; i++, from += w->dilation_y * across) {
                const int16_t *cell = from;
                for (int32_t j = 0; j < w->width; j++, cell += w->dilation_x, weight += w->out_channels) {
                    sum += *cell * *weight;
                }
            }
            *sums++ = sum;
        }
    }
}

#if XCHAL_HAVE_MAC16

/* Sums with a window of 3x3. The weights are in m0 to m3, two in each; a word of the input has two cells. With a stride
   of 1, two outputs use the same words: the second output begins in the upper half of the first word. */
static void sums_of_rows_3x3(const window2d *w, const filters_int8 *f, int32_t c, const int16_t *in, int32_t across,
                             int32_t rows, int32_t *sums)
{
    const int32_t channels = w->out_channels, bias = f->bias[c];
    const int8_t *v = f->weights + c;
    int32_t pair[4], last = v[8 * channels];
    for (int32_t i = 0; i < 4; i++) {
        /* (0, 1), (3, 4), (6, 7) and (2, 5) */
        const int32_t one = i < 3 ? 3 * i : 2, other = i < 3 ? 3 * i + 1 : 5;
        pair[i] = (v[one * channels] & 0xffff) + v[other * channels] * 65536;
    }
    __asm__ volatile("wsr.m0 %0\n wsr.m1 %1\n wsr.m2 %2\n wsr.m3 %3\n"
                     :
                     : "a"(pair[0]), "a"(pair[1]), "a"(pair[2]), "a"(pair[3]));
    for (int32_t row = 0; row < rows; row++, in += w->stride_y * across) {
        const int16_t *x = in, *y = in + across, *z = y + across;
        int32_t *const end = sums + w->out_width;
        if (w->stride_x == 1) {
            while (sums < end) {
                int32_t first = bias, second = bias, near, far;
                __asm__ volatile(
                    "wsr.acclo %0\n"
                    "l32i %2, %4, 0\n l32i %3, %4, 4\n"
                    "mula.da.ll m0, %2\n mula.da.hh m0, %2\n mula.ad.ll %3, m3\n"
                    "l32i %2, %5, 0\n l32i %3, %5, 4\n"
                    "mula.da.ll m1, %2\n mula.da.hh m1, %2\n mula.ad.lh %3, m3\n"
                    "l32i %2, %6, 0\n l32i %3, %6, 4\n"
                    "mula.ad.ll %2, m2\n mula.ad.hh %2, m2\n mula.aa.ll %3, %7\n"
                    "rsr.acclo %0\n"
                    "wsr.acclo %1\n"
                    "mula.ad.hl %2, m2\n mula.ad.lh %3, m2\n mula.aa.hl %3, %7\n"
                    "l32i %2, %5, 0\n l32i %3, %5, 4\n"
                    "mula.da.lh m1, %2\n mula.da.hl m1, %3\n mula.ad.hh %3, m3\n"
                    "l32i %2, %4, 0\n l32i %3, %4, 4\n"
                    "mula.da.lh m0, %2\n mula.da.hl m0, %3\n mula.ad.hl %3, m3\n"
                    "rsr.acclo %1\n"
                    : "+a"(first), "+a"(second), "=&a"(near), "=&a"(far)
                    : "a"(x), "a"(y), "a"(z), "a"(last)
                    : "memory", "acc");
                sums[0] = first;
                sums[1] = second; /* in an odd row, the last one is too many: the next row overwrites it */
                sums += 2, x += 2, y += 2, z += 2;
            }
            sums = end;
        } else {
            for (; sums != end; sums++, x += w->stride_x, y += w->stride_x, z += w->stride_x) {
                int32_t sum = bias, near, far;
                __asm__ volatile(
                    "wsr.acclo %0\n"
                    "l32i %1, %3, 0\n l16si %2, %3, 4\n"
                    "mula.da.ll m0, %1\n mula.da.hh m0, %1\n mula.ad.ll %2, m3\n"
                    "l32i %1, %4, 0\n l16si %2, %4, 4\n"
                    "mula.da.ll m1, %1\n mula.da.hh m1, %1\n mula.ad.lh %2, m3\n"
                    "l32i %1, %5, 0\n l16si %2, %5, 4\n"
                    "mula.ad.ll %1, m2\n mula.ad.hh %1, m2\n mula.aa.ll %2, %6\n"
                    "rsr.acclo %0\n"
                    : "+a"(sum), "=&a"(near), "=&a"(far)
                    : "a"(x), "a"(y), "a"(z), "a"(last)
                    : "memory", "acc");
                *sums = sum;
            }
        }
    }
}

#else

/* Sums with a window of 3x3; the weights stay in registers if there are enough. */
static void sums_of_rows_3x3(const window2d *w, const filters_int8 *f, int32_t c, const int16_t *in, int32_t across,
                             int32_t rows, int32_t *sums)
{
    const int32_t channels = w->out_channels, stride = w->stride_x, bias = f->bias[c];
    const int8_t *v = f->weights + c;
    const int32_t v0 = v[0], v1 = v[channels], v2 = v[2 * channels], v3 = v[3 * channels], v4 = v[4 * channels];
    const int32_t v5 = v[5 * channels], v6 = v[6 * channels], v7 = v[7 * channels], v8 = v[8 * channels];
    for (int32_t row = 0; row < rows; row++, in += w->stride_y * across) {
        const int16_t *x = in, *y = in + across, *z = y + across;
        int32_t *const end = sums + w->out_width;
        /* Two outputs at a time, so that a weight without a register is loaded once for both. */
        for (; end - sums >= 2; sums += 2) {
            int32_t first = bias + x[0] * v0 + x[1] * v1 + x[2] * v2, second;
            x += stride;
            second = bias + x[0] * v0 + x[1] * v1 + x[2] * v2;
            x += stride;
            first += y[0] * v3 + y[1] * v4 + y[2] * v5;
            y += stride;
            second += y[0] * v3 + y[1] * v4 + y[2] * v5;
            y += stride;
            first += z[0] * v6 + z[1] * v7 + z[2] * v8;
            z += stride;
            second += z[0] * v6 + z[1] * v7 + z[2] * v8;
            z += stride;
            sums[0] = first;
            sums[1] = second;
        }
        if (sums != end) {
            *sums++ = bias + x[0] * v0 + x[1] * v1 + x[2] * v2 + y[0] * v3 + y[1] * v4 + y[2] * v5 + z[0] * v6
                      + z[1] * v7 + z[2] * v8;
        }
    }
}

#endif

static void depthwise_conv2d_int8(const window2d *w, const filters_int8 *f, const int8_t *in, int8_t *out,
                                  int32_t *sums, int32_t most)
{
    const int32_t multiplier = w->out_channels / w->in_channels;
    /* Cells from the first to the last of a window, and of a row with its border. */
    const int32_t tall = (w->height - 1) * w->dilation_y + 1, wide = (w->width - 1) * w->dilation_x + 1;
    const int32_t across = ((w->out_width - 1) * w->stride_x + wide + 1) & ~1;
    /* The code for 3x3 may write one sum more than there are in an odd row. */
    int16_t *const rows = (int16_t *)(void *)(sums + ((most * w->out_width + 1 + (w->out_width & 1)) & ~1));
    int32_t is_3x3 = w->height == 3 && w->width == 3 && w->dilation_y == 1 && w->dilation_x == 1;
#if XCHAL_HAVE_MAC16
    if (w->stride_x > 1 && w->stride_x % 2 != 0) {
        is_3x3 = 0; /* its code loads words, and every second one would not be aligned */
    }
#endif
    for (int32_t k = 0; k < w->in_channels; k++) {
        int32_t copied = -w->top; /* the first row that is not in scratch yet */
        for (int32_t row = 0; row < w->out_height; row += most) {
            const int32_t count = w->out_height - row < most ? w->out_height - row : most;
            const int32_t first = row * w->stride_y - w->top, until = first + (count - 1) * w->stride_y + tall;
            /* Rows that were copied for the last block and are needed again move to the front. */
            const int32_t again = copied > first ? copied - first : 0, from = first + again;
            const int16_t *const kept = rows + ((most - 1) * w->stride_y + tall - again) * across;
            for (int32_t i = 0; row > 0 && i < again * across; i++) {
                rows[i] = kept[i];
            }
            copy_rows_int8(w, f->input_zero_point, in + k, from, until - from, rows + again * across, across);
            copied = until;
            for (int32_t c = k * multiplier; c < (k + 1) * multiplier; c++) {
                if (is_3x3) {
                    sums_of_rows_3x3(w, f, c, rows, across, count, sums);
                } else {
                    sums_of_rows(w, f, c, rows, across, count, sums);
                }
                outputs_int8(f, c, sums, count * w->out_width, out + row * w->out_width * w->out_channels + c,
                             w->out_channels);
            }
        }
    }
}
