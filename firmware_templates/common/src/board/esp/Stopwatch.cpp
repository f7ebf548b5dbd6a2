#include "../Stopwatch.h"

#include "esp_timer.h"

int64_t Stopwatch::now() { return esp_timer_get_time(); }
