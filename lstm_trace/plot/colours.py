"""Scales of colours: from a value to one of 254 colours and back, with a colour each for padding and no number.

Gates lie between 0 and 1 and have a scale of one colour; states have one of two colours, which meet at 0; sizes, of
which some are many powers of ten apart, have a logarithmic one. Colour-blind readers can tell the colours apart. On a
dark ground the style sheet turns lightness round.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil, floor, log10

import numpy as np

from ..base.arrays import Array
from ..languages.strings import Words
from .furniture import shown_number

#: Numbers of colours: of padding (transparent, so that the ground is seen), of what is no finite number, the first and
#: the number of those of a scale.
PADDING, BROKEN, FIRST, LEVELS = 0, 1, 2, 254
#: The colours are those of the middle `WITHIN` of the sizes of the values, where the largest is `FAR` times that.
WITHIN, FAR = 0.99, 1.5
#: Sizes of which more than `SMALL` are so many powers of ten below the largest have a logarithmic scale, which ends
#: `DECADES` below the largest: what is smaller than that matters no more.
APART, SMALL, DECADES = 2, 0.1, 4
#: So many pixels all maps of a picture have at most: a file of them weighs less than 2 MB.
MOST = 1_400_000
#: Sizes up to this one are no larger than zero: they have few digits, or none.
_LEAST = float(np.finfo(np.float64).tiny)
_ONE = ("#eef3fa", "#d8e5f4", "#bcd4ec", "#97bde0", "#6fa3d2", "#4b87c0", "#2f6aa8", "#1c4d89", "#0b2f61")
_TWO = ("#8c3b00", "#c65a11", "#e8935a", "#f6cda9", "#f1f1f3", "#b9d4ec", "#6fa8d8", "#2f74b5", "#0b3f7a")
_BROKEN = "#d100a5"


@dataclass(frozen=True)
class Scale:
    """A scale from `low` to `high`.

    two: whether it has two colours, which meet in the middle. logarithmic: whether equal factors look alike. beyond:
    how many of the `count` values lie outside, and have the colours of its ends; most: the largest size of a value.
    gate: whether values are far if they are far from the middle, and not from 0. apart: whether they are differences.
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
        """The numbers of the colours of values. there: False for padding."""
        finite = np.isfinite(values)
        low, high = self._along(np.array([self.low, self.high]))
        at = np.clip(self._along(np.where(finite, values, self.low)), low, high)
        place = (at / 2 - low / 2) / (high / 2 - low / 2)  # halves, or the difference may overflow
        found = np.where(finite, FIRST + np.rint(place * (LEVELS - 1)), BROKEN)
        return np.where(there, found, PADDING).astype(np.uint8)

    def value(self, level: Array) -> Array:
        """The value in the middle of those that have a colour; NaN for the colours of padding and no number."""
        low, high = self._along(np.array([self.low, self.high]))
        share = (np.asarray(level, np.float64) - FIRST) / (LEVELS - 1)
        at = low * (1 - share) + high * share
        return np.where(np.asarray(level) < FIRST, np.nan, 10.0**at if self.logarithmic else at)

    def _along(self, values: Array) -> Array:
        """Places along the scale before they are brought between its ends."""
        return np.log10(np.maximum(values, self.low)) if self.logarithmic else values

    @property
    def ends(self) -> tuple[str, str]:
        """Its ends as they are written beside it."""
        if self.empty:
            return "0", "0"
        low, high = (shown_number(end, 3) for end in (self.low, self.high))
        if self.beyond:
            return f"≤ {low}", f"≥ {high}"
        return f"≤ {low}" if self.logarithmic else low, high

    def clipped(self, words: Words, name: str) -> str:
        """That the colours of what is called `name` end before its values do."""
        share, reach, most = 100 * self.beyond / self.count, self.high, self.most
        told = (shown_number(value, digits) for value, digits in ((reach, 3), (share, 2), (most, 3)))
        key = "plot.clipped.apart" if self.apart else "plot.clipped"
        return words.word(key, name=name, **dict(zip(("reach", "share", "most"), told, strict=True)))

    @property
    def empty(self) -> bool:
        """Whether no value is other than 0, so that the scale has no ends."""
        return not self.gate and self.most == 0

    @property
    def middle(self) -> float:
        """The number of the colour from which a value is far: the middle of a gate or state, the lower end of sizes."""
        return FIRST + (LEVELS - 1) / 2 if self.two or self.gate else FIRST

    @property
    def palette(self) -> Array:
        """(256, 3): the colours."""
        return _palette(self.two)


def gate() -> Scale:
    """From 0, closed, to 1, open."""
    return Scale(0.0, 1.0, gate=True)


def symmetric(values: Array, apart: bool = False) -> Scale:
    """As far on both sides of 0 as nearly all of the values reach. apart: of differences, those that are 0 are none."""
    size = np.abs(values[np.isfinite(values) & (values != 0 if apart else True)])
    most = float(size.max(initial=0.0))
    near = float(np.quantile(size, WITHIN, method="higher")) if size.size else 0.0
    reach = most if near <= _LEAST or most / near <= FAR else near
    beyond = int(np.count_nonzero(size > reach))
    reach = reach if reach > _LEAST else 1.0
    return Scale(-reach, reach, True, False, beyond, int(size.size), most, apart=apart)


def from_zero(values: Array) -> Scale:
    """From nothing to the largest of the values, none of them negative; by powers of ten where many are far smaller."""
    found = values[np.isfinite(values) & (values > 0)]
    most, least = float(found.max(initial=0.0)), float(found.min(initial=np.inf))
    if most <= _LEAST or np.mean(found < most / 10**APART) <= SMALL:
        return Scale(0.0, most if most > _LEAST else 1.0, count=int(found.size), most=most)
    low = max(10.0 ** floor(log10(least)), 10.0 ** ceil(log10(most) - DECADES))
    return Scale(max(low, _LEAST), most, logarithmic=True, count=int(found.size), most=most)


def extremes(levels: Array, rows: int, columns: int, middle: float) -> Array:
    """Of each block of so many rows and columns the colour that is furthest from the middle.

    A block with a value that is no number has the colour of that, and only one of padding alone has that of padding.
    """
    if rows == columns == 1:
        return levels
    tall, wide = (-(-n // size) for n, size in zip(levels.shape, (rows, columns), strict=True))
    filled = np.full((tall * rows, wide * columns), PADDING, np.uint8)
    filled[: levels.shape[0], : levels.shape[1]] = levels
    blocks = filled.reshape(tall, rows, wide, columns).swapaxes(1, 2).reshape(tall, wide, -1)
    far = np.abs(blocks - middle).astype(np.float32)
    far[blocks == PADDING], far[blocks == BROKEN] = -1.0, np.inf
    found: Array = np.take_along_axis(blocks, far.argmax(axis=-1)[..., None], -1)[..., 0]
    return found


def room(rows: int, columns: int, maps: int, pixels: int | None = None) -> tuple[int, int]:
    """How many rows and columns share a pixel, so that all maps of a picture have no more than `pixels`, or MOST.

    Columns give way first, as long as there are twice as many as rows; then both.
    """
    most = max((pixels or MOST) // max(maps, 1), 1)
    tall = wide = 1
    while -(-rows // tall) * -(-columns // wide) > most:
        if -(-columns // wide) >= 256 or -(-rows // tall) < 256:
            wide += 1
        else:
            tall += 1
    return tall, wide


@cache
def _palette(two: bool) -> Array:
    stops = np.array([_rgb(colour) for colour in (_TWO if two else _ONE)], np.float64)
    at = np.linspace(0, len(stops) - 1, LEVELS)
    between = [np.interp(at, range(len(stops)), stops[:, k]) for k in range(3)]
    return np.vstack([[(255, 255, 255), _rgb(_BROKEN)], np.rint(np.stack(between, 1))]).astype(np.uint8)


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))
