// Starts the application on this computer as a simulated board.
//
//     program               prints "port=PATH" and a newline, then serves the board's serial line at the
//                           pseudo-terminal PATH, until it is killed
//     program --with-stdin  the same, and stops as soon as its standard input is closed, so that it never outlives
//                           whoever started it
//     program --stdio       the serial line is standard input and output; stops at the end of input
//
// The signal SIGUSR1 is the reset button: the application starts again and has forgotten everything; the line stays.
#include <cstdio>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <termios.h>
#include <thread>
#include <unistd.h>

#include "Simulator.h"

extern "C" void app_main();

namespace simulator {
int line_in = 0;
int line_out = 1;
}  // namespace simulator

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void open_pseudo_terminal() {
    const int board = posix_openpt(O_RDWR | O_NOCTTY);
    if (board < 0 || grantpt(board) != 0 || unlockpt(board) != 0) {
        fail("no pseudo-terminal");
    }
    const char *path = ptsname(board);
    // Kept open, so that the line is not hung up when the computer's side closes and opens it; raw, so that bytes
    // pass as they are.
    const int computer = open(path, O_RDWR | O_NOCTTY);
    termios settings;
    if (computer < 0 || tcgetattr(computer, &settings) != 0) {
        fail(path);
    }
    cfmakeraw(&settings);
    tcsetattr(computer, TCSANOW, &settings);
    printf("port=%s\n", path);
    fflush(stdout);
    fcntl(board, F_SETFL, fcntl(board, F_GETFL) | O_NONBLOCK);
    // A board's texts go out on its serial line.
    dup2(board, STDOUT_FILENO);
    setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    simulator::line_in = simulator::line_out = board;
}

// Starts the program again from the beginning, in the same process and with the same line.
static char **program_arguments;
static char line_variable[40];

static void reset(int) {
    char *environment[] = {line_variable, nullptr};
    execve("/proc/self/exe", program_arguments, environment);
    execve(program_arguments[0], program_arguments, environment);  // where there is no /proc
    _exit(1);
}

static void install_reset_button(char **arguments) {
    program_arguments = arguments;
    snprintf(line_variable, sizeof line_variable, "SIMULATED_LINE=%d", simulator::line_in);
    struct sigaction action = {};
    action.sa_handler = reset;
    action.sa_flags = SA_NODEFER;  // the new program inherits what is blocked
    sigaction(SIGUSR1, &action, nullptr);
}

static void stop_with_stdin() {
    std::thread([] {
        char byte;
        while (read(STDIN_FILENO, &byte, 1) > 0) {
        }
        _exit(0);
    }).detach();
}

int main(int count, char **arguments) {
    const char *mode = count > 1 ? arguments[1] : "";
    if (count > 2 || (*mode && strcmp(mode, "--stdio") != 0 && strcmp(mode, "--with-stdin") != 0)) {
        fprintf(stderr, "usage: %s [--stdio | --with-stdin]\n", arguments[0]);
        return 2;
    }
    if (const char *line = getenv("SIMULATED_LINE")) {  // after a reset
        simulator::line_in = atoi(line);
        simulator::line_out = simulator::line_in == STDIN_FILENO ? STDOUT_FILENO : simulator::line_in;
        setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    } else if (strcmp(mode, "--stdio") != 0) {
        open_pseudo_terminal();
    }
    install_reset_button(arguments);
    if (strcmp(mode, "--with-stdin") == 0) {
        stop_with_stdin();
    }
    app_main();
    return 0;
}
