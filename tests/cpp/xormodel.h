/* A network small enough to write by hand, with the functions of docs/architecture.md, so that the board's tests need no
   training: two hidden ReLU units and a linear output solve exclusive or exactly. */
#pragma once
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef float xormodel_value;
enum { xormodel_input_size = 2, xormodel_output_size = 1, xormodel_arena_size = 8 };
enum { xormodel_input_rank = 1, xormodel_is_quantized = 0 };
extern const int32_t xormodel_input_shape[];
extern const float xormodel_input_scale;
extern const int32_t xormodel_input_zero_point;
extern const float xormodel_output_scale;
extern const int32_t xormodel_output_zero_point;
int xormodel_init(void);
xormodel_value *xormodel_input(void);
int xormodel_invoke(void);
const xormodel_value *xormodel_output(void);

#ifdef __cplusplus
}
#endif
