// The serial line of the simulated board: a pseudo-terminal, or standard input and output (see sim/main.cpp).
#include "../Uart.h"

#include <cerrno>
#include <cstdio>
#include <poll.h>
#include <unistd.h>

#include "Simulator.h"

namespace uart {

// The line exists before the program starts, as on a board.
void open() {}

int read(uint8_t *bytes, int count, int milliseconds) {
    pollfd line = {simulator::line_in, POLLIN, 0};
    if (poll(&line, 1, milliseconds) <= 0) {
        return 0;
    }
    const ssize_t got = ::read(simulator::line_in, bytes, static_cast<size_t>(count));
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        fflush(stdout);
        _exit(0);  // the computer has closed the line
    }
    return got > 0 ? static_cast<int>(got) : 0;
}

void write(const uint8_t *bytes, int count) {
    while (count > 0) {
        const ssize_t written = ::write(simulator::line_out, bytes, static_cast<size_t>(count));
        if (written > 0) {
            bytes += written;
            count -= static_cast<int>(written);
            continue;
        }
        pollfd line = {simulator::line_out, POLLOUT, 0};
        if (errno != EAGAIN || poll(&line, 1, 1000) <= 0) {
            return;  // bytes that nobody reads are lost, as on a real line
        }
    }
}

void set_baud(uint32_t) {}  // a pseudo-terminal has no rate

}  // namespace uart
