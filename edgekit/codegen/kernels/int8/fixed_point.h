#include "requantize.h"

/* a * b of numbers in which 2^31 stands for 1, rounded to the nearest, halves up. */
static inline int32_t multiply_q31(int32_t a, int32_t b)
{
    return requantize(a, b, 0);
}

/* 1 / (2 * half) of a number from 1/2 to 1; 2^31 stands for 1. Three steps of Newton and Raphson give 1 / half. */
static inline int32_t half_of_reciprocal(int32_t half)
{
    int32_t y = 1515870810 + multiply_q31(half, -1010580540); /* 48/17 - 32/17 * half; 2^29 stands for 1 */
    for (int32_t step = 0; step < 3; step++) {
        y += 4 * multiply_q31(y, (1 << 29) - multiply_q31(half, y));
    }
    return y > 0x3fffffff ? 0x7fffffff : 2 * y;
}
