"""Whatever one student hands in, or is called, the others are collected, each under their own name."""

import io
import os
import subprocess
import unicodedata
import zipfile
from pathlib import Path

import pytest
from grading import unprepared_course

from grader.platforms import collect as collecting
from grader.platforms import exports

ADA = "Ada Lovelace_101_assignsubmission_file_/"
ADAS_TEXT = "Ada Lovelace_101_assignsubmission_onlinetext_/"
BOB = "Bob Birk_102_assignsubmission_file_/toy.ipynb"
GOOD = {ADA + "toy.ipynb": b"ada", BOB: b"bob"}
CANVAS = {f"{name}_{number}_9{number}_toy.ipynb": b"x" for number, name in enumerate(("ash", "birk", "cole"), 1)}


@pytest.fixture
def course(tmp_path):
    return unprepared_course(tmp_path / "course")


@pytest.fixture
def collect(course, tmp_path):
    """Collect files, a zip file as bytes, or a folder; returns the report, and the files in submitted/."""

    def collect(given):
        export = given
        if not isinstance(given, Path):
            export = tmp_path / "export.zip"
            export.write_bytes(given if isinstance(given, bytes) else zipped(given))
        report = collecting.collect(course, "toy", export)
        root = course.root / "submitted"
        return report, {
            path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
        }

    return collect


def zipped(files, method=zipfile.ZIP_DEFLATED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def silent(data):
    """A zip file that does not say that its names are UTF-8; as a Mac writes it."""
    return data.replace(b"PK\3\4\x14\0\0\x08", b"PK\3\4\x14\0\0\0").replace(b"\x14\3\x14\0\0\x08", b"\x14\3\x14\0\0\0")


def assert_printable(report):
    assert not [sign for line in report.lines() for sign in line if unicodedata.category(sign) in ("Cc", "Cs")]


def renamed(files, old, new):
    """A zip file whose names have other bytes than ``zipfile`` would write."""
    data = zipped(files)
    assert data.count(old) > 0
    assert len(old) == len(new)
    return data.replace(old, new)


def broken_lzma():
    data = bytearray(zipped({"toy.ipynb": b"ada", "w.bin": os.urandom(600)}, zipfile.ZIP_LZMA))
    start = data.find(b"w.bin") + 14
    data[start : start + 191] = b"\xff" * 191
    return bytes(data)


@pytest.mark.parametrize(
    "more",
    [
        {"anon_x_²_toy.ipynb": b"", "__MACOSX/anon_x_²_toy.ipynb": b""},
        {"x_1_" + "9" * 5000 + "_toy.ipynb": b"", "y_" + "9" * 5000 + "_1_toy.ipynb": b""},
        {ADA + "x" * 300: b"", ADA + "/".join(["y" * 190] * 20): b"", ADA + "d/" * 5000 + "x": b""},
        {ADA + "toy.ipynb/x": b""},
        {ADA + "d": b"", ADA + "d/x": b"", ADA + "D": b""},
        {ADA + "../../x": b"", ADA + "/etc/x": b"", ADA + "C:\\x": b""},
        {ADAS_TEXT + "..": b"", ADAS_TEXT + "a\tb": b""},
        {"𐌰" * 90 + "_103_assignsubmission_file_/toy.ipynb": b""},
    ],
)
def test_odd_names_stop_nobody(collect, more):
    for files in (GOOD | more, more | GOOD):
        report, submitted = collect(files)
        assert submitted["Ada_Lovelace/toy/toy.ipynb"] == b"ada"
        assert submitted["Bob_Birk/toy/toy.ipynb"] == b"bob"
        assert_printable(report)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (ADA + "éx", b"\xc3\xa9x", b"\xff\xfex"),  # says that it is UTF-8
        (ADA + "éx", b"\xc3\xa9x", b"\xed\xa0\x80"),  # half a character
        ("Q", b"Q", b"\0"),
        (ADA + "aQb", b"aQb", b"a\0b"),
        (ADAS_TEXT + "aQb", b"aQb", b"a\0b"),
    ],
)
def test_names_that_are_no_text_stop_nobody(collect, name, old, new):
    report, submitted = collect(renamed(GOOD | {name: b""}, old, new))
    assert {"Ada_Lovelace/toy/toy.ipynb", "Bob_Birk/toy/toy.ipynb"} <= set(submitted)
    assert_printable(report)


@pytest.mark.parametrize(
    "inner",
    [
        broken_lzma(),
        renamed({"toy.ipynb": b"ada", "Q": b""}, b"Q", b"\0"),
        renamed({"toy.ipynb": b"ada", "éx": b""}, b"\xc3\xa9x", b"\xff\xfex"),
        zipped({"w/mytoy.ipynb": b"ada", "w/.ipynb_checkpoints/mytoy-checkpoint.ipynb": b"", "w/._mytoy.ipynb": b""}),
    ],
)
def test_one_bad_file_in_a_students_zip_leaves_the_notebook(collect, inner):
    _, submitted = collect({ADA + "work.zip": inner, BOB: b"bob"})
    assert submitted["Ada_Lovelace/toy/toy.ipynb"] == b"ada"
    assert "Bob_Birk/toy/toy.ipynb" in submitted


@pytest.mark.parametrize(("depth", "name"), [(1500, "d"), (60, "d" * 100)])
def test_deep_folders_odd_times_and_names_in_an_unpacked_export_stop_nobody(
    collect, tmp_path, monkeypatch, depth, name
):
    export = tmp_path / "export"
    for path, content in GOOD.items():
        (export / path).parent.mkdir(parents=True)
        (export / path).write_bytes(content)
    os.utime(export / ADA / "toy.ipynb", (1 << 39, 1 << 39))
    os.mkfifo(export / ADA / "pipe")
    Path(os.fsdecode(os.fsencode(export / ADA) + b"/\xff.txt")).touch()
    monkeypatch.chdir(export / ADA)
    for _ in range(depth):
        os.mkdir(name)
        os.chdir(name)
    report, submitted = collect(export)
    subprocess.run(["rm", "-r", export], check=True)  # too deep for pytest's own tidying
    assert {"Ada_Lovelace/toy/toy.ipynb", "Bob_Birk/toy/toy.ipynb"} <= set(submitted)
    assert any("pipe left out: it is no regular file" in line for line in report.notes)


def test_one_enormous_file_does_not_count_for_the_class(collect, monkeypatch):
    monkeypatch.setattr(exports, "MAX_FILE", 1000)
    monkeypatch.setattr(exports, "MAX_EXPORT", 5000)
    report, submitted = collect(GOOD | {ADA + "film.mp4": b"0" * 9000})
    assert len(submitted) == 2
    assert any("film.mp4 left out: it is larger" in line for line in report.notes)


def test_files_that_would_take_each_others_place_are_named(collect):
    report, submitted = collect(GOOD | {ADA + "a\x01.txt": b"1", ADA + "a_.txt": b"2"})
    assert submitted["Ada_Lovelace/toy/a_.txt"] == b"1"
    assert any("another file has the same name" in line for line in report.notes)


@pytest.mark.parametrize(
    "more",
    [
        {
            ADA + "hoppergrace_67891_12346_toy.ipynb": b"evil",
            ADA + "Bob Birk_102_assignsubmission_file_/toy.ipynb": b"evil",
        },
        {f"Ada Lovelace_101_assignsubmission_code2_/{BOB}": b"evil"},
        {f"Default group_assignsubmission_file_/{BOB}": b"evil"},
        {"hoppergrace_67891_12346_toy.ipynb": b"loose"},
    ],
)
def test_nobody_hands_in_for_another_on_moodle(collect, more):
    _, submitted = collect(GOOD | more)
    assert submitted["Bob_Birk/toy/toy.ipynb"] == b"bob"
    assert not any(path.startswith("hopper") for path in submitted)


@pytest.mark.parametrize(
    "name", ["x_7_assignsubmission_file_", "x_assignsubmission_file_", "x_attempt_2026-11-23-10-04-05"]
)
def test_a_name_like_another_platforms_does_not_hide_the_class_on_canvas(collect, name):
    _, submitted = collect(CANVAS | {f"{name}_67890_{number}_toy.ipynb": b"evil" for number in range(9)})
    assert {"ash_1/toy/toy.ipynb", "birk_2/toy/toy.ipynb", "cole_3/toy/toy.ipynb"} <= set(submitted)


@pytest.mark.parametrize(
    ("name", "is_late"),
    [
        ("lovelaceada_LATE_67890_12345_toy.ipynb", True),
        ("LATE_anon_Ab1cD_12345_toy.ipynb", True),
        ("lovelaceada_67890_12345_LATE_toy.ipynb", False),
        ("lovelaceada_67890_12345_my_LATE_toy.ipynb", False),
        ("anon_Ab1cD_12345_LATE_toy.ipynb", False),
    ],
)
def test_only_canvas_says_who_is_late_not_the_name_of_a_file(course, collect, name, is_late):
    report, _ = collect({name: b"x"})
    (student, about), *_ = collecting.manifest(course, "toy").items()
    assert about.late is is_late
    assert report.late == ([student] if is_late else [])


@pytest.mark.parametrize(
    ("files", "platform"),
    [
        (
            ("1-2 - Ada - Nov 23, 2026 1004 AM - x_1_2_toy.ipynb", "1-3 - Bob - Nov 23, 2026 1004 AM - toy.ipynb"),
            "Brightspace",
        ),
        (
            ("1-2 - Ada - Nov 23, 2026 1004 AM/Bob Birk_102_assignsubmission_onlinetext_/a.html", "index.html"),
            "Brightspace",
        ),
        (
            ("Toy_ada_attempt_2026-11-23-10-04-05_1_2_toy.ipynb", "Toy_ada_attempt_2026-11-23-10-04-05.txt"),
            "Blackboard",
        ),
        (("Toy_1234567_attempt_2026-11-23-10-04-05_text.html",), "Blackboard"),
    ],
)
def test_names_that_students_chose_do_not_make_another_platforms_download_canvass(collect, files, platform):
    with pytest.raises(exports.ExportError, match=platform):
        collect(dict.fromkeys(files, b""))


@pytest.mark.parametrize("written", [bytes, silent])
def test_a_macs_names_are_read_composed_whether_or_not_they_say_that_they_are_utf8(collect, written):
    inner = written(zipped({"toy.ipynb": b"x", "e\u0301.txt": b""}))
    _, submitted = collect(written(zipped({"Jose\u0301 \u00d6z_101_assignsubmission_file_/work.zip": inner})))
    assert set(submitted) == {"José_Öz/toy/toy.ipynb", "José_Öz/toy/é.txt"}


def test_a_name_from_dos_is_read(collect):
    _, submitted = collect(renamed({"Jos__101_assignsubmission_file_/toy.ipynb": b"x"}, b"Jos_", b"Jos\x82"))
    assert set(submitted) == {"José/toy/toy.ipynb"}
