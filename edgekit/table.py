"""A small table for reports: readable in a notebook, in a terminal and by a program."""

from dataclasses import dataclass
from html import escape

from edgekit.errors import UnknownName


@dataclass(frozen=True)
class Table:
    """Rows of values under named columns.

    Attributes:
        columns: tuple of names.
        rows: list of tuples, one value for each column; numbers are shown with four digits, aligned to the right.
        title, note: a line above and a line below; may be empty.
    """

    columns: tuple[str, ...]
    rows: list[tuple]
    title: str = ""
    note: str = ""

    def __getitem__(self, column: str) -> list:
        """The values of one column, as a list."""
        if column not in self.columns:
            raise UnknownName(f"no column is called {column!r}; there are {', '.join(self.columns)}")
        return [row[self.columns.index(column)] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        cells = [self.columns, *([_shown(value) for value in row] for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        numeric = [self._numeric(i) for i in range(len(self.columns))]
        lines = [
            "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric, strict=True)).rstrip()
            for row in cells
        ]
        return "\n".join(filter(None, [self.title, *lines, self.note]))

    __repr__ = __str__

    def _repr_html_(self):
        align = [f' style="text-align:{"right" if self._numeric(i) else "left"}"' for i in range(len(self.columns))]
        head = "".join(f"<th{a}>{escape(c)}</th>" for c, a in zip(self.columns, align, strict=True))
        body = "".join(
            "<tr>" + "".join(f"<td{a}>{escape(_shown(v))}</td>" for v, a in zip(row, align, strict=True)) + "</tr>"
            for row in self.rows
        )
        title = f"<caption><b>{escape(self.title)}</b></caption>" if self.title else ""
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"

    def _numeric(self, column):
        return bool(self.rows) and all(not isinstance(row[column], str) for row in self.rows)


def _shown(value):
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}"
    return f"{int(value):,}" if value == value and abs(value) != float("inf") else str(value)
