"""No text of a file becomes code: not the names of a network, its tensors and its ops, nor its name in C."""

import re
import subprocess

import numpy as np
import pytest
from conftest import ROOT, require
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_codegen import compiled

from edgekit import calibration, codegen, quantization, tflite
from edgekit.codegen import names
from edgekit.network import Network, Op

HOSTILE = [
    "*/ int injected(void) { return 42; } /*",
    "\n#include </etc/passwd>\n",
    "// \\\n int injected;",
    "a ??/\nint injected; /*",  # a trigraph for a backslash
    '"; int injected = 1; char *s = "',
    "é\u2028int injected;",
    "*" + "/" * 400,
    "%s%n {in0} {{out}} $(touch injected) `touch injected`",
]


def hostile_network(text):
    """A network whose name, tensors and ops are all called by this text."""
    random = np.random.default_rng(0)
    shapes = {f"{text} in": (3,), f"{text} hidden": (4,), f"{text} out": (4,)}
    source, hidden, result = shapes
    dense = Op(
        "fully_connected",
        f"{text} dense",
        (source,),
        hidden,
        random.normal(size=(4, 3)).astype(np.float32),
        np.zeros(4, np.float32),
    )
    return Network(text, source, result, shapes, (dense, Op("softmax", f"{text} op", (hidden,), result)))


def in_int8(net):
    return quantization.quantize(net, calibration.calibrate(net, np.random.default_rng(1).normal(size=(9, 3))))


def code_of(path):
    """A C file without its comments and strings, as a preprocessor sees it."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:[^\"\\\n]|\\.)*\"", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("engine", codegen.ENGINES)
def test_names_of_a_network_stay_in_comments(text, engine, tmp_path):
    for net in (hostile_network(text), in_int8(hostile_network(text))):
        again = tflite.from_bytes(tflite.to_bytes(net))
        assert again.name == text
        for each in (net, again):
            for path in codegen.export(each, "net", tmp_path, engine=engine):
                assert not re.search(r"\b(injected|passwd|system|touch)\b", code_of(path))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_network_with_hostile_names_compiles_without_a_warning(text, tmp_path):
    require("gcc")
    for net in (hostile_network(text), in_int8(hostile_network(text))):
        _, source = codegen.export(net, "net", tmp_path)
        flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wpedantic", "-trigraphs", "-Wno-trigraphs"]
        command = ["gcc", *flags, "-x", "c", "-c", str(source), "-o", str(tmp_path / "net.o")]
        assert subprocess.run(command, capture_output=True, text=True).stderr == ""
        symbols = subprocess.run(["nm", str(tmp_path / "net.o")], capture_output=True, text=True, check=True).stdout
        assert not re.search(r"\binjected$", symbols, re.MULTILINE)


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.text())
def test_no_text_leaves_a_comment(text):
    safe = names.in_comment(text)
    assert re.fullmatch(r"[A-Za-z0-9_ .:-]*", safe)
    assert len(safe) <= 200


@pytest.mark.parametrize("name", ["stdint", "math", "string", "stdio", "Math", "STDINT", "errno", "time", "sdkconfig"])
def test_a_name_that_would_hide_a_system_header_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match=rf"{name}\.h would hide the system's header <{name.lower()}\.h>"):
        codegen.export(hostile_network("n"), name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name",
    [
        "int8_t",
        "int32_t",
        "uint8_t",
        "size_t",
        "memcpy",
        "expf",
        "arena",
        "main",
        "net_input",
        "math",
        "bool",
        "concept",
        "linux",
    ],
)
def test_tensors_may_be_called_like_anything_in_c(name, tmp_path):
    require("gcc")
    random = np.random.default_rng(0)
    shapes = {name: (3,), "out": (2,)}
    weights = random.normal(size=(2, 3)).astype(np.float32)
    net = Network("n", name, "out", shapes, (Op("fully_connected", name, (name,), "out", weights, np.zeros(2, "f4")),))
    for each in (net, in_int8(net)):
        _, source = codegen.export(each, "net", tmp_path)
        for language, standard in (("c", "c99"), ("c", "gnu17"), ("c++", "gnu++2b")):  # the last is ESP-IDF's
            flags = [f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-x", language]
            command = ["gcc", *flags, "-c", str(source), "-o", str(tmp_path / "net.o")]
            assert subprocess.run(command, capture_output=True, text=True).stderr == ""


def test_every_header_that_generated_c_includes_is_guarded():
    """A network of that name would shadow it."""
    sources = [*(ROOT / "edgekit").rglob("*.h"), *(ROOT / "firmware_templates").rglob("*.[hc]*")]
    included = {name for path in sources for name in re.findall(r"#include <([a-z0-9]+)\.h>", path.read_text())}
    for name in included:
        with pytest.raises(ValueError, match="would hide"):
            names.check(name)


def test_tensors_called_like_the_constants_of_ops_stay_apart_and_bit_exact(tmp_path):
    """A tensor `conv_weights` beside an op `conv`, slopes called `p_slopes` of an op `p`, an op `conv_window`."""
    random = np.random.default_rng(0)
    weights, bias = random.normal(size=(4, 2, 2, 3)).astype(np.float32), np.zeros(4, np.float32)
    more = random.normal(size=(4, 1, 1, 4)).astype(np.float32)
    ops = (
        Op("conv2d", "conv", ("conv_bias",), "conv_weights", weights, bias),
        Op("prelu", "p", ("conv_weights", "p_slopes"), "conv_window"),
        Op("conv2d", "conv_window", ("conv_window",), "conv_filters", more, bias),
        Op("add", "conv_filters", ("conv_filters", "conv_window"), "arena"),
    )
    shapes = {"conv_bias": (5, 5, 3)} | dict.fromkeys(
        ["conv_weights", "conv_window", "conv_filters", "arena"], (4, 4, 4)
    )
    shapes["p_slopes"] = (4,)
    constants = {"p_slopes": random.normal(size=4).astype(np.float32)}
    net = Network("names", "conv_bias", "arena", shapes, ops, constants=constants)
    x = random.normal(size=(9, 5, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(compiled(net, tmp_path)(x), net.run(x), atol=1e-5)
    int8 = quantization.quantize(net, calibration.calibrate(net, x))
    q = int8.quantize_input(x)
    np.testing.assert_array_equal(compiled(int8, tmp_path)(q), int8.run(q))
