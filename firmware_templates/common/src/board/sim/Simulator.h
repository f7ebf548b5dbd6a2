// What the simulated board's program knows of its line.
#pragma once

namespace simulator {
extern int line_in;
extern int line_out;
}  // namespace simulator
