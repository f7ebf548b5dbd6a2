"""Writes the class report as one HTML page that needs nothing else, and trusts no text of a student.

Every value is escaped, characters that cannot be seen are made visible, and the page's own Content-Security-Policy
permits its one style sheet and its one script by their hashes, and nothing from anywhere else.
"""

import base64
import contextlib
import hashlib
import os
import re
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from grader.report import similarity
from grader.report.class_report import ClassReport, ReportError

_FOLDER = Path(__file__).parent / "template"
_MARK = "<!-- edgekit class report -->"  # by this a report is known, and may be written anew
SIDE_BY_SIDE = 30  # pairs of solutions shown in full
LISTED = 300
_MAX_SOURCE = 8000  # characters of a cell that are shown
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Bar:
    """A bar of the histogram: how many students have ``low`` to ``high`` points, and where it is drawn."""

    low: float
    high: float
    count: int
    x: float
    y: float
    width: float
    height: float


def write(report: ClassReport, path: Path) -> Path:
    """Write the page; returns where it lies.

    Raises ReportError where that cannot be, or where there is a file that is no class report.
    """
    page = render(report)
    try:
        if path.is_dir() or (path.exists() and not _is_report(path)):
            raise ReportError(f"{path} is there and is no class report; name another file with --output")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:50]}.")
        try:
            with open(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(page)
            os.replace(scratch, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(scratch)
            raise
    except OSError as error:
        raise ReportError(f"{path} cannot be written: {error.strerror}; name another file with --output") from error
    return path


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return _MARK.encode() in file.read(200)


def render(report: ClassReport) -> str:
    """The page as text."""
    style = "\n" + (_FOLDER / "report.css").read_text(encoding="utf-8")
    script = "\n" + (_FOLDER / "report.js").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "points": _points,
        "percent": _percent,
        "seconds": _seconds,
        "heat": _heat,
        "source_lines": _source_lines,
    }
    pairs = report.alike.pairs
    return environment.get_template("report.html").render(
        mark=jinja2.utils.markupsafe.Markup(_MARK),
        style=jinja2.utils.markupsafe.Markup(style),
        script=jinja2.utils.markupsafe.Markup(script),
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'",
        report=report,
        mean=statistics.fmean(report.totals) if report.totals else None,
        median=statistics.median(report.totals) if report.totals else None,
        bars=histogram(report.totals, report.maximum),
        slowest=max((task.longest[1] for task in [report.before, *report.tasks]), default=0.0) or 1.0,
        timed=[task for task in [report.before, *report.tasks] if task.seconds],
        shown=[(pair, report.alike.matches(pair)) for pair in pairs[:SIDE_BY_SIDE]],
        listed=pairs[SIDE_BY_SIDE:LISTED],
        unlisted=len(pairs[LISTED:]),
        rules=similarity,
    )


def histogram(totals: list[float], maximum: float, width: float = 640, height: float = 170) -> list[Bar]:
    """The totals in ten equal parts of 0 to ``maximum``, drawn into ``width`` by ``height`` from the point (0, 0).

    A total on a border counts to the part above it, the maximum to the last.
    """
    if not totals or maximum <= 0:
        return []
    counts = [0] * 10
    for total in totals:
        counts[min(int(total / maximum * 10 + 1e-9), 9)] += 1
    step, unit = width / 10, height / max(counts)
    return [
        Bar(maximum * i / 10, maximum * (i + 1) / 10, n, i * step + 2, height - n * unit, step - 4, n * unit)
        for i, n in enumerate(counts)
    ]


def visible(value: Any) -> Any:
    """A text with what cannot be seen, or would turn its neighbours around, in signs that can; other values as is."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return _UNSEEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", value)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _points(value: float) -> str:
    return f"{round(value, 2):g}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 60 else f"{int(value) // 60} min {int(value) % 60:02} s"


def _heat(share: float) -> int:
    """How much is missing, from 0 (nothing) to 5 (all)."""
    if share >= 1:
        return 0
    return 5 if share <= 0 else 1 + min(3, int((1 - share) * 4))


def _source_lines(source: str, both: frozenset[int]) -> list[tuple[str, bool]]:
    """The lines of a cell, and whether the other one has them too."""
    cut = source[:_MAX_SOURCE].replace("\r\n", "\n").replace("\r", "\n")
    lines = [(line, number in both) for number, line in enumerate(cut.split("\n"), 1)]
    return lines + ([("...", False)] if len(source) > _MAX_SOURCE else [])
