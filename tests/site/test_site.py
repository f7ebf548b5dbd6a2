"""The documentation site is built strictly, is complete, has working examples, and is readable without a network."""

import html
import importlib.util
import json
import re
import subprocess
import sys
import zlib

import numpy as np
import pytest
from conftest import ROOT, require

SITE_TOOLS = ROOT / "tools/site"
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def tool(name):
    """A file of tools/site as a module."""
    spec = importlib.util.spec_from_file_location(f"site_{name}", SITE_TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def build(folder, *arguments):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder), *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    return result.returncode, result.stdout + result.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    status, output = build(folder)
    assert status == 0, output
    return folder


def pages(site):
    return {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}


def test_the_site_has_the_guides_the_lessons_and_the_reference(site):
    found = set(pages(site))
    lessons = {f"lessons/{path.stem}.html" for path in (ROOT / "notebooks").glob("*/*.ipynb")}
    assert len(lessons) >= 3
    assert lessons <= found
    assert {"index.html", "getting-started.html", "arithmetic.html", "contributing.html", "changelog.html"} <= found
    assert {"howto/own-network.html", "howto/own-board.html", "authoring.html", "instructors.html"} <= found
    assert {f"reference/edgekit.{room}.html" for room in ("network", "quantization", "codegen", "firmware")} <= found


def test_every_public_name_has_a_place_in_the_reference(site):
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    there = {line.split()[0] for line in zlib.decompress(inventory).decode().splitlines()}
    reference = tool("reference")
    wanted = {f"{page.name}.{name}" for page in reference.read() for name in page.names}
    assert len(wanted) > 200
    assert sorted(wanted - there) == []


def test_nothing_is_loaded_from_elsewhere(site):
    """A page may link to the world, but its scripts, styles, fonts and pictures lie in the site."""
    for name, text in pages(site).items():
        loaded = re.findall(r'<(?:script|img|iframe|source)[^>]*\ssrc="([^"]+)"', text)
        loaded += re.findall(r'<link[^>]*rel="(?:stylesheet|icon|preconnect|preload)"[^>]*href="([^"]+)"', text)
        loaded += re.findall(r'<link[^>]*href="([^"]+)"[^>]*rel="(?:stylesheet|icon|preconnect|preload)"', text)
        assert [address for address in loaded if re.match(r"(\w+:)?//", address)] == [], name
    for path in site.rglob("*.css"):
        assert re.findall(r'(?:@import|url\()\s*["\']?(?:https?:)?//', path.read_text(encoding="utf-8")) == [], path


def test_a_reader_searches_the_site_from_a_folder_without_a_network(site):
    require("chromium")
    require("chromedriver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1360,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(require("chromedriver")))
    try:
        browser.get(f"file://{site}/arithmetic.html")
        assert browser.find_elements(By.CSS_SELECTOR, "svg.formula"), "the formulas are not drawn"
        browser.execute_script("document.querySelector('[data-md-toggle=search]').click()")
        browser.find_element(By.CSS_SELECTOR, "[data-md-component=search-query]").send_keys("requantize")
        found = WebDriverWait(browser, 20).until(
            lambda browser: browser.find_elements(By.CSS_SELECTOR, ".md-search-result__item a")
        )
        assert any("arithmetic.html" in each.get_attribute("href") for each in found)
        assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
        requests = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        addresses = {r["params"]["request"]["url"] for r in requests if r["method"] == "Network.requestWillBeSent"}
        assert [address for address in addresses if not address.startswith(("file:", "data:", "blob:", "about:"))] == []
    finally:
        browser.quit()


def test_a_lessons_page_has_its_tasks_and_none_of_its_solutions(site):
    for notebook in (ROOT / "notebooks").glob("*/*.ipynb"):
        page = html.unescape(re.sub(r"<[^>]+>", "", (site / f"lessons/{notebook.stem}.html").read_text("utf-8")))
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        lines = {line.strip() for cell in cells for line in "".join(cell["source"]).splitlines()}
        tasks = ["".join(c["source"]) for c in cells if c["metadata"].get("nbgrader", {}).get("solution")]
        assert tasks
        for line in "\n".join(tasks).splitlines():
            assert line.startswith("%%") or line.strip() in page
        (text,) = ROOT.glob(f"grader/**/lessons/{notebook.stem}/{notebook.stem}.md")
        hidden = re.findall(
            r"### BEGIN (?:SOLUTION|HIDDEN TESTS)\n(.*?)(?:### STUB|### END)", text.read_text("utf-8"), re.DOTALL
        )
        assert hidden
        secret = {line.strip() for line in "\n".join(hidden).splitlines() if len(line.strip()) > 30} - lines
        assert len(secret) > 10
        assert secret & {line.strip() for line in page.splitlines()} == set()


def test_a_broken_link_fails_the_build(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("# Home\n\n[gone](gone.md) and [nowhere](#nowhere)\n")
    config = tmp_path / "mkdocs.yml"
    config.write_text(f"INHERIT: {ROOT}/mkdocs.yml\ndocs_dir: docs\nhooks: []\nextra_css: []\nnav: [index.md]\n")
    status, output = build(tmp_path / "site", "--config-file", str(config))
    assert status != 0
    assert "gone.md" in output
    assert "#nowhere" in output


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('"""A room."""\n', []),
        ("def run():\n    pass\n", ["room has no docstring", "room.run has no docstring"]),
        ('"""A room."""\n\n\nclass Box:\n    """Holds."""\n\n    def open(self):\n        pass\n', ["Box.open has no"]),
        ('"""A room."""\nMOST = 3\n', ["room.MOST has no docstring"]),
        ('"""A room."""\n# Volts.\nLEAST, MOST = 1, 3\n', []),
        ('"""A room."""\n_HIDDEN = 3\n', []),
        ('"""A room."""\nNAME = "#"  # of it, "quoted"\n', []),
        ('"""A room."""\nNAME = "# of it"\n', ["room.NAME has no docstring"]),
        ('"""A room."""\n\n\nclass Box:\n    """A box."""\n\n    width: int\n', ["does not describe width"]),
        ('"""A room."""\n__all__ = ["gone"]\n', ["__all__ names gone"]),
    ],
)  # fmt: skip
def test_a_public_name_without_documentation_is_named(tmp_path, monkeypatch, code, expected):
    (tmp_path / "house").mkdir()
    (tmp_path / "house/__init__.py").write_text('"""A house."""\n\n__all__ = ["room"]\n')
    (tmp_path / "house/room.py").write_text(code)
    reference = tool("reference")
    loader = reference.griffe.load_extensions(str(SITE_TOOLS / "docstrings.py"))
    module = reference.griffe.load("house", search_paths=[str(tmp_path)], extensions=loader, resolve_aliases=True)
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    found = reference.problems(tuple(reference.public_pages(module)))
    assert len(found) == len(expected)
    assert all(line.startswith("house/room.py:") for line in found)
    assert [words for words in expected if not any(words in line for line in found)] == []


def test_an_argument_described_with_another_has_a_place_of_its_own():
    apart = tool("docstrings").apart
    text = (
        "Does it.\n\nArgs:\n    low, high: the range,\n        real values.\n    name: of it.\n\n"
        "Returns:\n    a, b: two."
    )
    expected = (
        "Does it.\n\nArgs:\n    low: the range,\n        real values.\n    high: the range,\n        real values.\n"
        "    name: of it.\n\nReturns:\n    a, b: two."
    )
    assert apart(text) == expected


def test_words_in_columns_are_a_table():
    docstrings = tool("docstrings")
    assert docstrings.is_table("graph       Network\nkeras       reads a Keras model\n            and its layers")
    assert not docstrings.is_table("A sentence over\ntwo lines, with no columns.")
    assert not docstrings.is_table("one line    only")


def test_a_flowchart_has_its_boxes_and_refuses_what_it_does_not_read():
    draw = tool("flowcharts").draw
    svg = draw("flowchart LR\n    A[one & two] --> B[three] --> C[four]\n    A --> C\n")
    assert svg.count("<rect") == 3
    assert svg.count("marker-end") == 3
    assert "one &amp; two" in svg
    for wrong in ("flowchart TD\nA --> B", "flowchart LR\nA -- text --> B", "flowchart LR\nA{one}"):
        with pytest.raises(ValueError, match="flowchart here"):
            draw(wrong)


def test_the_arithmetics_examples_are_true():
    blocks = PYTHON.findall((ROOT / "docs/arithmetic.md").read_text(encoding="utf-8"))
    assert len(blocks) >= 6
    scope = {}
    for block in blocks:
        exec(compile(block, "docs/arithmetic.md", "exec"), scope)


def test_the_guide_leads_a_network_of_ones_own_to_c_and_to_a_board(tmp_path, monkeypatch, capsys):
    compiler = require("gcc")
    require("g++")
    from edgekit import tflite
    from edgekit.network import Network, Op

    guide = (ROOT / "docs/howto/own-network.md").read_text(encoding="utf-8")
    rng = np.random.default_rng(5)
    hidden, last = rng.normal(size=(8, 2)).astype(np.float32), rng.normal(size=(1, 8)).astype(np.float32)
    zeros = [np.zeros(n, np.float32) for n in (8, 1)]
    ops = (
        Op("fully_connected", "hidden", ("in",), "middle", hidden, zeros[0], activation="relu"),
        Op("fully_connected", "last", ("middle",), "out", last, zeros[1]),
    )
    net = Network("mine", "in", "out", {"in": (2,), "middle": (8,), "out": (1,)}, ops)
    monkeypatch.chdir(tmp_path)
    tflite.save(net, "my_network.tflite")
    np.save("inputs.npy", rng.uniform(-1, 1, (200, 2)).astype(np.float32))

    (program,) = re.findall(r"^```cpp\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    (tmp_path / "my_main.cpp").write_text(program)

    scope = {}
    for block in PYTHON.findall(guide):
        exec(compile(block, "docs/howto/own-network.md", "exec"), scope)
    assert "differ by at most" in capsys.readouterr().out
    assert scope["answer"].scores == pytest.approx(scope["quantized"].predict(scope["inputs"][:1])[0], abs=1e-5)

    (main,) = re.findall(r"^```c\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    (tmp_path / "main.c").write_text(main)
    (command,) = re.findall(r"^```bash\n(cc .*?)\n```$", guide, re.DOTALL | re.MULTILINE)
    subprocess.run([compiler, *command.replace("\\\n", " ").split()[1:]], check=True)
    shown = subprocess.run(["./my_network"], check=True, capture_output=True, text=True).stdout
    assert float(shown) == pytest.approx(float(scope["quantized"].predict(np.zeros((1, 2)))[0, 0]), abs=1e-5)


def test_the_pictures_of_the_arithmetic_page_are_those_that_the_script_draws():
    page = (ROOT / "docs/arithmetic.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"images/arithmetic/(\w+)\.png", page))
    drawn = tool("pictures").draw()
    assert shown == set(drawn)
    assert {path.stem for path in (ROOT / "docs/images/arithmetic").glob("*.png")} == shown
