// The simulated board's serial line, as file descriptors.
#pragma once

namespace simulator {
extern int line_in;
extern int line_out;
}  // namespace simulator
