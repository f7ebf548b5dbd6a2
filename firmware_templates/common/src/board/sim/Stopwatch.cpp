#include "../Stopwatch.h"

#include <chrono>

int64_t Stopwatch::now() {
    const auto time = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}
