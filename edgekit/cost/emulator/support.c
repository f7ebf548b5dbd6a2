/* Functions that Debian's libgcc for the lx106 lacks. They are short instead of fast, because the kernels do not use
   them in inner loops. */

unsigned __udivsi3(unsigned a, unsigned b)
{
    unsigned quotient = 0, rest = 0;
    for (int bit = 31; bit >= 0; bit--) {
        rest = rest << 1 | ((a >> bit) & 1u);
        if (rest >= b) {
            rest -= b;
            quotient |= 1u << bit;
        }
    }
    return quotient;
}

unsigned __umodsi3(unsigned a, unsigned b)
{
    return a - __udivsi3(a, b) * b;
}

int __divsi3(int a, int b)
{
    const unsigned quotient = __udivsi3(a < 0 ? 0u - (unsigned)a : (unsigned)a, b < 0 ? 0u - (unsigned)b : (unsigned)b);
    return (int)((a < 0) != (b < 0) ? 0u - quotient : quotient);
}

int __modsi3(int a, int b)
{
    return a - __divsi3(a, b) * b;
}

void *memcpy(void *to, const void *from, unsigned bytes)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    if ((((unsigned)t | (unsigned)f | bytes) & 3u) == 0) {
        for (unsigned i = 0; i < bytes / 4; i++) {
            ((unsigned *)to)[i] = ((const unsigned *)from)[i];
        }
        return to;
    }
    while (bytes--) {
        *t++ = *f++;
    }
    return to;
}

void *memset(void *to, int value, unsigned bytes)
{
    unsigned char *t = to;
    while (bytes--) {
        *t++ = (unsigned char)value;
    }
    return to;
}
