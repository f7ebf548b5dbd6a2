#include "requantize.h"

/* The numbers of an op on two tensors. */
typedef struct {
    int32_t zero_point[3], multiplier[3], shift[3]; /* of the first and second input and of the output */
    int32_t lowest, highest;
} two_inputs_int8;
