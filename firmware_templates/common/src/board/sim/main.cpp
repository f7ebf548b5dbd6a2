// Starts the application on this computer as a simulated board.
//
//     program               prints "port=PATH" and a newline, then serves the board's serial line at the
//                           pseudo-terminal PATH, until it is killed
//     program --with-stdin  the same, and stops as soon as its standard input is closed, so that it ends with the
//                           program that started it
//     program --stdio       the serial line is standard input and output; stops at the end of input
//
// The signal SIGUSR1 is the reset button: the application starts again without its memory, on the same line.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <initializer_list>
#include <sys/ioctl.h>
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

static int computers_side = -1;

// Waits up to a second until the computer has read all bytes: when the line is closed, the remaining bytes are lost.
static void drain() {
    int waiting = 0;
    for (int i = 0, empty = 0; i < 200 && empty < 3 && computers_side >= 0; i++) {
        usleep(5000);  // first, because the system needs a moment to move bytes to the other side
        empty = ioctl(computers_side, FIONREAD, &waiting) == 0 && waiting > 0 ? 0 : empty + 1;
    }
}

// After a crash, gives the computer time to read the last text, and then ends the program as usual.
static void crash(int signal_number) {
    drain();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void open_pseudo_terminal() {
    const int board = posix_openpt(O_RDWR | O_NOCTTY);
    if (board < 0 || grantpt(board) != 0 || unlockpt(board) != 0) {
        fail("no pseudo-terminal");
    }
    const char *path = ptsname(board);
    // Kept open, so that the line does not hang up when the computer closes and opens its side; raw, so that no byte
    // is changed.
    computers_side = open(path, O_RDWR | O_NOCTTY);
    termios settings;
    if (computers_side < 0 || tcgetattr(computers_side, &settings) != 0) {
        fail(path);
    }
    cfmakeraw(&settings);
    tcsetattr(computers_side, TCSANOW, &settings);
    printf("port=%s\n", path);
    fflush(stdout);
    fcntl(board, F_SETFL, fcntl(board, F_GETFL) | O_NONBLOCK);
    // A board sends its text on its serial line.
    dup2(board, STDOUT_FILENO);
    simulator::line_in = simulator::line_out = board;
}

// Starts the program again from the beginning, in the same process and with the same line.
static char **program_arguments;
static char line_variable[40];

static void reset(int) {
    char *environment[] = {line_variable, nullptr};
    execve("/proc/self/exe", program_arguments, environment);
    execve(program_arguments[0], program_arguments, environment);  // for systems without /proc
    _exit(1);
}

// A reset waits while the program is not ready for it; the new program inherits the blocked signals.
static void block_reset(int how) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(how, &signals, nullptr);
}

static void install_reset_button(char **arguments) {
    program_arguments = arguments;
    snprintf(line_variable, sizeof line_variable, "SIMULATED_LINE=%d,%d", simulator::line_in, computers_side);
    struct sigaction action = {};
    action.sa_handler = reset;
    sigaction(SIGUSR1, &action, nullptr);
    block_reset(SIG_UNBLOCK);
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
    block_reset(SIG_BLOCK);
    const char *mode = count > 1 ? arguments[1] : "";
    if (count > 2 || (*mode && strcmp(mode, "--stdio") != 0 && strcmp(mode, "--with-stdin") != 0)) {
        fprintf(stderr, "usage: %s [--stdio | --with-stdin]\n", arguments[0]);
        return 2;
    }
    setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // each line is sent even if the program crashes right after it
    if (const char *line = getenv("SIMULATED_LINE")) {  // after a reset
        sscanf(line, "%d,%d", &simulator::line_in, &computers_side);
        simulator::line_out = simulator::line_in == STDIN_FILENO ? STDOUT_FILENO : simulator::line_in;
    } else if (strcmp(mode, "--stdio") != 0) {
        open_pseudo_terminal();
    }
    install_reset_button(arguments);
    if (strcmp(mode, "--with-stdin") == 0) {
        stop_with_stdin();
    }
    for (const int signal_number : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS, SIGILL}) {
        signal(signal_number, crash);
    }
    app_main();
    drain();
    return 0;
}
