#include <stdint.h>
#include <string.h>

/* Four nested loops over blocks of `bytes` bytes. Along each axis, a block is found in the input at from * index, or at
   table[index] if there is a table, and goes to the output at to * index; all in bytes. */
typedef struct {
    int32_t count[4], from[4], to[4];
    const int32_t *table[4];
    int32_t bytes;
} blocks;

static int32_t block_at(const blocks *b, int32_t axis, int32_t index)
{
    return b->table[axis] ? b->table[axis][index] : b->from[axis] * index;
}

static void move_blocks(const blocks *b, const void *in, void *out)
{
    const size_t bytes = (size_t)b->bytes;
    for (int32_t i = 0; i < b->count[0]; i++) {
        for (int32_t j = 0; j < b->count[1]; j++) {
            for (int32_t k = 0; k < b->count[2]; k++) {
                const uint8_t *from = (const uint8_t *)in + block_at(b, 0, i) + block_at(b, 1, j) + block_at(b, 2, k);
                uint8_t *to = (uint8_t *)out + b->to[0] * i + b->to[1] * j + b->to[2] * k;
                if (b->bytes == 1 && b->table[3] == 0) {
                    const int32_t step = b->from[3], apart = b->to[3];
                    for (int32_t n = b->count[3]; n > 0; n--, from += step, to += apart) {
                        *to = *from;
                    }
                    continue;
                }
                for (int32_t l = 0; l < b->count[3]; l++, to += b->to[3]) {
                    memcpy(to, from + block_at(b, 3, l), bytes);
                }
            }
        }
    }
}
