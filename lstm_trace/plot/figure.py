"""A finished picture: SVG, HTML page, PNG, Vega-Lite specification, and the values behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..base import page
from ..base.display import escape
from ..base.writing import format_of, written
from ..documents.drawings import PICTURES, framed
from ..errors import OptionError
from ..languages.strings import Words
from ..printable import json_text
from . import coloured_text, png, svg, vega
from .furniture import WIDE
from .panels import Cells, Grid, Panel, Spans

if TYPE_CHECKING:
    import pandas as pd

#: File suffix to format.
SUFFIXES = {".svg": "svg", ".png": "png", ".html": "html", ".htm": "html", ".json": "json"}
#: The script that makes heat maps interactive.
SCRIPT = "plot/heat.js"


@dataclass(frozen=True, eq=False, repr=False)
class Figure:
    """A picture: panels, from which every format is rendered, and the values behind them.

    Attributes:
        kind: name of its kind (see `kinds.KINDS`).
        title: title, in one line.
        caption: sentences below the picture.
        grids: its panels, from top to bottom.
        frame: makes the frame of the values on demand.
        words: language of its text.
        wide: width in pixels.
        terminal: makes the terminal version for a given width, with or without colours; None if there is none.
    """

    __array_ufunc__ = None  # as for a trace

    kind: str
    title: str
    caption: str
    grids: tuple[Grid, ...]
    frame: Callable[[], pd.DataFrame]
    words: Words
    wide: float = WIDE
    terminal: Callable[[int, bool], str] | None = None

    def __repr__(self) -> str:
        return f"<Figure {self.title!r}: svg(), html(), to_vega(), save('x.svg'), data>"

    def svg(self) -> str:
        """Return the picture as SVG: one element, usable as a file or inside a page."""
        return self._svg

    def html(self) -> str:
        """Return the picture as a self-contained HTML page that loads nothing, with title and caption as text."""
        if any(isinstance(mark, Spans) for panel in self.panels for mark in panel.marks):
            body = f'<div class="lstm-text">\n{"".join(self._texts())}</div>'
        else:
            body = self.interactive() if self._answers else self._svg
        note = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        language = self.words.language
        content = f"<h1>{escape(self.title)}</h1>\n<figure>{framed(body, language)}{note}</figure>"
        scripts = [SCRIPT] if self._answers else []
        return page.whole(language, self.title, content, (*PICTURES, "plot/page.css"), scripts, styled=True)

    def interactive(self) -> str:
        """The picture for a page that contains SCRIPT: its heat maps show values, and draw the unit of a row. HTML."""
        axis, maps = self.panels[0].x, [panel.marks[0] for panel in self.panels]
        data = {
            "panels": [
                {**map.live, "log": map.scale.logarithmic, "low": map.scale.low, "high": map.scale.high} for map in maps
            ],
            "steps": maps[0].values.shape[1], "first": self.words.nth(axis.first or 0), "every": maps[0].size[1],
            "labels": [label for _, label in axis.labels],
            "words": {key: self.words.word(f"plot.{key}") for key in ("is.padding", "is.broken")},
            "named": self.words.word("step.named", step="{step}", name="{name}"),
        }  # fmt: skip
        content = json_text(data, separators=(",", ":")).replace("<", "\\u003c")
        hint, close = escape(self.words.word("plot.click")), escape(self.words.word("plot.close"))
        return (
            f'<div class="heatmaps"><p class="hint">{hint}</p>{framed(self._svg, self.words.language)}'
            '<div class="trajectory" aria-live="polite" hidden><p></p>'
            f'<button type="button" aria-label="{close}" title="{close}">×</button><div class="scroll"></div></div>'
            '<div class="pointed" role="tooltip" hidden></div>'
            f'<script type="application/json">{content}</script></div>'
        )

    def png(self) -> bytes:
        """Return the picture as PNG, in its light colours; needs the extra `[pdf]`.

        Raises:
            OptionError: if the extra is not installed.
        """
        return png.png(self._svg)

    def to_vega(self) -> dict[str, Any]:
        """Return the picture as a Vega-Lite specification (version 5) that contains its values.

        Returns:
            A mapping that can be written as JSON; if there are too many values, its subtitle says which were kept.
        """
        return vega.specification(self.title, self.caption, self.grids, self.words)

    def save(self, path: str | Path | IO[Any], format: str | None = None) -> None:
        """Write the picture to a file.

        Args:
            path: a path that ends in `.svg`, `.png`, `.html` or `.json` (a Vega-Lite specification); `-` is standard
                output. An open stream needs `format`.
            format: `svg`, `png`, `html` or `json`, if the suffix does not determine it.

        Raises:
            FileError: if the suffix is unknown, or the file cannot be written.
            OptionError: if the format is unknown, or PNG is requested without the extra `[pdf]`.
        """
        chosen = format or format_of(path, SUFFIXES, "pictures", "svg")
        made, binary = self.content(chosen), chosen == "png"
        with written(path, "wb" if binary else "w") as file:
            file.write(made if binary else made.decode())

    def content(self, format: str) -> bytes:
        """Return the content of a file in a format.

        Args:
            format: `svg`, `png`, `html` or `json` (a Vega-Lite specification).

        Raises:
            OptionError: if the format is unknown, or PNG is requested without the extra `[pdf]`.
        """
        if format not in SUFFIXES.values():
            raise OptionError(f"there is no format {format!r}; expected svg, png, html or json")
        if format == "png":
            return self.png()
        if format == "json":
            text = json_text(self.to_vega(), allow_nan=False)
        else:
            text = self._svg if format == "svg" else self.html()
        return f"{text.rstrip()}\n".encode()

    @property
    def panels(self) -> list[Panel]:
        """Its panels, grid by grid and column by column."""
        return [panel for grid in self.grids for panel in grid.panels]

    @property
    def _answers(self) -> bool:
        """Whether its heat maps are interactive."""
        return any(isinstance(mark, Cells) and mark.live for panel in self.panels for mark in panel.marks)

    def _texts(self) -> Iterator[str]:
        """The texts as selectable text; each part has its value as a tooltip."""
        for panel in self.panels:
            (mark,) = panel.marks
            strengths = coloured_text.strength(mark.scale, mark.values)
            yield f'<h2 class="over"><span>{escape(panel.name)}</span>{coloured_text.ends(mark.scale)}</h2>\n'
            between = self.words.word("list")
            yield coloured_text.paragraph(mark.tokens, strengths, mark.valid, mark.said, between, mark.marked)

    @cached_property
    def _svg(self) -> str:
        return svg.drawn(self.title, self.caption, self.grids, self.wide)

    @cached_property
    def data(self) -> pd.DataFrame:
        """The values that are drawn, exactly as in the trace."""
        return self.frame()

    _repr_svg_ = svg
