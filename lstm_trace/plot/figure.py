"""A picture that is ready: SVG, a page, a PNG, a Vega-Lite specification, and the values behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..base.files import format_of, written
from ..errors import OptionError
from . import page, vega
from . import png

if TYPE_CHECKING:
    import pandas as pd

#: File suffix to format.
SUFFIXES = {".svg": "svg", ".png": "png", ".html": "html", ".htm": "html", ".json": "json"}


class Live(NamedTuple):
    """What a page has in place of the drawing alone. body: HTML. script: a file, as of `base.page.asset`, or none."""

    body: str
    script: str = ""


@dataclass(frozen=True, repr=False)
class Figure:
    """A picture.

    kind: its name in `table.KINDS`. title: what it shows, in a line. caption: the sentences below it. drawing, frame,
    specification: make the SVG, the frame of the values and the Vega-Lite specification (all but its `$schema` and its
    title), when they are asked for. language: of its words. live: what its page has in place of the drawing. terminal:
    makes what a terminal of so many columns shows, with colours or without, if there is anything to show.
    """

    kind: str
    title: str
    caption: str
    drawing: Callable[[], str]
    frame: Callable[[], pd.DataFrame]
    specification: Callable[[pd.DataFrame], dict[str, Any]]
    language: str = "en"
    live: Callable[[str], Live] | None = None
    terminal: Callable[[int, bool], str] | None = None

    def __repr__(self) -> str:
        return f"<Figure {self.title!r}: svg(), html(), to_vega(), save('x.svg'), data>"

    def svg(self) -> str:
        """The picture as SVG: one element, which may stand in a file of its own or in a page."""
        return self._svg

    def html(self) -> str:
        """The picture as a page: one file that loads nothing, with the title and the caption as text."""
        found = self.live(self._svg) if self.live is not None else Live(self._svg)
        return page.whole(self.title, self.caption, self.language, *found)

    def png(self) -> bytes:
        """The picture as PNG, in its light colours; needs the extra `[pdf]`.

        Raises:
            OptionError: without the extra.
        """
        return png.png(self._svg)

    def to_vega(self) -> dict[str, Any]:
        """The picture as a Vega-Lite specification (version 5) with its values in it.

        Returns:
            A mapping that JSON holds; of many values those that the caption in it says.
        """
        return vega.whole(self.title, self.caption, self.specification(self.data))

    def save(self, path: str | Path, format: str | None = None) -> None:
        """Write the picture to a file.

        Args:
            path: ends in `.svg`, `.png`, `.html` or `.json` (a Vega-Lite specification); `-` is standard output.
            format: `svg`, `png`, `html` or `json`, where the suffix does not say it.

        Raises:
            FileError: for another suffix, or where the file cannot be written.
            OptionError: for another format, or for PNG without the extra `[pdf]`.
        """
        chosen = format or format_of(path, SUFFIXES, "pictures", "svg")
        made, binary = self.content(chosen), chosen == "png"
        with written(path, "wb" if binary else "w") as file:
            file.write(made if binary else made.decode())

    def content(self, format: str) -> bytes:
        """What a file of a format holds.

        Args:
            format: `svg`, `png`, `html` or `json` (a Vega-Lite specification).

        Raises:
            OptionError: for another format, or for PNG without the extra `[pdf]`.
        """
        if format not in SUFFIXES.values():
            raise OptionError(f"there is no format {format!r}; expected svg, png, html or json")
        if format == "png":
            return self.png()
        text = {"svg": self.svg, "html": self.html, "json": self._json}[format]()
        return f"{text.rstrip()}\n".encode()

    def _json(self) -> str:
        return json.dumps(self.to_vega(), ensure_ascii=False, allow_nan=False)

    @cached_property
    def _svg(self) -> str:
        return self.drawing()

    @cached_property
    def data(self) -> pd.DataFrame:
        """The values that are drawn, exactly as the trace has them."""
        return self.frame()

    def _repr_svg_(self) -> str:
        return self._svg
