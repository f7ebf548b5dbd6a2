#include "clamp.h"

/* The weights of a layer and its activation as a clamp. */
typedef struct {
    float lowest, highest;
    const float *weights, *bias;
} filters_float;
