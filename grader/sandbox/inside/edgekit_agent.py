"""Runs in the student's kernel and answers the tests' requests there: look up names, call, read attributes.

It lives with hostile code and guards nothing: whatever it answers is data to the other side
(`grader.grading.trusted`), decoded strictly by `edgekit_wire`. It has to be correct for honest students only.
"""

import base64
import contextlib
import io
import pathlib
import tempfile
import traceback
from unittest import mock

import edgekit_wire as wire

MIME = "application/vnd.edgekit+json"
_MAX_ITEMS = 100_000
_MAX_FILE = 8 << 20  # characters
_objects = {}


class Reply:
    """The kernel's output for a request: the answer, under a MIME type of its own."""

    def __init__(self, text: str) -> None:
        self.text = text

    def _repr_mimebundle_(self, **_: object) -> dict:
        return {MIME: self.text}

    def __repr__(self) -> str:
        return "reply"


def handle(request: str, namespace: dict) -> Reply:
    """Answer one request (base64 of JSON text) about the names in ``namespace``."""
    try:
        asked = wire.loads(base64.b64decode(request).decode())
        reply = {"value": wire.encode(_OPERATIONS[asked["op"]](asked, namespace), _reference)}
        return Reply(wire.dumps(reply))
    except BaseException as error:  # a student's function may raise anything, KeyboardInterrupt and SystemExit included
        return Reply(wire.dumps({"raised": _describe(error)}))


def _describe(error):
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename not in (__file__, wire.__file__)]
    lines = [f"  {_place(frame)}, in {frame.name}: {frame.line}\n" for frame in own[-8:]]
    try:
        message = str(error)
    except Exception:
        message = ""
    types = [kind.__name__ for kind in type(error).__mro__]
    return {"types": types, "message": message[:2000], "traceback": "".join(lines)[-4000:]}


def _place(frame):
    where = "a cell" if "ipykernel_" in frame.filename else frame.filename
    return f"{where}, line {frame.lineno}"


def _reference(value):
    plain = _as_plain(value)
    if plain is not value:
        return wire.encode(plain, _remember)
    return _remember(value)


def _as_plain(value):
    """Arrays and subclasses of plain types as what they hold; anything else unchanged."""
    if not isinstance(value, type) and hasattr(value, "__array__") and hasattr(value, "dtype"):
        import numpy

        array = numpy.asarray(value)  # a TensorFlow tensor, a Keras variable
        return array.astype("float32") if array.dtype.kind == "V" else array
    kinds: tuple[type, ...] = (str, int, float, list, tuple, dict, set, frozenset, bytes)
    for kind in kinds:
        if isinstance(value, kind) and not hasattr(value, "_fields"):
            return kind(value)
    if isinstance(value, range | type({}.keys()) | type({}.values()) | type({}.items())):
        return list(value)
    return value


def _remember(value):
    number = id(value)
    _objects[number] = value
    return {"ref": [number, type(value).__name__[:80], callable(value)]}


def _decode(value):
    return wire.Decoder(lambda number, type_name, is_callable: _objects[number], iterators=True).decode(value)


def _names(request, namespace):
    """The values of those of the requested names that exist."""
    return {name: namespace[name] for name in request["names"] if name in namespace}


def _call(request, namespace):
    args = [_decode(value) for value in request["args"]]
    kwargs = {name: _decode(value) for name, value in request["kwargs"].items()}
    return _objects[request["target"]](*args, **kwargs)


def _calls(request, namespace):
    return [_objects[request["target"]](*map(_decode, args)) for args in request["calls"]]


def _get(request, namespace):
    return getattr(_objects[request["target"]], request["name"])


def _item(request, namespace):
    return _objects[request["target"]][_decode(request["key"])]


def _len(request, namespace):
    return len(_objects[request["target"]])


def _iter(request, namespace):
    items = []
    for item in _objects[request["target"]]:
        items.append(item)
        if len(items) > _MAX_ITEMS:
            raise ValueError(f"more than {_MAX_ITEMS} items")
    return items


def _file(request, namespace):
    """The text of a file that the notebook wrote."""
    with open(request["path"], encoding="utf-8") as file:
        return file.read(_MAX_FILE)


def _again(request, namespace):
    """What a cell makes of a name when it runs once more, in a copy of the notebook's names, with another board.

    Every board is then the given program, however the cell opens it.
    """
    import edgekit.board
    import edgekit.notebook.session

    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "program"
        program.write_bytes(_decode(request["program"]))
        program.chmod(0o755)
        with edgekit.board.Board(edgekit.board.StdioTransport([str(program), "--stdio"])) as another:
            ask, names = another.classify, dict(namespace)
            with (
                mock.patch.object(edgekit.board.Board, "classify", lambda board, values: ask(values)),
                mock.patch.object(edgekit.board, "simulate", return_value=another),
                mock.patch.object(edgekit.board, "connect", return_value=another),
                mock.patch.object(edgekit.notebook.session.this_notebook, "board", return_value=another),
                contextlib.redirect_stdout(io.StringIO()),
            ):
                exec(request["cell"], names)
    return names.get(request["name"])


_OPERATIONS = {
    **{"names": _names, "call": _call, "calls": _calls, "get": _get, "item": _item, "len": _len, "iter": _iter},
    **{"file": _file, "again": _again},
}
