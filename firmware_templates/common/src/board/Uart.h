// The serial line as bytes: the only part of the link that differs between the ESP-EYE (esp/) and the simulated
// board (sim/).
#pragma once

#include <cstdint>

namespace uart {

void open();
// Waits up to `milliseconds` for at least one byte; returns how many came, 0 for none.
int read(uint8_t *bytes, int count, int milliseconds);
void write(const uint8_t *bytes, int count);
// Takes effect when all earlier bytes have been sent; 0 means the rate with which the board starts.
void set_baud(uint32_t baud);

}  // namespace uart
