#include <math.h>
#include <stdint.h>

/* Softmax of each row of beta * x; the largest value is subtracted first, so that no exponential overflows. */
static void softmax_float(const float *in, float *out, int32_t rows, int32_t classes, float beta)
{
    for (int32_t row = 0; row < rows; row++, in += classes, out += classes) {
        float largest = in[0], sum = 0;
        for (int32_t c = 1; c < classes; c++) {
            largest = in[c] > largest ? in[c] : largest;
        }
        for (int32_t c = 0; c < classes; c++) {
            out[c] = expf(beta * (in[c] - largest));
            sum += out[c];
        }
        for (int32_t c = 0; c < classes; c++) {
            out[c] /= sum;
        }
    }
}
