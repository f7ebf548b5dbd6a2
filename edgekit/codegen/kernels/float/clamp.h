/* x within [lowest, highest]. */
static inline float clamp_float(float x, float lowest, float highest)
{
    return x < lowest ? lowest : x > highest ? highest : x;
}
