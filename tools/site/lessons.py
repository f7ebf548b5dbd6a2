"""Makes a page of each lesson from the notebook that students get: so there are no solutions and no hidden tests in it.

Nothing is run. A task stands as the student finds it, a check is folded away, and each says how many points it gives.
"""

import json
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
ORDER = ("xormodel", "carclassifier_easy", "carclassifier_hard")  # first things first; others follow by name
CELL_LANGUAGES = {"%%firmware": "cpp", "%%bash": "bash"}


def on_config(config):
    """Put the lessons into the navigation, in the place of the word ``lessons``."""
    for entry in config.nav:
        if entry.get("Lessons") == "lessons":
            entry["Lessons"] = ["lessons/index.md", *(f"lessons/{path.stem}.md" for path in notebooks())]
    return config


def on_files(files, config):
    """Add a page for each lesson, and one that lists them."""
    rows = []
    for path in notebooks():
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        page = as_page(path.stem, cells)
        files.append(File.generated(config, f"lessons/{path.stem}.md", content=page))
        rows.append(f"| [{title_of(cells)}]({path.stem}.md) | `./start-notebook.sh {path.stem}` | {points_of(cells)} |")
    index = [
        "# Lessons",
        "",
        "A lesson is a notebook. These pages show what a student finds in it: explanations, tasks and checks, with no",
        "solution and no output. The command opens it, with everything it needs.",
        "",
        "| Lesson | Open it with | Points |",
        "|---|---|---|",
        *rows,
        "",
        "[Write a lesson](../authoring.md) and [Grade a class](../instructors.md) are for instructors.",
    ]
    files.append(File.generated(config, "lessons/index.md", content="\n".join(index)))
    return files


def on_serve(server, config, builder):
    """Build again when a notebook changes."""
    server.watch(str(NOTEBOOKS))
    return server


def notebooks() -> list[Path]:
    """The lessons' notebooks, easier ones first."""
    found = [path for path in NOTEBOOKS.glob("*/*.ipynb") if path.stem == path.parent.name]
    return sorted(found, key=lambda path: (ORDER.index(path.stem) if path.stem in ORDER else len(ORDER), path.stem))


def title_of(cells: list[dict]) -> str:
    """The lesson's first heading."""
    return re.search(r"^# (.+)$", source_of(cells[0]), re.MULTILINE)[1]


def points_of(cells: list[dict]) -> int:
    """The points of all checks together."""
    return sum(int(cell["metadata"].get("nbgrader", {}).get("points", 0)) for cell in cells)


def as_page(name: str, cells: list[dict]) -> str:
    """A lesson's cells as Markdown.

    Args:
        name: the lesson's.
        cells: of the notebook, as nbformat 4 has them.

    Returns:
        The page.
    """
    parts = [prose(source_of(cell)) if cell["cell_type"] == "markdown" else code(cell) for cell in cells]
    opening = f"Open this lesson with `./start-notebook.sh {name}`: this page shows it without outputs."
    heading, *rest = parts[0].split("\n", 1)
    parts[0] = "\n".join([heading, "", f'!!! note ""\n\n    {opening}', "", *rest])
    return "\n\n".join(parts) + "\n"


def source_of(cell: dict) -> str:
    """The cell's text."""
    return "".join(cell["source"])


def prose(text: str) -> str:
    """A Markdown cell as the site's Markdown, which needs an empty line before a list."""
    lines, fenced = [], False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        item = re.match(r"([-*]|\d+\.) ", line)
        if item and not fenced and lines and lines[-1].strip() and not re.match(r"([-*]|\d+\.) |\s", lines[-1]):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def code(cell: dict) -> str:
    """A code cell as a block that says what it is: a task, a check, an answer in words, or simply code."""
    text = source_of(cell)
    grading = cell["metadata"].get("nbgrader", {})
    magic, _, rest = text.partition("\n")
    language = CELL_LANGUAGES.get(magic.split(" ")[0], "python")
    title = ""
    if language != "python":
        title, text = magic, rest.lstrip("\n")
    if grading.get("solution"):
        title = f"Your task: {title}" if title else "Your task"
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`{3,}", text)), default=0))
    shown = f' title="{title}"' if title else ""
    block = f"{fence}{language}{shown}\n{text}\n{fence}"
    if not grading.get("grade") or grading.get("solution"):
        return block
    points = int(grading["points"])
    indented = "\n".join(f"    {line}" if line else "" for line in block.splitlines())
    worth = f"{points} point{'s' * (points != 1)}"
    return f'??? success "Check: {worth}"\n\n{indented}'
