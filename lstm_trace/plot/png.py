"""Pixels as a PNG of our own: one byte of a palette each, which stays small and is read back exactly.

Portable Network Graphics, third edition (W3C 2025), colour type 3, no row filter, no interlace.
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from html import unescape

import numpy as np

from ..base import fonts
from ..base.arrays import Array
from ..base.extras import missing
from ..errors import OptionError
from ..formulas.typst import string
from .furniture import size_of

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encoded(pixels: Array, palette: Array, clear: int = 1) -> bytes:
    """A PNG.

    Args:
        pixels: (rows, columns), numbers of colours.
        palette: (colours, 3), red, green and blue from 0 to 255; 256 colours at most.
        clear: so many colours at the beginning of the palette are transparent.
    """
    rows, columns = pixels.shape
    filtered = np.zeros((rows, columns + 1), np.uint8)  # each row begins with the number of its filter: none
    filtered[:, 1:] = pixels
    return _SIGNATURE + b"".join(
        _chunk(kind, data)
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
            (b"PLTE", np.ascontiguousarray(palette, np.uint8).tobytes()),
            (b"tRNS", bytes(clear)),
            (b"IDAT", zlib.compress(filtered.tobytes(), 9)),
            (b"IEND", b""),
        )
        if data or kind == b"IEND"
    )


def data_uri(png: bytes) -> str:
    """A PNG as the address of an image within a page or a picture."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


#: Colours of a palette.
_COLOURS = 256


def repacked(png: bytes) -> bytes:
    """A PNG with a palette.

    Args:
        png: of 8 bits for each of red, green, blue and opacity, all opaque, without interlace.

    Returns:
        The same pixels if there are at most 256 colours; else colours that are hardly apart become one.
    """
    pixels = _pixels(png).astype(np.uint32)
    colours = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    every, at, counts = np.unique(colours, return_inverse=True, return_counts=True)
    palette, of = _palette(np.stack([every >> 16, every >> 8 & 255, every & 255], axis=1), counts)
    return encoded(of[at].reshape(colours.shape), palette, clear=0)


def _palette(colours: Array, counts: Array) -> tuple[Array, Array]:
    """At most 256 of some colours, (n, 3), and which of them stands for each: the most frequent one near it.

    The most frequent of all, the ground, stands for none but itself.
    """
    if len(colours) <= _COLOURS:
        return colours.astype(np.uint8), np.arange(len(colours), dtype=np.uint8)
    step = 2
    while len(np.unique(colours // step, axis=0)) >= _COLOURS:
        step += max(1, step // 4)
    _, block = np.unique(colours // step, axis=0, return_inverse=True)
    block = block.ravel() + 1
    order = np.argsort(counts, kind="stable")
    block[order[-1]] = 0
    chosen = np.zeros((int(block.max()) + 1, 3), np.uint8)
    chosen[block[order]] = colours[order]  # of several the last one stays
    return chosen, block.astype(np.uint8)


def _pixels(png: bytes) -> Array:
    """(rows, columns, 3): a PNG without its filters.

    A pixel may be predicted from those left, above, and above left of it, so that those of a diagonal that runs from
    the lower left to the upper right hang on the two diagonals before it, and are found at once.
    """
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        chunks[kind] = chunks.get(kind, b"") + png[at + 8 : at + 8 + size]
        at += 12 + size
    wide, tall = struct.unpack(">II", chunks[b"IHDR"][:8])
    raw = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(tall, 1 + 4 * wide)
    given = raw[:, 1:].reshape(-1, 4)[:, :3].astype(np.int16)
    found = np.zeros((tall * wide, 3), np.int16)
    ways = [np.repeat(raw[:, :1] == way, 3, axis=1) for way in range(5)]
    one, two = np.zeros((2, tall + 1, 3), np.int16)  # the last diagonal and that before it; above the first row is 0
    for k in range(wide + tall - 1):
        low, high = max(0, k - wide + 1), min(k + 1, tall)
        left, up, corner = one[low + 1 : high + 1], one[low:high], two[low:high]
        whole = left + up
        far = np.abs(up - corner), np.abs(left - corner), np.abs(whole - 2 * corner)
        guess = np.where((far[0] <= far[1]) & (far[0] <= far[2]), left, np.where(far[1] <= far[2], up, corner))
        for way, other in ((0, np.int16(0)), (1, left), (2, up), (3, whole >> 1)):
            np.copyto(guess, other, where=ways[way][low:high])
        line = slice(low * (wide - 1) + k, (high - 1) * (wide - 1) + k + 1, max(wide - 1, 1))
        found[line] = guess = (guess + given[line]) & 255
        two[:] = one
        one[:] = 0
        one[low + 1 : high + 1] = guess
    return found.reshape(tall, wide, 3)


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
