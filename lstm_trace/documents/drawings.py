"""Pictures in documents: an SVG without its title, in a page that has its style, and as an image that Typst draws.

Typst's SVG renderer does not support style variables, and lacks glyphs for many scripts: such letters are placed as
text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from ..base import fonts
from ..base.display import escape
from ..formulas.typst import string
from ..languages.strings import words

#: The style sheets of pictures in a page, including interactive heat maps.
PICTURES = ("plot/plot.css", "plot/framed.css", "plot/heat.css")
#: Marks each part that is wider than the page, with the text of `wider`.
WIDER = "plot/wider.js"


def bare(svg: str) -> str:
    """A picture of `document` without its title and caption, for a page that has them as text."""
    top, tall = re.findall(r'data-body="(\d+) (\d+)"', svg)[0]
    svg = re.sub(r'viewBox="0 0 (\d+) \d+" width="\d+" height="\d+"',
                 rf'viewBox="0 {top} \1 {tall}" width="\1" height="{tall}"', svg, count=1)  # fmt: skip
    svg = re.sub(r'<text class="(?:title|note)".*?</text>\n', "", svg)
    return svg.replace('<rect class="ground" width', f'<rect class="ground" y="{top}" width', 1)


def unstyled(svg: str) -> str:
    """Like `bare`, for a page that contains `style()` itself."""
    return re.sub(r"<style>.*?</style>\n", "", bare(svg), count=1, flags=re.S)


def size_of(svg: str) -> tuple[float, float]:
    """Width and height of a picture of `document`, complete or bare.

    >>> size_of('<svg viewBox="0 46 640 300" width="640" height="300">')
    (640.0, 300.0)
    """
    wide, tall = re.findall(r' width="(\d+)" height="(\d+)"', svg)[0]
    return float(wide), float(tall)


def framed(body: str, language: str) -> str:
    """A picture without title and caption that can be scrolled sideways on a narrow screen; other HTML unchanged."""
    if not body.startswith("<svg"):
        return body
    said = escape(words(language, 0).word("plot.sideways"))
    return f'<p class="sideways">{said}</p><div class="scroll">{unstyled(body)}</div>'


def wider(language: str) -> str:
    """The element that a page with the script `WIDER` has at its end."""
    said = escape(words(language, 0).word("plot.sideways"))
    return f'<template id="wider"><p class="sideways wider">{said}</p></template>'


# -- for Typst ---------------------------------------------------------------------------------------------------------

_TEXT = re.compile(r'<text class="([^"]*)" ([^>]*)>([^<]+)</text>\n?')
_PLACE = re.compile(r'(?:x="|translate\()([-\d.]+)(?:" y="| )([-\d.]+)')
_ANCHORS = {"start": "left", "middle": "center", "end": "right"}
_PUT = (
    "let put(x, y, anchor, turn, ..how, body) = place(top + left, dx: x * 1pt, dy: y * 1pt, rotate(turn * 1deg, "
    "origin: top + left, box(width: 0pt, align(anchor, box(text(..how, body))))))"
)
#: After an f, which begins the ligatures of Typst's font (ff, fi, ft), and before another letter of the same text.
_JOINING = re.compile(r"(?<=f)(?=(?:<[^>]*>)*[a-z])(?![^<]*>)")
_NO_BREAK = "\u00a0"
_BASELINE = 'top-edge: "baseline", bottom-edge: "baseline"'


def expression(svg: str, width: str = "100%") -> str:
    """Typst code for a picture of `sheet.document`, complete or bare, whose style sheet has no variables.

    Args:
        svg: the picture.
        width: its width, in Typst's notation.
    """
    wide, tall = size_of(svg)
    top = float(re.findall(r'viewBox="\S+ (\S+)', svg)[0])
    rules = list(_rules(svg))
    put: list[str] = []

    def placed(found: re.Match[str]) -> str:
        letters = unescape(found[3])
        if not any("\u0370" <= c < "\u2000" or c >= "\u2c00" for c in letters):  # Latin, signs
            return found[0]
        x, y = _PLACE.findall(found[2])[0]
        style: dict[str, str] = {}
        for name, said in rules:
            style |= said if name == "text" or name in found[1].split() else {}
        weight = ', weight: "bold"' if style.get("font-weight") == "bold" else ""
        put.append(
            f"put({float(x):.1f}, {float(y) - top:.1f}, {_ANCHORS[style.get('text-anchor', 'start')]}, "
            f"{-90 if 'rotate(' in found[2] else 0}, size: {style['font-size'].removesuffix('px')}pt, "
            f'fill: rgb("{style["fill"]}"){weight}, {string(letters.replace(" ", _NO_BREAK))})'
        )
        return ""

    rest = _unjoined(_TEXT.sub(placed, svg)).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "")
    image = f'image(bytes("{rest}"), format: "svg", width: '
    if not put:
        return f"{image}{width})"
    named = ", ".join(map(string, ("New Computer Modern", *fonts.families("".join(_TEXT.sub(r"\3", svg))))))
    size = f"width: {wide:.0f}pt, height: {tall:.0f}pt"
    whole = f"box({size}, {{ place(top + left, {image}100%)); {'; '.join(put)} }})"
    return (
        f"{{ {_PUT}; set text(font: ({named},), {_BASELINE}); layout(size => {{ let k = (0% + 0pt + {width}); "
        f"let k = (k.ratio * size.width + k.length) / {wide:.0f}pt; "
        f"scale(k * 100%, origin: top + left, reflow: true, {whole}) }}) }}"
    )


def _unjoined(svg: str) -> str:
    """A picture without ligatures, using zero-width non-joiners, since its style sheet cannot disable them here.

    A ligature would pull the index of f into the letter, so that it is not lowered; and a text with a ligature gets no
    glyph of another font for signs that its own lacks (⊙), because the letters of the two are then counted differently.

    >>> _unjoined("<text>left <tspan>f</tspan><tspan>t</tspan></text>").encode("ascii", "xmlcharrefreplace")
    b'<text>lef&#8204;t <tspan>f&#8204;</tspan><tspan>t</tspan></text>'
    """
    return re.sub("<text.*?</text>", lambda found: _JOINING.sub("\u200c", found[0]), svg, flags=re.S)


def _rules(svg: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Name of a class, or `text`, with its declarations in the style sheet, in order."""
    sheet = re.findall(r"<style>(.*?)</style>", svg, re.S)[0]
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", sheet):
        said = dict(part.split(":", 1) for part in body.split(";") if ":" in part)
        yield from ((one.split()[-1].lstrip("."), said) for one in selectors.split(","))


def light(svg: str) -> str:
    """A picture whose style sheet has no variables and no conditions, for renderers other than browsers."""
    sheet = re.findall(r"<style>(.*?)</style>", svg, re.S)[0]
    plain = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", sheet)
    variables = dict(re.findall(r"(--[\w-]+):([^;}]+)", plain))
    plain = re.sub(r"var\((--[\w-]+)\)", lambda found: variables[found[1]], plain)
    svg = svg.replace('image-rendering="pixelated"', 'image-rendering="optimizeSpeed"')
    return svg.replace(sheet, re.sub(r"--[\w-]+:[^;}]+;?", "", plain), 1)
