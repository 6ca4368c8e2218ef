"""A heat map: a matrix as one image of a pixel for each number, with names beside it and its scale above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...base.arrays import Array
from ...base.text.columns import cells
from ...base.text.markup import escape
from ..colours import FIRST, LEVELS, Scale, extremes
from ..furniture import spans, text, text_width
from ..png import data_uri, encoded

#: Height of what stands above a map; of a row at most; of all rows about, where there is room for less than one each.
ABOVE, ROW, ROWS = 22.0, 18.0, 240.0
#: Width of a column at most; pixels between names of rows.
COLUMN, _APART = 40.0, 11.0
#: Width and height of the drawing of a scale.
_BAR, _THICK = 110.0, 9.0
_LEVELS = np.arange(FIRST, FIRST + LEVELS, dtype=np.uint8)
#: So many pixels all maps of a picture have at most: a file of them weighs less than 2 MB.
MOST = 1_400_000


@dataclass(frozen=True)
class Heat:
    """A map. label: above it, marked (`marked_text`). levels: (rows, columns), numbers of colours of the scale."""

    label: str
    scale: Scale
    levels: Array

    @property
    def heading(self) -> str:
        """Its label as SVG."""
        return spans(self.label)

    def image(self, x: float, y: float, wide: float, tall: float, more: str = "") -> str:
        """The image at a place. more: attributes."""
        png = encoded(self.levels, self.scale.palette)
        place = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}"'
        return (
            f'<rect class="padded" {place}/><image class="heat" {place} preserveAspectRatio="none" '
            f'image-rendering="pixelated"{more} href="{data_uri(png)}"/>'
        )

    def above(self, x: float, y: float, wide: float) -> str:
        """Its label and its scale, in a line of height ABOVE that begins at y."""
        right, (low, high) = x + wide, self.scale.ends
        if self.scale.empty:
            return text("label", x, y + 15, self.heading) + text("mark end", right, y + 13, high)
        taken = text_width(self.label, 15) + 6.2 * (cells(low) + cells(high)) + 24
        bar = float(np.clip(wide - taken, 24.0, _BAR))
        at = right - 7 - 6.2 * cells(high) - bar
        image = self._scale(_LEVELS[None], at, y + 5, bar, _THICK)
        return (
            text("label", x, y + 15, self.heading)
            + f'<text class="mark end" x="{at - 5:.1f}" y="{y + 13:.1f}">{low}</text>{image}'
            + f'<text class="mark end" x="{right:.1f}" y="{y + 13:.1f}">{high}</text>'
        )

    def beside(self, x: float, y: float, tall: float) -> str:
        """Its scale, upright beside a map of one column; x: where it begins. tall: of the map."""
        low, high = self.scale.ends
        if self.scale.empty:
            return text("mark begin", x + 4, y + 9, high)
        bar = min(tall, _BAR)
        ends = (
            ((y + 9, high), (y + bar, low)) if bar >= 2 * _APART else ((y + 9, f"±{high}" if self.scale.two else high),)
        )
        words = "".join(text("mark begin", x + _THICK + 4, at, told) for at, told in ends)
        return self._scale(_LEVELS[::-1, None], x, y, _THICK, bar) + words

    def _scale(self, levels: Array, x: float, y: float, wide: float, tall: float) -> str:
        image = Heat("", self.scale, levels).image(x, y, wide, tall)
        return image.replace(' class="heat"', ' class="scale"')


def row_height(rows: int) -> float:
    """The height of each of so many rows."""
    return float(np.clip(ROWS // max(rows, 1), 1.0, ROW))


def names(labels: Sequence[str], x: float, y: float, tall: float, room: int = 8) -> str:
    """The names of as many rows as have room, left of a map. x: where they end. tall: of a row."""
    every = max(1, int(-(-_APART // tall)))
    return "".join(
        text("mark end", x - 5, y + (k + 0.5) * tall + 4, escape(_cut(labels[k], room)))
        for k in range(0, len(labels), every)
    )


def _cut(name: str, room: int) -> str:
    return name if cells(name) <= room else f"{name[: room - 1]}…"


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


def reduced(levels: Array, scale: Scale, size: tuple[int, int]) -> Array:
    """The colours of blocks of so many rows and columns."""
    return extremes(levels, *size, scale.middle)
