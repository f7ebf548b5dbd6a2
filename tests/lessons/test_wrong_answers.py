"""No forged or wrong answer to a task of a lesson gets all its points, and right ones do, however they are written.

What students see of a check says so too: a wrong answer is refused there in a sentence, and a right one passes.
"""

import json
import re
import subprocess
import sys

import pytest
from conftest import ROOT, require

TASKS = {"xormodel": 8, "carclassifier_easy": 18, "carclassifier_hard": 18}


@pytest.mark.parametrize("lesson", TASKS)
def test_no_forged_or_wrong_answers_get_all_points_and_wrong_answers_are_refused_in_sight(lesson, tmp_path):
    for tool in ("bwrap", "g++"):
        require(tool)
    command = [sys.executable, str(ROOT / "tests" / "lessons" / "answers.py"), lesson]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    tests = json.loads(result.stdout.splitlines()[-1])
    assert len(tests) == TASKS[lesson]
    for name, test in tests.items():
        got = {kind: [] for kind in ("forged", "wrong", "right")}
        for kind, what, points, said, seen in test["answers"]:
            got[kind].append(what)
            if kind == "wrong":
                assert seen, f"{name}: {what}: nothing that students see says that it is wrong"
                assert len(seen.split()) >= 4, f"{name}: {what}: not a sentence: {seen}"
                assert not re.match(r"\w*(Error|Exception)\b", seen), f"{name}: {what}: not a sentence: {seen}"
            assert kind != "right" or not seen, f"{name}: {what}: right, but what students see says: {seen}"
            assert (points == test["points"]) == (kind == "right"), f"{name}: {kind}: {what}: {points} points, {said}"
        assert got["forged"], name
        assert len(got["wrong"]) >= 6, name
        assert len(got["right"]) >= 3, name
