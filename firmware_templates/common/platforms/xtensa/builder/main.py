"""Builds the network for an emulated Xtensa core; "upload" runs it there and prints outputs and instructions."""

import os
import shutil
import subprocess
import sys

from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

TOOLS = "xtensa-lx106-elf-"
EMULATOR = ["qemu-system-xtensa", "-M", "sim", "-cpu", "lx106", "-m", "128M", "-semihosting", "-monitor", "none"]
# With this shift, the emulated clock ticks exactly 64 times in 25 instructions: see runtime/measure.c.
EMULATOR += ["-nographic", "-icount", "shift=6"]

env = DefaultEnvironment()
missing = [name for name in (f"{TOOLS}gcc", EMULATOR[0]) if not shutil.which(name)]
if missing:
    sys.stderr.write(
        f"Error: no {' and no '.join(missing)}. Install them: sudo apt install gcc-xtensa-lx106 "
        "picolibc-xtensa-lx106-elf qemu-system-misc (Debian, Ubuntu).\n"
    )
    env.Exit(1)

runtime = os.path.join(env.PioPlatform().get_dir(), "runtime")
env.Replace(
    AS=f"{TOOLS}gcc",
    CC=f"{TOOLS}gcc",
    CXX=f"{TOOLS}g++",
    LINK=f"{TOOLS}gcc",
    AR=f"{TOOLS}ar",
    RANLIB=f"{TOOLS}ranlib",
    PROGNAME="program",
    PROGSUFFIX=".elf",
)
env.Append(
    CPPPATH=["$PROJECT_SRC_DIR"],
    ASPPFLAGS=["-x", "assembler-with-cpp", "-mtext-section-literals"],
    CCFLAGS=["-Wall", "-Wextra", "-mtext-section-literals", "-ffunction-sections"],
    CXXFLAGS=["-fno-exceptions", "-fno-rtti"],
    LINKFLAGS=["-nostdlib", "-Wl,--gc-sections,--no-warn-rwx-segments", "-T", os.path.join(runtime, "link.ld")],
    LIBS=["m", "c", "gcc"],
)
env.BuildSources(os.path.join("$BUILD_DIR", "runtime"), runtime)
program = env.BuildProgram()


def emulate(target, source, env):
    try:
        run = subprocess.run(
            [*EMULATOR, "-kernel", env.subst("$BUILD_DIR/program.elf")],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=300,
        )
    except subprocess.TimeoutExpired:
        sys.stderr.write("Error: the network does not come to an end within 5 minutes on the emulated core.\n")
        return 1
    print(run.stdout.decode(errors="replace").strip())
    if run.returncode:
        sys.stderr.write(run.stderr.decode(errors="replace"))
        sys.stderr.write(f"Error: the emulated core stopped with {run.returncode}.\n")
    return run.returncode


AlwaysBuild(env.Alias("upload", program, env.VerboseAction(emulate, "Running the network on the emulated core")))
Default(program)
