#include <math.h>
#include <stdint.h>

/* An LSTM. The gates are in the order input, forget, cell, output; the row gate * units + unit of the weights begins with
   those of the inputs, and ends with those of the outputs of the step before. */
typedef struct {
    int32_t steps, inputs, units;
    float clip; /* of the cell: its largest value (0: no bound) */
    const float *weights, *bias;
} lstm_float_sizes;

/* What goes into a gate of a unit; `before` is the output of the step before, or 0 at the first step. */
static float lstm_float_gate(const lstm_float_sizes *l, int32_t gate, int32_t unit, const float *in,
                             const float *before)
{
    const int32_t row = gate * l->units + unit;
    const float *const weight = l->weights + row * (l->inputs + l->units);
    float sum = l->bias[row];
    for (int32_t k = 0; k < l->inputs; k++) {
        sum += in[k] * weight[k];
    }
    for (int32_t k = 0; before && k < l->units; k++) {
        sum += before[k] * weight[l->inputs + k];
    }
    return sum;
}

static inline float lstm_float_sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* All steps, from an empty cell on. */
static void lstm_float(const lstm_float_sizes *l, const float *in, float *out, int32_t *scratch)
{
    float *const cell = (float *)(void *)scratch;
    const float *before = 0;
    for (int32_t step = 0; step < l->steps; step++, in += l->inputs, before = out, out += l->units) {
        for (int32_t unit = 0; unit < l->units; unit++) {
            const float let_in = lstm_float_sigmoid(lstm_float_gate(l, 0, unit, in, before));
            const float keep = lstm_float_sigmoid(lstm_float_gate(l, 1, unit, in, before));
            const float fresh = tanhf(lstm_float_gate(l, 2, unit, in, before));
            const float let_out = lstm_float_sigmoid(lstm_float_gate(l, 3, unit, in, before));
            float sum = let_in * fresh + (step ? keep * cell[unit] : 0.0f);
            if (l->clip > 0.0f) {
                sum = sum > l->clip ? l->clip : sum < -l->clip ? -l->clip : sum;
            }
            cell[unit] = sum;
            out[unit] = let_out * tanhf(sum);
        }
    }
}
