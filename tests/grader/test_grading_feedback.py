"""Feedback shows what students wrote, harmless, complete where it is short, and whatever it is."""

import base64
import re

import nbformat
import pytest
from conftest import require
from grading import Class, cell

from grader import demo
from grader.grading import feedback

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
SLOW = ("\n# a", "```\n", "` ", ">", "[", "![a](b", "**a ", "<b", "|a", "\n\n", "&", "$a$ ", "'\"", "<div>")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The feedback to an honest student with a picture, and to one whose text is hard to render."""
    require("bwrap", "apt install bubblewrap")
    school = Class(tmp_path_factory.mktemp("feedback") / "course")
    honest = school.notebook("honest", "print('x' * 300_000)")
    answer = cell(honest, "why")
    answer.source = (
        "**Look:** ![line](attachment:line.png) [here](data:text/html,x) ![x](data:image/svg+xml;base64,AA==)"
    )
    answer.attachments = {"line.png": {"image/png": PNG}}
    school.hand_in("honest", honest)
    hostile = school.notebook("honest")
    for text in SLOW:
        hostile.cells.insert(0, nbformat.v4.new_markdown_cell(text * (200_000 // len(text))))
        hostile.cells.insert(0, nbformat.v4.new_code_cell("# " + (text.replace("\n", " ") * (19_000 // len(text)))))
    hostile.cells.insert(0, nbformat.v4.new_markdown_cell("**short**"))
    school.hand_in("hostile", hostile)
    school.grade_side_by_side("--jobs", "2")
    demo.nbgrader(school.course, "generate_feedback", "toy")
    return {s: school.course.feedback_page(s, "toy").read_text() for s in ("honest", "hostile")}


def test_a_pasted_picture_is_shown_and_nothing_else_that_a_page_can_hold(pages):
    assert f'src="data:image/png;base64,{PNG}"' in pages["honest"]
    assert "<strong>Look:</strong>" in pages["honest"]
    assert "data:text/html" not in re.sub(r"<pre.*?</pre>", "", pages["honest"], flags=re.DOTALL)
    assert "svg+xml" not in pages["honest"]


def test_long_outputs_are_cut_and_say_so(pages):
    assert "x" * 100_000 in pages["honest"]
    assert "x" * 100_001 not in pages["honest"]
    assert "too long to be shown here" in pages["honest"]


def test_text_that_is_long_is_shown_as_it_was_written(pages):
    assert "<strong>short</strong>" in pages["hostile"]
    assert "&lt;div&gt;" * 1000 in pages["hostile"]
    assert len(pages["hostile"]) < 20_000_000
    assert "xor_check" in pages["hostile"]


def test_a_short_text_is_rendered_and_a_long_or_a_hard_one_is_not():
    assert feedback.harmless_html("*a*") == "<p><em>a</em></p>\n"
    assert feedback.harmless_html("*a*" * 10_000).startswith('<div class="highlight"><pre>*a*')
    assert feedback.harmless_html("<div>" * 400).startswith('<div class="highlight"><pre>&lt;div')
    assert '<span class="' in feedback.highlighted("def f(): pass")
    assert '<span class="' not in feedback.highlighted("(" * 20_001)


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        '<a href="da\nta:text/html,x">a</a>',
        '<a href=" data:text/html,x">a</a>',
        "<img src='data:image/svg+xml;base64,AAAA'>",
        "<img src='DATA:text/html;base64,AAAA'>",
        "<iframe src='x'></iframe><object data='x'></object><style>*{}</style>",
    ],
)
def test_nothing_that_a_browser_would_run_is_shown(attack):
    page = feedback.harmless_html(attack)
    assert not re.search(r"<(script|iframe|object|style)|onerror|javascript:|data:|da\nta:", page, re.IGNORECASE), page


def test_a_picture_that_is_not_there_shows_the_text():
    assert "attachment:no.png" in feedback.harmless_html("![see](attachment:no.png) <b>", {})
