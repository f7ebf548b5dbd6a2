"""Makes one safe line of an error's text: names in it come from files, and may hold anything."""

import re

MOST = 4000  # characters


def one_line(text: object) -> str:
    """The text on one line, without control characters, and cut if it is very long."""
    line = re.sub(r"\s+", " ", str(text)).strip()
    line = "".join(letter if letter.isprintable() else "?" for letter in line)
    return line if len(line) <= MOST else f"{line[: MOST - 4]} ..."


def reason(error: BaseException) -> str:
    """The first sentence of a foreign library's error, on one line; the name of its class if it says nothing."""
    lines = [line for line in map(one_line, str(error).splitlines()) if line]
    first = lines[0] if lines else type(error).__name__
    return first if len(first) <= 300 else f"{first[:296]} ..."
