#include "filters.h"

/* Filters over patches: out[p][c] = sum over k of patch[p][k] * weights[c][k], for a block of pixels. Patches are
   int16 with the zero point taken off; their depth is even. Two channels and two pixels at a time, so that a value that was
   loaded is used twice. Weights are widened into two rows of scratch, once a block. */
static void widen_weights(const int8_t *weights, int32_t depth, int32_t padded, int16_t *row)
{
    for (int32_t k = 0; k < depth; k++) {
        row[k] = weights[k];
    }
    if (padded > depth) {
        row[depth] = 0;
    }
}

static void multiply_block(const filters_int8 *f, int32_t depth, int32_t channels, const int16_t *patches,
                           int32_t pixels, int16_t *rows, int8_t *out)
{
    const int32_t padded = (depth + 1) & ~1;
    for (int32_t c = 0; c < channels; c += 2) {
        /* An odd last channel or pixel is its own partner. */
        const int32_t d = c + 1 < channels ? c + 1 : c;
        widen_weights(f->weights + c * depth, depth, padded, rows);
        widen_weights(f->weights + d * depth, depth, padded, rows + padded);
        for (int32_t p = 0; p < pixels; p += 2) {
            const int32_t q = p + 1 < pixels ? p + 1 : p;
            const int16_t *u = rows, *v = rows + padded, *x = patches + p * padded, *y = patches + q * padded;
            int32_t ux = f->bias[c], uy = ux, vx = f->bias[d], vy = vx;
            for (int32_t k = 0; k < padded; k++) {
                ux += u[k] * x[k];
                uy += u[k] * y[k];
                vx += v[k] * x[k];
                vy += v[k] * y[k];
            }
            out[p * channels + c] = output_int8(f, ux, f->multiplier[c], f->shift[c]);
            out[q * channels + c] = output_int8(f, uy, f->multiplier[c], f->shift[c]);
            out[p * channels + d] = output_int8(f, vx, f->multiplier[d], f->shift[d]);
            out[q * channels + d] = output_int8(f, vy, f->multiplier[d], f->shift[d]);
        }
    }
}
