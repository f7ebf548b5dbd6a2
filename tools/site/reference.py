"""Makes the reference: a page for each public module, and a failure for each public name without a docstring.

A name without underscore is public; in a folder, what its ``__init__`` lists in ``__all__`` is public. griffe reads
the code and does not run it: so neither TensorFlow nor a board is needed.
"""

import functools
import logging
import re
from dataclasses import dataclass
from pathlib import Path

import griffe
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = "edgekit"
BESIDE = ("grader.for_tests",)  # beside the library: what a lesson's hidden tests import
NOT_FOR_READERS = ("__main__", "command", "former_names")

# A name in backticks; first what must stay as it is: blocks of code, links and headings.
NAME_OR_NO_TEXT = re.compile(r"(<pre.*?</pre>|<a[ >].*?</a>|<h\d.*?</h\d>)|<code>([\w.]+)</code>", re.DOTALL)

log = logging.getLogger("mkdocs.hooks.reference")


@dataclass(frozen=True)
class Page:
    """A public module.

    Attributes:
        name: dotted, as it is imported.
        module: as griffe read it.
        names: its public names, in the order of `__all__` or of the file.
        missing: names in `__all__` that are nowhere to be found.
    """

    name: str
    module: griffe.Module
    names: tuple[str, ...]
    missing: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Of the page, in the site."""
        return f"reference/{self.name}.md"


def on_config(config):
    """Put the pages into the navigation, in the place of the word ``reference``."""
    read.cache_clear()
    for entry in config.nav:
        if entry.get("Reference") == "reference":
            entry["Reference"] = [
                "reference/index.md",
                *({page.name.removeprefix(f"{LIBRARY}."): page.path} for page in read()),
            ]
    return config


def on_files(files, config):
    """Add the pages, and say what is not documented: with ``--strict`` the build then fails."""
    pages = read()
    for problem in problems(pages):
        log.warning(problem)
    files.append(File.generated(config, "reference/index.md", content=index(pages)))
    for page in pages:
        files.append(File.generated(config, page.path, content=text_of(page)))
    return files


def on_page_content(content, page, config, files):
    """Make links of the names of classes and functions that a text has in backticks."""
    return NAME_OR_NO_TEXT.sub(linked, content)


def on_serve(server, config, builder):
    """Build again when the library's code changes."""
    server.watch(str(ROOT / LIBRARY))
    return server


def linked(match: re.Match) -> str:
    """A name in backticks as a link to its place in the reference, if it is public and there is only one such name."""
    if match[1] or (target := places().get(match[2])) is None:
        return match[0]
    return f'<autoref identifier="{target}" optional><code>{match[2]}</code></autoref>'


@functools.cache
def read() -> tuple[Page, ...]:
    """All public modules, rooms before what is in them."""
    pages = public_pages(load(LIBRARY), top=True)
    for name in BESIDE:
        if (ROOT / name.replace(".", "/")).exists():
            package, *rest = name.split(".")
            module = load(package)
            for part in rest:
                module = module[part]
            pages += public_pages(module)
    return tuple(pages)


def load(package: str) -> griffe.Module:
    """A package as griffe reads it, with the habits of this code."""
    extensions = griffe.load_extensions(str(ROOT / "tools/site/docstrings.py"))
    return griffe.load(package, search_paths=[str(ROOT)], extensions=extensions, resolve_aliases=True)


def public_pages(module: griffe.Module, top: bool = False) -> list[Page]:
    """The pages of a module and of the public modules in it.

    Args:
        module: a package or a module.
        top: whether it is the whole library, whose public modules are all that have no underscore.

    Returns:
        Pages; a package without public names of its own still has one.
    """
    inside = {name: each for name, each in module.modules.items() if not each.is_alias}
    listed = None if module.exports is None else [str(name) for name in module.exports]
    if top:  # its __all__ also names the rooms, which are loaded when first used
        listed = [name for name in (listed or []) if name not in inside and name in module.members and name[0] != "_"]
        rooms = [n for n in sorted(inside) if not n.startswith("_") and n not in NOT_FOR_READERS]
    elif module.is_package or module.is_subpackage:
        rooms = [name for name in listed or [] if name in inside]
        listed = [name for name in listed or [] if name not in inside]
    else:
        rooms = []
        if listed is None:
            defined = [m for m in module.members.values() if not m.is_alias and not m.is_module]
            listed = [m.name for m in sorted(defined, key=lambda m: m.lineno or 0) if not m.name.startswith("_")]
    found = tuple(name for name in listed if name in module.members)
    pages = [Page(module.path, module, found, tuple(name for name in listed if name not in found))]
    return pages + [page for name in rooms for page in public_pages(inside[name])]


@functools.cache
def places() -> dict[str, str]:
    """The identifier of each public name, by all the ways a text may write it: dotted, or alone where there is one."""
    found, alone = {}, {}
    for page in read():
        found[page.name] = page.name
        for name in page.names:
            identifier = f"{page.name}.{name}"
            target = final(page.module.members[name])
            found[identifier] = found[target.path] = identifier
            members = [m for m in target.members if not m.startswith("_")] if target.is_class else []
            for member in members:
                found[f"{identifier}.{member}"] = f"{identifier}.{member}"
                alone.setdefault(f"{name}.{member}", set()).add(f"{identifier}.{member}")
            if not name.isupper() and (name[0].isupper() or "_" in name):  # `load` and `run` are words too
                alone.setdefault(name, set()).add(identifier)
        room = page.name.partition(".")[2]
        for name in page.names:
            alone.setdefault(f"{room}.{name}", set()).add(f"{page.name}.{name}")
    return {name: next(iter(ids)) for name, ids in alone.items() if len(ids) == 1} | found


def final(member: griffe.Object | griffe.Alias) -> griffe.Object:
    """The object itself, where a name was imported from another file."""
    return member.final_target if member.is_alias else member


def problems(pages: tuple[Page, ...]) -> list[str]:
    """One line for each public name that is not documented.

    Args:
        pages: all public modules.

    Returns:
        Lines that begin with file and line.
    """
    lines = []
    for page in pages:
        if not page.module.docstring:
            lines.append(f"{place(page.module)}: the public module {page.name} has no docstring")
        if page.module.is_package and page.module.exports is None:
            lines.append(f"{place(page.module)}: the folder {page.name} does not list its public names in __all__")
        lines += [f"{place(page.module)}: __all__ names {name}, which is not there" for name in page.missing]
        for name in page.names:
            lines += undocumented(final(page.module.members[name]), f"{page.name}.{name}")
    return sorted(set(lines))


def undocumented(target: griffe.Object, name: str) -> list[str]:
    """The lines about one public name and, of a class, about its public members."""
    what = "property" if "property" in target.labels else target.kind.value
    lines = [] if target.docstring else [f"{place(target)}: the public {what} {name} has no docstring"]
    if target.is_class and not target.is_alias:
        described = target.docstring.value if target.docstring else ""
        for member in target.members.values():
            if member.name.startswith("_") or member.is_alias or member.is_class:
                continue
            if any(described_in(base, member.name) for base in target.mro()):
                continue  # it means what it means in the base class
            if member.is_function or "property" in member.labels:
                lines += undocumented(member, f"{name}.{member.name}")
            elif not member.docstring and not re.search(rf"\b{member.name}\b", described):
                lines.append(f"{place(member)}: the docstring of {name} does not describe {member.name}")
    return lines


def described_in(base: griffe.Class, name: str) -> bool:
    """Whether a base class has a member of this name and describes it."""
    described = base.docstring.value if base.docstring else ""
    return name in base.members and bool(base[name].docstring or re.search(rf"\b{name}\b", described))


def place(target: griffe.Object) -> str:
    """File and line, as a terminal makes a link of it."""
    path = target.filepath
    path = path[0] if isinstance(path, list) else path
    return f"{Path(path).relative_to(ROOT)}:{target.lineno or 1}"


def index(pages: tuple[Page, ...]) -> str:
    """The reference's first page: each module in one line."""
    rows = [f"| [`{page.name}`]({page.name}.md) | {first_sentence(page.module)} |" for page in pages]
    return "\n".join(
        [
            "# Reference",
            "",
            "Every public module and name. What is not listed here may change without notice.",
            "",
            "```python",
            "from edgekit import calibration, codegen, network, quantization",
            "```",
            "",
            "| Module | |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def text_of(page: Page) -> str:
    """A page of the reference as Markdown for mkdocstrings."""
    members = "".join(f"\n        - {name}" for name in page.names) or " false"
    return f"# `{page.name}`\n\n::: {page.name}\n    options:\n      members:{members}\n"


def first_sentence(module: griffe.Module) -> str:
    """The first sentence of a module's docstring, without a name before a colon that only repeats the module's."""
    paragraph = " ".join((module.docstring.value if module.docstring else "").split("\n\n")[0].split())
    sentence = re.match(r".*?\.(?=\s|$)", paragraph)
    text = sentence[0] if sentence else paragraph
    name, colon, rest = text.partition(": ")
    if colon and name.lower() == module.name:
        text = rest[:1].upper() + rest[1:]
    return text.replace("|", "\\|")
