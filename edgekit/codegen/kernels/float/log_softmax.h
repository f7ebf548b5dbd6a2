#include <math.h>
#include <stdint.h>

/* The logarithm of a softmax of each row; the largest value is subtracted first, so that no exponential overflows. */
static void log_softmax_float(const float *in, float *out, int32_t rows, int32_t classes)
{
    for (int32_t row = 0; row < rows; row++, in += classes, out += classes) {
        float largest = in[0], sum = 0;
        for (int32_t c = 1; c < classes; c++) {
            largest = in[c] > largest ? in[c] : largest;
        }
        for (int32_t c = 0; c < classes; c++) {
            sum += expf(in[c] - largest);
        }
        const float logarithm = logf(sum);
        for (int32_t c = 0; c < classes; c++) {
            out[c] = in[c] - largest - logarithm;
        }
    }
}
