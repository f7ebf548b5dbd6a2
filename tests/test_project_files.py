"""The files that a stranger reads first are complete: licence, citation, changelog, line ends, CI's workflow."""

import hashlib
import re
import subprocess
import tomllib

import pytest
import yaml
from conftest import ROOT, require
from test_import_order import ROOMS

import edgekit

APACHE_2_0 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"  # SHA-256 of the text as published
TEXTS = ("*.sh", "*.py", "*.ipynb", "*.md", "*.h", "*.c", "*.cpp", "*.toml", "*.yml", "*.j2", "*.lock", ".ci/run")


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def git(*arguments):
    require("git")
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def tracked(*patterns):
    return git("ls-files", "-z", "--", *patterns).split("\0")[:-1]


@pytest.mark.parametrize(
    "name",
    [
        "LICENSE",
        "NOTICE",
        "README.md",
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        ".gitattributes",
        ".editorconfig",
        ".clang-format",
        ".github/workflows/tests.yml",
        ".github/PULL_REQUEST_TEMPLATE.md",
    ],
)
def test_the_project_has_the_files_that_others_look_for(name):
    assert (ROOT / name).read_text(encoding="utf-8").strip()


def test_the_licence_is_the_exact_text_that_the_package_names():
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_0
    assert project()["license"] == "Apache-2.0"
    assert project()["license-files"] == ["LICENSE", "NOTICE"]


def test_the_notice_names_whose_arithmetic_is_followed():
    notice = (ROOT / "NOTICE").read_text()
    for name in ("TensorFlow Lite Micro", "gemmlowp", "Keras Applications", "Espressif"):
        assert name in notice


def test_the_citation_is_of_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()  # the format demands these
    assert citation["type"] == "software"
    assert citation["authors"] == [{"name": author["name"]} for author in project()["authors"]]
    assert citation["version"] == edgekit.__version__ == project()["version"]
    assert citation["license"] == project()["license"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", citation["date-released"])


def test_the_changelog_has_this_version_and_what_comes_next():
    headings = re.findall(r"^## \[(.+?)\](?: - (.+))?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    released = dict(headings[1:])
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert released[edgekit.__version__] == citation["date-released"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for date in released.values())


def test_every_text_has_lf_at_its_line_ends():
    texts = tracked(*TEXTS)
    assert texts
    for name in texts:
        assert b"\r" not in (ROOT / name).read_bytes(), name
    attributes = git("check-attr", "eol", "--", *texts).splitlines()
    assert len(attributes) == len(texts)
    assert [line for line in attributes if not line.endswith(": eol: lf")] == []


def test_git_changes_no_byte_of_pictures_and_weights():
    binary = tracked("*.jpg", "*.npz", "*.png")
    assert binary
    attributes = git("check-attr", "text", "--", *binary).splitlines()
    assert [line for line in attributes if not line.endswith(": text: unset")] == []


def test_a_checkout_by_git_for_windows_starts_under_wsl(tmp_path):
    """Git for Windows sets core.autocrlf; a shell script with CR does not start."""
    clone = tmp_path / "clone"
    git("-c", "core.autocrlf=true", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone))
    subprocess.run(["git", "-c", "core.autocrlf=true", "reset", "--quiet", "--hard"], cwd=clone, check=True)
    scripts = [clone / name for name in ("start-notebook.sh", "tests/run.sh", ".ci/run")]
    scripts += sorted(path for path in (clone / "tools").rglob("*") if path.is_file())
    for path in scripts:
        assert b"\r" not in path.read_bytes(), path.name
    help_text = subprocess.run([clone / "start-notebook.sh", "--help"], capture_output=True, text=True, check=False)
    assert help_text.returncode == 0, help_text.stderr
    assert "usage" in help_text.stdout


def test_the_workflow_runs_what_everybody_runs():
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())
    (job,) = workflow["jobs"].values()
    commands = [step for step in job["steps"] if step.get("run", "").startswith("tests/run.sh")]
    assert len(commands) == 1
    assert commands[0]["env"]["CI"] == "true"
    supported = [name.rpartition(" ")[2] for name in project()["classifiers"] if ":: Python :: 3." in name]
    assert job["strategy"]["matrix"]["python"] == supported
    assert True in workflow or "on" in workflow  # YAML 1.1 reads the word `on` as true


def test_the_issue_forms_can_be_read():
    forms = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) > 1
    for path in forms:
        form = yaml.safe_load(path.read_text())
        if path.stem == "config":
            continue
        assert {"name", "description", "body"} <= form.keys(), path.name
        ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
        assert len(ids) == len(set(ids)), path.name
        assert {part["type"] for part in form["body"]} <= {"dropdown", "input", "markdown", "textarea"}, path.name
        assert all(part["attributes"].get("options", ["one"]) for part in form["body"]), path.name


def test_contributing_lists_the_rooms_in_the_order_in_which_they_import():
    block = re.search(r"^    errors, .*?^$", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL | re.MULTILINE)[0]
    assert re.findall(r"\w+", block) == ROOMS


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md", "docs/howto/own-board.md"])
def test_a_guide_names_places_that_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:edgekit|tools|docs|tests|grader|recipes|firmware_templates)/[\w./-]*)`", text))
    named |= {f"firmware_templates/{name}" for name in re.findall(r"`((?:apps|common)/[\w./-]*)`", text)}
    assert named
    assert sorted(name for name in named if "NAME" not in name and not (ROOT / name).exists()) == []
