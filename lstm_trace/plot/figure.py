"""A picture that is ready: SVG for a notebook and for files, and the values behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.files import format_of, written

if TYPE_CHECKING:
    import pandas as pd

#: File suffix to format.
SUFFIXES = {".svg": "svg"}


@dataclass(frozen=True, repr=False)
class Figure:
    """A picture.

    kind: its name in `kinds.KINDS`. title: what it shows, in a line. caption: the sentences below it. drawing, frame,
    specification: make the SVG, the frame of the values and the Vega-Lite specification, when they are asked for.
    """

    kind: str
    title: str
    caption: str
    drawing: Callable[[], str]
    frame: Callable[[], pd.DataFrame]
    specification: Callable[[pd.DataFrame], dict[str, Any]] | None = None

    def __repr__(self) -> str:
        return f"<Figure {self.title!r}: svg(), save('x.svg'), data>"

    def svg(self) -> str:
        """The picture as SVG: one element, which may stand in a file of its own or in a page."""
        return self._svg

    def save(self, path: str | Path) -> None:
        """Write the picture to a file.

        Args:
            path: ends in `.svg`; `-` is standard output.

        Raises:
            FileError: for another suffix, or where the file cannot be written.
        """
        format_of(path, SUFFIXES, "pictures", "svg", "; a browser or Inkscape makes other formats of it")
        with written(path) as file:
            file.write(self._svg + "\n")

    @cached_property
    def _svg(self) -> str:
        return self.drawing()

    @cached_property
    def data(self) -> pd.DataFrame:
        """The values that are drawn."""
        return self.frame()

    def _repr_svg_(self) -> str:
        return self._svg
