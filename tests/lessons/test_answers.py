"""No forged or wrong answer to a task of a lesson gets all its points, and right ones do, however they are written."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT, require

TASKS = {"xormodel": 8, "carclassifier_easy": 18, "carclassifier_hard": 18}


@pytest.mark.parametrize("lesson", TASKS)
def test_no_forged_or_wrong_answer_gets_all_points_and_right_ones_do(lesson, tmp_path):
    for tool in ("bwrap", "g++"):
        require(tool)
    command = [sys.executable, str(ROOT / "tests" / "lessons" / "answers.py"), lesson]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    tests = json.loads(result.stdout.splitlines()[-1])
    assert len(tests) == TASKS[lesson]
    for name, test in tests.items():
        got = {kind: [] for kind in ("forged", "wrong", "right")}
        for kind, what, points, said in test["answers"]:
            got[kind].append(what)
            assert (points == test["points"]) == (kind == "right"), f"{name}: {kind}: {what}: {points} points, {said}"
        assert got["forged"], name
        assert len(got["wrong"]) >= 6, name
        assert len(got["right"]) >= 3, name
