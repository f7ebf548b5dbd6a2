"""Text that students or a platform's export wrote, made fit for a message of one line."""

import os
import re
import unicodedata

# Control characters, line breaks, marks of writing direction, and the halves of characters that are no text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def without_control(text: str, sign: str) -> str:
    """``text`` with ``sign`` in place of each control character, line break and mark of writing direction."""
    return _CONTROL.sub(lambda _: sign, text)


def one_line(text: str) -> str:
    """``text`` in one line, without control characters and at most 200 characters."""
    text = without_control(text, "?")
    return text if len(text) <= 200 else f"{text[:150]}...{text[-40:]}"


def squeezed(name: str) -> str:
    """The letters and digits of a name, to compare it with the same name as another program writes it."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name)).casefold()


def printable(name: str) -> str:
    """The name of a file in one line, even where it is no text."""
    return one_line(os.fsencode(name).decode("utf-8", "replace"))
