"""Plain data passes unchanged between the student's kernel and the tests; hostile text only causes an error."""

import importlib
import json
import math
import pathlib
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.for_tests import answers
from grader.grading import trusted
from grader.lesson import test_names
from grader.sandbox import bubblewrap
from grader.sandbox.inside import edgekit_wire as wire

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda values: (
        st.lists(values) | st.tuples(values, values) | st.dictionaries(st.text() | st.integers(), values) | st.just(...)
    ),
    max_leaves=20,
)


def refuse(value):
    raise TypeError(type(value).__name__)


def there_and_back(value):
    text = wire.dumps(wire.encode(value, refuse))
    return wire.Decoder(refuse).decode(wire.loads(text))


def same(a, b):
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


@settings(max_examples=200, deadline=None, derandomize=True)
@given(VALUES)
def test_plain_data_comes_back_as_it_was(value):
    assert same(value, there_and_back(value))


def test_a_path_comes_back_as_a_name_that_opens_nothing(tmp_path):
    back = there_and_back([tmp_path / "a.cpp"])[0]
    assert str(back) == str(tmp_path / "a.cpp")
    assert not hasattr(back, "read_text")


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int64", "float16", "float32", "float64", "complex64", "U5"]
)
def test_arrays_and_their_scalars_keep_type_shape_and_value(dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype)[:, ::2]
    back = there_and_back(array)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    assert type(there_and_back(array[1, 1])) is type(array[1, 1])


def test_what_is_not_plain_data_needs_a_stand_in():
    for value in (object(), len, np.array([object()]), type("Int", (int,), {})(3)):
        with pytest.raises(TypeError):
            wire.encode(value, refuse)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5),
        lambda values: (
            st.lists(values, max_size=4)
            | st.dictionaries(st.sampled_from([*wire._KINDS, "pickle", "__class__", "items"]), values, max_size=2)
        ),
    )
)
def test_hostile_messages_decode_to_plain_data_or_to_one_kind_of_error(message):
    plain = (
        type(None),
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        list,
        tuple,
        set,
        dict,
        slice,
        type(...),
        pathlib.PurePosixPath,  # a name without a file system
        np.ndarray,
        np.generic,
    )
    try:
        value = wire.Decoder(lambda *_: None).decode(wire.loads(json.dumps(message)))
    except wire.WireError:
        return
    assert isinstance(value, plain)


@pytest.mark.parametrize("text", ["", "{", "[" * 10**6, "NaN " * 3, '{"list":' * 100 + "1" + "}" * 100, None, b"1"])
def test_hostile_text_is_refused(text):
    with pytest.raises(wire.WireError):
        wire.Decoder(refuse).decode(wire.loads(text))


@pytest.fixture
def agent(monkeypatch):
    monkeypatch.syspath_prepend(str(bubblewrap.INSIDE))
    yield importlib.import_module("edgekit_agent")
    for name in ("edgekit_agent", "edgekit_wire"):
        sys.modules.pop(name, None)


class Direct(trusted.Student):
    """The two sides without a kernel between them."""

    def __init__(self, agent, namespace):
        self._agent, self._namespace = agent, namespace

    def _execute(self, expression):
        return self._agent.handle(expression.split("'")[3], self._namespace).text


def test_a_stand_in_shows_data_and_is_never_believed(agent):
    class Liar:
        def __eq__(self, other):
            return True

        __hash__ = object.__hash__
        data = (1, 2.5)

        def __getitem__(self, key):
            return [10, 20, 30][key]

        def __len__(self):
            return 3

        def method(self, *args, **kwargs):
            return args, kwargs

    values = Direct(agent, {"liar": Liar(), "f": lambda x: x * 2}).names(["liar", "f", "missing"])
    assert set(values) == {"liar", "f"}
    liar = values["liar"]
    assert liar.data == (1, 2.5)
    assert liar[0:2] == [10, 20]
    assert len(liar) == 3
    assert list(liar) == [10, 20, 30]
    assert liar.method(1, a=None) == ((1,), {"a": None})
    assert hasattr(liar, "data")
    assert not hasattr(liar, "nothing")
    np.testing.assert_array_equal(values["f"](np.array([1, 2])), [2, 4])
    assert answers.of_each(values["f"], [(1,), ("a",)]) == [2, "aa"] == answers.of_each(lambda x: x * 2, [(1,), ("a",)])
    for claim in (lambda: liar == 3, lambda: bool(liar), lambda: liar != 3, lambda: 3 in [liar]):
        with pytest.raises(TypeError, match="expected plain data"):
            claim()
    with pytest.raises(AttributeError):
        _ = liar.__class__.__bases__[0].__dict__ and liar._secret
    with pytest.raises(TypeError, match="cannot hand"):
        values["f"](open)


def test_an_iterator_of_a_test_can_be_read_once_in_the_notebook_too(agent):
    def twice(batches):
        return [list(batches), list(batches)]

    f = Direct(agent, {"f": twice}).names(["f"])["f"]
    assert f(iter([{"a": 1}, {"a": 2}])) == [[{"a": 1}, {"a": 2}], []]
    assert f([1]) == [[1], [1]]


def test_an_error_of_the_students_arrives_as_what_it_is_but_never_ends_the_tests(agent):
    class OwnError(KeyError):
        pass

    def fail(kind):
        raise {
            "value": ValueError("too small"),
            "own": OwnError("x"),
            "exit": SystemExit(0),
            "stop": KeyboardInterrupt(),
        }[kind]

    f = Direct(agent, {"f": fail}).names(["f"])["f"]
    with pytest.raises(ValueError, match="too small") as caught:
        f("value")
    assert "in fail" in caught.value.students_traceback
    with pytest.raises(KeyError):
        f("own")
    with pytest.raises(ValueError, match="too small"):
        answers.of_each(f, [("value",)])
    for kind in ("exit", "stop"):
        with pytest.raises(trusted.StudentError):
            f(kind)


def test_names_mean_what_the_lesson_says():
    import nbformat

    def code(text, grade_id=None):
        metadata = {"nbgrader": {"grade_id": grade_id}} if grade_id else {}
        return nbformat.v4.new_code_cell(text, metadata=metadata)

    tests = {
        "first": "import math\nhelper = lambda: np.pi + late\nassert f(x) == helper()",
        "second": "%matplotlib inline\nassert helper() and x and len(undefined)\nfor x in (): pass",
        "third": "assert x is y and isclose(a, b)",
    }
    notebook = nbformat.v4.new_notebook(
        cells=[
            code("import numpy as np\nfrom math import isclose\ndef f(x): return x\nx = 1"),
            code("...", "first"),
            code("...", "second"),
            code("y = [isclose for isclose in ()]"),
            code("...", "third"),
        ]
    )
    plan = test_names.plan(notebook, tests)
    assert plan["first"].student == ["f", "late", "x"]
    assert plan["first"].imports == ["import numpy as np"]
    assert plan["second"].student == ["undefined", "x"]
    assert plan["third"].student == ["a", "b", "y"]
    assert plan["third"].imports == ["from math import isclose"]
