"""A picture that is ready: SVG for a notebook and for files, and the values behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..base.arrays import Array
from ..base.files import format_of, written

if TYPE_CHECKING:
    import pandas as pd

#: File suffix to format.
SUFFIXES = {".svg": "svg"}


@dataclass(frozen=True, repr=False)
class Figure:
    """A picture. title: what it shows, in a line. caption: the sentences below it."""

    title: str
    caption: str
    text: str
    steps: range
    columns: Mapping[str, Array]

    def __repr__(self) -> str:
        return f"<Figure {self.title!r}: svg(), save('x.svg'), data>"

    def svg(self) -> str:
        """The picture as SVG: one element, which may stand in a file of its own or in a page."""
        return self.text

    def save(self, path: str | Path) -> None:
        """Write the picture to a file.

        Args:
            path: ends in `.svg`; `-` is standard output.

        Raises:
            FileError: for another suffix, or where the file cannot be written.
        """
        format_of(path, SUFFIXES, "pictures", "svg", "; a browser or Inkscape makes other formats of it")
        with written(path) as file:
            file.write(self.text + "\n")

    @property
    def data(self) -> pd.DataFrame:
        """The curves as a frame: a row for each step, a column for each curve; NaN at padding."""
        import pandas as pd

        return pd.DataFrame(dict(self.columns), index=pd.Index(self.steps, name="t"))

    def _repr_svg_(self) -> str:
        return self.text
