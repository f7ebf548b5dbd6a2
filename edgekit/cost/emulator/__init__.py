"""Runs a network on an emulated Xtensa, a core like the board's, and counts its instructions exactly.

Debian's packages gcc-xtensa-lx106 and qemu-system-misc install the compiler and the emulator. The core `lx106` is the
simple one of the ESP8266. `dc232b` has MAC16, zero-overhead loops and CLAMPS, as an ESP32 has, but no MULSH and no FPU.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.codegen import compiled, header
from edgekit.errors import EdgekitError
from edgekit.network import Batch, batch_size, by_name
from edgekit.quantization import QuantizedNetwork

HERE = Path(__file__).parent
COMPILER, EMULATOR = "xtensa-lx106-elf-gcc", "qemu-system-xtensa"
REMEDY = "on Debian or Ubuntu: sudo apt-get install gcc-xtensa-lx106 qemu-system-misc"


@dataclass(frozen=True)
class Core:
    """An emulated core.

    Attributes:
        reset, ram: addresses of the reset vector and of the memory.
        shift: the emulator's clock: an instruction takes 2^shift nanoseconds.
        ticks: ticks of the cycle counter in one instruction, with this shift.
        flags: options for the compiler.
    """

    reset: int
    ram: int
    shift: int
    ticks: float
    flags: tuple[str, ...] = ()


CORES = {
    "lx106": Core(0x50000000, 0x60000000, 5, 1.28),
    "dc232b": Core(0xFE000000, 0xD0001000, 6, 1.0, ("-include", str(HERE / "instructions.h"))),
}


class EmulatorError(EdgekitError, RuntimeError):
    """The tools are missing, the program does not compile, or it fails."""


@dataclass(frozen=True)
class Inference:
    """A network's run on the emulated core.

    Attributes:
        outputs: list of lists of numbers, one for each input; several outputs follow each other in one list.
        instructions: instructions of the last inference.
        by_op: instructions of each op of the network, in order, reshapes 0.
        flash: bytes of code and constants of the network, libc and start-up code not counted.
        arena: bytes.
    """

    outputs: list[list[int]]
    instructions: int
    by_op: tuple[int, ...]
    flash: int
    arena: int


def available() -> bool:
    """Whether compiler and emulator are installed."""
    return bool(shutil.which(COMPILER) and shutil.which(EMULATOR))


def infer(model: QuantizedNetwork, inputs: Batch, core: str = "lx106", optimize: str = "-O2") -> Inference:
    """Run a network's generated C on an emulated core.

    Args:
        model: a `QuantizedNetwork`.
        inputs: int8 array (N, *input shape); several inputs are a dict from name to array, or a tuple.
        core: a key of `CORES`.
        optimize: the compiler's option.

    Returns:
        `Inference`.

    Raises:
        EmulatorError: the tools are missing or the program fails.
    """
    arrays = by_name(model, inputs)
    count = batch_size(arrays)
    images = np.concatenate([array.reshape(count, -1) for array in arrays.values()], axis=1)
    result = compiled.compile_network(model, "net", probe="emulator_probe")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "net.c").write_text("void emulator_probe(int);\n" + result.source)
        (folder / "net.h").write_text(header.text(model, "net", "compiled", result.arena.size))
        (folder / "main.c").write_text(_main(model, images))
        objects = [compile_c(folder / name, core, optimize) for name in ("net.c", "main.c")]
        flash = code_and_constants(objects[0])
        text = run(objects, core)
    numbers = [list(map(int, re.findall(r"-?\d+", line))) for line in text.splitlines()]
    ticks = CORES[core].ticks
    outputs = numbers[:count]
    marks = numbers[count] if len(numbers) > count else []  # a network with only reshapes calls no op
    by_op = [0] * len(model.ops)
    positions = [i for i, call in enumerate(result.calls) if call]
    for position, before, after in zip(positions, [0, *marks], marks, strict=False):
        by_op[position] = round((after - before) / ticks)
    return Inference(outputs, sum(by_op), tuple(by_op), flash, result.arena.size)


def compile_c(source: Path, core: str, optimize: str = "-O2") -> Path:
    """Compile one C file for a core; returns the object file's path."""
    target = source.with_suffix(f".{core}.o")
    flags = ["-std=gnu99", "-mtext-section-literals", "-ffunction-sections", *CORES[core].flags]
    _call([COMPILER, optimize, *flags, "-c", source, "-o", target])
    return target


def code_and_constants(object_file: Path) -> int:
    """Bytes of flash that an object file takes: its code and its constants."""
    text = _call(["xtensa-lx106-elf-size", object_file])
    return sum(map(int, text.splitlines()[1].split()[:2]))


def run(objects: Sequence[Path], core: str, timeout: float = 600) -> str:
    """Link a program with the start-up code and run it; returns what it wrote.

    Args:
        objects: paths of object files, one of which has main().
        core: a key of `CORES`.
        timeout: seconds, after which the program counts as hanging.

    Returns:
        str.
    """
    target = CORES[core]
    with tempfile.TemporaryDirectory() as folder:
        script, program = Path(folder) / "link.ld", Path(folder) / "program.elf"
        text = (HERE / "link.ld.in").read_text()
        script.write_text(text.replace("RESET", hex(target.reset)).replace("RAM", hex(target.ram)))
        flags = ["-mtext-section-literals", "-nostdlib", "-O2", "-fno-builtin", "-Wl,--no-warn-rwx-segments"]
        own = [HERE / "start.S", HERE / "support.c"]
        _call([COMPILER, *flags, "-T", script, *own, *objects, "-o", program])
        machine = ["-M", "sim", "-cpu", core, "-m", "128M", "-monitor", "none", "-nographic"]
        clock = ["-semihosting", "-icount", f"shift={target.shift}"]
        return _call([EMULATOR, *machine, *clock, "-kernel", program], timeout)


def _main(model, images):
    ends = header.ends(model)
    last = [end.name for end in ends if not end.is_input][-1]
    loop = "        for (int k = 0; k < net_{0}_size; k++) {{\n            {1}\n        }}"
    sets = [loop.format(end.name, f"net_{end.name}()[k] = *image++;") for end in ends if end.is_input]
    prints = []
    for end in ends:
        if not end.is_input:
            after = f"k + 1 < net_{end.name}_size ? ' ' : '\\n'" if end.name == last else "' '"
            prints.append(loop.format(end.name, f"number(net_{end.name}()[k], {after});"))
    text = (HERE / "inference.c.in").read_text()
    for mark, value in {
        "IMAGES": ",\n".join("{" + ",".join(map(str, image)) + "}" for image in images.tolist()),
        "COUNT": str(len(images)),
        "SIZE": str(images.shape[1]),
        "OPS": str(len(model.ops)),
        "SET": "\n".join(sets),
        "PRINT": "\n".join(prints),
    }.items():
        text = text.replace(mark, value)
    return text


def _call(command, timeout=600):
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=timeout)
    except FileNotFoundError:
        raise EmulatorError(f"{command[0]} is not installed; {REMEDY}") from None
    except subprocess.TimeoutExpired:
        raise EmulatorError(f"{command[0]} did not end within {timeout} seconds") from None
    if done.returncode:
        raise EmulatorError(f"{command[0]} failed: {done.stderr.strip() or f'exit {done.returncode}'}")
    return done.stdout
