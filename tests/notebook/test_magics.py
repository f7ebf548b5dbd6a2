"""The notebook's magics work in a real IPython."""

import pytest
from board_projects import SOLUTION, make
from conftest import require
from IPython.core.interactiveshell import InteractiveShell

from edgekit.notebook.session import this_notebook


@pytest.fixture
def shell(tmp_path):
    require("g++")
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "edgekit")
    make(tmp_path / "project", main=None)
    yield shell
    this_notebook.use()


def failure(shell, cell):
    result = shell.run_cell(cell)
    assert not result.success
    return str(result.error_in_exec)


def test_a_program_goes_from_the_cell_to_the_simulated_board(shell, capsys):
    assert shell.run_cell(f"%%firmware src/main.cpp\n{SOLUTION}").success
    assert "compiles" in capsys.readouterr().out
    assert shell.run_cell("%flash").success
    assert "simulated board" in capsys.readouterr().out
    result = shell.run_cell("%board 0 1").result
    assert result.scores == pytest.approx([1])
    assert repr(result).endswith("µs on this computer)")
    assert shell.run_cell("%monitor 0.2").success
    assert "1.0000 in" in capsys.readouterr().out
    assert shell.run_cell("%board").success
    assert "simulated board" in capsys.readouterr().out


def test_a_quoted_name_is_the_same_file_and_a_mistyped_one_is_said_to_be_new(shell, capsys):
    assert shell.run_cell(f"%%firmware 'src/main.cpp'\n{SOLUTION}").success
    assert "src/main.cpp is written and compiles" in capsys.readouterr().out
    assert shell.run_cell("%%firmware src/mian.cpp\nint x;").success
    assert "src/mian.cpp is written, a new file of the project" in capsys.readouterr().out


def test_an_error_is_shown_at_the_line_of_the_cell(shell):
    broken = SOLUTION.replace("model.invoke()", "model.invok()")
    cell = f"%%firmware src/main.cpp\n{broken}"
    line = 1 + cell[: cell.index("model.invok()")].count("\n")
    assert f"line {line} of the cell: error:" in failure(shell, cell)


def test_a_missing_semicolon_is_guessed(shell):
    broken = SOLUTION.replace("model.output(0);", "model.output(0)")
    assert "Is a ; missing" in failure(shell, f"%%firmware src/main.cpp\n{broken}")


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("%%firmware ../escape.cpp\nint x;", "inside the project"),
        ("%%firmware\nint x;", "name the file"),
        ("%monitor soon", "number of seconds"),
        ("%flash /dev/ttyNOTHERE", "plugged in"),
    ],
)
def test_a_wrong_use_is_explained(shell, cell, says):
    assert says in failure(shell, cell)


def test_a_program_that_does_not_compile_is_not_flashed_and_the_message_comes_once(shell, capsys):
    broken = SOLUTION.replace("model.invoke()", "model.invok()")
    failure(shell, f"%%firmware src/main.cpp\n{broken}")
    assert "src/main.cpp, line" in failure(shell, "%flash")
    out = capsys.readouterr().out
    assert "Compiling sim/src/main.o" in out
    assert "no member named" not in out.split("Building for the simulated board")[1].split("src/main.cpp, line")[0]


def test_the_simulated_board_can_be_chosen(shell, capsys):
    assert shell.run_cell("%flash sim").success
    assert "Building for the simulated board." in capsys.readouterr().out
