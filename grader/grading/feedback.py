"""Shows students' text in feedback and formgrader: without scripts, and in a time that is linear in its length.

The libraries that render Markdown and colour code take quadratic time for some texts, and 30 microseconds a character
for others. So only short texts are rendered, and only so many of them a page; others are shown as they were written,
and what is longer still is cut.
"""

import html
import re
from typing import Any

import bleach
import jinja2
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat.notebooknode import NotebookNode

from grader.grading.read import PICTURES

_LONGEST = 20_000  # characters of a text that is rendered
_MOST = 200_000  # of all texts of a notebook that are
_SHOWN = 1_000_000  # of all texts of a notebook that are shown
_OUTPUT = 100_000  # of an output that is shown
_OUTPUTS = 2_000_000  # of all outputs of a notebook
_MOST_SIGNS = {"<": 300, "\n#": 300, "```": 100, "~~~": 100}  # of these the time grows with the square
_AS_WRITTEN = "\ue000as written\ue000"  # before a text that is not to be rendered
_CUT = "\n... cut: too long to be shown here ...\n"
_TAGS = bleach.ALLOWED_TAGS | {
    *("br", "dd", "del", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "p", "pre", "span"),
    *("sub", "sup", "table", "tbody", "td", "th", "thead", "tr"),
}
_ATTRIBUTES = bleach.ALLOWED_ATTRIBUTES | {"img": ["src", "alt", "title", "width", "height"]}
_PICTURES = tuple(f"data:{kind};base64," for kind in PICTURES)
_highlight = Highlight2HTML(pygments_lexer="ipython3")


def limit(notebook: NotebookNode) -> None:
    """Mark the texts of a notebook that are too long or too many to be rendered, and cut outputs that are."""
    rendered = shown = outputs = 0
    for cell in notebook.cells:
        if shown + len(cell.source) > _SHOWN:
            cell.source = cell.source[: max(_SHOWN - shown, 0)] + _CUT
        shown += len(cell.source)
        if len(cell.source) <= _LONGEST and rendered + len(cell.source) <= _MOST:
            rendered += len(cell.source)
        else:
            cell.source = _AS_WRITTEN + cell.source
        for output in cell.get("outputs", []):
            outputs += _cut(output, min(_OUTPUT, max(_OUTPUTS - outputs, 0)))


def _cut(output: NotebookNode, most: int) -> int:
    """Cut the texts of an output to ``most`` characters each; returns how many are left."""
    left = 0
    for holder, name in ((output, "text"), (output, "evalue"), (output.get("data", {}), "text/plain")):
        text = holder.get(name)
        if isinstance(text, str):
            if len(text) > most:
                holder[name] = text[:most] + _CUT
            left += len(holder[name])
    if "traceback" in output:
        lines = "\n".join(output.traceback)
        if len(lines) > most:
            output.traceback = [lines[:most] + _CUT]
        left += min(len(lines), most)
    return left


@jinja2.pass_context
def markdown_to_html(context: Any, markdown: str) -> str:
    """A cell's Markdown, with the pictures that were pasted into it, as HTML without scripts."""
    return harmless_html(markdown, (context.get("cell") or {}).get("attachments", {}))


def harmless_html(markdown: str, attachments: dict | None = None) -> str:
    """Markdown as HTML without scripts: students write it, the browser of an instructor shows it."""
    text = markdown.removeprefix(_AS_WRITTEN)
    if text != markdown or len(text) > _LONGEST or any(text.count(sign) > most for sign, most in _MOST_SIGNS.items()):
        return _as_written(text)
    try:
        page = MarkdownWithMath(renderer=IPythonRenderer(escape=False, attachments=attachments)).render(text)
    except Exception:  # a picture that was pasted in and is not there, nesting without end: the text itself is shown
        return _as_written(text)
    return bleach.clean(
        page, tags=_TAGS, attributes=_is_harmless, protocols={"http", "https", "mailto", "data"}, strip=True
    )


def _is_harmless(tag: str, name: str, value: str) -> bool:
    """Whether an attribute may stay; a picture may be in the page itself, and nothing else may."""
    if name in ("class", "id"):
        return True
    if name not in _ATTRIBUTES.get(tag, ()):
        return False
    plain = re.sub(r"[\x00-\x20\x7f-\xa0\s]", "", html.unescape(value)).casefold()
    return not plain.startswith("data:") or (tag == "img" and name == "src" and value.startswith(_PICTURES))


def highlighted(source: str, language: str | None = None, metadata: dict | None = None) -> str:
    """A cell's code in colours, where it is short enough."""
    text = source.removeprefix(_AS_WRITTEN)
    if text != source or len(text) > _LONGEST:
        return _as_written(text)
    return _highlight(text, language, metadata)


def _as_written(text: str) -> str:
    return f'<div class="highlight"><pre>{html.escape(text)}</pre></div>'
