"""Finds solutions that look alike by fingerprints of their tokens, so that an index compares a whole class.

Winnowing after Schleimer, Wilkerson and Aiken, "Winnowing: Local Algorithms for Document Fingerprinting", SIGMOD 2003:
every run of GRAM tokens is hashed, and of every WINDOW hashes in a row the smallest is kept. A common stretch of
GRAM + WINDOW - 1 tokens is certain to leave a common fingerprint; one shorter than GRAM leaves none. What comes from
the lesson, is in the instructor's solution, or is in most of the class says nothing about a pair: it is taken out.
"""

import ast
import hashlib
import io
import itertools
import keyword
import re
import tokenize
from collections import Counter, defaultdict
from dataclasses import dataclass, field

GRAM = 12  # tokens that are hashed together
WINDOW = 5  # hashes of which one is kept
THRESHOLD = 0.5  # of the fingerprints of the one who has fewer
ENOUGH = 15  # shared fingerprints, about 55 tokens or six lines: fewer are no hint
COMMON = 4  # students, and more than half of the class: what so many have is the class's way, not a pair's
MAX_TOKENS = 20_000  # of a student; what follows is not compared
MAX_CHARACTERS = 200_000

_NAME, _NUMBER, _STRING = "n", "0", '"'
_CONSTANTS = ("...", "None", "True", "False", "pass")  # statements of these alone do nothing
_RUNNING = (("exec", "("), ("eval", "("), ("compile", "("))
_MAX_NESTED = 5  # texts of an exec in texts of an exec
_C_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "auto bool break case char class const continue default delete do double else enum extern false float for if "
        "inline int long namespace new nullptr return short signed sizeof static struct switch template this true "
        "typedef union unsigned using void volatile while",
    )
)
_PYTHON_MAGICS = frozenset(("capture", "prun", "time", "timeit"))  # what follows them is Python
_CELL_MAGIC = re.compile(r"\s*%%(\w+)([^\n]*)")
_LINE_MAGIC = re.compile(r"^[ \t]*[%!][^\n]*", re.MULTILINE)
_STRINGS = r"""
    (?i:[rbfu]{0,2})(?: \"{3}(?:[^"\\]|\\.|"(?!""))*+(?:\"{3})? | '{3}(?:[^'\\]|\\.|'(?!''))*+(?:'{3})?
                      | "(?:[^"\\\n]|\\.)*+"? | '(?:[^'\\\n]|\\.)*+'? )
"""
_REST = r"""
    | (?P<number>\.?\d[\w.]*+)
    | (?P<name>[^\W\d]\w*+)
    | (?P<operator>\*\*=? | //=? | >>=? | <<=? | -> | :: | :=| \+\+ | -- | && | \|\| | [-+*/%@&|^=<>!]= | .)
"""
_PYTHON = re.compile(rf"(?P<skip>\s++ | \#[^\n]*+) | (?P<string>{_STRINGS}) {_REST}", re.VERBOSE | re.DOTALL)
_C = re.compile(
    rf"(?P<skip>\s++ | //[^\n]*+ | /\*(?:[^*]|\*(?!/))*+(?:\*/)?) | (?P<string>{_STRINGS}) {_REST}",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Match:
    """Two cells that share fingerprints: the grade ids, the sources, and the lines (from 1) that both have."""

    first: str
    second: str
    first_source: str
    second_source: str
    first_lines: frozenset[int]
    second_lines: frozenset[int]


@dataclass(frozen=True)
class Pair:
    """Two students; ``similarity`` is ``shared / smaller``, from THRESHOLD to 1."""

    first: str
    second: str
    shared: int  # fingerprints that both have
    smaller: int  # fingerprints of the one who has fewer
    tasks: tuple[tuple[str, str], ...]  # grade ids of the cells that share most, of the first and of the second

    @property
    def similarity(self) -> float:
        """The share of common fingerprints."""
        return self.shared / self.smaller


@dataclass
class _Cell:
    source: str
    lines: list[int]  # of each token, from 1
    hashes: list[int | None]  # of each run of GRAM tokens; None where it says nothing about the student
    kept: set[int] = field(default_factory=set)  # the fingerprints
    is_cut: bool = False  # whether only its beginning was read


@dataclass
class Comparison:
    """A class, compared; `pairs` are sorted, the most alike first."""

    students: int  # who had anything to compare
    pairs: list[Pair]
    cut: list[str]  # students of whom only the beginning was compared
    _cells: dict[str, dict[str, _Cell]]

    def matches(self, pair: Pair) -> list[Match]:
        """The cells that a pair shares, side by side."""
        found = []
        for first, second in pair.tasks:
            one, other = self._cells[pair.first][first], self._cells[pair.second][second]
            both = (set(one.hashes) & set(other.hashes)) - {None}
            found.append(Match(first, second, one.source, other.source, _lines(one, both), _lines(other, both)))
        return found


def compare(solutions: dict[str, dict[str, str]], known: list[str]) -> Comparison:
    """Find the pairs of students whose solutions share much.

    Args:
        solutions: For every student the sources of the solution cells, by grade id. Any text will do.
        known: Sources that everybody has seen or may come upon: the released cells and the instructor's solution.

    Returns:
        With the pairs that share ENOUGH fingerprints and at least THRESHOLD of what the smaller of the two has.
    """
    read = {student: _read(cells) for student, cells in sorted(solutions.items())}
    cells = {student: made for student, (made, _) in read.items() if any(cell.hashes for cell in made.values())}
    holders = Counter(
        digest for made in cells.values() for digest in {digest for cell in made.values() for digest in cell.hashes}
    )
    nobodys = {digest for source in known for digest in _cell(source).hashes}
    nobodys |= {digest for digest, count in holders.items() if count >= COMMON and 2 * count > len(cells)}
    index: dict[int, list[str]] = defaultdict(list)
    sizes = {}
    for student, made in cells.items():
        for cell in made.values():
            cell.hashes = [None if digest in nobodys else digest for digest in cell.hashes]
            cell.kept = winnow(cell.hashes)
        fingerprints = set().union(*(cell.kept for cell in made.values()))
        sizes[student] = len(fingerprints)
        for digest in fingerprints:
            index[digest].append(student)
    shared: Counter[tuple[str, str]] = Counter()
    for students in index.values():
        shared.update(itertools.combinations(students, 2))
    pairs = []
    for (first, second), count in shared.items():
        smaller = min(sizes[first], sizes[second])
        if count >= ENOUGH and count >= THRESHOLD * smaller:
            pairs.append(Pair(first, second, count, smaller, _tasks(cells[first], cells[second])))
    pairs.sort(key=lambda pair: (-pair.similarity, -pair.shared, pair.first, pair.second))
    return Comparison(len(cells), pairs, [student for student, (_, cut) in read.items() if cut], cells)


def winnow(hashes: list[int | None]) -> set[int]:
    """The smallest of every WINDOW hashes in a row; None is never taken."""
    kept = set()
    for start in range(max(1, len(hashes) - WINDOW + 1)):
        window = [digest for digest in hashes[start : start + WINDOW] if digest is not None]
        if window:
            kept.add(min(window))
    return kept


def tokens(source: str) -> list[tuple[str, int]]:
    """The tokens of a cell without its layout: every token's symbol and its line, from 1.

    Names, numbers and strings become one symbol each; keywords and operators stay. Comments, magics, layout, and
    statements that do nothing are dropped: whoever copies can add them. The text of an ``exec`` counts as code. What
    does not tokenize as Python, and what a cell magic takes as another language, is taken apart by regular
    expressions, so that every text has its tokens.
    """
    return _all_tokens(source, 0)


def _essential(found: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The tokens without brackets that only group, and with a name that has dots as one name."""
    kept: list[tuple[str, int]] = []
    calls: list[bool] = []  # whether each open bracket is of a call
    for symbol, line in found:
        if symbol == "(":
            calls.append(bool(kept) and kept[-1][0] in (_NAME, ")", "]"))
            if not calls[-1]:
                continue
        elif symbol == ")" and calls and not calls.pop():
            continue
        if symbol == _NAME and len(kept) > 1 and kept[-1][0] == "." and kept[-2][0] == _NAME:
            kept.pop()
        else:
            kept.append((symbol, line))
    return kept


def _all_tokens(source: str, depth: int) -> list[tuple[str, int]]:
    source = source[:MAX_CHARACTERS].replace("\r\n", "\n").replace("\r", "\n")
    magic = _CELL_MAGIC.match(source)
    if magic:
        source = "\n" * source.count("\n", 0, magic.end()) + source[magic.end() :]
        name, rest = magic[1], magic[2].split()
        if name not in _PYTHON_MAGICS and not (rest and rest[-1].endswith(".py")):
            return _lexed(source, _C, _C_KEYWORDS)
    source = _LINE_MAGIC.sub("", source)
    try:
        return _tokenized(source, depth)
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError):
        return _lexed(source, _PYTHON, frozenset(keyword.kwlist))


_LAYOUT = (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
_DROPPED = (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER)
_FSTRING_START = getattr(tokenize, "FSTRING_START", -1)  # since Python 3.12 a string with names in it is many tokens
_FSTRING_END = getattr(tokenize, "FSTRING_END", -1)


def _tokenized(source: str, nested: int) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    starts = alone = True  # at the start of a statement; with nothing but a constant in it so far
    depth = 0
    before = ("", "")  # the two tokens before
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == _FSTRING_END:
            depth -= 1
            continue
        if token.type == _FSTRING_START:
            depth += 1
        if depth > (token.type == _FSTRING_START) or token.type in _DROPPED:
            continue
        if token.type == tokenize.ERRORTOKEN:
            raise SyntaxError(token.string)
        if token.type in _LAYOUT or token.string == ";":
            if alone and not starts:  # a docstring, or a number that nobody asked for
                found.pop()
            starts = alone = True
            continue
        is_string = token.type in (tokenize.STRING, _FSTRING_START)
        alone = starts and (is_string or token.type == tokenize.NUMBER or token.string in _CONSTANTS)
        starts = False
        called, before = before, (before[1], token.string)
        if is_string and called in _RUNNING and nested < _MAX_NESTED and (code := _constant(token.string)) is not None:
            found.pop()
            found.pop()
            found += [(symbol, token.start[0]) for symbol, _ in _all_tokens(code, nested + 1)]
            continue
        if is_string:
            symbol = _STRING
        elif token.type == tokenize.NUMBER:
            symbol = _NUMBER
        elif token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            symbol = _NAME
        else:
            symbol = token.string
        found.append((symbol, token.start[0]))
    return found


def _constant(literal: str) -> str | None:
    """The text of a string literal."""
    try:
        value = ast.literal_eval(literal)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, str) else None


def _lexed(source: str, pattern: re.Pattern, keywords: frozenset[str]) -> list[tuple[str, int]]:
    found = []
    line, counted = 1, 0
    for match in pattern.finditer(source):
        kind = match.lastgroup
        if kind == "skip":
            continue
        line += source.count("\n", counted, match.start())
        counted = match.start()
        if kind == "string":
            if not _is_docstring(source, match):
                found.append((_STRING, line))
        elif kind == "number":
            found.append((_NUMBER, line))
        elif kind == "name" and match[0] not in keywords:
            found.append((_NAME, line))
        else:
            found.append((match[0], line))
    return found


def _is_docstring(source: str, match: re.Match) -> bool:
    """Whether a string in three quotes stands alone on its lines."""
    if match[0][-3:] not in ('"""', "'''"):
        return False
    before = source[max(0, match.start() - 200) : match.start()].rpartition("\n")[2]
    after = source[match.end() : match.end() + 200].partition("\n")[0]
    return not before.strip() and not after.strip()


def _cell(source: str) -> _Cell:
    every = tokens(source)
    found = _essential(every[:MAX_TOKENS])
    symbols = [symbol.encode("utf-8", "replace") for symbol, _ in found]
    grams = (b" ".join(symbols[start : start + GRAM]) for start in range(len(symbols) - GRAM + 1))
    hashes = [int.from_bytes(hashlib.blake2b(gram, digest_size=8).digest()) for gram in grams]
    return _Cell(source, [line for _, line in found], hashes, is_cut=len(every) >= MAX_TOKENS)


def _read(sources: dict[str, str]) -> tuple[dict[str, _Cell], bool]:
    """A student's cells, and whether some of them was too long to be read to its end."""
    cells, left, cut = {}, MAX_TOKENS, False
    for task, source in sources.items():
        cell = _cell(source) if left else _Cell(source, [], [])
        cut |= not left or len(source) > MAX_CHARACTERS or len(cell.lines) > left or cell.is_cut
        cell.lines, cell.hashes = cell.lines[:left], cell.hashes[: max(0, left - GRAM + 1)]
        left -= len(cell.lines)
        cells[task] = cell
    return cells, cut


def _tasks(first: dict[str, _Cell], second: dict[str, _Cell]) -> tuple[tuple[str, str], ...]:
    """The pairs of cells that share fingerprints; for each cell of the first, the one of the second that has most."""
    found = []
    for task, cell in first.items():
        counts = {other: len(cell.kept & second[other].kept) for other in second}
        # Between equals the same task, else what was moved to another cell would be shown beside the wrong one
        best = max(counts, key=lambda other: (counts[other], other == task), default=None)
        if best is not None and counts[best]:
            found.append((task, best))
    return tuple(found)


def _lines(cell: _Cell, both: set[int]) -> frozenset[int]:
    covered = set()
    for start, digest in enumerate(cell.hashes):
        if digest in both:
            covered.update(cell.lines[start : start + GRAM])
    return frozenset(covered)
