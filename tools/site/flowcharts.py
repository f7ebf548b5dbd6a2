"""Draws a lesson's mermaid flowcharts while the site is built: mermaid itself would be a script of 3 MB.

It reads ``flowchart LR`` and lines of boxes ``A[text]`` joined by ``-->``, as the lessons use it. Anything else fails.
"""

import html
import itertools
import re
import textwrap

BOX = re.compile(r"(\w+)(?:\[([^\]]+)\])?")
WIDTH, LINE, GAP, ROW = 108, 17, 26, 78  # of a box, of a line of text, between boxes, from row to row; in pixels


def on_config(config):
    """Let superfences give mermaid blocks to this file."""
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {}).setdefault("custom_fences", [])
    fences.append({"name": "mermaid", "class": "flowchart", "format": fence})
    return config


def fence(source, language, css_class, options, md, **_):
    """A block of mermaid as SVG; the signature is superfences'."""
    return draw(source)


def draw(source: str) -> str:
    """A flowchart as SVG.

    Args:
        source: ``flowchart LR`` and its lines.

    Returns:
        An ``<svg>`` element whose colours are those of the page.

    Raises:
        ValueError: something that is not read here.
    """
    first, *lines = [line.strip() for line in source.strip().splitlines() if line.strip()]
    if first != "flowchart LR":
        raise ValueError(f"a flowchart here begins with 'flowchart LR', not {first!r}")
    texts, edges = {}, []
    for line in lines:
        chain = []
        for part in line.split("-->"):
            box = BOX.fullmatch(part.strip())
            if not box:
                raise ValueError(f"a flowchart here has boxes A[text] joined by -->, not {part.strip()!r}")
            chain.append(box[1])
            texts[box[1]] = box[2] or texts.get(box[1], box[1])
        edges += itertools.pairwise(chain)
    columns = column_of(texts, edges)
    rows, taken = {}, {}
    for name in texts:
        before = [rows[source] for source, target in edges if target == name and source in rows]
        row = max(taken.get(columns[name], 0), min(before, default=0))
        rows[name], taken[columns[name]] = row, row + 1
    width, height = (max(columns.values()) + 1) * (WIDTH + GAP) - GAP + 4, max(rows.values()) * ROW + 3 * LINE + 12
    at = {name: (2 + columns[name] * (WIDTH + GAP), 2 + rows[name] * ROW) for name in texts}
    tall = 3 * LINE + 6
    parts = []
    for source, target in edges:
        (x0, y0), (x1, y1) = at[source], at[target]
        x0, y0, x1, y1 = x0 + WIDTH, y0 + tall / 2, x1 - 2, y1 + tall / 2
        middle = (x0 + x1) / 2
        parts.append(f'<path d="M{x0},{y0} C{middle},{y0} {middle},{y1} {x1 - 5},{y1}" marker-end="url(#tip)"/>')
    for name, (x, y) in at.items():
        words = textwrap.wrap(texts[name], 15)[:3]
        parts.append(f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{tall}" rx="6"/>')
        for i, line in enumerate(words):
            down = y + tall / 2 + 5 + (i - (len(words) - 1) / 2) * LINE
            parts.append(f'<text x="{x + WIDTH / 2}" y="{down}">{html.escape(line)}</text>')
    tip = '<defs><marker id="tip" markerWidth="7" markerHeight="7" refX="2" refY="3" orient="auto">'
    tip += '<path d="M0,0 L6,3 L0,6 z"/></marker></defs>'
    label = html.escape(", ".join(texts.values()))
    return (
        f'<svg class="flowchart" viewBox="0 0 {width} {height}" style="max-width: {width}px" role="img" '
        f'aria-label="Flowchart: {label}">{tip}{"".join(parts)}</svg>'
    )


def column_of(texts: dict[str, str], edges: list[tuple[str, str]]) -> dict[str, int]:
    """How many boxes come before each one on its longest way."""
    columns = dict.fromkeys(texts, 0)
    for _ in texts:
        for source, target in edges:
            columns[target] = max(columns[target], columns[source] + 1)
    return columns
