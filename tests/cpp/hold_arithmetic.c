/* Holds the emulated core's arithmetic to this computer's, bit by bit, on awkward and on random numbers. */
#define __addsf3 core_add
#define __subsf3 core_subtract
#define __mulsf3 core_multiply
#define __floatsisf core_from_int
#define __floatunsisf core_from_unsigned
#define __udivsi3 core_divide_unsigned
#define __umodsi3 core_rest_unsigned
#define __divsi3 core_divide
#include "arithmetic.c"

#include <stdio.h>

static uint64_t state = 88172645463325252u;

static uint32_t random_bits(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

static uint32_t pick(void)
{
    static const uint32_t special[] = {0,          SIGN,       1,          SIGN | 1,       0x7fffff,   0x800000,
                                       0x800001,   INFINITE,   QUIET_NAN,  0x7f7fffff,     0x3f800000, 0xbf800000,
                                       0x3f800001, 0x33800000, 0x34000000, SIGN | INFINITE};
    const uint32_t bits = random_bits();
    switch (random_bits() % 4) {
        case 0: return special[bits % 16];
        case 1: return (bits & 0x807fffffu) | ((100 + random_bits() % 56) << 23); /* near 1 */
        case 2: return (bits & 0x807fffffu) | ((random_bits() % 60) << 23);       /* tiny: products are subnormal */
        default: return bits;
    }
}

static void hold(const char *what, uint32_t a, uint32_t b, float expected, float got)
{
    const int both_nan = expected != expected && got != got;
    if (!both_nan && to_bits(expected) != to_bits(got)) {
        printf("%s of %08x and %08x is %08x, not %08x\n", what, a, b, to_bits(expected), to_bits(got));
    }
}

int main(void)
{
    for (int i = 0; i < 2000000; i++) {
        const uint32_t a = pick(), b = pick();
        volatile float x = from_bits(a), y = from_bits(b);
        hold("sum", a, b, x + y, core_add(x, y));
        hold("difference", a, b, x - y, core_subtract(x, y));
        hold("product", a, b, x * y, core_multiply(x, y));
        hold("float", a, a, (float)(int32_t)a, core_from_int((int32_t)a));
        hold("unsigned float", a, a, (float)a, core_from_unsigned(a));
        if (b != 0 && b != 0xffffffffu) {
            const int right = a / b == core_divide_unsigned(a, b) && a % b == core_rest_unsigned(a, b)
                              && (int32_t)a / (int32_t)b == core_divide((int32_t)a, (int32_t)b);
            if (!right) {
                printf("quotient of %08x and %08x\n", a, b);
            }
        }
    }
}
