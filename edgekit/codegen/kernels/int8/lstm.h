#include "requantize.h"

/* An LSTM. The gates are in the order input, forget, cell, output; the row gate * units + unit of the weights begins with
   those of the inputs, and ends with those of the outputs of the step before. */
typedef struct {
    int32_t steps, inputs, units;
    int32_t input_zero_point, output_zero_point;
    int32_t cell_bits, clip; /* of the cell: the bits below its point, and its largest value (0: no bound) */
    const int8_t *weights;
    const int32_t *bias;
    int32_t input_multiplier[4], input_shift[4], output_multiplier[4], output_shift[4];
    int32_t new_multiplier, new_shift, result_multiplier, result_shift;
} lstm_int8_scales;

/* 2^16 / (1 + exp(-n / 24)), nearly: the table that TensorFlow Lite uses. */
static const uint16_t sigmoid_of_24ths[256] = {
    32768, 33451, 34133, 34813, 35493, 36169, 36843, 37513, 38180, 38841, 39498, 40149, 40794, 41432, 42064, 42688,
    43304, 43912, 44511, 45102, 45683, 46255, 46817, 47369, 47911, 48443, 48964, 49475, 49975, 50464, 50942, 51409,
    51865, 52311, 52745, 53169, 53581, 53983, 54374, 54755, 55125, 55485, 55834, 56174, 56503, 56823, 57133, 57433,
    57724, 58007, 58280, 58544, 58800, 59048, 59288, 59519, 59743, 59959, 60168, 60370, 60565, 60753, 60935, 61110,
    61279, 61441, 61599, 61750, 61896, 62036, 62172, 62302, 62428, 62549, 62666, 62778, 62886, 62990, 63090, 63186,
    63279, 63368, 63454, 63536, 63615, 63691, 63765, 63835, 63903, 63968, 64030, 64090, 64148, 64204, 64257, 64308,
    64357, 64405, 64450, 64494, 64536, 64576, 64614, 64652, 64687, 64721, 64754, 64786, 64816, 64845, 64873, 64900,
    64926, 64950, 64974, 64997, 65019, 65039, 65060, 65079, 65097, 65115, 65132, 65149, 65164, 65179, 65194, 65208,
    65221, 65234, 65246, 65258, 65269, 65280, 65291, 65301, 65310, 65319, 65328, 65337, 65345, 65352, 65360, 65367,
    65374, 65381, 65387, 65393, 65399, 65404, 65410, 65415, 65420, 65425, 65429, 65433, 65438, 65442, 65445, 65449,
    65453, 65456, 65459, 65462, 65465, 65468, 65471, 65474, 65476, 65479, 65481, 65483, 65485, 65488, 65489, 65491,
    65493, 65495, 65497, 65498, 65500, 65501, 65503, 65504, 65505, 65507, 65508, 65509, 65510, 65511, 65512, 65513,
    65514, 65515, 65516, 65517, 65517, 65518, 65519, 65520, 65520, 65521, 65522, 65522, 65523, 65523, 65524, 65524,
    65525, 65525, 65526, 65526, 65526, 65527, 65527, 65528, 65528, 65528, 65529, 65529, 65529, 65529, 65530, 65530,
    65530, 65530, 65531, 65531, 65531, 65531, 65531, 65532, 65532, 65532, 65532, 65532, 65532, 65533, 65533, 65533,
    65533, 65533, 65533, 65533, 65533, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65535};

/* The table's value for a number with `bits` more bits than its index; 2^16 - 1 beyond its end. */
static inline int32_t in_sigmoid_table(int32_t x, uint32_t bits)
{
    const uint32_t size = x < 0 ? 0u - (uint32_t)x : (uint32_t)x, place = size >> bits;
    const int32_t between = (int32_t)(size & ((1u << bits) - 1u));
    if (place >= 255u) {
        return bits == 9u ? 0x7fff << 10 : 0xffff << 8;
    }
    const int32_t low = sigmoid_of_24ths[place], high = sigmoid_of_24ths[place + 1];
    return (low << bits) + between * (high - low);
}

/* 1 / (1 + exp(-x)): steps of 2^-12 in, of 2^-15 out. */
static inline int32_t sigmoid_int16(int32_t x)
{
    const int32_t y = in_sigmoid_table(3 * x, 9);
    return x < 0 ? ((1 << 25) - y + 511) >> 10 : (y + 512) >> 10;
}

/* tanh(x): steps of 2^-bits in, of 2^-15 out. */
static inline int32_t tanh_int16(int32_t x, int32_t bits)
{
    const int32_t scaled = bits <= 12 ? x * (3 << (12 - bits)) : (3 * x + (1 << (bits - 13))) >> (bits - 12);
    const int32_t y = in_sigmoid_table(scaled, 8);
    return (scaled < 0 ? (1 << 23) - y + 127 : y - (1 << 23) + 128) >> 8;
}

static inline int32_t clamp_int16(int32_t x)
{
    return x < -32768 ? -32768 : x > 32767 ? 32767 : x;
}

/* What goes into a gate of a unit: two sums, each rounded to steps of 2^-12 by itself. */
static int32_t lstm_gate(const lstm_int8_scales *l, int32_t gate, int32_t unit, const int16_t *x, const int16_t *output)
{
    const int32_t row = gate * l->units + unit;
    const int8_t *weight = l->weights + row * (l->inputs + l->units);
    int32_t sum = l->bias[row];
    for (int32_t k = 0; k < l->inputs; k++) {
        sum += x[k] * *weight++;
    }
    const int32_t given = clamp_int16(requantize(sum, l->input_multiplier[gate], l->input_shift[gate]));
    sum = 0;
    for (int32_t k = 0; k < l->units; k++) {
        sum += output[k] * *weight++;
    }
    return clamp_int16(given + clamp_int16(requantize(sum, l->output_multiplier[gate], l->output_shift[gate])));
}

/* The output of a unit after one more step; its cell is changed. */
static int32_t lstm_unit(const lstm_int8_scales *l, int32_t unit, const int16_t *x, const int16_t *output,
                         int16_t *cell)
{
    const int32_t let_in = sigmoid_int16(lstm_gate(l, 0, unit, x, output));
    const int32_t keep = sigmoid_int16(lstm_gate(l, 1, unit, x, output));
    const int32_t fresh = tanh_int16(lstm_gate(l, 2, unit, x, output), 12);
    const int32_t let_out = sigmoid_int16(lstm_gate(l, 3, unit, x, output));
    int32_t sum = clamp_int16(requantize(keep * cell[unit], 1 << 30, -14));
    sum = clamp_int16(sum + clamp_int16(requantize(let_in * fresh, l->new_multiplier, l->new_shift)));
    if (l->clip > 0) {
        sum = sum > l->clip ? l->clip : sum < -l->clip ? -l->clip : sum;
    }
    cell[unit] = (int16_t)sum;
    return requantize(tanh_int16(sum, l->cell_bits) * let_out, l->result_multiplier, l->result_shift);
}

/* All steps, from an empty cell on. The inputs of a step are copied to scratch first, so the outputs may replace them. */
static void lstm_int8(const lstm_int8_scales *l, const int8_t *in, int8_t *out, int32_t *scratch)
{
    int16_t *const x = (int16_t *)(void *)scratch, *const output = x + l->inputs, *const cell = output + l->units;
    for (int32_t unit = 0; unit < l->units; unit++) {
        output[unit] = cell[unit] = 0;
    }
    for (int32_t step = 0; step < l->steps; step++, in += l->inputs, out += l->units) {
        for (int32_t k = 0; k < l->inputs; k++) {
            x[k] = (int16_t)(in[k] - l->input_zero_point);
        }
        for (int32_t unit = 0; unit < l->units; unit++) {
            const int32_t y = lstm_unit(l, unit, x, output, cell) + l->output_zero_point;
            out[unit] = clamp_int8(y, -128, 127);
        }
        for (int32_t unit = 0; unit < l->units; unit++) {
            output[unit] = (int16_t)(out[unit] - l->output_zero_point);
        }
    }
}
