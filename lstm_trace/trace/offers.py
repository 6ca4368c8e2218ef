"""What a trace offers of the rooms above: each method calls the module that does the work, by its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base import conveniences
from .argument_types import checked

if TYPE_CHECKING:
    import pandas as pd

    from ..plot.plots import Plots
    from ..report.rendered import Report


@checked
class Offers:
    """The conveniences of a trace."""

    def save(self, path: str | Path) -> None:
        """Write the trace to a file.

        Args:
            path: ends in `.json` or `.safetensors`.

        Raises:
            FileError: for another suffix, or where the file cannot be written.
        """
        conveniences.call("trace.save", self, path)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        html: str = conveniences.call("trace.html", self)
        return html

    def report(self, format: str = "md", **options: Any) -> Report:
        """The worked solution: text, which a notebook shows rendered, whatever its format.

        Args:
            format: `md`, `text`, `html`, `tex` or `typ`.
            options: detail (`scalar`, `compact`, `vector`, `summary`), digits, width, everything, language, notation,
                math (of Markdown: `github`, `dollars`, `none`), and those of a selection: only, layer, direction,
                steps, batch, unit; see `report.options.Options`.

        Raises:
            OptionError: for a format or option that there is not.
            MissingError: for a selection that is not there.
        """
        report: Report = conveniences.call("trace.report", self, format, **options)
        return report

    def pdf(self, **options: Any) -> bytes:
        """The worked solution as a PDF; needs the extra `[pdf]`.

        Args:
            options: those of `report`.

        Raises:
            OptionError: for an option that there is not, or without the extra.
        """
        pdf: bytes = conveniences.call("trace.pdf", self, **options)
        return pdf

    @property
    def plot(self) -> Plots:
        """Pictures over time: `trace.plot()` draws gates and states (see `plot.plots.Plots`)."""
        found: Plots = conveniences.call("trace.plot", self)
        return found

    def to_frame(
        self,
        shape: str = "long",
        with_inputs: bool = False,
        padding: bool = False,
        flat: bool = False,
        **selection: Any,
    ) -> pd.DataFrame:
        """The values as a pandas frame: shape `long`, `wide` or `worked` (see `tables.frames.frame`).

        Args:
            shape: `long`, a row for each value; `wide`, for each step, which is its index; or `worked`, with formulas.
            with_inputs: parameters, inputs and initial states too (long only).
            padding: keep the steps beyond a sequence's length, with a column `valid`, 1 or 0.
            flat: layer, direction, t and batch as columns (wide only).
            selection: only, layer, direction, steps, batch, unit.

        Raises:
            OptionError: for an unknown shape, or `flat` with another one than wide.
            MissingError: for a selection that is not there.
        """
        frame: pd.DataFrame = conveniences.call("trace.to_frame", self, shape, with_inputs, padding, flat, **selection)
        return frame
