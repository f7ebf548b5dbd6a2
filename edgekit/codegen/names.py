"""Turns names from files into safe C identifiers and comments, so that no text of a file becomes code."""

import re
from collections.abc import Iterable

from edgekit.errors import InvalidValue

_WORDS = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const const_cast  constexpr
    continue decltype default delete do double dynamic_cast else enum explicit export extern false  float for friend
    goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq  private protected
    public register reinterpret_cast restrict return short signed sizeof static static_assert  static_cast struct switch
    template this thread_local throw true try typedef typeid typename union unsigned  using virtual void volatile
    wchar_t while xor xor_eq main arena memcpy
    char8_t char16_t char32_t co_await co_return co_yield concept consteval constinit requires
    linux unix i386
"""
_KEYWORDS = frozenset(_WORDS.split())
# Types and functions that the generated C uses: a variable with such a name would hide them.
_USED = frozenset(
    [
        "int8_t",
        "uint8_t",
        "int16_t",
        "uint16_t",
        "int32_t",
        "uint32_t",
        "int64_t",
        "uint64_t",
        "size_t",
        "expf",
        "tanhf",
        "memmove",
        "memset",
    ]
)
# Headers of C, POSIX and ESP-IDF: a file NAME.h beside the sources would be included instead of them.
_HEADERS = frozenset(
    [
        "alloca",
        "assert",
        "complex",
        "ctype",
        "dirent",
        "dlfcn",
        "endian",
        "errno",
        "fcntl",
        "features",
        "fenv",
        "float",
        "inttypes",
        "iso646",
        "libgen",
        "limits",
        "locale",
        "malloc",
        "math",
        "memory",
        "newlib",
        "poll",
        "pthread",
        "reent",
        "sched",
        "sdkconfig",
        "semaphore",
        "setjmp",
        "signal",
        "stdalign",
        "stdarg",
        "stdatomic",
        "stdbool",
        "stdckdint",
        "stddef",
        "stdint",
        "stdio",
        "stdlib",
        "stdnoreturn",
        "string",
        "strings",
        "termios",
        "tgmath",
        "threads",
        "time",
        "uchar",
        "unistd",
        "utime",
        "wchar",
        "wctype",
    ]
)


def check(name: str) -> str:
    """Return the name, if it can be a prefix of C names and a file's name.

    Raises:
        ValueError: it cannot.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name, re.ASCII) or name in _KEYWORDS:
        raise InvalidValue(
            f"a model's name becomes the name of C functions and files, so it must be letters, digits and underscores, "
            f"not begin with a digit, and be no word of C or C++: got {name!r}; 'carclassifier' would do"
        )
    if name.lower() in _HEADERS:  # in lower case, because some file systems ignore case
        raise InvalidValue(
            f"a model's name becomes a file's name, and {name}.h would hide the system's header <{name.lower()}.h>: "
            f"choose another, {name}_model for example"
        )
    return name


def identifiers(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Make a distinct C identifier for each name, as similar to it as possible: dict from name to identifier."""
    used, result = set(_KEYWORDS | _USED) | set(taken), {}
    for name in names:
        base = re.sub(r"\W+", "_", str(name), flags=re.ASCII).strip("_").lower() or "tensor"
        base = f"n{base}" if base[0].isdigit() else base
        identifier, count = base, 2
        while identifier in used:
            identifier, count = f"{base}_{count}", count + 1
        used.add(identifier)
        result[name] = identifier
    return result


def in_comment(text: str) -> str:
    """Make a text from a file safe for a comment: it cannot end the comment or continue a line."""
    return re.sub(r"[^\w .:-]", "_", str(text), flags=re.ASCII)[:200]
