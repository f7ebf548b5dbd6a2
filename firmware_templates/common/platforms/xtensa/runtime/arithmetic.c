/* Arithmetic for which the lx106 core has no instructions and Debian's libgcc has no functions (an ESP8266 has them in
   ROM). IEEE 754 single precision, rounded to nearest even; the ESP32 of an ESP-EYE has a floating
   point unit, so a float network costs more here than on that board. */
#include <stdint.h>

#define SIGN 0x80000000u
#define INFINITE 0x7f800000u
#define QUIET_NAN 0x7fc00000u

typedef union {
    float value;
    uint32_t bits;
} float_bits;

static float from_bits(uint32_t bits)
{
    const float_bits f = {.bits = bits};
    return f.value;
}

static uint32_t to_bits(float value)
{
    const float_bits f = {.value = value};
    return f.bits;
}

/* A number as mantissa * 2^(exponent - 150) with the mantissa's highest bit at 23, also for a subnormal number. */
static uint32_t mantissa_of(uint32_t magnitude, int32_t *exponent)
{
    uint32_t mantissa = magnitude & 0x7fffffu;
    *exponent = (int32_t)(magnitude >> 23);
    if (*exponent > 0) {
        return mantissa | 0x800000u;
    }
    *exponent = 1;
    while (mantissa != 0 && !(mantissa & 0x800000u)) {
        mantissa <<= 1;
        (*exponent)--;
    }
    return mantissa;
}

/* The float mantissa * 2^(exponent - 157). The mantissa's highest bit is at 30. It has 7 bits more than fit; the lowest
   is also set if any earlier bit was lost. */
static float rounded(uint32_t sign, int32_t exponent, uint32_t mantissa)
{
    if (exponent <= 0) { /* subnormal: shift until the exponent is the smallest there is */
        const int32_t shift = 1 - exponent;
        mantissa = shift > 31 ? mantissa != 0 : mantissa >> shift | ((mantissa & ((1u << shift) - 1)) != 0);
        exponent = 0;
    }
    const uint32_t rest = mantissa & 0x7fu;
    uint32_t magnitude = mantissa >> 7;
    magnitude += rest > 0x40u || (rest == 0x40u && (magnitude & 1u));
    /* An addition instead of an or: a carry out of the mantissa has to raise the exponent. */
    magnitude += exponent > 0 ? (uint32_t)(exponent - 1) << 23 : 0;
    if (exponent >= 255 || magnitude >= INFINITE) {
        magnitude = INFINITE;
    }
    return from_bits(sign | magnitude);
}

float __addsf3(float x, float y)
{
    uint32_t a = to_bits(x), b = to_bits(y);
    if ((a & ~SIGN) < (b & ~SIGN)) {
        const uint32_t swapped = a;
        a = b;
        b = swapped;
    }
    const uint32_t larger = a & ~SIGN, smaller = b & ~SIGN;
    if (larger >= INFINITE) {
        const int is_nan = larger > INFINITE || (smaller == INFINITE && a != b);
        return from_bits(is_nan ? QUIET_NAN : a);
    }
    if (smaller == 0) {
        return from_bits(larger == 0 ? a & b : a);
    }
    int32_t exponent, other;
    uint32_t mantissa = mantissa_of(larger, &exponent) << 7;
    uint32_t addend = mantissa_of(smaller, &other) << 7;
    const int32_t shift = exponent - other;
    if (shift > 31) {
        addend = 1;
    } else if (shift > 0) {
        addend = addend >> shift | ((addend & ((1u << shift) - 1)) != 0);
    }
    if ((a ^ b) & SIGN) {
        mantissa -= addend;
        if (mantissa == 0) {
            return 0.0f;
        }
        while (!(mantissa & 0x40000000u)) {
            mantissa <<= 1;
            exponent--;
        }
    } else {
        mantissa += addend;
        if (mantissa & 0x80000000u) {
            mantissa = mantissa >> 1 | (mantissa & 1u);
            exponent++;
        }
    }
    return rounded(a & SIGN, exponent, mantissa);
}

float __subsf3(float x, float y)
{
    return __addsf3(x, from_bits(to_bits(y) ^ SIGN));
}

float __mulsf3(float x, float y)
{
    const uint32_t a = to_bits(x), b = to_bits(y), sign = (a ^ b) & SIGN;
    const uint32_t one = a & ~SIGN, two = b & ~SIGN;
    if (one >= INFINITE || two >= INFINITE) {
        const int is_nan = one > INFINITE || two > INFINITE || one == 0 || two == 0;
        return from_bits(is_nan ? QUIET_NAN : sign | INFINITE);
    }
    if (one == 0 || two == 0) {
        return from_bits(sign);
    }
    int32_t exponent, other;
    const uint32_t p = mantissa_of(one, &exponent) << 8, q = mantissa_of(two, &other) << 7;
    exponent += other - 127;
    /* p * q / 2^32 from 16-bit parts; the product's highest bit is at 61 or 62. */
    const uint32_t p_low = p & 0xffffu, p_high = p >> 16, q_low = q & 0xffffu, q_high = q >> 16;
    const uint32_t low = p_low * q_low;
    const uint32_t middle = p_high * q_low + (low >> 16);
    const uint32_t other_middle = p_low * q_high + (middle & 0xffffu);
    uint32_t high = p_high * q_high + (middle >> 16) + (other_middle >> 16);
    const int lost = (low & 0xffffu) != 0 || (other_middle & 0xffffu) != 0;
    if (high & 0x40000000u) {
        exponent++;
        high |= (uint32_t)lost;
    } else {
        high = high << 1 | (other_middle >> 15 & 1u);
        high |= (low & 0xffffu) != 0 || (other_middle & 0x7fffu) != 0;
    }
    return rounded(sign, exponent, high);
}

float __floatunsisf(uint32_t x)
{
    int32_t exponent = 158;
    if (x == 0) {
        return 0.0f;
    }
    while (!(x & 0x80000000u)) {
        x <<= 1;
        exponent--;
    }
    return rounded(0, exponent, x >> 1 | (x & 1u));
}

float __floatsisf(int32_t x)
{
    return x < 0 ? -__floatunsisf(0u - (uint32_t)x) : __floatunsisf((uint32_t)x);
}

/* Division by subtraction, one bit at a time. */
static uint32_t divide(uint32_t x, uint32_t y, uint32_t *rest)
{
    uint32_t quotient = 0, left = 0;
    for (int bit = 31; bit >= 0; bit--) {
        const uint32_t carry = left >> 31;
        left = left << 1 | (x >> bit & 1u);
        if (carry || left >= y) {
            left -= y;
            quotient |= 1u << bit;
        }
    }
    *rest = left;
    return quotient;
}

uint32_t __udivsi3(uint32_t x, uint32_t y)
{
    uint32_t rest;
    return divide(x, y, &rest);
}

uint32_t __umodsi3(uint32_t x, uint32_t y)
{
    uint32_t rest;
    divide(x, y, &rest);
    return rest;
}

int32_t __divsi3(int32_t x, int32_t y)
{
    const uint32_t quotient = __udivsi3(x < 0 ? 0u - (uint32_t)x : (uint32_t)x, y < 0 ? 0u - (uint32_t)y : (uint32_t)y);
    return (int32_t)((x ^ y) < 0 ? 0u - quotient : quotient);
}
