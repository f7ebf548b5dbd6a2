"""The built wheel is enough: it carries templates, data and the trained network, and works outside the checkout."""

import subprocess
import sys
import zipfile

from conftest import ROOT, require

from edgekit.start.workspace import available

USE = """
import pathlib, sys
import edgekit
assert pathlib.Path(edgekit.__file__).is_relative_to(sys.argv[1]), edgekit.__file__
from edgekit import codegen, datasets, firmware, models, network
assert len(datasets.load("cars", "test")) == 500
assert models.load_pretrained("carclassifier").count_params() > 200_000
net = network.from_keras(models.xor_mlp())
project = firmware.create("xormodel", "project", codegen.export(net, "xormodel", "generated"))
print(project.build("sim", on_line=None))
"""


def test_the_wheel_holds_the_library_and_nothing_of_the_course(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "edgekit/firmware_templates/apps/xormodel/src/main.cpp" in names
    assert not [name for name in names if name.startswith(("grader", "tests", "notebooks", "workspace"))]
    assert not [name for name in names if "__pycache__" in name]
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"edgekit"}


def test_the_wheel_carries_the_lessons_and_says_that_it_has_types(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"edgekit/lessons/{name}/{name}.ipynb" for name in available()} <= set(names)
    assert "edgekit/py.typed" in names
    assert "edgekit/start/lab/labconfig/page_config.json" in names
    assert "edgekit/start/lab/kernels/python3/kernel.json" in names
    assert "edgekit/start/lab/labextensions/edgekit-lessons/static/remoteEntry.js" in names
    assert "edgekit/lessons/xormodel/hints.json" in names


def test_the_wheel_leaves_out_how_scenes_and_weights_were_made(wheel):
    built = zipfile.ZipFile(wheel)
    recipes = {path.read_bytes(): path.name for path in (ROOT / "recipes").rglob("*.py")}
    assert {"renderer.py", "train.py", "augmentation.py"} <= set(recipes.values())
    assert not [name for name in built.namelist() if name.startswith("recipes") or built.read(name) in recipes]
    assert not [name for name in built.namelist() if name.split("/")[-1] in ("renderer.py", "train.py", "evaluate.py")]


def test_the_installed_wheel_makes_and_builds_a_project_elsewhere(wheel, tmp_path):
    require("g++")
    site = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(install, check=True)
    # The site comes before this environment's own, editable edgekit.
    program = f"import sys; sys.path.insert(0, {str(site)!r})\n{USE}"
    result = subprocess.run(
        [sys.executable, "-c", program, str(site)], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "project" / ".pio").is_dir()
