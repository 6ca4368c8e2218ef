"""A picture as PNG, by the `typst` package that the extra `[pdf]` has: it draws SVG itself, with its text."""

from __future__ import annotations

import re

from ..base import fonts
from ..base.extras import missing
from ..errors import OptionError
from .furniture import size_of
from .heat.repacked import repacked
from .placed_text import expression

#: Pixels of the PNG along one of the picture; one alone where a picture has more pixels than LARGE. They are whole
#: numbers, so that the rows of a heat map are of one height.
SHARP, LARGE = 2, 1_000_000
#: Bytes from which a PNG gets a palette.
HEAVY = 2_000_000


def png(svg: str) -> bytes:
    """The PNG of a picture of `sheet.document`, in its light colours.

    Raises OptionError without the package, or without a font for the letters of the picture.
    """
    try:
        import typst
    except ImportError:
        raise OptionError(missing("PNG", "typst", "write .svg or .html")) from None
    letters = re.sub(r"<style>.*?</style>|<[^>]*>", "", svg, flags=re.S)
    fonts.check(letters, "this picture", ".svg or .html")
    wide, tall = size_of(svg)
    scale = SHARP if wide * tall <= LARGE else 1
    page = f"#set page(width: {wide}pt, height: {tall}pt, margin: 0pt)\n{fonts.sized(letters)}#{expression(light(svg))}"
    made: bytes = typst.compile(page.encode(), format="png", ppi=72 * scale)
    return repacked(made) if len(made) > HEAVY else made


def light(svg: str) -> str:
    """A picture whose style sheet has no variables and no conditions, as renderers other than browsers need it."""
    sheet = re.findall(r"<style>(.*?)</style>", svg, re.S)[0]
    plain = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", sheet)
    variables = dict(re.findall(r"(--[\w-]+):([^;}]+)", plain))
    plain = re.sub(r"var\((--[\w-]+)\)", lambda found: variables[found[1]], plain)
    svg = svg.replace('image-rendering="pixelated"', 'image-rendering="optimizeSpeed"')
    return svg.replace(sheet, re.sub(r"--[\w-]+:[^;}]+;?", "", plain), 1)
