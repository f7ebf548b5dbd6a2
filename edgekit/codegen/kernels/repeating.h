#include <stdint.h>

/* Nested loops over the values of two inputs, one of which repeats some: for each loop its turns, and how many values
   further it goes in each input, 0 to repeat. The innermost loop is last, and goes by 0 or 1. */
typedef struct {
    int32_t turns[3], first[3], second[3];
} repeating;
