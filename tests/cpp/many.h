/* A "network" whose output depends on every byte of a large input, so that one wrong byte shows: a polynomial hash. */
#pragma once
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef float many_value;
enum { many_input_size = 6912, many_output_size = 1, many_arena_size = 27652 };
enum { many_input_rank = 3, many_is_quantized = 0 };
extern const int32_t many_input_shape[];
extern const float many_input_scale;
extern const int32_t many_input_zero_point;
extern const float many_output_scale;
extern const int32_t many_output_zero_point;
int many_init(void);
many_value *many_input(void);
int many_invoke(void);
const many_value *many_output(void);

#ifdef __cplusplus
}
#endif
