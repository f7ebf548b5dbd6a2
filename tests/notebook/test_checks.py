"""Checks of a lesson say what is not right yet in a sentence, count points, and give hints when they are asked."""

import json

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from edgekit import network
from edgekit.notebook import checks
from edgekit.notebook.lesson import TODO

FIRST, SECOND = (
    checks.Check(name, points, 5, number, 2) for number, (name, points) in enumerate([("a", 2), ("b", 3)], 1)
)


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checks, "this_lesson", checks.Lesson())
    shell = InteractiveShell()
    checks.install(shell)
    shell.push({"np": np, "checks": checks, "TODO": TODO, "hint": checks.hint, "network": network})
    return shell


def said(shell, capsys, cell, check=None):
    capsys.readouterr()
    shell.run_cell(f"{check.first_line}\n{cell}" if check else cell)
    return capsys.readouterr().out.strip().splitlines()


def test_a_check_is_known_by_its_first_line():
    assert checks.Check.of(FIRST.first_line + "\nassert x") == FIRST
    assert checks.Check.of("# Check of nothing\nassert x") is None
    assert checks.Check.of("# Check of a-b: 0.5 of 2.5 points, task 1 of 3") == checks.Check("a-b", 0.5, 2.5, 1, 3)
    assert FIRST.first_line == "# Check of a: 2 of 5 points, task 1 of 2"


def test_points_are_counted_once_and_taken_back_when_a_check_fails_later(shell, capsys):
    assert said(shell, capsys, "pass", FIRST) == ["passed: 2 of 2   (so far 2 of 5 points, 1 of 2 tasks)"]
    assert said(shell, capsys, "pass", FIRST) == ["passed: 2 of 2"]
    assert said(shell, capsys, "assert False, 'no'", FIRST) == ["Not yet: no"]
    assert said(shell, capsys, "pass", SECOND)[0].endswith("(so far 3 of 5 points, 1 of 2 tasks)")
    assert said(shell, capsys, "pass", FIRST)[-1].startswith("All tasks pass.")
    assert said(shell, capsys, "pass") == []


@pytest.mark.parametrize(
    ("own", "check", "lines"),
    [
        ("", "f(1)", ["Not yet: there is no `f`. Run the cell of its task first (after a restart"]),
        ("def f(x):\n    return TODO('twice x')", "f(1)", ["Not yet: Still to do in f(): twice x"]),
        ("def f(x):\n    raise NotImplementedError()", "f(1)", ["Not yet: f() is still to do."]),
        (
            "def f(x):\n    return valu\nvalue = 1",
            "f(1)",
            ["Not yet: f() uses `valu`, but there is no `valu`. Is it `val"],
        ),
        (
            "def f(x):\n    return x / 0",
            "f(1)",
            ["Not yet: f() raises ZeroDivisionError: div", "    line 2 of its cell: "],
        ),
        (
            "def f(x):\n    return np.ones(3) @ [1]",
            "f(1)",
            ["Not yet: f() raises ValueError", "    line 2 of its cell: "],
        ),
        (
            "def f(x):\n    return [1 / y for y in (x, 0)]",
            "f(1)",
            ["Not yet: f() raises Zero", "    line 2 of its cell: "],
        ),
        ("f = None", "f.shape", ["Not yet: the check cannot use this answer (Attr", "    line 2 of the cell: f.shape"]),
        ("f = 3", "checks.same(f, 4, 'f')", ["Not yet: f should be 4, yours: 3"]),
        ("f = [...]", "checks.numbers(f, None, 'f')", ["Not yet: f should be numbers, yours is of type object"]),
    ],
)
def test_a_failing_check_says_in_sentences_what_is_wrong(shell, capsys, own, check, lines):
    shell.run_cell(own)
    found = said(shell, capsys, check, FIRST)
    assert [line[: len(start)] for line, start in zip(found, lines, strict=False)] == lines
    assert len(found) <= 2


@pytest.mark.parametrize(
    ("cell", "start"),
    [
        ("total = 3\nprint(totl)", "There is no `totl`. Is it `total`? If a cell above makes it, run that cell first"),
        ("np.array([[0, 0], ...], np.float32)", "The ... in this line stands for what is still to be written:"),
        ("network.map_weights(3, print)", "line 1 of the cell: network.map_weights(3, print)"),
    ],
)
def test_mistakes_in_other_cells_take_a_line_or_two(shell, capsys, cell, start):
    found = said(shell, capsys, cell)
    assert found[0].startswith(start)
    assert len(found) == 2


def test_errors_that_python_explains_best_keep_their_traceback(shell, capsys):
    assert any("Traceback" in line for line in said(shell, capsys, "1 / 0"))
    assert "SyntaxError" in said(shell, capsys, "f = (")[-1]


def test_hints_are_given_one_after_the_other_and_only_when_asked(shell, capsys, tmp_path):
    assert said(shell, capsys, "hint()") == ["There are no hints here: this notebook has no file hints.json beside it."]
    (tmp_path / "hints.json").write_text(json.dumps({"a": ["look", "idea", "nearly"], "b": ["x", "y", "z"]}))
    assert said(shell, capsys, "assert False, 'no'", FIRST) == ["Not yet: no", "(hint() in a cell below gives a hint.)"]
    assert said(shell, capsys, "hint()")[0] == "Hint 1 of 3 to a: look"
    assert said(shell, capsys, "hint()")[0] == "Hint 2 of 3 to a: idea"
    assert said(shell, capsys, "hint('b_check')")[0] == "Hint 1 of 3 to b: x"
    assert said(shell, capsys, "hint()") == ["Hint 3 of 3 to a: nearly"]
    assert said(shell, capsys, "hint()") == ["Hint 3 of 3 to a: nearly"]
    said(shell, capsys, "pass", FIRST)
    assert said(shell, capsys, "hint()") == ['The check of a passes. For another task, name it: hint("a"), hint("b").']
    assert said(shell, capsys, "hint('bb')") == ["There are no hints to 'bb'; is it 'b'?"]


def test_numbers_says_what_is_missing_of_an_answer():
    for value, words in (
        (None, "nothing \\(None\\): is the result returned"),
        ("3", "not an object of type str"),
        (["3"], "yours is text"),
        ([[1], [1, 2]], "as many in each row"),
        ([[1], [2]], r"yours has the shape \(2, 1\) \(an axis is too many"),
        ([1, np.nan], "not a number"),
        ([1, 2, 3], r"should have the shape \(2,\), yours has the shape \(3,\)"),
    ):
        with pytest.raises(checks.CheckError, match=words):
            checks.numbers(value, (2,), "the scales")
    assert checks.numbers([1, 2], (2,), "the scales").tolist() == [1, 2]


def test_same_names_the_mistake_or_the_first_number_that_differs():
    checks.same([0.1 + 0.2], [0.3], "the sum", atol=1e-9)
    with pytest.raises(checks.CheckError, match=r"take np\.rint"):
        checks.same([1, 2], [2, 3], "q", mistakes={"take np.rint": [1, 2], "take np.ceil": [9, 9]})
    with pytest.raises(checks.CheckError, match=r"q should be \[2, 3\], yours: \[1, 3\]"):
        checks.same([1, 3], [2, 3], "q")
    many = np.arange(100).reshape(10, 10)
    with pytest.raises(checks.CheckError, match=r"q: 2 of 100 differ; the first at \[4, 2\] should be 42, yours is 0"):
        checks.same(np.where((many == 42) | (many == 77), 0, many), many, "q")


def test_parts_says_how_many_values_there_should_be():
    assert checks.parts((1, 2), "the result", "M", "the shift") == (1, 2)
    for value, words in ((None, "is the result returned"), (3, "yours is one of type int"), ((1, 2, 3), "yours are 3")):
        with pytest.raises(checks.CheckError, match=f"the result should be 2 values, M and the shift.*{words}"):
            checks.parts(value, "the result", "M", "the shift")


def test_of_each_calls_a_function_for_each_arguments():
    assert checks.of_each(lambda a, b: a + b, [(1, 2), (3, 4)]) == [3, 7]
