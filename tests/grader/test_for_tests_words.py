"""A student whose program fails reads nothing about the network that the test made."""

import pytest
from board_projects import SOLUTION
from conftest import require

from edgekit import codegen
from edgekit.board import BoardError
from grader.for_tests import cpp, xor_network
from grader.grading import session

HEADERS = "".join(f"#include <{name}>\n" for name in ("cmath", "cstdint", "cstdio", "cstdlib", "cstring"))


@pytest.fixture
def words(monkeypatch, tmp_path):
    """What the student reads about a program that fails, with a network that the test has made."""
    require("bwrap", "apt install bubblewrap")
    require("g++")
    files = codegen.export(xor_network.fresh(), "xormodel", tmp_path)

    def words(program):
        monkeypatch.setattr(session, "current", {"cells": {"main_cpp": "%%firmware src/main.cpp\n" + program}})
        with pytest.raises((cpp.CppError, BoardError)) as caught, cpp.board("main_cpp", files) as opened:
            opened.classify([0, 1])
        return caught.value.for_student

    return words


@pytest.mark.parametrize(
    "use",
    [
        "template <int N> struct Show;\nShow<(int)(hidden_weights[0] * 90)> show;",
        'static_assert(hidden_weights[0] > 99, "small");',
        "int missing();\nint use = missing();",
    ],
)
def test_a_program_that_includes_the_hidden_network_makes_no_error_that_tells_its_weights(words, use):
    said = words(f'{HEADERS}#define static constexpr\n#include "xormodel.cpp"\n#undef static\n{use}\n{SOLUTION}')
    assert said.split(": ", 2)[1:] == ["fatal error", "xormodel.cpp: No such file or directory"]


def test_an_error_in_a_line_of_the_student_is_told_in_full(words):
    said = words(f"struct Pair {{ int a[1234]; }} pair = nonsense;\n{SOLUTION}")
    assert "main.cpp:1:" in said
    assert "‘nonsense’ was not declared" in said


def test_a_program_that_cannot_be_linked_is_told_what_it_needs(words):
    assert "app_main(), once" in words(SOLUTION.replace("app_main", "main_app"))


def test_a_program_that_prints_and_exits_is_not_quoted(words):
    spy = 'struct Spy { Spy() { std::puts("-0.123"); std::fflush(stdout); std::exit(77); } } spy;\n'
    assert words(HEADERS + spy + SOLUTION) == "the program stopped, or crashed, before it answered"
