"""A copied solution is found even if it was disguised; solutions that two students found independently are not."""

import random
import re

import pytest

from grader.report import similarity
from grader.report.similarity import compare, tokens, winnow

OPERATORS = ("+", "-", "*", "/", "&", "|", "^", "<", ">", "==", "if", "while", "for", "in", "not")
COPIED = '''
def standardize(values, low, high):
    """Put values into a range."""
    total = 0.0
    for value in values:
        total += (value - low) / (high - low)
    return total / len(values)

def longest_run(bits):
    best = current = 0
    for bit in bits:
        current = current + 1 if bit else 0
        best = max(best, current)
    return best

def histogram(values, bins):
    counts = [0] * bins
    width = (max(values) - min(values)) / bins or 1
    for value in values:
        counts[min(int((value - min(values)) / width), bins - 1)] += 1
    return counts
'''
INDEPENDENT = """
import numpy as np

def standardize(values, low, high):
    values = np.asarray(values, float)
    return ((values - low) / (high - low)).mean()

def longest_run(bits):
    runs = "".join(str(int(b)) for b in bits).split("0")
    return len(max(runs, key=len))

def histogram(values, bins):
    edges = np.linspace(np.min(values), np.max(values), bins + 1)
    return [int(np.sum((values >= a) & (values < b))) for a, b in zip(edges[:-1], edges[1:])]
"""


def disguised(source: str) -> str:
    """Other names, other comments, other blank space, other quotes, functions in another order."""
    parts = ["def " + part for part in source.split("def ")[1:]]
    text = "\n\n\n".join(reversed(parts))
    for old, new in {
        "value": "x_i",
        "total": "acc",
        "best": "maximum",
        "current": "n",
        "counts": "h",
        "bits": "row",
    }.items():
        text = text.replace(old, new)
    return text.replace("    ", "  ").replace('"""Put', '"""Here is my own text. Put').replace(":\n", ":  # mine\n")


def found(sources: dict[str, str], known=()) -> list[tuple[str, str]]:
    solutions = {student: {"task": source} for student, source in sources.items()}
    return [(pair.first, pair.second) for pair in compare(solutions, list(known)).pairs]


def test_a_copy_with_other_names_comments_and_order_is_found():
    copy = disguised(COPIED)
    assert "total" not in copy
    assert copy.index("histogram") < copy.index("standardize")
    comparison = compare({"ada": {"t": COPIED}, "bob": {"t": copy}, "eve": {"t": INDEPENDENT}}, [])
    assert [(pair.first, pair.second) for pair in comparison.pairs] == [("ada", "bob")]
    assert comparison.pairs[0].similarity > 0.8


def test_a_copy_in_another_cell_and_within_much_work_of_ones_own_is_found():
    comparison = compare({"ada": {"one": COPIED}, "bob": {"one": INDEPENDENT, "two": INDEPENDENT[::-1] + COPIED}}, [])
    assert [pair.tasks for pair in comparison.pairs] == [(("one", "two"),)]
    assert comparison.pairs[0].similarity > 0.9, "of the one who has less"


def test_equal_cells_are_shown_beside_those_of_the_same_task():
    cells = {"one": COPIED, "two": COPIED}
    assert compare({"ada": cells, "bob": cells}, []).pairs[0].tasks == (("one", "one"), ("two", "two"))


def test_honest_solutions_of_a_short_task_are_not_flagged():
    """Twelve ways, some of them equal, to write what is one line to think of."""
    ways = [
        "def xor(a, b):\n    return a ^ b\n",
        "def xor(a, b):\n    return int(a != b)\n",
        "def xor(x, y):\n    return 1 if x != y else 0\n",
        "def xor(a, b):\n    if a == b:\n        return 0\n    return 1\n",
        "def xor(a, b):\n    if a != b:\n        return 1\n    else:\n        return 0\n",
        "def xor(a, b):\n    return (a + b) % 2\n",
    ]
    scale = "scale = np.abs(weights).max() / 127\nquantized = np.round(weights / scale).astype(np.int8)\n"
    other = "scale = max(map(abs, weights)) / 127\nquantized = np.array([round(w / scale) for w in weights], np.int8)\n"
    students = {f"s{i}": {"xor": ways[i % 6], "scale": (scale, other)[i % 2]} for i in range(12)}
    assert compare(students, []).pairs == []
    assert compare({name: students[name] for name in ("s0", "s6")}, []).pairs == [], "nor two that are quite the same"


def test_what_the_lesson_gives_and_what_the_instructor_wrote_is_no_hint():
    own = "def mine(a):\n    return [a for a in range(10) if a % 3 == 0 and a not in (1, 2, 3)]\n"
    sources = {"ada": COPIED, "bob": COPIED + own}
    assert found(sources) == [("ada", "bob")]
    assert found(sources, [COPIED]) == []


def test_what_most_of_a_class_has_is_no_hint_but_a_few_of_them_are():
    others = {
        f"o{i}": INDEPENDENT.replace("values", f"v{i}") + "\n".join(f"a{i} = [{i}]" for _ in range(i)) for i in range(6)
    }
    copies = {"ada": COPIED, "bob": disguised(COPIED)}
    assert found(others | copies) == [("ada", "bob")]
    assert found(dict.fromkeys("abcde", COPIED) | {"z": INDEPENDENT}) == []


def test_a_stretch_of_the_guaranteed_length_is_always_found():
    """The paper's guarantee: GRAM + WINDOW - 1 tokens in common leave a fingerprint in common."""
    chance = random.Random(1)
    length = similarity.GRAM + similarity.WINDOW - 1
    for _ in range(200):

        def noise(n):
            return " ".join(chance.choice(OPERATORS) for _ in range(n))

        common = noise(length)
        one, other = (f"{noise(chance.randrange(40))} {common} {noise(chance.randrange(40))}" for _ in "12")
        assert winnow(similarity._cell(one).hashes) & winnow(similarity._cell(other).hashes)


def test_tokens_say_what_is_done_and_not_how_it_looks():
    plain = tokens("def f(a):\n    return g(a, 'x') + 12\n")
    dressed = tokens(
        '%matplotlib inline\ndef other(name):\n\n  """Doc."""\n  return (h)(name, """y""") + 0x1f  # why\n!ls\n'
    )
    assert [symbol for symbol, _ in plain] == ["def", *"n(n):", "return", *'n(n,")+0']
    assert [s for s, _ in dressed] == ["def", *"n(n):", "return", *'(n)(n,")+0']
    assert [line for _, line in dressed][-1] == 5
    assert [s for s, _ in tokens("x = f'{a!r:>{b}} and {c[1]}'")] == ["n", "=", '"']


@pytest.mark.parametrize(
    "source", ["x = (1, 2", "x = 'open\ny = 2", "def f(:\n\treturn 1\n  return $", "out = !ls -l\nb"]
)
def test_what_is_no_python_has_tokens_all_the_same(source):
    assert len(tokens(source)) >= 4
    broken = compare({"ada": {"t": COPIED + source}, "bob": {"t": disguised(COPIED)}}, [])
    assert len(broken.pairs) == 1, "a syntax error does not hide a copy"


def test_c_of_a_cell_magic_is_compared():
    program = "".join(
        f"void step{i}(Model &model) {{\n  for (int i = 0; i < {i}; ++i) {{ model.set(i, {i}.0f); }} // go\n"
        f'  if (model.invoke() != 0) {{ printf("bad %d", {i}); return; }}\n}}\n'
        for i in range(3)
    )
    copy = program.replace("model", "net").replace("// go", "/* my own\n words */")
    assert found({"ada": "%%firmware src/main.cpp\n" + program, "bob": "%%writefile main.cpp\n" + copy}) == [
        ("ada", "bob")
    ]
    assert ("return", 4) in tokens("%%writefile a.cpp\n\n/* \n */ return 1;")


@pytest.mark.parametrize(
    "source",
    [
        "",
        "\0" * 50,
        "\ud800 = 1\n" * 30,
        "(" * 100_000,
        '"""' + "a\n" * 400_000,
        "\x1b[31m",
        "x = 1\n" * 400_000,
        "'\\" * 190_000,
    ],
)
def test_any_text_is_read_in_reasonable_time(source):
    comparison = compare({"ada": {"a": source, "b": COPIED}, "bob": {"b": COPIED}}, [])
    assert comparison.cut == (["ada"] if len(source) > similarity.MAX_TOKENS else [])


def test_the_lines_that_both_have_are_told():
    comparison = compare({"ada": {"t": "a = 1\n" + COPIED}, "bob": {"t": disguised(COPIED)}}, [])
    (match,) = comparison.matches(comparison.pairs[0])
    assert 1 not in match.first_lines
    told = [line for number, line in enumerate(match.first_source.split("\n"), 1) if number in match.first_lines]
    assert any("counts" in line for line in told)
    assert not any("Put values" in line for line in told), "a docstring is not compared"


def test_a_class_of_three_hundred_is_compared_by_its_index():
    chance = random.Random(2)

    def program():
        lines = []
        for _ in range(120):
            a, b, c = (chance.choice(("alpha", "beta", "gamma", "delta")) for _ in "abc")
            x, y = (chance.choice(OPERATORS[:10]) for _ in "xy")
            shapes = ("{a} = {b} {x} {c} {y} {a}", "if {a} {x} 3: {b} = {c} {y} f({c})", "{a}[{b}] = {c} {x} 2")
            lines.append(chance.choice(shapes).format(a=a, b=b, c=c, x=x, y=y))
        return "\n".join(lines)

    students = {f"s{i:03}": {"t": program()} for i in range(300)}
    students["s299"] = {"t": students["s000"]["t"].replace("alpha", "zeta")}
    assert [(pair.first, pair.second) for pair in compare(students, []).pairs] == [("s000", "s299")]


def with_passes(source):
    return "".join(
        f"{line}\n{' ' * (len(line) - len(line.lstrip()))}pass; 0; ...\n"
        if line.startswith("    ") and not line.rstrip().endswith(":") and '"""' not in line
        else line + "\n"
        for line in source.split("\n")
    )


def with_brackets(source):
    return re.sub(r"return ([^\n]+)", r"return (((\1)))", re.sub(r"= ([^=\n]+)\n", r"= ((\1))\n", source))


def in_an_exec(source):
    return f"exec({source!r})"


def twice_in_an_exec(source):
    return in_an_exec(in_an_exec(source))


def by_other_names(source):
    return source.replace("len(", "builtins.len(").replace("max(", "my.max(").replace("min(", "np.minimum(")


@pytest.mark.parametrize("disguise", [with_passes, with_brackets, in_an_exec, twice_in_an_exec, by_other_names])
def test_a_disguise_that_changes_nothing_hides_nothing(disguise):
    compile(disguise(COPIED), "copy", "exec")
    found = compare({"ann": {"task": COPIED}, "bob": {"task": disguise(COPIED)}, "cy": {"task": INDEPENDENT}}, [])
    assert [(pair.first, pair.second) for pair in found.pairs] == [("ann", "bob")]
    assert found.pairs[0].similarity > 0.9


def test_the_lines_of_a_copy_in_an_exec_are_those_of_the_exec():
    found = compare({"ann": {"task": COPIED}, "bob": {"task": "x = 1\n" + in_an_exec(COPIED)}}, [])
    (match,) = found.matches(found.pairs[0])
    assert match.second_lines == {2}
