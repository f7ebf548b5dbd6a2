"""Turns the LaTeX of a page into MathML while the site is built: a browser shows it without a script or a font.

The lessons' formulas go through here too, so they are written in the LaTeX that JupyterLab and latex2mathml both read.
"""

import html
import re

from latex2mathml.converter import convert

FORMULA = re.compile(r'<(span|div) class="arithmatex">\s*\\[(\[](.*?)\\[)\]]\s*</\1>', re.DOTALL)
TEXT = re.compile(r"\\text\{[^{}]*\}")


def on_page_content(content, page, config, files):
    """Put MathML in the place of each formula that pymdownx.arithmatex marked."""
    return FORMULA.sub(lambda match: mathml(html.unescape(match[2]), match[1] == "div"), content)


def mathml(latex: str, display: bool) -> str:
    """A formula as MathML.

    Args:
        latex: the formula, without its delimiters.
        display: whether it stands on lines of its own.

    Returns:
        A ``<math>`` element; a display formula stands in a ``<div class="formula">`` that scrolls where it is too wide.
    """
    result = convert(latex.strip(), display="block" if display else "inline")
    return f'<div class="formula">{result}</div>' if display else result
