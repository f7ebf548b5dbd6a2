"""A student's C++ and .tflite are run in the sandbox: right ones answer, hostile ones gain and reach nothing."""

import socket

import pytest
from board_projects import MODEL_FILES, SOLUTION
from conftest import require

from grader.for_tests import cpp
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
