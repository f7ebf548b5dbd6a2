"""Every window, stride, padding and dilation up to 5 gives the reference's integers on both emulated cores.

The C of thousands of ops is in one program, which writes a number for each op's output.
"""

import itertools
import zlib
from dataclasses import replace

import numpy as np
import pytest
from conftest import require

from edgekit.codegen import compiled, int8_ops
from edgekit.cost import emulator
from edgekit.network import Op, output_shape, windows
from edgekit.quantization import Quantization, QuantizedNetwork, integer

SIDES = range(1, 6)
PAIRS = list(itertools.product(SIDES, SIDES))
POOL = 4096  # random bytes that inputs are taken from

MAIN = """
void emulator_write(const char *text, int length);

#define COLD __attribute__((cold, noinline))

static union { int32_t words[%(words)d]; int8_t bytes[4 * %(words)d]; } in, out, scratch;
static const int8_t pool[%(pool)d] = {%(bytes)s};

/* The CRC-32 of an op's output; 0 if it wrote over the end of its output or scratch memory. */
static uint32_t checked(int output, int used)
{
    uint32_t crc = 0xffffffffu;
    for (int i = 0; i < 16; i++) {
        if (out.bytes[output + i] != 77 || scratch.bytes[used + i] != 77) {
            return 0;
        }
    }
    for (int i = 0; i < output; i++) {
        crc ^= (uint8_t)out.bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

COLD static void begin(int input, int output, int used)
{
    for (int i = 0; i < input; i++) {
        in.bytes[i] = pool[i];
    }
    for (int i = 0; i < 16; i++) {
        out.bytes[output + i] = scratch.bytes[used + i] = 77;
    }
}

COLD static void end(int output, int used)
{
    const uint32_t crc = checked(output, used);
    char text[9];
    for (int i = 0; i < 8; i++) {
        text[i] = "0123456789abcdef"[crc >> (28 - 4 * i) & 15u];
    }
    text[8] = '\\n';
    emulator_write(text, 9);
}

%(calls)s
"""


def every_window(kind):
    """Windows, strides, paddings and dilations: all without dilation, and every third with some.

    Of a transposed convolution it is every second one. The core has special code for a depthwise convolution of 3x3
    without dilation: it gets more.
    """
    dilations = itertools.cycle([pair for pair in PAIRS if pair != (1, 1)])
    for number, (window, stride, padding) in enumerate(itertools.product(PAIRS, PAIRS, ("same", "valid"))):
        times = 5 if window == (3, 3) and stride[1] < 4 and kind == "depthwise_conv2d" else 1
        if kind != "transpose_conv2d" or (number + stride[1]) % 2:
            yield from times * [(window, stride, padding, (1, 1))]
        if number % 3 == 0 and kind != "transpose_conv2d":
            yield window, stride, padding, next(dilations)


def network_of(kind, window, stride, padding, dilation, random):
    """A network of one op, of few channels and of a size that fits."""
    size = random.integers(1, 8, 2)
    if padding == "valid" and kind != "transpose_conv2d":
        size += np.array(windows.reach(window, dilation)) - 1
    groups = int(random.integers(1, 3)) if kind == "conv2d" else 1
    channels, out = groups * int(random.integers(1, 3)), int(random.integers(1, 3))
    out *= channels if kind == "depthwise_conv2d" else groups
    options = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "activation": random.choice(["none", "relu"]),
    }
    if kind == "transpose_conv2d":
        size = (size + 1) // 2
        sides = zip(size, window, stride, strict=True)
        options["output_size"] = tuple(int(n * s if padding == "same" else (n - 1) * s + k) for n, k, s in sides)
    op = Op(
        kind,
        "op",
        ("x",),
        "y",
        random.integers(
            -127, 128, (1, *window, out) if kind == "depthwise_conv2d" else (out, *window, channels // groups)
        ),
        random.integers(-1000, 1000, out).astype(np.int32),
        np.full(out, 0.01, np.float32),
        **options,
    )
    op = replace(op, weights=op.weights.astype(np.int8))
    x = (int(size[0]), int(size[1]), channels)
    scales = {"x": Quantization(np.float32(0.02), 5), "y": Quantization(np.float32(0.1), -9)}
    return QuantizedNetwork("one", "x", "y", {"x": x, "y": output_shape(op, [x])}, (op,), scales)


@pytest.mark.parametrize("kind", ["conv2d", "depthwise_conv2d", "transpose_conv2d"])
def test_every_window_stride_padding_and_dilation_is_bit_exact_on_the_emulated_cores(kind, tmp_path):
    require(emulator.COMPILER)
    require(emulator.EMULATOR)
    random = np.random.default_rng(0)
    pool = random.integers(-128, 128, POOL).astype(np.int8)
    kernels, constants, calls, expected, words = {}, [], [], [], 0
    networks = [network_of(kind, *case, random) for case in every_window(kind)]
    for position, network in enumerate(networks):
        op = network.ops[0]
        # Room for a few rows only, so that they are computed in several blocks.
        step = int8_ops.EMIT[kind](network, op, f"n{position}", int(random.integers(0, 1500)))
        sizes = [int(np.prod(network.shapes[name])) for name in "xy"]
        kernels[step.kernel] = None
        constants.append(step.constants)
        call = step.call.format(in0="in.bytes", out="out.bytes", scratch="scratch.words")
        before, after = f"begin({sizes[0]}, {sizes[1]}, {step.scratch});", f"end({sizes[1]}, {step.scratch});"
        calls.append(f"{before} {call} {after}")
        words = max(words, *sizes, step.scratch)
        q = pool[: sizes[0]].reshape(1, *network.shapes["x"])
        expected.append(zlib.crc32(integer.STEP[kind](network, op)([q]).tobytes()))
    parts = [calls[start : start + 50] for start in range(0, len(calls), 50)]
    lines = []
    for number, part in enumerate(parts):
        lines += [f"COLD static void part_{number}(void)", "{", *part, "}"]
    lines += ["int main(void)", "{", *(f"part_{number}();" for number in range(len(parts))), "return 0;", "}"]
    text, includes = compiled._paste(kernels)
    main = MAIN % {"words": words // 4 + 8, "pool": POOL, "bytes": ", ".join(map(str, pool)), "calls": "\n".join(lines)}
    source = tmp_path / "main.c"
    source.write_text("\n".join([includes, text, *constants, main]))
    for core in emulator.CORES:
        result = emulator.run([emulator.compile_c(source, core)], core, timeout=60).split()
        wrong = [n.ops[0] for n, crc, line in zip(networks, expected, result, strict=True) if crc != int(line, 16)]
        assert not [(op.window, op.stride, op.padding, op.dilation) for op in wrong]
