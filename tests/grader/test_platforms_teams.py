"""Whose mark it is: teams, groups, locked and excused marks, and names that are not those of the export."""

import csv
import io
import zipfile

import nbformat
import pytest
from conftest import require
from grading import Class

from grader import demo
from grader.__main__ import main
from grader.platforms import collect as collecting
from grader.platforms import hand_back as handing_back
from grader.platforms.hand_back import HandBackError, Options

MOODLE = "Identifier,Full name,Email address,Status,Group,Grade,Maximum Grade,Grade can be changed,Feedback comments\n"
CLASS = ("1,Ann Ash,Blue", "2,Bob Birk,Red", "3,Cy Cole,Blue", "4,Di Dorn,Red")
CANVAS = """Student,ID,SIS Login ID,Section,toy (4711),Final Score
    Points Possible,,,,10,(read only)
"Ash, Ann",11,ann,S,,80
"Birk, Bob",12,bob,S,,20
"Cole, Cy",13,cy,S,,20
"Dorn, Di",14,di,S,,20
"""
GROUPS = """name,canvas_user_id,user_id,login_id,sections,group_name,canvas_group_id,group_id
Ann Ash,11,,ann,S,Team Blue,1,
Bob Birk,12,,bob,S,Team Red,2,
Cy Cole,13,,cy,S,Team Blue,1,
Di Dorn,14,,di,S,Team Red,2,
"""
TEAMS = {
    "Team Blue_2_assignsubmission_file_/toy.ipynb": "honest",
    "Team Red_3_assignsubmission_file_/toy.ipynb": "partial",
}
EVE = {"Eve Elm_5_assignsubmission_file_/toy.ipynb": "honest"}
CANVAS_GROUPS = {"teamblue_13_901_toy.ipynb": "honest", "teamred_LATE_12_902_toy.ipynb": "partial"}
CANVAS_PEOPLE = {"ashann_11_901_toy.ipynb": "honest", "birkbob_12_902_toy.ipynb": "honest"}
PEOPLE = {f"{row.split(',')[1]}_{row.split(',')[0]}_assignsubmission_file_/toy.ipynb": "honest" for row in CLASS}


def worksheet(rows=CLASS, header=MOODLE, maximum="10.00", changeable="Yes"):
    lines = [header]
    for row in rows:
        number, name, team = row.split(",")
        lines.append(f'Participant {number},{name},,Submitted,Team {team},,"{maximum}",{changeable},\n')
    return "".join(lines)


MEMBERS = {f"Team Blue-{name}": state for name, state in PEOPLE.items()}


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    """Everybody who hands in anything in one of the tests, graded."""
    require("bwrap", "apt install bubblewrap")
    school = Class(tmp_path_factory.mktemp("teams") / "course")
    school.written = {state: nbformat.writes(school.notebook(state)) for state in ("honest", "partial")}
    for files in (TEAMS, PEOPLE | EVE, MEMBERS, CANVAS_GROUPS, CANVAS_PEOPLE):
        collect(school, files)
    school.grade_side_by_side("--jobs", "2")
    demo.nbgrader(school.course, "generate_feedback", "toy")
    return school


def collect(school, files):
    """Collect files, of a state of the toy notebook each, as if nobody had been collected before."""
    export = school.course.root.parent / "export.zip"
    with zipfile.ZipFile(export, "w") as archive:
        for name, state in files.items():
            archive.writestr(name, school.written[state])
    (school.course.collected("toy") / "collected.json").unlink(missing_ok=True)
    collecting.collect(school.course, "toy", export)


@pytest.fixture
def hand_back(school, tmp_path):
    """Hands files back with a table."""

    def hand_back(files, table, **options):
        collect(school, files)
        (tmp_path / "table.csv").write_text(table, encoding="utf-8")
        how = Options(unfinished=True, **options)
        report = handing_back.hand_back(school.course, "toy", tmp_path / "table.csv", tmp_path / "back", how)
        rows = list(csv.reader(io.StringIO((tmp_path / "back" / "toy-marks.csv").read_text(encoding="utf-8"))))
        with zipfile.ZipFile(tmp_path / "back" / "toy-feedback.zip") as archive:
            return report, rows, sorted(archive.namelist())

    return hand_back


def test_every_member_of_a_team_on_moodle_gets_the_teams_mark_and_feedback(hand_back):
    report, rows, feedback = hand_back(TEAMS, worksheet())
    assert {row[1]: row[5] for row in rows[1:]} == {"Ann Ash": "9", "Bob Birk": "5", "Cy Cole": "9", "Di Dorn": "5"}
    assert feedback == [
        f"{name}_{number}_assignsubmission_file_/toy.html" for number, name, _ in (row.split(",") for row in CLASS)
    ]
    assert report.marks == 4
    assert report.left_out == []


def test_a_worksheet_in_another_language_is_asked_for_its_column_of_teams(hand_back):
    german = worksheet(header=MOODLE.replace("Group", "Gruppe"))
    with pytest.raises(HandBackError, match=r"assignment of teams.*--team-column.*'Gruppe'"):
        hand_back(TEAMS, german)
    _, rows, _ = hand_back(TEAMS, german, team="Gruppe")
    assert [row[5] for row in rows[1:]] == ["9", "5", "9", "5"]


def test_a_folder_for_each_member_of_a_team_is_that_members(hand_back):
    """As Moodle 3 and 4.0 download the submissions of teams."""
    _, rows, _ = hand_back(MEMBERS, worksheet())
    assert [row[5] for row in rows[1:]] == ["9", "9", "9", "9"]


def test_a_team_without_a_member_in_the_worksheet_is_named(hand_back):
    report, rows, _ = hand_back(TEAMS, worksheet(CLASS[::2]))
    assert [row[5] for row in rows[1:]] == ["9", "9"]
    assert report.left_out == ["Team_Red: not in the worksheet"]


def test_a_mark_goes_to_nobody_of_another_name(hand_back):
    no_teams = worksheet(header=MOODLE.replace("Group", "Room"))
    report, rows, feedback = hand_back(PEOPLE | EVE, no_teams.replace("Participant 4,Di Dorn", "Participant 5,Di Dorn"))
    assert [row[5] for row in rows[1:]] == ["9", "9", "9", ""]
    assert report.left_out == [
        "Di_Dorn: not in the worksheet",
        "Eve_Elm: the worksheet has another name for its number, 'Di Dorn'",
    ]
    assert not any("Eve" in name for name in feedback)


def test_locked_marks_stay_and_a_scale_of_words_is_refused(hand_back):
    alone = MOODLE.replace("Group", "Room")
    report, rows, _ = hand_back(PEOPLE, worksheet(header=alone).replace('10.00",Yes', '10.00",No', 1))
    assert [row[5] for row in rows[1:]] == ["", "9", "9", "9"]
    assert report.left_out == ["Ann_Ash: Moodle has locked the grade of Participant 1"]
    for maximum in ("Fail, Pass", "", "A", "1,000", "10 points"):
        with pytest.raises(HandBackError, match="should be a number of points, not"):
            hand_back(PEOPLE, worksheet(header=alone, maximum=maximum))
    assert [row[5] for row in hand_back(PEOPLE, worksheet(header=alone, maximum="10,00"))[1][1:]] == ["9"] * 4


def test_the_members_of_a_canvas_group_get_its_mark_from_the_export_of_groups(hand_back, tmp_path):
    with pytest.raises(HandBackError, match=r"group assignment.*--groups"):
        hand_back(CANVAS_GROUPS, CANVAS)
    (tmp_path / "groups.csv").write_text(GROUPS)
    report, rows, feedback = hand_back(CANVAS_GROUPS, CANVAS, groups=tmp_path / "groups.csv", late_penalty=20)
    assert {row[0]: row[4] for row in rows[2:]} == {"Ash, Ann": "9", "Birk, Bob": "4", "Cole, Cy": "9", "Dorn, Di": "4"}
    assert feedback == sorted(CANVAS_GROUPS)
    assert report.late == ["teamred_12"]


def test_excused_on_canvas_stays_excused_and_points_must_be_known(hand_back):
    report, rows, _ = hand_back(CANVAS_PEOPLE, CANVAS.replace("11,ann,S,,", "11,ann,S,EX,"))
    assert [row[4] for row in rows[2:4]] == ["EX", "9"]
    assert report.left_out == ["ashann_11: excused in Canvas (Ash, Ann)"]
    with pytest.raises(HandBackError, match="should be a number of points"):
        hand_back(CANVAS_PEOPLE, CANVAS.replace(",10,", ",Complete/Incomplete,"))


def test_a_penalty_is_a_number_of_percent(capsys):
    with pytest.raises(SystemExit):
        main(["hand-back", "toy", "--late-penalty", "half"])
    assert "expected a number from 0 to 100" in capsys.readouterr().err
