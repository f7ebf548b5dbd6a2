"""Draws the LaTeX of a page as SVG while the site is built: it looks the same everywhere, and needs no script or font.

MathML would be shorter, but it looks right only where the reader has a font for mathematics. The lessons' formulas are
drawn here too.
"""

import html
import re

import ziamath

FORMULA = re.compile(r'<(span|div) class="arithmatex">\s*\\[(\[](.*?)\\[)\]]\s*</\1>', re.DOTALL)
SIZE = 17  # of the font in the drawing; the page's text has 16 of the same units


def on_page_content(content, page, config, files):
    """Put a drawing in the place of each formula that pymdownx.arithmatex marked."""
    return FORMULA.sub(lambda match: drawing(html.unescape(match[2]), match[1] == "div"), content)


def drawing(latex: str, display: bool) -> str:
    """A formula as SVG, in the colour of the text around it.

    Args:
        latex: the formula, without its delimiters.
        display: whether it stands on lines of its own.

    Returns:
        An ``<svg>`` that a screen reader reads as LaTeX; for a display formula in a ``<div>`` that scrolls.
    """
    formula = ziamath.Latex(latex.strip(), size=SIZE, color="currentColor", inline=not display)
    svg = formula.svg()
    width, height = (float(re.search(rf' {side}="([\d.]+)"', svg)[1]) / 16 for side in ("width", "height"))
    style = f"width: {width:.3f}em; height: {height:.3f}em; vertical-align: {formula.getyofst() / 16:.3f}em"
    label = html.escape(latex.strip())
    opening = f'<svg class="formula" role="img" aria-label="{label}" style="{style}" '
    svg = re.sub(r'<svg xmlns="[^"]+" width="[^"]+" height="[^"]+" ', lambda _: opening, svg, count=1)
    svg = re.sub(r"\n\s*", "", svg)
    return f'<div class="formula">{svg}</div>' if display else svg
