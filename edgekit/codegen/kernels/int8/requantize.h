#include <stdint.h>

/* The features of an Xtensa core, such as XCHAL_HAVE_MAC16. On other processors they are not defined, which means 0. */
#if defined(__XTENSA__) && defined(__has_include)
#  if __has_include(<xtensa/config/core-isa.h>)
#    include <xtensa/config/core-isa.h>
#  endif
#endif

/* gcc's first scheduling pass loads values early, which needs more registers than an Xtensa has. */
#if defined(__XTENSA__) && defined(__GNUC__) && !defined(__clang__)
#  pragma GCC optimize("no-schedule-insns")
#endif

/* floor(a * b / 2^32): one instruction (MULSH) if the core has it. */
static inline int32_t multiply_high(int32_t a, int32_t b)
{
#if defined(__XTENSA__) && !XCHAL_HAVE_MUL32_HIGH
    /* From 16-bit parts, as in multiplication by hand. Nothing overflows: each part of a product leaves 16 bits free. */
    const int32_t a_high = a >> 16, b_high = b >> 16;
    const uint32_t a_low = (uint32_t)a & 0xffffu, b_low = (uint32_t)b & 0xffffu;
    const int32_t first = a_high * (int32_t)b_low + (int32_t)((a_low * b_low) >> 16);
    const int32_t second = (int32_t)a_low * b_high + (int32_t)((uint32_t)first & 0xffffu);
    return a_high * b_high + (first >> 16) + (second >> 16);
#else
    return (int32_t)(((int64_t)a * b) >> 32);
#endif
}

/* x * multiplier / 2^31 * 2^shift, rounded twice to the nearest, as in TensorFlow Lite Micro: after the multiplication
   with halves up, after a shift to the right with halves away from zero. */
static inline int32_t requantize(int32_t x, int32_t multiplier, int32_t shift)
{
    const uint32_t left = shift > 0 ? (uint32_t)shift : 0u, right = shift < 0 ? (uint32_t)-shift : 0u;
    const int32_t shifted = (int32_t)((uint32_t)x << left);
    const uint32_t low = (uint32_t)shifted * (uint32_t)multiplier;
    const int32_t nearest = 2 * multiply_high(shifted, multiplier) + (int32_t)(low >> 31) + (int32_t)((low >> 30) & 1u);
    const int32_t mask = (int32_t)((1u << right) - 1u), rest = nearest & mask;
    return (nearest >> right) + (rest > (mask >> 1) + (nearest < 0));
}

static inline int8_t clamp_int8(int32_t x, int32_t lowest, int32_t highest)
{
    return (int8_t)(x < lowest ? lowest : x > highest ? highest : x);
}
