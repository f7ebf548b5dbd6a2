#include "filters.h"

/* Filters over patches: out[p][c] = sum over k of patch[p][k] * weights[c][k], for a block of pixels and the channels
   `from` to `until`; an output pixel has `step` channels. Patches are int16 with the zero point subtracted; their depth
   is filled with 0 to a multiple of 4. */
typedef struct {
    int32_t *sums;    /* two for each pixel */
    int16_t *weights; /* two channels, widened once a block */
    int16_t *patches;
} block_int8;

static void widen_weights(const int8_t *weights, int32_t depth, int32_t padded, int16_t *row)
{
    int32_t k = 0;
    for (; k + 4 <= depth; k += 4, row += 4, weights += 4) {
        row[0] = weights[0];
        row[1] = weights[1];
        row[2] = weights[2];
        row[3] = weights[3];
    }
    for (; k < padded; k++) {
        *row++ = (int16_t)(k < depth ? *weights++ : 0);
    }
}

#if XCHAL_HAVE_MAC16

/* The sums of one channel. One instruction multiplies and loads the next pair, so a product takes one instruction. m0
   and m1 hold the patch, m2 and m3 the weights. LDINC adds 4 before it loads, so pointers start a word early, and the
   last load reads the first word of the next pixel. */
static void sums_of_channel(const int16_t *x, const int16_t *weights, int32_t quads, int32_t bias, int32_t *sums,
                            int32_t pixels)
{
    weights -= 2;
    __asm__ volatile("addi %0, %0, -4\n ldinc m0, %0\n" : "+a"(x));
    for (int32_t *const end = sums + pixels; sums != end; sums++) {
        const int16_t *w = weights;
        int32_t sum = bias;
        __asm__ volatile(
            "wsr.acclo %2\n"
            "ldinc m2, %1\n"
            "loopnez %3, 1f\n"
            "mula.dd.ll.ldinc m1, %0, m0, m2\n"
            "mula.dd.hh.ldinc m3, %1, m0, m2\n"
            "mula.dd.ll.ldinc m0, %0, m1, m3\n"
            "mula.dd.hh.ldinc m2, %1, m1, m3\n"
            "1: rsr.acclo %2\n"
            : "+a"(x), "+a"(w), "+a"(sum)
            : "a"(quads)
            : "memory", "acc");
        *sums = sum;
    }
}

static void multiply_block(const filters_int8 *f, int32_t depth, int32_t from, int32_t until, const block_int8 *block,
                           int32_t pixels, int8_t *out, int32_t step)
{
    const int32_t padded = (depth + 3) & ~3;
    for (int32_t c = from; c < until; c++) {
        widen_weights(f->weights + c * depth, depth, padded, block->weights);
        sums_of_channel(block->patches, block->weights, padded / 4, f->bias[c], block->sums, pixels);
        outputs_int8(f, c, block->sums, pixels, out + c, step);
    }
}

#else

/* The sums of two channels over two pixels at a time, so that each loaded value is used twice. An odd last pixel is
   computed twice. */
static void sums_of_two_channels(const int16_t *x, const int16_t *weights, int32_t padded, const int32_t *bias,
                                 int32_t *sums, int32_t pixels)
{
    const int16_t *const end = weights + padded;
    for (int32_t p = 0; p < pixels; p += 2, x += padded) {
        const int16_t *u = weights, *v = end, *y = p + 1 < pixels ? x + padded : x;
        int32_t ux = bias[0], uy = ux, vx = bias[1], vy = vx;
        while (u != end) {
            int32_t a = u[0], b = v[0], left = x[0], right = y[0];
            ux += a * left;
            vx += b * left;
            uy += a * right;
            vy += b * right;
            a = u[1], b = v[1], left = x[1], right = y[1];
            ux += a * left;
            vx += b * left;
            uy += a * right;
            vy += b * right;
            a = u[2], b = v[2], left = x[2], right = y[2];
            ux += a * left;
            vx += b * left;
            uy += a * right;
            vy += b * right;
            a = u[3], b = v[3], left = x[3], right = y[3];
            ux += a * left;
            vx += b * left;
            uy += a * right;
            vy += b * right;
            u += 4, v += 4, x += 4, y += 4;
        }
        sums[0] = ux;
        sums[pixels] = vx;
        sums++;
        if (p + 1 < pixels) {
            sums[0] = uy;
            sums[pixels] = vy;
            sums++;
        }
    }
}

static void multiply_block(const filters_int8 *f, int32_t depth, int32_t from, int32_t until, const block_int8 *block,
                           int32_t pixels, int8_t *out, int32_t step)
{
    const int32_t padded = (depth + 3) & ~3;
    for (int32_t c = from; c < until; c += 2) {
        /* An odd last channel is computed twice. */
        const int32_t d = c + 1 < until ? c + 1 : c;
        const int32_t bias[2] = {f->bias[c], f->bias[d]};
        widen_weights(f->weights + c * depth, depth, padded, block->weights);
        widen_weights(f->weights + d * depth, depth, padded, block->weights + padded);
        sums_of_two_channels(block->patches, block->weights, padded, bias, block->sums, pixels);
        outputs_int8(f, c, block->sums, pixels, out + c, step);
        outputs_int8(f, d, block->sums + pixels, pixels, out + d, step);
    }
}

#endif

/* The layout of a block of `pixels` patches in scratch: first the sums, then the weights, last the patches. */
static block_int8 block_in(int32_t *scratch, int32_t pixels, int32_t padded)
{
    block_int8 block;
    block.sums = scratch;
    block.weights = (int16_t *)(void *)(scratch + 2 * pixels);
    block.patches = block.weights + 2 * padded;
    return block;
}
