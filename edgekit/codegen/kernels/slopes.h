#include <stdint.h>

/* The shape of a tensor, and how many values further each axis goes in the slopes: 0 where they are repeated. */
typedef struct {
    int32_t size[3], step[3];
} slopes_3d;
