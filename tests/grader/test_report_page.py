"""The class report covers every student, and no text of a student has an effect in it."""

import base64
import contextlib
import hashlib
import json
import re
import shutil
import unicodedata
from html.parser import HTMLParser

import pytest
from conftest import require
from grading import Class, cell
from nbgrader.api import Gradebook

from grader import demo
from grader.__main__ import main
from grader.report import class_report
from grader.report import page as report_page
from grader.report.class_report import ReportError, Task, TaskMark

LONG = '''
def xor(a, b):
    """Mine."""
    table = {}
    for first in (0, 1):
        for second in (0, 1):
            total = first + second
            if total == 1:
                table[first, second] = 1
            else:
                table[first, second] = 0
    result = table[int(a), int(b)]
    if result not in (0, 1):
        raise ValueError("not a bit: " + str(result))
    while result > 1:
        result -= 1
    return int(result)
'''
EVIL = "<img src=x onerror=alert(1)>"
HOSTILE = f"</script></pre></mark>{EVIL}\\x00\\x1b[31m\\u202e\\ud800{{{{ 7 * 7 }}}}"


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class of all kinds, graded once."""
    require("bwrap", "apt install bubblewrap")
    school = Class(tmp_path_factory.mktemp("report") / "course")

    def hand_in(student, kind="honest", **sources):
        notebook = school.notebook(kind)
        for grade_id, source in sources.items():
            cell(notebook, grade_id).source = source
        school.hand_in(student, notebook)

    for student in ("ada", "bela", "chen"):
        hand_in(student)
    hand_in("half", "partial")
    hand_in("late", "empty")
    hand_in("one", xor=LONG)
    hand_in("two", xor=LONG.replace("table", "t").replace("first", "i").replace("Mine", "My own, of course"))
    hand_in("slow", xor="import time\ntime.sleep(60)")
    hand_in(EVIL, scale=f'raise ValueError("{HOSTILE}")', xor=f"{LONG}\n# {HOSTILE} \x00\x1b[31m\u202e")
    school.hand_in("no notebook", b"{")
    school.grade_side_by_side("--jobs", "2")
    hand_in("trusting", xor="def xor(a, b):\n    return 0")
    school.grade("--student=trusting", "--RunSubmission.unsafe=True")
    hand_in("waiting")
    hand_in("without")
    (school.course.root / "submitted" / "without" / "toy" / "toy.ipynb").unlink()
    (school.course.root / "submitted" / f"a\n{EVIL[:20]}" / "toy").mkdir(parents=True)
    with Gradebook(f"sqlite:///{school.database}", "edgekit") as gradebook:
        gradebook.add_student("absent")
    return school


@pytest.fixture
def school(graded, tmp_path):
    """The graded class; a test may do with it what it likes."""
    root = tmp_path / "course"
    shutil.copytree(graded.course.root, root)
    return class_report.Course.at(root)


@pytest.fixture(scope="module")
def report(graded):
    return class_report.gather(graded.course, "toy")


@pytest.fixture(scope="module")
def page(report):
    return report_page.render(report)


class Read(HTMLParser):
    """A page as a browser takes it apart: its tags with their attributes, and what can be read."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words, self._within = [], [], ""
        self.feed(page)
        self.close()
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._within = tag

    def handle_endtag(self, tag):
        self._within = ""

    def handle_data(self, data):
        if self._within not in ("script", "style"):
            self.words.append(data)


def said(course, capsys, *arguments):
    """The exit status, and what the command printed and complained of."""
    status = main(["--course", str(course.root), "report", *arguments])
    output = capsys.readouterr()
    return status, output.out, output.err


def task(report, grade_id):
    return next(task for task in report.tasks if task.grade_id == grade_id)


def test_everybody_is_accounted_for(report, page):
    assert [student.name for student in report.students] == sorted(
        ["ada", "bela", "chen", "half", "late", "one", "two", "slow", EVIL, "no notebook", "trusting"]
    )
    assert len(report.handed_in) == 14
    assert report.not_graded["waiting"] == "not graded yet"
    assert report.not_graded["without"] == "there is no toy.ipynb in what was handed in"
    assert "characters nbgrader cannot take" in report.not_graded[f"a?{EVIL[:20]}"]
    assert report.absent == ["absent"]
    assert list(report.unreadable) == ["no notebook"]
    text = Read(page).text
    assert "A toy lesson" in text
    assert "handed in 14 graded 11 not graded 3" in text
    assert "Nothing handed in absent" in text
    assert "no notebook : it is not a Jupyter notebook" in text


def test_who_was_graded_without_the_sandbox_is_said_first_and_only_then(report, page):
    assert report.unsafe == ["trusting"]
    text = Read(page).text
    warning = text.index("Graded without the sandbox ( --unsafe ): trusting . Their code")
    assert warning < text.index("handed in")
    report = class_report.ClassReport(**{**vars(report), "unsafe": []})
    assert "without the sandbox" not in report_page.render(report)


def test_marks_are_the_gradebooks(graded, report, page):
    marks = demo.marks(graded.course, "toy")
    by_hand = {student: sum(mark.points for mark in marked.values()) for student, marked in marks.items()}
    assert {student.name: student.points for student in report.students} == by_hand
    assert by_hand["ada"] == 9
    assert task(report, "counter").marks["ada"] == TaskMark(4, 4)
    assert task(report, "counter").marks["half"] == TaskMark(0, 4)
    assert task(report, "why").marks["ada"] == TaskMark(0, 1, waits=1)
    scale = task(report, "scale")
    assert (scale.full, scale.zero, scale.waiting) == (8, 3, 0)
    assert scale.share == pytest.approx(8 / 11)
    text = Read(page).text
    totals = sorted(by_hand.values())
    assert f"mean {round(sum(totals) / 11, 2):g} of 10 median {totals[5]:g} of 10" in text
    assert "ada 9 /10 2 /2 3 /3 4 /4 ? /1" in text, "what waits to be marked is no 0"
    assert "half 5 /10 2 /2 3 /3 0 /4 0 /1" in text


def test_late_penalties_and_marks_of_several_answers_are_shown_as_they_are(report):
    changed = Task("xor", "Exclusive or", ["xor_check"], {"ada": TaskMark(2, 5, waits=1), "bela": TaskMark(5, 5)})
    late = class_report.Student("ada", 1.5, 5, 1, penalty=0.5)
    told = class_report.ClassReport(**{**vars(report), "tasks": [changed], "students": [late]})
    text = Read(report_page.render(told)).text
    assert "ada 1.5 /5 late −0.5 2 + ? /5" in text
    assert "100 % without 1 that waits" in text


def test_the_commonest_failing_check_is_told_with_its_number_of_students(report, page):
    counter = task(report, "counter").messages
    assert counter.most_common(1) == [("it needs Counter, which the notebook does not define", 3)]
    assert "3× it needs Counter, which the notebook does not define" in Read(page).text
    xor = task(report, "xor").messages
    assert xor["xor(0, 1) should be 1: exactly one input is 1"] == 1
    assert sum(task(report, "scale").messages.values()) == 3


def test_a_check_without_words_is_told_by_its_line_and_colours_do_not_matter():
    def message(name, value, *lines):
        return class_report._message(class_report.NotebookNode(ename=name, evalue=value, traceback=list(lines)))

    check = ("This check failed, line 1:", "    assert a == 1", "AssertionError")
    assert message("AssertionError", "", *check) == "assert a == 1"
    assert message("NotImplementedError", "", *check) == "NotImplementedError"
    assert message("ValueError", "\x1b[31mred\x1b[0m\nmore") == "ValueError: red"
    assert message("AssertionError", "it does not build:\nmain.cpp:7: error") == "it does not build"
    assert len(message("ValueError", "x" * 10**6)) == 300


def test_time_is_told_by_task_with_who_took_longest_and_who_was_stopped(report, page):
    xor = task(report, "xor")
    assert xor.longest[0] == "slow"
    assert 5 < xor.longest[1] < 60
    assert xor.median_seconds < 5
    assert set(xor.seconds) == {student.name for student in report.students}
    assert not task(report, "why").seconds, "an answer in prose takes no time"
    assert list(report.stopped) == ["slow"]
    text = Read(page).text
    assert "slow : this cell took longer than 6 seconds, and was stopped" in text
    assert re.search(r"xor Exclusive or median \S+ s, longest \d\.\d s", text)


def test_solutions_that_look_alike_are_shown_side_by_side_as_a_hint(report, page):
    assert {(pair.first, pair.second) for pair in report.alike.pairs} == {
        (EVIL, "one"),
        (EVIL, "two"),
        ("one", "two"),
    }, "nobody who has the instructor's solution, or a short one"
    read = Read(page)
    assert "A hint to look at, not a verdict." in read.text
    assert "one and two 100 % similar 100 %" in read.text
    assert "table[first, second] = 1" in read.text
    assert "t[i, second] = 1" in read.text
    assert sum(tag == "mark" for tag, _ in read.tags) > 20


def test_the_instructors_own_solution_is_no_hint(school):
    lesson = school.lessons / "toy" / "toy.md"
    text = lesson.read_text(encoding="utf-8")
    begin, end = text.index("def xor"), text.index("```", text.index("def xor"))
    lesson.write_text(f"{text[:begin]}### BEGIN SOLUTION\n{LONG}### END SOLUTION\n{text[end:]}", encoding="utf-8")
    assert class_report.gather(school, "toy").alike.pairs == []


def test_nothing_a_student_wrote_is_more_than_text(page):
    read = Read(page)
    assert EVIL in read.text
    assert "</script></pre></mark>" + EVIL in read.text, "the source is there, as text"
    assert "{{ 7 * 7 }}" in read.text
    assert "[U+0000]" in read.text
    assert "[U+202E]" in read.text
    tags = [tag for tag, _ in read.tags]
    assert "img" not in tags
    assert tags.count("script") == tags.count("style") == 1
    for tag, attributes in read.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src")], tag
        assert attributes.get("href", "#").startswith("#")
    assert {c for c in page if unicodedata.category(c) in ("Cc", "Cs")} == {"\n"}
    assert "\u202e" not in page


def test_names_may_be_any_text(report):
    names = ['"><script>alert(1)</script>', "\ud800\x00\x1b[2J", "' onclick='alert(1)", "&lt;b&gt;", "\u202egnp.exe"]
    students = [class_report.Student(name, 1, 2, 0, 0) for name in names]
    tasks = [Task("xor", names[0], ["c"], {name: TaskMark(1, 2) for name in names}, seconds=dict.fromkeys(names, 1.0))]
    for name in names:
        tasks[0].messages[name] = 1
    told = {
        "students": students,
        "tasks": tasks,
        "unsafe": names,
        "absent": names,
        "title": names[0],
        "lesson": names[1],
    }
    told |= {"not_graded": dict.fromkeys(names, names[0]), "stopped": dict.fromkeys(names, names[1])}
    page = report_page.render(class_report.ClassReport(**{**vars(report), **told}))
    read = Read(page)
    assert [tag for tag, _ in read.tags].count("script") == 1
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert "&lt;b&gt;" in read.text
    page.encode("utf-8")


def test_the_pages_policy_permits_its_own_style_and_script_and_no_more(page):
    policy = next(a["content"] for tag, a in Read(page).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "http" not in page.replace("http-equiv", "")
    assert not re.search(r"url\(|@import|fetch\(", page)


def test_the_command_writes_one_file_and_says_where(school, capsys, tmp_path):
    status, out, err = said(school, capsys, "toy")
    path = school.root / "report" / "toy.html"
    assert (status, out, err) == (0, f"{path}\n", "")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert said(school, capsys, "toy")[0] == 0, "a report is written anew"
    assert [file.name for file in path.parent.iterdir()] == ["toy.html"]
    other = tmp_path / "deep" / "mine.html"
    assert said(school, capsys, "toy", "--output", str(other))[1] == f"{other}\n"


def test_no_other_file_is_written_over(school, capsys, tmp_path):
    database = school.root / "gradebook.db"
    before = database.read_bytes()
    for target in (database, tmp_path):
        status, _, err = said(school, capsys, "toy", "--output", str(target))
        assert status == 2
        assert err == f"{target} is there and is no class report; name another file with --output\n"
    assert database.read_bytes() == before
    status, _, err = said(school, capsys, "toy", "--output", str(database / "x.html"))
    assert status == 2
    assert err.count("\n") == 1


def test_what_cannot_be_reported_on_is_said_in_a_sentence(school, capsys):
    assert said(school, capsys, "nothing") == (2, "", f"no lesson 'nothing' in {school.lessons}; there is toy\n")
    (school.root / "gradebook.db").write_bytes(b"")
    status, _, err = said(school, capsys, "toy")
    assert status == 2
    assert "has nothing of nbgrader's" in err
    (school.root / "gradebook.db").write_bytes(b"no database" * 1000)
    status, _, err = said(school, capsys, "toy")
    assert status == 2
    assert "cannot be read (file is not a database)" in err
    (school.root / "gradebook.db").unlink()
    status, _, err = said(school, capsys, "toy")
    assert status == 2
    assert "there is no gradebook in" in err
    assert err.count("\n") == 1
    assert not (school.root / "gradebook.db").exists(), "none is made"
    with pytest.raises(ReportError):
        class_report.gather(school, "toy")


def test_a_class_that_nobody_graded_has_a_page_that_says_so(school, capsys):
    shutil.rmtree(school.root / "autograded")
    with Gradebook(f"sqlite:///{school.root / 'gradebook.db'}", "edgekit") as gradebook:
        for submission in gradebook.assignment_submissions("toy"):
            gradebook.remove_submission("toy", submission.student.id)
    assert said(school, capsys, "toy")[0] == 0
    text = Read((school.root / "report" / "toy.html").read_text(encoding="utf-8")).text
    assert "Nobody is graded yet. Grade with python -m grader grade toy" in text
    assert "handed in 14 graded 0 not graded 14" in text
    assert "ada : not graded yet" in text


@pytest.mark.parametrize(
    "left",
    [
        "",
        '{"cells": [',
        "[]",
        '{"cells": 1, "metadata": {"edgekit": {}}, "nbformat": 4}',
        '{"cells": [{"cell_type": "code"}], "metadata": {"edgekit": {}}, "nbformat": 4, "nbformat_minor": 5}',
    ],
)
def test_grading_that_was_killed_is_told_and_the_others_are_reported(school, left):
    path = school.root / "autograded" / "ada" / "toy" / "toy.ipynb"
    path.chmod(0o644)
    path.write_text(left)
    half = school.root / "autograded" / "bela" / "toy" / "toy.ipynb"
    half.chmod(0o644)
    notebook = json.loads(half.read_text())
    del notebook["metadata"]["edgekit"]
    half.write_text(json.dumps(notebook))
    shutil.rmtree(school.root / "autograded" / "chen")
    report = class_report.gather(school, "toy")
    assert len(report.students) == 8
    assert "broken" in report.not_graded["ada"]
    assert report.not_graded["bela"] == "grading was stopped half way; grade it again"
    assert report.not_graded["chen"] == "its graded notebook is not in autograded/"


def test_the_histogram_counts_everybody_once():
    bars = report_page.histogram([0, 0.5, 1, 5, 9.99, 10, 10], 10)
    assert [bar.count for bar in bars] == [2, 1, 0, 0, 0, 1, 0, 0, 0, 3]
    assert [bar.count for bar in report_page.histogram([0.7, 2.8], 7)] == [0, 1, 0, 0, 1, 0, 0, 0, 0, 0], (
        "rounded right"
    )
    assert bars[9].height == 170
    assert bars[0].height == pytest.approx(170 * 2 / 3)
    assert sum(bar.count for bar in report_page.histogram([0.1 * i for i in range(11)], 1.0)) == 11
    assert report_page.histogram([], 10) == report_page.histogram([0], 0) == []


@pytest.fixture
def browser(tmp_path):
    """Chromium at a laptop's size."""
    from selenium import webdriver

    chromium, driver = require("chromium"), require("chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-dev-shm-usage"):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.add_argument("--window-size=1366,768")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield browser
    with contextlib.suppress(Exception):
        browser.quit()


def test_a_browser_shows_it_in_both_themes_sorts_it_and_runs_nothing_else(browser, page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    colours = set()
    for theme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        browser.get(path.as_uri())
        colours.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 1366
    assert len(colours) == 2, "the style sheet is permitted, and has two themes"

    def column(number):
        script = (
            f"return [...document.querySelectorAll('.heat tbody tr')].map(row => row.cells[{number}].dataset.value)"
        )
        return browser.execute_script(script)

    def click(number):
        browser.execute_script(f"document.querySelectorAll('.heat thead button')[{number}].click()")

    names = column(0)
    assert names == sorted(names)
    click(1)
    totals = [float(total) for total in column(1)]
    assert totals == sorted(totals)
    assert totals[0] < totals[-1]
    click(1)
    assert [float(total) for total in column(1)] == totals[::-1]
    click(0)
    words = [name for name in column(0) if name.isalpha()]
    assert words == sorted(words)
    assert sorted(column(0)) == names
    assert browser.execute_script("return document.images.length") == 0
    assert browser.get_log("browser") == []
