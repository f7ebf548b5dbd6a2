"""C names for a network's tensors and ops, which may be called anything."""

import re

_WORDS = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const const_cast  constexpr
    continue decltype default delete do double dynamic_cast else enum explicit export extern false  float for friend
    goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq  private protected
    public register reinterpret_cast restrict return short signed sizeof static static_assert  static_cast struct switch
    template this thread_local throw true try typedef typeid typename union unsigned  using virtual void volatile
    wchar_t while xor xor_eq main arena memcpy
"""
_KEYWORDS = frozenset(_WORDS.split())


def check(name):
    """The name, if it can be a prefix of C names and a file's name.

    Raises:
        ValueError: it cannot.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in _KEYWORDS:
        raise ValueError(
            f"a model's name becomes the name of C functions and files, so it must be letters, digits and underscores, "
            f"not begin with a digit, and be no word of C or C++: got {name!r}; 'carclassifier' would do"
        )
    return name


def identifiers(names, taken=()):
    """A distinct C identifier for each name, as close to it as can be: dict from name to identifier."""
    used, result = set(_KEYWORDS) | set(taken), {}
    for name in names:
        base = re.sub(r"\W+", "_", str(name), flags=re.ASCII).strip("_").lower() or "tensor"
        base = f"n{base}" if base[0].isdigit() else base
        identifier, count = base, 2
        while identifier in used:
            identifier, count = f"{base}_{count}", count + 1
        used.add(identifier)
        result[name] = identifier
    return result
