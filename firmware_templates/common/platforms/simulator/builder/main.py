"""Builds the application with this computer's compiler; "upload" starts it once to see that it boots."""

import os
import shutil
import signal
import subprocess
import sys

from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
compiler = next((name for name in ("g++", "clang++") if shutil.which(name)), None)
if compiler is None:
    sys.stderr.write(
        "Error: no C++ compiler. Install one: sudo apt install g++ (Debian, Ubuntu), "
        "sudo dnf install gcc-c++ (Fedora), xcode-select --install (macOS).\n"
    )
    env.Exit(1)
env.Replace(
    CC={"g++": "gcc", "clang++": "clang"}[compiler],
    CXX=compiler,
    LINK=compiler,
    AR="ar",
    RANLIB="ranlib",
    PROGNAME="program",
)
env.Append(
    LINKFLAGS=["-pthread"],
    CPPDEFINES=[("CAMERA_FOLDER", env.StringifyMacro(os.path.join(env.subst("$PROJECT_DIR"), "camera")))],
)
program = env.BuildProgram()


def start_once(target, source, env):
    path = env.subst("$BUILD_DIR/program")
    try:
        # Its serial line is standard input, which is empty: the application boots, waits for input, and stops.
        run = subprocess.run([path, "--stdio"], stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    except subprocess.TimeoutExpired:
        sys.stderr.write(
            "Error: the application does not wait for input within 10 seconds: is input.next() in its loop?\n"
        )
        return 1
    text = b"\n".join(part for part in run.stdout.split(b"\0") if part.isascii() and b"\n" in part)
    print(text.decode().strip())
    if run.returncode:
        sys.stderr.write(run.stderr.decode(errors="replace"))
        reason = {
            -signal.SIGSEGV: "it used memory that is not its own (for example an index outside an array)",
            -signal.SIGABRT: "it called abort() (for example a failed assert)",
            -signal.SIGFPE: "it divided an integer by zero",
        }.get(run.returncode, f"exit status {run.returncode}")
        sys.stderr.write(f"Error: the application stopped by itself: {reason}.\n")
    return run.returncode


AlwaysBuild(env.Alias("upload", program, env.VerboseAction(start_once, "Starting the simulated board once")))
AlwaysBuild(
    env.Alias(
        "board",
        program,
        env.VerboseAction("$BUILD_DIR/program", "Running the simulated board until Ctrl-C"),
    )
)
Default(program)
