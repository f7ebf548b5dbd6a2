#include "many.h"

#include <string.h>

const int32_t many_input_shape[] = {48, 48, 3};
const float many_input_scale = 1.0f;
const int32_t many_input_zero_point = 0;
const float many_output_scale = 1.0f;
const int32_t many_output_zero_point = 0;

static float input[many_input_size], output[1];

int many_init(void) { return 0; }
many_value *many_input(void) { return input; }
const many_value *many_output(void) { return output; }

int many_invoke(void) {
    uint32_t hash = 1;
    for (int i = 0; i < many_input_size; i++) {
        uint32_t bits;
        memcpy(&bits, &input[i], sizeof bits);
        hash = hash * 31 + bits;
    }
    output[0] = (float)(hash >> 8); /* 24 bits: exact in a float */
    return 0;
}
