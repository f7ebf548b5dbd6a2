// Measures how long the network takes.
//
//     Stopwatch stopwatch;
//     model.invoke();
//     uint32_t microseconds = stopwatch.microseconds();
#pragma once

#include <cstdint>

class Stopwatch {
public:
    Stopwatch() { restart(); }
    void restart() { start_ = now(); }
    // Microseconds since the start or the last restart.
    uint32_t microseconds() const { return static_cast<uint32_t>(now() - start_); }

private:
    static int64_t now();  // in esp/ the chip's 64-bit timer, in sim/ this computer's clock
    int64_t start_;
};
