"""Marks and feedback have the form that Moodle and Canvas accept, and are safe to open in a spreadsheet."""

import csv
import io
import shutil
import zipfile

import nbformat
import pytest
from conftest import require
from grading import Class

from grader import demo
from grader.__main__ import main
from grader.platforms import hand_back as handing_back
from grader.platforms.collect import Collected, _write_manifest
from grader.platforms.tables import HandBackError, Options, tame

WORKSHEET = """\ufeffIdentifier,"Full name","Email address",Status,Grade,"Maximum Grade","Grade can be changed",\
"Last modified (submission)","Online text","Last modified (grade)","Feedback comments"\r
Participant 101,"=HYPERLINK(""http://evil"",""Ada"")",ada@example.org,Submitted,,10.00,Yes,"Mon, 23 Nov 2026",,-,\r
Participant 102,"José O’Neil",@jose,Submitted,2.00,10.00,Yes,-,=1+1,-,"Come and see me.\n\
Graded: 1 of 10 points (xor_check 1 of 2)."\r
Participant 999,"No Body",n@example.org,"No submission",,10.00,Yes,-,,-,"Where are you?"\r
"""
CANVAS = '''Student,ID,SIS User ID,SIS Login ID,Section,Notes,Toy (4711),Other (4712),Final Score
,,,,,,Manual Posting,,
    Points Possible,,,,,,10,5,(read only)
"=""Lovelace""",67890,,@ada,"Spring, A",- careful,,4,80
"Neil, José",67891,,jose,Spring,,3,,20
"Student, Test",67899,,x,Spring,,,,
'''
FOLDERS = {"ada": "101", "jose": "102", "late": "103"}
NAMES = {  # as the platforms write those of the tables into an export
    "moodle": {"ada": "=HYPERLINK(httpevil,Ada)", "jose": "José O’Neil", "late": "Lee Late"},
    "canvas": {"ada": "lovelace", "jose": "neiljosé", "late": "latelee"},
}


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    """Three students of the toy lesson, graded and with feedback; the answer in prose is marked for two of them."""
    require("bwrap", "apt install bubblewrap")
    school = Class(tmp_path_factory.mktemp("desk") / "course")
    for student, made in {"ada": "honest", "jose": "partial", "late": "empty"}.items():
        school.hand_in(student, school.notebook(made))
    school.grade()
    demo.nbgrader(school.course, "generate_feedback", "toy")
    school.table = school.course.root.parent / "table.csv"
    return school


def collected(school, platform):
    """As if they had been collected from a platform."""
    number = {"ada": "67890", "jose": "67891", "late": "67892"} if platform == "canvas" else FOLDERS
    name = "{0}_{1}_{1}9_toy-1.ipynb" if platform == "canvas" else "{0}_{1}_assignsubmission_file_"
    known = {s: Collected(platform, n, NAMES[platform][s], name.format(s, n)) for s, n in number.items()}
    _write_manifest(school.course, "toy", known)


def hand_back(school, table, **options):
    school.table.write_text(table, newline="", encoding="utf-8")
    target = school.course.root / "handed_back"
    shutil.rmtree(target, ignore_errors=True)
    report = handing_back.hand_back(school.course, "toy", school.table, target, Options(unfinished=True, **options))
    assert school.table.read_bytes().decode("utf-8") == table, "the table itself is not changed"
    text = (target / "toy-marks.csv").read_bytes().decode("utf-8")
    return report, text, list(csv.reader(io.StringIO(text, newline="")))


def test_moodles_worksheet_comes_back_filled_in_and_otherwise_as_it_was(school):
    collected(school, "moodle")
    report, text, rows = hand_back(school, WORKSHEET)
    assert text.startswith("\ufeffIdentifier,")
    assert text.count("\r\n") == 4
    assert [row[0] for row in rows[1:]] == ["Participant 101", "Participant 102", "Participant 999"]
    assert [row[4] for row in rows[1:]] == ["9", "5", ""]
    assert rows[1][10].startswith(
        "Graded: 9 of 10 points (xor_check 2 of 2, scale_check 3 of 3, counter_check 4 of 4, why waits"
    )
    assert rows[2][10].startswith("Come and see me.\nGraded: 5 of 10 points")
    assert rows[2][10].count("Graded") == 1
    assert rows[3] == [
        "Participant 999",
        "No Body",
        "n@example.org",
        "No submission",
        "",
        "10.00",
        "Yes",
        "-",
        "",
        "-",
        "Where are you?",
    ]
    assert report.left_out == ["late: not in the worksheet"]


def test_nothing_that_students_choose_is_a_formula_and_what_the_platform_matches_by_is_untouched(school):
    collected(school, "moodle")
    _, _, rows = hand_back(school, WORKSHEET)
    assert rows[1][1] == '\'=HYPERLINK("http://evil","Ada")'
    assert rows[2][2] == "'@jose"
    assert rows[2][8] == "'=1+1"
    collected(school, "canvas")
    _, _, rows = hand_back(school, CANVAS)
    assert rows[3][:4] == ['\'="Lovelace"', "67890", "", "'@ada"]
    for text in (
        "=1",
        "+1+1",
        "-cmd",
        "@x",
        " =1",
        "\t=1",
        "\r=1",
        "＝1",
        "＋1",
        "－1+1",
        "＠x",
        "\u3000=1",
        "\u00a0＝1",
    ):
        assert tame(text) == "'" + text
    for text in ("＝1", "＋1", "－1+1", "＠x", "\u3000=1", "\u00a0＝1"):  # a spreadsheet takes full-width signs, too
        assert tame(text) == "'" + text
    for text in ("", "-", "-1.5", "12", "Ada", "a=b"):
        assert tame(text) == text


def test_canvas_gets_back_the_columns_about_students_and_one_assignment(school):
    collected(school, "canvas")
    report, _, rows = hand_back(school, CANVAS)
    assert rows[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Toy (4711)"]
    assert rows[1][5] == "Manual Posting"
    assert rows[2] == ["    Points Possible", "", "", "", "", "10"]
    assert [row[5] for row in rows[3:]] == ["9", "5", ""]
    assert report.marks == 2


def test_another_maximum_is_refused_unless_scaling_is_asked_for(school):
    collected(school, "moodle")
    other = WORKSHEET.replace("10.00", "100.00")
    with pytest.raises(HandBackError, match=r"toy has 10 points, but the platform's maximum is 100.*--scale"):
        hand_back(school, other)
    assert [row[4] for row in hand_back(school, other, scale=True)[2][1:]] == ["90", "50", ""]


def test_a_column_that_cannot_be_known_is_asked_for(school):
    collected(school, "moodle")
    german = WORKSHEET.replace(",Grade,", ",Bewertung,").replace("Feedback comments", "Feedback als Kommentar")
    with pytest.raises(HandBackError, match=r"no column 'Grade'; say with --column which one it is: .*'Bewertung'"):
        hand_back(school, german)
    _, _, rows = hand_back(school, german, column="Bewertung", comments="Feedback als Kommentar")
    assert [row[4] for row in rows[1:]] == ["9", "5", ""]
    collected(school, "canvas")
    with pytest.raises(HandBackError, match=r"which column is toy\? Say so with --column: .*'Exam \(4711\)'"):
        hand_back(school, CANVAS.replace("Toy (", "Exam ("))


@pytest.mark.parametrize("table", ["", "no table", "a,b,c\n1,2,3\n"])
def test_what_is_no_table_of_the_platform_is_refused(school, table):
    for platform in ("moodle", "canvas"):
        collected(school, platform)
        with pytest.raises(HandBackError, match=r"table|gradebook export"):
            hand_back(school, table)


def test_moodles_feedback_lies_in_the_folders_of_its_download(school):
    collected(school, "moodle")
    hand_back(school, WORKSHEET)
    with zipfile.ZipFile(school.course.root / "handed_back" / "toy-feedback.zip") as archive:
        assert sorted(archive.namelist()) == [f"{s}_{n}_assignsubmission_file_/toy.html" for s, n in FOLDERS.items()]
        page = school.course.root / "feedback" / "ada" / "toy" / "toy.html"
        assert archive.read("ada_101_assignsubmission_file_/toy.html") == page.read_bytes()


def test_canvas_feedback_is_a_notebook_under_the_downloads_own_name_without_hidden_tests(school):
    collected(school, "canvas")
    hand_back(school, CANVAS)
    with zipfile.ZipFile(school.course.root / "handed_back" / "toy-feedback.zip") as archive:
        assert archive.namelist() == [
            "ada_67890_678909_toy-1.ipynb",
            "jose_67891_678919_toy-1.ipynb",
            "late_67892_678929_toy-1.ipynb",
        ]
        text = archive.read("late_67892_678929_toy-1.ipynb").decode()
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith("**Graded: 0 of 10 points")
    assert any("**xor_check: 0 of 2 points**" in cell.source for cell in notebook.cells)
    assert "NotImplementedError" in text
    assert "HIDDEN TESTS" in school.text_of("late")
    for secret in ("HIDDEN TESTS", "-64", "Counter(5)", "instructor only"):
        assert secret not in text


def test_who_is_not_ready_is_left_out_and_named(school, capsys):
    collected(school, "moodle")
    page = school.course.root / "feedback" / "jose" / "toy" / "toy.html"
    kept = page.read_bytes()
    page.unlink()
    (school.course.root / "autograded" / "late").rename(school.course.root / "late")
    school.table.write_text(WORKSHEET, newline="", encoding="utf-8")
    arguments = ["--course", str(school.course.root), "hand-back", "toy", "--marks", str(school.table)]
    try:
        assert main([*arguments, "--unfinished"]) == 0
        said = capsys.readouterr().out
        assert "2 marks and 1 feedback files" in said
        assert "late: not graded yet" in said
        assert "jose: feedback is missing; run nbgrader generate_feedback toy --force" in said
        assert main(arguments) == 0
        assert "ada: waits to be marked by hand: why" in capsys.readouterr().out
        folder = school.course.root / "handed_back" / "toy"
        assert len(list(folder.iterdir())) == 4, "what was handed back before is kept"
    finally:
        page.write_bytes(kept)
        (school.course.root / "late").rename(school.course.root / "autograded" / "late")


def test_without_a_collection_nothing_is_handed_back(school, capsys):
    _write_manifest(school.course, "toy", {})
    assert main(["--course", str(school.course.root), "hand-back", "toy"]) == 2
    assert "python -m grader collect toy EXPORT" in capsys.readouterr().err


def test_unsafe_grading_is_said_in_the_comment_the_feedback_and_the_report(school):
    school.grade("--student=jose", "--force", "--RunSubmission.unsafe=True")
    demo.nbgrader(school.course, "generate_feedback", "toy", "--student=jose", "--force")
    collected(school, "moodle")
    report, _, rows = hand_back(school, WORKSHEET)
    assert report.unsafe == ["jose"]
    assert "Graded without the sandbox (--unsafe)" in rows[2][10]
    assert "without the sandbox" not in rows[1][10]
    collected(school, "canvas")
    hand_back(school, CANVAS)
    with zipfile.ZipFile(school.course.root / "handed_back" / "toy-feedback.zip") as archive:
        texts = {name.split("_")[0]: archive.read(name).decode() for name in archive.namelist()}
    assert "Graded without the sandbox" in texts["jose"]
    assert "without the sandbox" not in texts["ada"]
