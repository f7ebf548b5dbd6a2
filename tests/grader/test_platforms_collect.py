"""A platform's export becomes submitted/STUDENT/NAME/NAME.ipynb: the newest file counts, and no file is lost."""

import io
import shutil
import unicodedata
import zipfile

import pytest
from grading import unprepared_course
from nbgrader.api import Gradebook

from grader.__main__ import main
from grader.platforms import collect as collecting
from grader.platforms import exports

ADA = "Ada Lovelace_101_assignsubmission_file_/toy.ipynb"


@pytest.fixture
def course(tmp_path):
    return unprepared_course(tmp_path / "course")


@pytest.fixture
def collect(course, tmp_path):
    """Collect files, given by their path in the export, from a zip file or a folder."""

    def collect(files, as_folder=False, **options):
        export = tmp_path / "export"
        shutil.rmtree(export, ignore_errors=True)
        if as_folder:
            for name, content in files.items():
                (export / name).parent.mkdir(parents=True, exist_ok=True)
                (export / name).write_bytes(content)
        else:
            export = tmp_path / "export.zip"
            export.write_bytes(zipped(files))
        return collecting.collect(course, "toy", export, **options)

    return collect


def zipped(files):
    """A zip file as bytes; a value may be (content, date)."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            content, date = content if isinstance(content, tuple) else (content, (2026, 11, 23, 10, 0, 0))
            archive.writestr(zipfile.ZipInfo(name, date), content, zipfile.ZIP_DEFLATED)
    return data.getvalue()


def submitted(course):
    root = course.root / "submitted"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("as_folder", [False, True])
def test_moodles_names_of_every_version_are_read(course, collect, as_folder):
    report = collect(
        {
            ADA: b"folders, up to 4.0",
            "Ada Lovelace_101_assignsubmission_file_/pictures/a.png": b"png",
            "Ada Lovelace_101_assignsubmission_onlinetext_/onlinetext.html": b"<p>See my file.</p>",
            "José O’Neil_102_assignsubmission_file/toy.ipynb": b"folders, since 4.1",
            "Grace Hopper_103_assignsubmission_file_toy.ipynb": b"one folder for all",
            "Participant_104_assignsubmission_file_/toy.ipynb": b"blind marking",
        },
        as_folder,
    )
    assert report.unknown == []
    assert submitted(course) == {
        "Ada_Lovelace/toy/toy.ipynb": b"folders, up to 4.0",
        "Ada_Lovelace/toy/pictures/a.png": b"png",
        "Ada_Lovelace/toy/onlinetext.html": b"<p>See my file.</p>",
        "José_O_Neil/toy/toy.ipynb": b"folders, since 4.1",
        "Grace_Hopper/toy/toy.ipynb": b"one folder for all",
        "Participant/toy/toy.ipynb": b"blind marking",
    }


def test_canvas_names_are_read_and_the_newest_attachment_counts(course, collect):
    report = collect(
        {
            "lovelaceada_67890_12399_toy-1.ipynb": b"again",
            "lovelaceada_67890_12345_toy.ipynb": b"first",
            "lovelaceada_67890_12400_my_notes_1_2.txt": b"notes",
            "hoppergrace_LATE_67891_12346_toy-2.ipynb": b"late",
            "anon_Ab1cD_12350_toy.ipynb": b"anonymous",
        }
    )
    assert report.unknown == []
    assert submitted(course) == {
        "lovelaceada_67890/toy/toy.ipynb": b"again",
        "lovelaceada_67890/toy/earlier/toy.ipynb": b"first",
        "lovelaceada_67890/toy/my_notes_1_2.txt": b"notes",
        "hoppergrace_67891/toy/toy.ipynb": b"late",
        "anon_Ab1cD/toy/toy.ipynb": b"anonymous",
    }
    assert [student for student, about in collecting.manifest(course, "toy").items() if about.late] == [
        "hoppergrace_67891"
    ]


def test_what_says_nothing_about_its_student_is_listed_not_guessed(course, collect):
    report = collect(
        {
            ADA: b"x",
            "toy.ipynb": b"whose?",
            "Text Only_105_assignsubmission_onlinetext_/onlinetext.html": b"<p>I could not upload.</p>",
            "Two Books_106_assignsubmission_file_/a.ipynb": b"",
            "Two Books_106_assignsubmission_file_/b.ipynb": b"",
            "No Book_107_assignsubmission_file_/report.docx": b"",
            "__MACOSX/._toy.ipynb": b"",
        }
    )
    assert list(submitted(course)) == ["Ada_Lovelace/toy/toy.ipynb"]
    assert [line.split(":")[0] for line in report.unknown] == [
        "toy.ipynb",
        "No Book (107)",
        "Text Only (105)",
        "Two Books (106)",
    ]
    assert "none is called toy.ipynb: a.ipynb, b.ipynb" in report.unknown[-1]


def test_another_name_of_the_notebook_is_taken_and_said(course, collect):
    report = collect(
        {"Ada Lovelace_101_assignsubmission_file_/Toy (1).ipynb": b"x", "Al B_102_assignsubmission_file_/w.ipynb": b"y"}
    )
    assert set(submitted(course)) == {"Ada_Lovelace/toy/toy.ipynb", "Al_B/toy/toy.ipynb"}
    assert report.notes == [
        "Ada Lovelace (101): Toy (1).ipynb is used as toy.ipynb",
        "Al B (102): w.ipynb is used as toy.ipynb",
    ]


def test_the_newer_submission_wins_and_the_one_before_is_kept_with_its_grading(course, collect):
    collect({ADA: b"first"})
    for kind in ("autograded", "feedback"):
        (course.root / kind / "Ada_Lovelace" / "toy").mkdir(parents=True)
        (course.root / kind / "Ada_Lovelace" / "toy" / "toy.x").write_text("of the first")
    assert collect({ADA: b"first"}).unchanged == ["Ada_Lovelace"]
    assert collect({ADA: (b"second", (2026, 11, 24, 10, 0, 0))}).replaced == ["Ada_Lovelace"]
    assert submitted(course) == {"Ada_Lovelace/toy/toy.ipynb": b"second"}
    assert not (course.root / "autograded" / "Ada_Lovelace" / "toy").exists(), "the new submission counts as ungraded"
    (earlier,) = (course.root / "collected" / "toy" / "earlier" / "Ada_Lovelace").iterdir()
    assert (earlier / "submitted" / "toy.ipynb").read_bytes() == b"first"
    assert (
        (earlier / "autograded" / "toy.x").read_text() == (earlier / "feedback" / "toy.x").read_text() == "of the first"
    )
    late = collect({ADA: b"first"})
    assert "older than what was collected before" in late.notes[0]
    assert submitted(course) == {"Ada_Lovelace/toy/toy.ipynb": b"second"}


def test_a_broken_resubmission_leaves_the_one_before_in_place(course, collect):
    collect({ADA: b"first"})
    report = collect({"Ada Lovelace_101_assignsubmission_file_/toy.zip": b"no zip"})
    assert "broken zip file" in report.unknown[0]
    assert "what was collected before stays" in report.unknown[0]
    assert submitted(course) == {"Ada_Lovelace/toy/toy.ipynb": b"first"}


def test_students_of_the_same_name_stay_apart(course, collect):
    report = collect({f"Jan Novak_{n}_assignsubmission_file_/toy.ipynb": b"%d" % n for n in (103, 104)})
    assert submitted(course) == {"Jan_Novak_103/toy/toy.ipynb": b"103", "Jan_Novak_104/toy/toy.ipynb": b"104"}
    assert len(report.notes) == 2
    assert collect({"Jan Novak_105_assignsubmission_file_/toy.ipynb": b"105"}).new == ["Jan_Novak"]


def test_students_of_the_gradebook_are_found_by_their_full_name_and_others_listed(course, collect):
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}", "edgekit") as gradebook:
        gradebook.add_student("u1", first_name="Ada", last_name="Lovelace")
        gradebook.add_student("u2", first_name="Jan", last_name="Novak")
        gradebook.add_student("u3", first_name="Jan", last_name="Novak")
    files = {
        ADA: b"a",
        "Jan Novak_102_assignsubmission_file_/toy.ipynb": b"j",
        "New Comer_103_assignsubmission_file_/toy.ipynb": b"n",
    }
    report = collect(files, known_only=True)
    assert report.new == ["u1"]
    assert report.unknown == [
        "Jan Novak (102): several students of the gradebook have this name (--known-only)",
        "New Comer (103): not in the gradebook (--known-only)",
    ]
    assert collect(files).notes == [
        "Jan Novak (102): more than one student has this name; collected as Jan_Novak",
        "New Comer (103): not in the gradebook yet; collected as New_Comer",
    ]
    assert collect({"lovelaceada_9_1_toy.ipynb": b"c"}).new == ["lovelaceada_9"], "u1 is someone on Moodle already"


def test_a_students_zip_is_unpacked_and_its_bad_paths_left_out(course, collect, tmp_path):
    work = zipped(
        {"work/toy.ipynb": b"x", "work/data.txt": b"1", "../../evil.txt": b"", "work/timestamp.txt": b"2000-01-01"}
    )
    report = collect({"Ada Lovelace_101_assignsubmission_file_/work.zip": work})
    assert submitted(course) == {"Ada_Lovelace/toy/toy.ipynb": b"x", "Ada_Lovelace/toy/data.txt": b"1"}
    assert not list(tmp_path.rglob("evil.txt"))
    assert report.notes == [
        "Ada Lovelace (101): unpacked from work.zip",
        "Ada Lovelace (101): ../../evil.txt left out: its path leads out of the submission",
        "Ada Lovelace (101): work/timestamp.txt left out: nbgrader would take it for the time of submission",
    ]


def test_hostile_files_are_left_out_one_line_each(course, collect, monkeypatch):
    monkeypatch.setattr(exports, "MAX_FILE", 1 << 20)
    link = zipfile.ZipInfo("toy.ipynb")
    link.external_attr = 0o120777 << 16
    with_link = io.BytesIO()
    with zipfile.ZipFile(with_link, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    folder = "{}_{}_assignsubmission_file_/{}".format
    report = collect(
        {
            folder("Fine", 1, "toy.ipynb"): b"x",
            folder("Up", 2, "../../../toy.ipynb"): b"x",
            folder("Zip Bomb", 3, "toy.zip"): zipped({"toy.ipynb": b"0" * (2 << 20)}),
            folder("Link", 4, "toy.zip"): with_link.getvalue(),
            folder("Folder", 5, "toy.ipynb/a.txt"): b"x",
            folder("New\nLine", 6, "toy\n.ipynb"): b"x",
            folder("Long", 7, "x" * 250 + ".ipynb"): b"x",
            folder("Truncated", 8, "toy.zip"): zipped({"toy.ipynb": b"x" * 999})[:60],
            folder("Nothing", 9, "toy.ipynb"): b"",
        }
    )
    assert submitted(course) == {
        "Fine/toy/toy.ipynb": b"x",
        "New_Line/toy/toy.ipynb": b"x",
        "Nothing/toy/toy.ipynb": b"",  # no notebook, which is said when it is graded
    }
    said = {line.split(" (")[0]: line for line in report.unknown}
    assert set(said) == {"Up", "Zip Bomb", "Link", "Folder", "Long", "Truncated"}
    assert "leads out of the submission" in said["Up"]
    assert "larger than" in said["Zip Bomb"]
    assert "it is a link" in said["Link"]
    assert all("\n" not in line for line in report.lines())


def test_links_in_an_exported_folder_are_not_followed(course, tmp_path):
    secret = tmp_path / "secret.ipynb"
    secret.write_text("secret")
    folder = tmp_path / "export" / "Eve L_1_assignsubmission_file_"
    folder.mkdir(parents=True)
    (folder / "toy.ipynb").symlink_to(secret)
    (folder / "more").symlink_to(tmp_path)
    report = collecting.collect(course, "toy", tmp_path / "export")
    assert "it is a link" in report.unknown[0]
    assert not (course.root / "submitted").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no"),
        (b"no zip", "neither a folder nor a zip file"),
        (zipped({"a.txt": b""}), "nothing of Moodle's or Canvas's"),
    ],
)
def test_what_is_no_export_is_refused_in_a_sentence(course, tmp_path, capsys, content, message):
    export = tmp_path / "export.zip"
    if content is not None:
        export.write_bytes(content)
    assert main(["--course", str(course.root), "collect", "toy", str(export)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_export_of_too_many_bytes_is_not_unpacked(course, tmp_path, monkeypatch):
    monkeypatch.setattr(exports, "MAX_EXPORT", 1000)
    (tmp_path / "export.zip").write_bytes(zipped({ADA: b"0" * 2000}))
    with pytest.raises(exports.ExportError, match="would unpack to more"):
        collecting.collect(course, "toy", tmp_path / "export.zip")


def test_names_from_a_mac_are_the_students_own(course, collect, tmp_path):
    """macOS writes UTF-8 into zip files without saying so, and accents as signs of their own."""
    name = unicodedata.normalize("NFD", "José Núñez")
    data = zipped({f"{name}_101_assignsubmission_file_/toy.ipynb": b"x"})
    data = data.replace((0x800).to_bytes(2, "little") + (8).to_bytes(2, "little"), bytes(2) + (8).to_bytes(2, "little"))
    (tmp_path / "mac.zip").write_bytes(data)
    assert zipfile.ZipFile(tmp_path / "mac.zip").infolist()[0].flag_bits == 0
    assert collecting.collect(course, "toy", tmp_path / "mac.zip").new == ["José_Núñez"]
    assert collect({"José Núñez_101_assignsubmission_file_/toy.ipynb": b"x"}, as_folder=True).unchanged


def test_nothing_that_one_entry_contains_ends_the_others(course, collect):
    folder = "{}_{}_assignsubmission_file_/{}".format
    report = collect(
        {
            folder("Fine", 1, "toy.ipynb"): b"x",
            "__MACOSX/anon_x_²_toy.ipynb": b"",
            "anon_x_²_toy.ipynb": b"",
            f"hopper_{'9' * 5000}_{'8' * 5000}_toy.ipynb": b"",
            folder("Deep", 2, "a/" * 40 + "toy.ipynb"): b"x",
            folder("Long", 3, "x" * 300 + ".ipynb"): b"x",
            folder("𝔄" * 80, 4, "toy.ipynb"): b"x",
            folder("Both", 5, "toy.ipynb"): b"x",
            folder("Both", 5, "toy.ipynb/toy.ipynb"): b"x",
            folder("Escape\x1b[2J", 6, "toy.ipynb"): b"x",
            folder("Two", 7, "toy.ipynb"): b"x",
            folder("Two", 7, "TOY.ipynb"): b"y",
        }
    )
    assert {"Fine", "Both", "Two"} <= set(report.new)
    assert not [line for line in report.lines() if "\x1b" in line or "\n" in line]
    assert len(report.new) == 5


def test_a_students_file_is_never_another_students_whatever_its_name(course, collect):
    report = collect(
        {
            "Ada Lovelace_101_assignsubmission_file_/toy.ipynb": b"ada",
            "Ada Lovelace_101_assignsubmission_file_/Bob B_102_assignsubmission_file_/toy.ipynb": b"forged",
            "Ada Lovelace_101_assignsubmission_file_/hoppergrace_67891_12346_toy.ipynb": b"forged",
            "Bob B_102_assignsubmission_file_/toy.ipynb": b"bob",
            "hoppergrace_67891_12346_toy.ipynb": b"loose",
        }
    )
    assert set(report.new) == {"Ada_Lovelace", "Bob_B"}
    assert submitted(course)["Bob_B/toy/toy.ipynb"] == b"bob"
    assert report.unknown == [
        "hoppergrace_67891_12346_toy.ipynb: neither Moodle's nor Canvas's way to name a student's file"
    ]


def test_a_team_with_the_number_of_a_participant_stays_apart(course, collect):
    collect({"Bob B_102_assignsubmission_file_/toy.ipynb": b"bob"})
    collect(
        {
            "Team Blue_102_assignsubmission_file_/toy.ipynb": b"team",
            "Default group_assignsubmission_file_/toy.ipynb": b"d",
        }
    )
    assert submitted(course) == {
        "Bob_B/toy/toy.ipynb": b"bob",
        "Team_Blue/toy/toy.ipynb": b"team",
        "Default_group/toy/toy.ipynb": b"d",
    }


def test_who_is_late_is_said(course, collect):
    assert "Handed in late: hoppergrace_67891." in collect({"hoppergrace_LATE_67891_12346_toy.ipynb": b"x"}).lines()


@pytest.mark.parametrize(
    ("name", "platform"),
    [
        ("12345-67890 - Ada Lovelace - Nov 23, 2026 1004 AM - toy.ipynb", "Brightspace"),
        ("12345-67890 - Ada Lovelace - Nov 23, 2026 1004 AM/toy.ipynb", "Brightspace"),
        ("Toy_alovelace_attempt_2026-11-23-10-04-05_toy.ipynb", "Blackboard"),
    ],
)
def test_another_platforms_download_is_refused_by_name(course, collect, name, platform):
    with pytest.raises(exports.ExportError, match=f"{platform}'s download.*submitted/STUDENT/toy/toy.ipynb"):
        collect({name: b"x", "index.html": b""})
