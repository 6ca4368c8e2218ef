"""Colours for values: scales, and text coloured by values, in a page and in a terminal.

A scale maps a value to one of 254 colours and back; padding and NaN have a colour of their own.

Gates lie between 0 and 1 and have a scale of one colour; states have one of two colours that meet at 0; magnitudes, if
some are many powers of ten apart, have a logarithmic one. The colours can be told apart by colour-blind readers. On a
dark background the style sheet inverts the lightness.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import ceil, floor, log10
from unicodedata import category

import numpy as np

from ..base.arrays import Array
from ..base.display import cells, escape, seen, visible
from ..languages.strings import Words
from .furniture import LABEL, shown_number

#: Colour numbers: padding (transparent, so that the background shows through), non-finite values, the first colour of a
#: scale and their number.
PADDING, BROKEN, FIRST, LEVELS = 0, 1, 2, 254
#: If the largest magnitude exceeds that of the middle `WITHIN` of the values by `FAR`, the scale covers only the
#: latter.
WITHIN, FAR = 0.99, 1.5
#: If more than `SMALL` of the magnitudes are this many powers of ten below the largest, the scale is logarithmic and
#: ends `DECADES` below the largest: smaller magnitudes no longer matter.
APART, SMALL, DECADES = 2, 0.1, 4
#: Maximum number of pixels in all maps of a picture: a file of them is smaller than 2 MB.
MOST = 1_400_000
#: Magnitudes up to this one count as zero: they have few digits, or none.
_LEAST = float(np.finfo(np.float64).tiny)
_ONE = "eef3fa d8e5f4 bcd4ec 97bde0 6fa3d2 4b87c0 2f6aa8 1c4d89 0b2f61"
_TWO = "8c3b00 c65a11 e8935a f6cda9 f1f1f3 b9d4ec 6fa8d8 2f74b5 0b3f7a"
_APART = "ffffff d100a5"


@dataclass(frozen=True)
class Scale:
    """A scale from `low` to `high`.

    two: whether it has two colours, which meet in the middle. logarithmic: whether equal ratios have equal distances.
    beyond: how many of the `count` values lie outside, and get the colours of its ends; most: the largest magnitude.
    gate: whether values are extreme if they are far from the middle, rather than far from 0. apart: whether the values
    are differences.
    """

    low: float
    high: float
    two: bool = False
    logarithmic: bool = False
    beyond: int = 0
    count: int = 0
    most: float = 0.0
    gate: bool = False
    apart: bool = False

    def levels(self, values: Array, there: Array | bool = True) -> Array:
        """The colour numbers of some values. there: False for padding."""
        finite = np.isfinite(values)
        low, high = self._along(np.array([self.low, self.high]))
        at = np.clip(self._along(np.where(finite, values, self.low)), low, high)
        place = (at / 2 - low / 2) / (high / 2 - low / 2)  # halved, because the difference may overflow
        found = np.where(finite, FIRST + np.rint(place * (LEVELS - 1)), BROKEN)
        return np.where(there, found, PADDING).astype(np.uint8)

    def _along(self, values: Array) -> Array:
        """Positions on the scale, before clipping to its ends."""
        return np.log10(np.maximum(values, self.low)) if self.logarithmic else values

    @property
    def ends(self) -> tuple[str, str]:
        """The labels of its ends."""
        if self.empty:
            return "0", "0"
        low, high = (shown_number(end, 3) for end in (self.low, self.high))
        return f"≤ {low}" if self.beyond or self.logarithmic else low, f"≥ {high}" if self.beyond else high

    def clipped(self, words: Words, name: str) -> str:
        """A sentence saying that the colours of `name` end before its values do."""
        told = (100 * self.beyond / self.count, 2), (self.high, 3), (self.most, 3)
        share, reach, most = (shown_number(*one) for one in told)
        return words.word(f"plot.clipped{'.apart' * self.apart}", name=name, reach=reach, share=share, most=most)

    @property
    def empty(self) -> bool:
        """Whether all values are 0, so that the scale has no ends."""
        return not self.gate and self.most == 0

    @property
    def middle(self) -> float:
        """The colour number from which distance is measured: the middle for gates and states, the lower end for
        magnitudes.
        """
        return FIRST + (LEVELS - 1) / 2 if self.two or self.gate else FIRST

    @cached_property
    def palette(self) -> Array:
        """(256, 3): the colours."""
        colours = map(bytes.fromhex, (_APART, _TWO if self.two else _ONE))
        apart, stops = (np.frombuffer(one, np.uint8).reshape(-1, 3) for one in colours)
        at = np.linspace(0, len(stops) - 1, LEVELS)
        between = [np.interp(at, range(len(stops)), channel) for channel in stops.T]
        return np.vstack([apart, np.rint(np.stack(between, 1))]).astype(np.uint8)


def gate() -> Scale:
    """From 0 (closed) to 1 (open)."""
    return Scale(0.0, 1.0, gate=True)


def symmetric(values: Array, apart: bool = False) -> Scale:
    """Symmetric about 0, covering nearly all of the values. apart: for differences, where zeros are ignored."""
    size = np.abs(values[np.isfinite(values) & (values != 0 if apart else True)])
    most = float(size.max(initial=0.0))
    near = float(np.quantile(size, WITHIN, method="higher")) if size.size else 0.0
    reach = most if near <= _LEAST or most / near <= FAR else near
    beyond = int(np.count_nonzero(size > reach))
    reach = reach if reach > _LEAST else 1.0
    return Scale(-reach, reach, True, False, beyond, int(size.size), most, apart=apart)


def from_zero(values: Array) -> Scale:
    """From 0 to the largest value, none of them negative; logarithmic if many are far smaller."""
    found = values[np.isfinite(values) & (values > 0)]
    most, least = float(found.max(initial=0.0)), float(found.min(initial=np.inf))
    if most <= _LEAST or np.mean(found < most / 10**APART) <= SMALL:
        return Scale(0.0, most if most > _LEAST else 1.0, count=int(found.size), most=most)
    low = max(10.0 ** floor(log10(least)), 10.0 ** ceil(log10(most) - DECADES))
    return Scale(max(low, _LEAST), most, logarithmic=True, count=int(found.size), most=most)


def extremes(levels: Array, rows: int, columns: int, middle: float) -> Array:
    """For each block of this many rows and columns, the colour that is furthest from the middle.

    A block that contains NaN has the colour of NaN; only a block of padding alone has that of padding.
    """
    tall, wide = (-(-n // size) for n, size in zip(levels.shape, (rows, columns), strict=True))
    filled = np.full((tall * rows, wide * columns), PADDING, np.uint8)
    filled[: levels.shape[0], : levels.shape[1]] = levels
    blocks = filled.reshape(tall, rows, wide, columns).swapaxes(1, 2).reshape(tall, wide, -1)
    far = np.abs(blocks - middle).astype(np.float32)
    far[blocks == PADDING], far[blocks == BROKEN] = -1.0, np.inf
    return np.take_along_axis(blocks, far.argmax(axis=-1)[..., None], -1)[..., 0]


def room(rows: int, columns: int, maps: int, pixels: int | None = None) -> tuple[int, int]:
    """How many rows and columns share a pixel, so that all maps of a picture have at most `pixels`, or MOST, pixels.

    Columns are merged first, as long as there are more than twice as many as rows; then both.
    """
    most = max((pixels or MOST) // max(maps, 1), 1)
    tall = wide = 1
    while -(-rows // tall) * -(-columns // wide) > most:
        if -(-columns // wide) >= 256 or -(-rows // tall) < 256:
            wide += 1
        else:
            tall += 1
    return tall, wide


#: Maximum number of parts that share a letter.
MARKS = 8
#: Mean length from which parts count as words, which are separated by spaces; and the letters of one that count.
WORDS, COUNTED = 1.5, 10
#: If this fraction of the parts have spaces of their own, as those of a tokenizer do, none are added between them.
OWN_SPACES = 1 / 20
#: Special tokens, which are not text and do not affect this decision: <s>, [CLS].
_SPECIAL_PART = re.compile(r"<[^<>]+>|\[[^\[\]]+\]")
#: Maximum number of characters in a part of a text; a file may contain megabytes.
LONGEST = 400
#: Terminal colours (of 256), from weak to strong, above and below 0; black letters are legible on all of them.
_ABOVE, _BELOW = (189, 153, 111, 69), (224, 217, 209, 208)
#: How padding (grey) and NaN (reversed) are shown.
_SPECIAL = {"x": "48;5;250;38;5;16", "#": "7"}
_BLOCKS = " ░▒▓█"


@dataclass(frozen=True)
class Tokens:
    """Parts of a text. labels: the parts, very long ones cut; spaced: whether spaces are added between them."""

    labels: tuple[str, ...]
    spaced: bool

    @property
    def shown(self) -> tuple[str, ...]:
        """The parts with signs for line breaks and tabs; spaces are kept if none are added between the parts."""
        seen = [visible(label, LABEL) for label in self.labels]
        return tuple(seen) if self.spaced else tuple(one.replace("␣", " ") for one in seen)

    def lines(self, widths: Sequence[float], room: float) -> list[list[int]]:
        """The indices of the parts in each line. widths: of the parts, including the space after them."""
        found, used = list[list[int]](), 0.0
        for k, wide in enumerate(widths):
            if not found or used + wide > room or "\n" in self.labels[k - 1]:
                found.append([])
                used = 0.0
            found[-1].append(k)
            used += wide
        return found

    def clusters(self) -> list[list[int]]:
        """The indices of parts that share a letter: a part that begins with a combining mark joins the letter before
        it.
        """
        found: list[list[int]] = []
        for k, label in enumerate(self.labels):
            letter = self.labels[k - 1][-1:] if k and is_mark(label) and not self.spaced else ""
            if not letter or letter.isspace() or len(found[-1]) == MARKS:
                found.append([])
            found[-1].append(k)
        return found


def is_mark(label: str) -> bool:
    """Whether a part begins with a combining mark, and has no width of its own."""
    return bool(label) and category(label[0])[0] == "M"


def tokens(labels: Sequence[str], steps: Sequence[int], spaced: bool | None = None) -> Tokens:
    """The text of some steps: their labels, or their numbers if they have none. spaced: `are_words` if None."""
    if not any(labels):
        return Tokens(tuple(map(str, steps)), True)
    short = [label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…" for label in labels]
    return Tokens(tuple(short), are_words(labels) if spaced is None else spaced)


def are_words(labels: Sequence[str]) -> bool:
    """Whether parts of a text are words, that is, have several letters and no spaces of their own: not letters or
    bytes.

    >>> are_words(["a", "cat", "sat", "."]), are_words(list("a cat")), are_words(["a", " cat", " sat", "."])
    (True, False, False)
    """
    there = [label for label in labels if label]
    numbers = any(len(label) > 1 for label in there) and all(label.isdecimal() for label in there)
    plain = [label for label in there if not _SPECIAL_PART.fullmatch(label[:LONGEST])]
    letters = sum(sum(category(c)[0] != "M" for c in label[:COUNTED]) for label in plain)
    inner = (label.strip("\r\n") for label in there)
    own = sum(label != label.strip() for label in inner)
    long = numbers or letters >= WORDS * len(plain)  # 14 and 16 must not become 1416
    return bool(there) and long and own < OWN_SPACES * len(there)


def strength(scale: Scale, values: Array) -> Array:
    """-1 to 1 for values from the lower to the upper end of a scale, 0 for its middle; NaN for NaN.

    For a scale of one colour, 0 to 1.
    """
    at = np.clip(np.where(np.isfinite(values), values, np.nan), scale.low, scale.high)
    return at / scale.high if scale.two else (at - scale.low) / (scale.high - scale.low)


def paragraph(
    found: Tokens, strengths: Array, valid: Array, said: Sequence[str], between: str = ", ", marked: range = range(0)
) -> str:
    """The parts as a paragraph of a page.

    said: tooltip of each part; between: in a list of two; marked: the indices of highlighted parts.
    """

    def cluster(places: list[int]) -> str:
        """A part of the text; or several that share a letter, each with its share of the background below it."""
        labels = [found.labels[k] for k in places]
        inner = "".join("<i>↵</i>" * ("\n" in label) + escape(seen(label)) for label in labels)
        grounds = [partial(ground, strengths[k], valid[k], marked=k in marked) for k in places]
        if len(places) == 1 and not is_mark(labels[0]):
            return f'<span {grounds[0]()} title="{escape(said[places[0]])}">{inner}</span>'
        for n, (k, label) in enumerate(zip(places, labels, strict=True)):
            told = escape(between.join((visible(label, LABEL), said[k])))
            inner += f'<b {grounds[n](f"--k:{n}")} title="{told}"></b>'
        return f'<span class="joined" style="--n:{len(places)}">{inner}</span>'

    gap = " " if found.spaced else ""
    return f'<p class="tokens">{gap.join(map(cluster, found.clusters()))}</p>\n'


def ends(scale: Scale) -> str:
    """The scale in a page."""
    low, high = scale.ends
    return f'<span class="ends">{low} <b class="{"two" if scale.two else "one"}"></b> {high}</span>'


def legend(scale: Scale, colours: bool) -> str:
    """The scale in a terminal, from its lower to its upper end."""
    low, high = scale.ends
    levels = range(-4 if scale.two else 0, 5)
    signs = (_coloured(" ", level) if colours else _BLOCKS[abs(level)] for level in levels)
    return f"{low} {''.join(signs)} {high}"


def lines(
    found: Tokens, strengths: Array, valid: Array, width: int, colours: bool, marked: range = range(0)
) -> Iterator[str]:
    """The lines shown in a terminal: with colours behind the parts, or with marks below them.

    marked: the indices of highlighted parts: underlined, or with ^ below them.
    """
    gap = " " if found.spaced else ""
    levels = [_level(share, there) for share, there in zip(strengths, valid, strict=True)]
    margin = 0 if colours else 2
    for line in found.lines([cells(label + gap) for label in found.shown], width - margin):
        if colours:
            yield gap.join(_coloured(found.shown[k], levels[k], k in marked) for k in line)
            continue
        yield " " * margin + gap.join(found.shown[k] for k in line).rstrip()
        below = {" ": ["^" if k in marked else " " for k in line]}
        below |= {mark: [_sign(levels[k], way) for k in line] for way, mark in ((1, "+"), (-1, "−"))}
        for mark, signs in below.items():
            parts = (sign * cells(found.shown[k]) for sign, k in zip(signs, line, strict=True))
            if row := gap.join(parts).rstrip():
                yield f"{mark} {row}"


def _level(share: float, valid: bool) -> int | str:
    """-4 to 4, or the sign of padding or NaN."""
    return "x" if not valid else "#" if not np.isfinite(share) else int(np.rint(share * 4))


def ground(share: float, valid: bool, more: str = "", marked: bool = False) -> str:
    """The class and style of the background of a part in a page. share: see `strength`. more: further style."""
    there = valid and not np.isnan(share)
    kind = ("above" if share >= 0 else "below") if there else "box" if valid else "padded"
    style = ";".join(filter(None, [f"--a:{100 * abs(share):.1f}%" if there else "", more]))
    return f'class="{kind}{" inside" * marked}"' + (f' style="{style}"' if style else "")


def _coloured(label: str, level: int | str, marked: bool = False) -> str:
    codes = ["1;4"] if marked else []
    if isinstance(level, str):
        codes.append(_SPECIAL[level])
    elif level:
        codes.append(f"48;5;{(_ABOVE if level > 0 else _BELOW)[abs(level) - 1]};38;5;16")
    return f"\x1b[{';'.join(codes)}m{label}\x1b[0m" if codes else label


def _sign(level: int | str, way: int) -> str:
    """The mark below a part, in the row of values above 0 (way 1) or below; of a sign only in the first."""
    return _BLOCKS[max(level * way, 0)] if isinstance(level, int) else level if way > 0 else " "
