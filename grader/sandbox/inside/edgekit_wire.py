"""Plain data as text and back, so that values cross between the student's kernel and the tests without pickle.

Numbers, strings, None and True stand for themselves; everything else is an object with one key, its kind:
``{"list": [...]}``, ``{"tuple": [...]}``, ``{"set": [...]}``, ``{"dict": [[key, value], ...]}``, ``{"bytes": base64}``,
``{"iter": [...]}`` (a test's argument that is read once), ``{"float": "nan"}``, ``{"complex": [real, imaginary]}``,
``{"slice": [start, stop, step]}``, ``{"path": "..."}``, ``{"ellipsis": true}``,
``{"array": [dtype, shape, base64]}``, ``{"scalar": [dtype, base64]}`` and, for what is not plain data,
``{"ref": [number, type name, callable]}``. Decoding makes exact built-in types, NumPy arrays and paths without a file
system, nothing else.
"""

import base64
import binascii
import json
import math
import pathlib
import re
import sys
from collections.abc import Callable
from typing import Any

MAX_CHARACTERS = 48 << 20  # of one message
MAX_DEPTH = 64
MAX_VALUES = 2_000_000

_DTYPE = re.compile(r"[<>|](b1|[iu][1248]|f[248]|c8|c16|U[0-9]{1,4})")


class WireError(ValueError):
    """The text is not what `encode` makes, or it is too large."""


def dumps(message: Any) -> str:
    """A message of encoded values as text; raises WireError when it is too large."""
    text = json.dumps(message, separators=(",", ":"), allow_nan=False)
    if len(text) > MAX_CHARACTERS:
        raise WireError(f"the data is too large: {len(text) >> 20} MB as text, at most {MAX_CHARACTERS >> 20}")
    return text


def loads(text: str) -> Any:
    """The message in ``text``, its values still encoded."""
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
        raise WireError("the message is not text, or too large")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError("the message is not JSON") from error


def encode(value: Any, reference: Callable[[Any], Any], depth: int = 0) -> Any:
    """``value`` as plain JSON; ``reference(value)`` stands in for what is not plain data."""
    if depth > MAX_DEPTH:
        raise WireError(f"the data is nested more than {MAX_DEPTH} deep")
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        return value if abs(value) < 1 << 8192 else reference(value)
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if kind is complex:
        return {"complex": [encode(value.real, reference), encode(value.imag, reference)]}
    if kind in (bytes, bytearray):
        return {"bytes": base64.b64encode(value).decode()}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, pathlib.PurePath):
        return {"path": str(value)}
    if kind is slice:
        return {"slice": [encode(part, reference, depth + 1) for part in (value.start, value.stop, value.step)]}
    if kind in (list, tuple, set, frozenset):
        name = "set" if kind is frozenset else kind.__name__
        return {name: [encode(item, reference, depth + 1) for item in value]}
    if kind is dict:
        pairs = value.items()
        return {
            "dict": [[encode(key, reference, depth + 1), encode(item, reference, depth + 1)] for key, item in pairs]
        }
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic) and _DTYPE.fullmatch(value.dtype.str):
        data = base64.b64encode(value.tobytes()).decode()
        if isinstance(value, numpy.generic):
            return {"scalar": [value.dtype.str, data]}
        return {"array": [value.dtype.str, list(value.shape), data]}
    return reference(value)


class Decoder:
    """Decodes values of one message, strictly; ``reference(number, type name, callable)`` makes the stand-ins.

    Only the notebook's side takes ``iterators``: tests get plain data.
    """

    def __init__(self, reference: Callable[[int, str, bool], Any], iterators: bool = False) -> None:
        self._reference = reference
        self._iterators = iterators
        self._left = MAX_VALUES

    def decode(self, value: Any, depth: int = 0) -> Any:
        """The data in ``value``; raises WireError on anything that `encode` cannot have made."""
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH + 1:
            raise WireError("the data has too many values, or is nested too deep")
        if value is None or type(value) in (bool, int, float, str):
            return value
        if type(value) is not dict or len(value) != 1:
            raise WireError("a value is neither a number, a string nor one kind")
        ((kind, content),) = value.items()
        method = getattr(self, f"_{kind}", None) if kind in _KINDS else None
        if method is None:
            raise WireError("a value is of an unknown kind")
        try:
            return method(content, depth + 1)
        except WireError:
            raise
        except (TypeError, ValueError, OverflowError, MemoryError, binascii.Error) as error:
            raise WireError(f"a {kind} is malformed") from error

    def _items(self, content, depth):
        if type(content) is not list:
            raise WireError("a container is not a list")
        return [self.decode(item, depth) for item in content]

    def _list(self, content, depth):
        return self._items(content, depth)

    def _tuple(self, content, depth):
        return tuple(self._items(content, depth))

    def _set(self, content, depth):
        return set(self._items(content, depth))

    def _iter(self, content, depth):
        if not self._iterators:
            raise WireError("an iterator is not plain data")
        return iter(self._items(content, depth))

    def _slice(self, content, depth):
        return slice(*self._items(content, depth))

    def _dict(self, content, depth):
        return {self.decode(key, depth): self.decode(item, depth) for key, item in content}

    def _bytes(self, content, depth):
        return base64.b64decode(content, validate=True)

    def _ellipsis(self, content, depth):
        return Ellipsis

    def _path(self, content, depth):
        if type(content) is not str:
            raise WireError("a path is malformed")
        return pathlib.PurePosixPath(content)  # a name: a test that opens it would open a file of its own

    def _float(self, content, depth):
        if content not in ("nan", "inf", "-inf"):
            raise WireError("a float is malformed")
        return float(content)

    def _complex(self, content, depth):
        real, imaginary = self._items(content, depth)
        return complex(float(real), float(imaginary))

    def _ref(self, content, depth):
        number, type_name, is_callable = content
        if type(number) is not int or type(type_name) is not str:
            raise WireError("a reference is malformed")
        return self._reference(number, type_name, is_callable is True)

    def _array(self, content, depth):
        dtype, shape, data = content
        if type(dtype) is not str or not _DTYPE.fullmatch(dtype):
            raise WireError("an array has an unknown dtype")
        if type(shape) is not list or not all(type(size) is int and size >= 0 for size in shape) or len(shape) > 32:
            raise WireError("an array has a malformed shape")
        import numpy

        return numpy.frombuffer(self._bytes(data, depth), dtype=dtype).reshape(shape).copy()

    def _scalar(self, content, depth):
        dtype, data = content
        return self._array([dtype, [], data], depth)[()]


_KINDS = frozenset(name[1:] for name in vars(Decoder) if name.startswith("_") and not name.startswith(("__", "_items")))
