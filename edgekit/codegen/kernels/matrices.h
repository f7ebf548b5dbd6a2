/* The sizes of matrix products. Steps are in values: between the matrices of a batch, between rows, between columns. */
typedef struct {
    int32_t batch[2], rows, depth, columns;
    int32_t a_batch[2], a_row, a_column;
    int32_t b_batch[2], b_row, b_column;
} matrices;
