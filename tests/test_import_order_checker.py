"""The checker of the import order finds wrong imports in small packages that are made here."""

from import_order import violations


def package(tmp_path, files):
    root = tmp_path / "pack"
    for name, text in {"__init__.py": "", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_imports_of_rooms_before_are_fine(tmp_path):
    files = {
        "low.py": "import math",
        "room/__init__.py": "from pack.room.one import f",
        "room/one.py": "from pack import low\nf = 1",
        "room/two.py": "from . import one\nfrom pack.room import one\nimport pack.room.one\n",
        "high.py": "def g():\n    from pack.room import f, two\n",
    }
    assert violations(package(tmp_path, files), ["low", "room", "high"]) == []


def test_a_lazy_import_of_a_later_room_is_found(tmp_path):
    files = {"low.py": "def f():\n    from pack import high\n", "high.py": ""}
    found = violations(package(tmp_path, files), ["low", "high"])
    assert found == ["pack/low.py, line 2: low must not import pack.high, which stands after it"]


def test_every_way_to_write_an_import_counts(tmp_path):
    ways = ["import pack.high.one", "from pack.high import one", "from pack.high.one import f", "from .high import one"]
    ways += ["import importlib; importlib.import_module('pack.high.one')", "__import__('pack.high.one')"]
    files = {"high/__init__.py": "", "high/one.py": "f = 1"}
    for number, way in enumerate(ways):
        root = package(tmp_path / str(number), files | {"low.py": way})
        assert any("must not import pack.high.one" in problem for problem in violations(root, ["low", "high"])), way


def test_a_circle_between_files_of_a_room_is_found_lazy_imports_included(tmp_path):
    files = {
        "room/__init__.py": "",
        "room/one.py": "from pack.room import two",
        "room/two.py": "from pack.room import three",
        "room/three.py": "def f():\n    from pack.room.one import g\n",
    }
    found = violations(package(tmp_path, files), ["room"])
    assert found == ["a circle: pack.room.one imports pack.room.two imports pack.room.three imports pack.room.one"]


def test_a_file_that_takes_a_name_from_the_init_that_imports_it_is_a_circle(tmp_path):
    files = {
        "room/__init__.py": "from pack.room.one import f",
        "room/one.py": "def f():\n    from pack.room import f\n",
    }
    assert violations(package(tmp_path, files), ["room"]) == [
        "a circle: pack.room imports pack.room.one imports pack.room"
    ]


def test_the_init_of_the_package_needs_no_place_but_makes_circles(tmp_path):
    files = {"__init__.py": "from pack.low import f", "low.py": "f = 1", "high.py": "from pack import f"}
    assert violations(package(tmp_path / "fine", files), ["low", "high"]) == []
    found = violations(package(tmp_path / "circle", files | {"low.py": "from pack import f"}), ["low", "high"])
    assert found == ["a circle: pack imports pack.low imports pack"]


def test_a_room_without_a_place_and_a_place_without_a_room_are_named(tmp_path):
    found = violations(package(tmp_path, {"low.py": "", "other.py": ""}), ["low", "gone"])
    assert found == [
        "pack.other has no place in the order of the rooms",
        "pack.gone is in the order, and does not exist",
    ]
