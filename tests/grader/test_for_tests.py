"""A student's C++ and .tflite files run in the sandbox: right ones give answers, hostile ones reach nothing."""

import socket

import pytest
from board_projects import MODEL_FILES, SOLUTION
from conftest import require

from grader.for_tests import answers, cpp
from grader.grading import session


@pytest.fixture
def board(monkeypatch):
    """`cpp.board` for a cell with the given C++ in it, as a test cell under grading finds it."""
    require("bwrap", "apt install bubblewrap")
    require("g++")

    def board(program, first_line="%%firmware src/main.cpp\n"):
        monkeypatch.setattr(session, "current", {"cells": {"main_cpp": first_line + program}})
        return cpp.board("main_cpp", MODEL_FILES)

    return board


def test_the_solution_answers_with_the_networks_scores(board):
    with board(SOLUTION) as opened:
        answers = [float(opened.classify([a, b]).scores[0]) for a in (0, 1) for b in (0, 1)]
    assert answers[0] < 0.5 < answers[1]
    assert answers[3] < 0.5 < answers[2]


def test_a_program_that_does_not_compile_is_told_the_compilers_words(board):
    with (
        pytest.raises(cpp.CppError, match=r"main\.cpp:\d+.*error.*nonsense") as caught,
        board("nonsense;\n" + SOLUTION),
    ):
        pass
    assert caught.value.for_student == str(caught.value)


def test_a_cell_that_is_no_firmware_cell_is_refused(board):
    with pytest.raises(cpp.CppError, match="should begin with %%firmware"), board(SOLUTION, "%%bash\n"):
        pass


def test_hostile_program_reads_nothing_of_the_course_and_opens_no_socket(board, tmp_path):
    secret = tmp_path / "secret.h"
    secret.write_text("#define SECRET 1\n")
    with pytest.raises(cpp.CppError, match="No such file"), board(f'#include "{secret}"\n{SOLUTION}'):
        pass
    listener = socket.create_server(("127.0.0.1", 0))
    spy = f"""
#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <sys/socket.h>
struct Spy {{
    Spy() {{
        int line = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in there{{}};
        there.sin_family = AF_INET;
        there.sin_port = htons({listener.getsockname()[1]});
        there.sin_addr.s_addr = inet_addr("127.0.0.1");
        if (connect(line, reinterpret_cast<sockaddr *>(&there), sizeof there) == 0) std::abort();
        if (std::fopen("{secret}", "r") || std::fopen("/etc/passwd", "r") || std::fopen("src/x", "w")) std::abort();
    }}
}} spy;
"""
    with listener, board(spy + SOLUTION) as opened:
        assert opened.classify([0, 1]).scores[0] > 0.5


def test_hostile_program_that_talks_without_end_or_stops_is_an_error(board):
    from edgekit.board import BoardError

    chatter = '#include <cstdio>\nstruct Chatter { Chatter() { while (true) std::puts("xxxxxxxxxxxx"); } } chatter;\n'
    with pytest.raises(BoardError) as caught, board(chatter + SOLUTION):
        pass
    assert "too much" in caught.value.for_student or "does not answer" in caught.value.for_student
    quitter = "#include <cstdlib>\nstruct Quitter { Quitter() { std::_Exit(0); } } quitter;\n"
    with pytest.raises(BoardError, match="stopped"), board(quitter + SOLUTION):
        pass


def test_litert_answers_for_a_students_file_and_refuses_hostile_bytes():
    import numpy as np

    from edgekit import models, network, tflite
    from grader.for_tests import litert

    require("bwrap", "apt install bubblewrap")
    net = network.from_keras(models.xor_mlp())
    inputs = np.array([[0, 1], [0.5, -2]], np.float32)
    model = tflite.to_bytes(net)
    np.testing.assert_allclose(litert.run(model, inputs), net.run(inputs), atol=1e-5)
    for broken in (b"", b"TFL3" * 100, model[: len(model) // 2], model[:200] + bytes(range(200)) + model[400:], "text"):
        with pytest.raises(litert.TfliteError):
            litert.run(broken, inputs)


def test_int8_convolve_is_the_float_convolution_of_the_real_values():
    import numpy as np

    from edgekit.network import Network, Op
    from grader.for_tests import int8

    rng = np.random.default_rng(3)
    for size, k, stride in (((7, 6), 3, 2), ((8, 8), 1, 1), ((9, 5), 5, 2), ((6, 6), 3, 1)):
        x = rng.integers(-128, 128, (*size, 5)).astype(np.int8)
        w = rng.integers(-127, 128, (4, k, k, 5)).astype(np.int8)
        b = rng.integers(-9999, 9999, 4).astype(np.int32)
        rounded_up = tuple(-(-length // stride) for length in size)
        conv = Op(
            *("conv2d", "conv", ("x",), "y"),
            weights=w.astype(np.float32),
            bias=b.astype(np.float32),
            stride=(stride, stride),
            padding="same",
        )
        net = Network("one", "x", "y", {"x": (*size, 5), "y": (*rounded_up, 4)}, (conv,))
        real = net.run(x[None].astype(np.float32) + 17)[0]  # exact: the sums are whole numbers below 2^24
        np.testing.assert_array_equal(int8.convolve(x, -17, w, b, stride), real)


def test_int8_requantize_rounds_as_the_c_code_of_tensorflow_lite_micro_does():
    import numpy as np

    from grader.for_tests import int8

    rng = np.random.default_rng(4)
    sums = np.concatenate([rng.integers(-(2**31), 2**31, 1000), np.arange(-60, 60)])
    ms = np.concatenate([rng.integers(2**30, 2**31, 1000), np.full(120, 2**30)])
    shifts = np.concatenate([rng.integers(-12, 1, 1000), np.repeat([0, -1, -2, -3], 30)])
    expected = []
    for accumulator, m, shift in zip(sums.tolist(), ms.tolist(), shifts.tolist(), strict=True):
        product = accumulator * m + (2**30 if accumulator >= 0 else 1 - 2**30)
        high = abs(product) // 2**31 * (1 if product >= 0 else -1)  # C divides toward zero
        mask = 2**-shift - 1
        expected.append((high >> -shift) + ((high & mask) > (mask >> 1) + (high < 0)))
    assert int8.requantize(sums, ms, shifts).tolist() == expected


def test_a_gradebook_of_an_earlier_release_finds_what_its_hidden_tests_import():
    import grader
    from grader import car_network as former_car_network
    from grader import cpp as former_cpp
    from grader import litert as former_litert
    from grader.for_tests import car_network, litert

    assert (former_car_network, former_cpp, former_litert) == (car_network, cpp, litert)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = grader.nothing


def own_work(monkeypatch, task, *own_cells):
    current = {"cells": {"task": task, "other": "y = 1"}, "own_cells": list(own_cells), "library": ["quantization"]}
    monkeypatch.setattr(session, "current", current)
    answers.own_work("task")


@pytest.mark.parametrize(
    ("task", "own_cell"),
    [
        ("f = quantization.quantize_rows", ""),
        ("def f(x):\n    from edgekit import quantization as q\n    return q.quantize_rows(x)", ""),
        ("import sys\nf = sys.modules['edgekit.quantization'].quantize_rows", ""),
        ("f = g", "g = quantization.quantize_rows"),
        ("f = g", "from edgekit.quantization import quantize_rows as g"),
        ("f = g", "def h(x):\n    return quantization.quantize_rows(x)\ndef g(x):\n    return h(x)"),
        ("f = g.modules['edgekit']", "import sys as g"),
    ],
)
def test_the_librarys_own_function_is_refused_also_under_another_name(monkeypatch, task, own_cell):
    with pytest.raises(answers.WrongAnswer, match="write this yourself"):
        own_work(monkeypatch, task, own_cell)


@pytest.mark.parametrize(
    ("task", "own_cell"),
    [
        ("import sys\ndef f(x):\n    return min(x, sys.maxsize)", ""),
        ("def f(x):\n    return np.rint(x)", "import numpy as np\nprint(quantization.quantize_rows(np.ones(3)))"),
        ("def f(x):\n    return half(x)", "def half(x):\n    return x / 2\nsame = quantization.quantize_rows(1)"),
    ],
)
def test_a_students_own_code_may_stand_in_other_cells_and_beside_edgekit(monkeypatch, task, own_cell):
    own_work(monkeypatch, task, own_cell)
