"""A picture for Typst, in which text of other scripts than Latin is set by Typst itself and not drawn as SVG.

Its renderer of SVG takes one font for a whole text: it loses what that has not, such as the marks of Thai letters, or
sets all of a sentence in another one. Its own text has for each script a font of the system (`base/fonts.py`).
"""

from __future__ import annotations

import re
from html import unescape

from ..base import fonts
from ..formulas.typst import string
from .furniture import size_of

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
    """Code of Typst for a picture of `sheet.document`, whole or bare, whose style sheet has no variables.

    Args:
        svg: the picture.
        width: how wide it is, as Typst has it.
    """
    wide, tall = size_of(svg)
    top = float(re.findall(r'viewBox="\S+ (\S+)', svg)[0])
    rules = _rules(svg)
    put: list[str] = []

    def placed(found: re.Match[str]) -> str:
        letters = unescape(found[3])
        if not any("\u0370" <= c < "\u2000" or c >= "\u2c00" for c in letters):  # Latin, signs
            return found[0]
        x, y = _PLACE.findall(found[2])[0]
        put.append(_put(_style(rules, found[1]), float(x), float(y) - top, "rotate(" in found[2], letters))
        return ""

    rest = _TEXT.sub(placed, svg)
    image = f'image(bytes({_literal(_unjoined(rest))}), format: "svg", width: '
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
    """A picture without ligatures, by joiners of zero width: its style sheet cannot turn them off for this renderer.

    A ligature takes the index of f into the letter, so that it is not lowered; and a text that has one gets no glyph of
    another font for a sign that its own has not (⊙), as the letters of the two are then not counted alike.

    >>> _unjoined("<text>left <tspan>f</tspan><tspan>t</tspan></text>").encode("ascii", "xmlcharrefreplace")
    b'<text>lef&#8204;t <tspan>f&#8204;</tspan><tspan>t</tspan></text>'
    """
    return re.sub("<text.*?</text>", lambda found: _JOINING.sub("\u200c", found[0]), svg, flags=re.S)


def _put(style: dict[str, str], x: float, y: float, turned: bool, letters: str) -> str:
    """A text at its place."""
    anchor = _ANCHORS[style.get("text-anchor", "start")]
    weight = ', weight: "bold"' if style.get("font-weight") == "bold" else ""
    size = style["font-size"].removesuffix("px")
    return (
        f"put({x:.1f}, {y:.1f}, {anchor}, {-90 if turned else 0}, size: {size}pt, "
        f'fill: rgb("{style["fill"]}"){weight}, {string(letters.replace(" ", _NO_BREAK))})'
    )


def _rules(svg: str) -> list[tuple[str, dict[str, str]]]:
    """Name of a class, or `text`, and what the style sheet says of it, in its order."""
    sheet = re.findall(r"<style>(.*?)</style>", svg, re.S)[0]
    found = []
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", sheet):
        said = dict(part.split(":", 1) for part in body.split(";") if ":" in part)
        found += [(one.split()[-1].lstrip("."), said) for one in selectors.split(",")]
    return found


def _style(rules: list[tuple[str, dict[str, str]]], classes: str) -> dict[str, str]:
    """What the style sheet says of a text."""
    style: dict[str, str] = {}
    for name, said in rules:
        if name == "text" or name in classes.split():
            style |= said
    return style


def _literal(svg: str) -> str:
    """SVG as a string of Typst."""
    return '"' + svg.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "") + '"'
