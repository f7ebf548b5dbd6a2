#include <stdint.h>

/* A window that slides over an image: heights and widths in cells, padding before the first row and column. */
typedef struct {
    int32_t in_height, in_width, in_channels;
    int32_t out_height, out_width, out_channels;
    int32_t height, width;
    int32_t stride_y, stride_x;
    int32_t top, left;
    int32_t dilation_y, dilation_x; /* distance of neighboring cells of the window */
} window2d;
