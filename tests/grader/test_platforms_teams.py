"""Whose mark it is: teams, groups, locked and excused marks, and names that are not those of the export."""

import csv
import io
import re
import zipfile

import nbformat
import pytest
from conftest import require
from grading import Class

from grader import demo
from grader.__main__ import main
from grader.platforms import collect as collecting
from grader.platforms import hand_back as handing_back
from grader.platforms.collect import Collected, _write_manifest
from grader.platforms.tables import HandBackError, Options, tame

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


@pytest.fixture
def give(school, tmp_path):
    """Hands back as if graded students had been collected with another number and name; returns the column of marks."""

    def give(known, table, platform="moodle", **options):
        about = {s: Collected(platform, number, name, f"{s}.ipynb") for s, (number, name) in known.items()}
        _write_manifest(school.course, "toy", about)
        path = tmp_path / "table.csv"
        path.write_bytes(table if isinstance(table, bytes) else table.encode())
        how = Options(unfinished=True, **options)
        report = handing_back.hand_back(school.course, "toy", path, tmp_path / "back", how)
        text = (tmp_path / "back" / "toy-marks.csv").read_text(encoding="utf-8")
        header, *rows = csv.reader(io.StringIO(text), delimiter=";" if text.startswith("Identifier;") else ",")
        grade = max(i for i, title in enumerate(header) if title in ("Grade", "Bewertung", "toy (4711)"))
        return report, [row[grade] for row in rows]

    return give


ALONE = MOODLE.replace("Group", "Room")


def named(*teams):
    """A worksheet in which the members have these teams."""
    lines = worksheet().splitlines(keepends=True)
    return lines[0] + "".join(
        re.sub("Team [A-Z][a-z]+", team, line) for line, team in zip(lines[1:], teams, strict=True)
    )


@pytest.mark.parametrize("name", ["Bob Ash", "Birk", "Robert Birk", "Ann Birk", "anon", "participant"])
def test_a_name_of_which_only_a_word_is_the_same_is_somebody_elses(give, name):
    known = {"Ann_Ash": ("1", "Ann Ash"), "Bob_Birk": ("2", name)}
    report, marks = give(known, worksheet(header=ALONE).replace("Participant", "Teilnehmer"))
    assert marks == ["9", "", "", ""]
    assert report.left_out == ["Bob_Birk: the worksheet has another name for its number, 'Bob Birk'"]


@pytest.mark.parametrize(
    ("collected", "cell"),
    [
        ("Jose ONeil", '"José O\'Neil"'),
        ("JOSÉ O’NEIL", "José O’Neil"),
        ("Ada B C", "Ada B_C"),
        ("Ada Lovelace", '"<span class=""usersuspended"">Ada Lovelace <img src=""x""></span>"'),
        ("हिन्दी", "हिन्दी"),
        ("Participant", "Participant 2 (Ada Lovelace)"),
        ("Participant", "Submitted for grading"),
        ("😀", "😀"),
    ],
)
def test_a_name_is_the_same_as_another_program_writes_it(give, collected, cell):
    _, marks = give({"Bob_Birk": ("2", collected)}, worksheet(header=ALONE).replace("Bob Birk", cell))
    assert marks == ["", "9", "", ""]


@pytest.mark.parametrize(
    ("collected", "blue", "red"),
    [
        ("C++", "C++", "C#"),
        ("🔥", "🔥", "💧"),
        ("Team +", "Team +", "Team -"),
        ("Ramp;D", "R&D", "RD"),
        ("A B", "A_B", "a b"),
        ("x", "x", ""),
    ],
)
def test_teams_whose_names_differ_by_a_sign_stay_apart(give, collected, blue, red):
    _, marks = give({"Team_Blue": ("2", collected)}, named(blue, red, blue, red))
    assert marks == ["9", "", "9", ""]


def test_teams_whose_folders_moodle_names_alike_are_left_out(give):
    report, marks = give({"Team_Blue": ("2", "AB")}, named("A:B", "AB", "A:B", "AB"))
    assert marks == [""] * 4
    assert report.left_out == ["Team_Blue: more than one team has this name"]


@pytest.mark.parametrize("no", ["No", "Nein", "否"])
def test_a_locked_mark_is_seen_where_marking_has_steps(give, no):
    header = ALONE.replace("Grade can be changed", "Marking workflow state,Grade can be changed")
    table = worksheet(header=header, changeable="Released,Yes").replace("Released,Yes", f"Released,{no}", 1)
    report, marks = give({"Ann_Ash": ("1", "Ann Ash"), "Bob_Birk": ("2", "Bob Birk")}, table)
    assert marks == ["", "9", "", ""]
    assert report.left_out == ["Ann_Ash: Moodle has locked the grade of Participant 1"]


ANN = {"Ann_Ash": ("1", "Ann Ash")}


def test_worksheets_with_odd_headers_and_long_texts_are_read(give):
    header = ALONE.replace("Email address", '"a;b;c;d;e;f;g"')
    assert give(ANN, worksheet(header=header))[1] == ["9", "", "", ""]
    assert give(ANN, worksheet(header=ALONE.replace("Email address", "Grade")))[1] == ["9", "", "", ""]
    long = worksheet(header=ALONE).replace("Ash,,", 'Ash,"' + "an essay, " * 20_000 + '",')
    assert give(ANN, long)[1] == ["9", "", "", ""]
    german = worksheet(header=ALONE.replace("Grade,", "Bewertung,", 1), maximum="10,00")
    lines = [";".join(f'"{cell}"' for cell in row) for row in csv.reader(io.StringIO(german))]
    table = "\n".join(lines).replace('"Identifier"', "Identifier")
    assert give(ANN, table, column="Bewertung")[1] == ["9", "", "", ""]


@pytest.mark.parametrize(
    "table",
    [
        worksheet(header=ALONE).encode("utf-16"),
        worksheet(header=ALONE).encode("utf-16-le"),
        worksheet(header=ALONE).replace("Ann", "José").encode("cp1252"),
        worksheet(header=ALONE).replace("Di Dorn", '"Di Dorn').encode(),
        worksheet(header=ALONE).replace("Di Dorn", "Di,Dorn").encode(),
        worksheet(header=ALONE).replace("Participant 4", "\x1b[31mwhole class").encode(),
    ],
)
def test_a_table_that_was_changed_on_the_way_is_refused(give, table):
    with pytest.raises(HandBackError, match=r"CSV|cells in the row|column|Identifier") as error:
        give(ANN, table)
    assert "\x1b" not in str(error.value)


def test_a_penalty_for_being_late_needs_a_platform_that_says_who_was(give):
    with pytest.raises(HandBackError, match="--late-penalty is for Canvas"):
        give(ANN, worksheet(header=ALONE), late_penalty=10)


def test_marks_are_written_with_all_their_digits(give):
    assert give(ANN, worksheet(header=ALONE, maximum="1234567.00"), scale=True)[1][0] == "1111110.3"


@pytest.mark.parametrize("cell", ["N/A", "A-", "complete", "Excused", "ex", "EX "])
def test_a_word_in_the_place_of_a_mark_stays_on_canvas(give, cell):
    known = {"ashann_11": ("11", "ashann"), "birkbob_12": ("12", "birkbob")}
    report, marks = give(known, CANVAS.replace("11,ann,S,,", f"11,ann,S,{cell},"), "canvas")
    assert marks == ["10", cell, "9", "", ""]
    assert [line.split(":")[0] for line in report.left_out] == ["ashann_11"]


def test_on_canvas_a_number_alone_is_nobody(give):
    known = {"ashann_11": ("11", "ashann"), "birkbob_12": ("12", "anon"), "teamblue_13": ("13", "colecyd")}
    report, marks = give(known, CANVAS, "canvas")
    assert marks == ["10", "9", "", "", ""]
    assert [line.split(":")[0] for line in report.left_out] == ["birkbob_12", "teamblue_13"]


def test_a_column_of_the_courses_own_is_not_canvass_assignment(give):
    with pytest.raises(HandBackError, match="which column is toy"):
        give({"ashann_11": ("11", "ashann")}, CANVAS.replace("toy (4711)", "toy"), "canvas")


def test_canvas_groups_whose_names_differ_by_a_sign_stay_apart(give, tmp_path):
    (tmp_path / "groups.csv").write_text(GROUPS.replace("Team Blue", "C++").replace("Team Red", "C#"))
    _, marks = give({"teamblue_13": ("13", "c")}, CANVAS, "canvas", groups=tmp_path / "groups.csv")
    assert marks == ["10", "9", "", "9", ""]


def test_without_a_worksheet_it_is_said_that_nobody_compared_names(school, tmp_path):
    collect(school, TEAMS)
    report = handing_back.hand_back(school.course, "toy", None, tmp_path / "back", Options(unfinished=True))
    assert any("no names were compared" in line for line in report.lines())


@pytest.mark.parametrize("sign", ["＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫", "−", "=", "+", "@"])
@pytest.mark.parametrize("before", ["", " ", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u202e", "\x0b", "\u2028", " \t"])
def test_no_sign_after_no_space_begins_a_formula(sign, before):
    assert tame(f"{before}{sign}cmd") == f"'{before}{sign}cmd"


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
