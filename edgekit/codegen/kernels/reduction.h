#include <stdint.h>

/* A tensor of which some axes are reduced: sizes of the axes that are kept and of those that are reduced, at most three
   each, and the steps from a value to the next along them. */
typedef struct {
    int32_t kept[3], kept_step[3];
    int32_t reduced[3], reduced_step[3];
} reduction;
