"""What a trace becomes in the rooms above: each method calls the module that does the work, by its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base import conveniences
from .argument_types import checked

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import xarray as xr

    from ..documents.formats import Report
    from ..plot.plots import Plots


@checked
class TraceOutputs:
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
        return str(conveniences.call("trace.html", self))

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
        return bytes(conveniences.call("trace.pdf", self, **options))

    @property
    def plot(self) -> Plots:
        """Pictures over time: `trace.plot()` draws gates and states (see `plot.plots.Plots`)."""
        found: Plots = conveniences.call("trace.plot", self)
        return found

    def to_frame(
        self, shape: str = "long", with_inputs: bool = False, padding: bool = False, flat: bool = False,
        all_lines: bool = False, names: str = "plain", title: bool | str = False, **selection: Any,
    ) -> pd.DataFrame:  # fmt: skip
        """The values as a pandas frame; texts are ordered categoricals, whole numbers small (see `frames.frame.frame`).

        Args:
            shape: `long`, a row for each value; `wide`, for each step, which is its index; or `worked`, with formulas.
            with_inputs: parameters, inputs and initial states too (long only).
            padding: keep the steps that are no part of their sequence, with a column `valid`, true or false.
            flat: layer, direction, t and batch as columns (wide only).
            all_lines: columns for lines without a name of their own too, `W_xi @ x_t[0]` (wide only).
            names: of the columns of the shape wide: `plain` (`c_t[0]`), or `safe` (`c_t_0`), letters, digits and _.
            title: a first column with the trace's title, or with this text, to tell frames apart that are put together.
            selection: only, layer, direction, steps, batch, unit.

        Raises:
            OptionError: for an unknown shape, or an option that has no meaning in it.
            MissingError: for a selection that is not there.
        """
        frame: pd.DataFrame = _named("trace.to_frame", locals())
        return frame

    def to_arrow(
        self, shape: str = "long", with_inputs: bool = False, padding: bool = False, all_lines: bool = False,
        names: str = "plain", title: bool | str = False, **selection: Any,
    ) -> pa.Table:  # fmt: skip
        """The values as a table of Arrow, with the columns and types of `to_frame`; needs the extra `[parquet]`.

        polars (`pl.from_arrow`), DuckDB and pyarrow take it as it is. The trace's manifest is in the metadata of the
        schema, as JSON under `lstm_trace`.

        Args:
            shape: `long`, `wide` or `worked`, as in `to_frame`, whose options the others are; places are columns.
            with_inputs: parameters, inputs and initial states too (long only).
            padding: keep the steps that are no part of their sequence, with a column `valid`.
            all_lines: columns for lines without a name of their own too (wide only).
            names: `plain` or `safe` (wide only).
            title: a first column with the trace's title, or with this text.
            selection: only, layer, direction, steps, batch, unit.

        Raises:
            OptionError: for an unknown shape, an option that has no meaning in it, or without the extra.
            MissingError: for a selection that is not there.
        """
        return _named("trace.to_arrow", locals())

    def to_xarray(self, padding: bool = False, all_lines: bool = False, **selection: Any) -> xr.Dataset:
        """The values as an xarray Dataset: a variable for each line, by t, batch and unit; needs the extra `[xarray]`.

        Args:
            padding: keep the values of steps that are no part of their sequence; otherwise they are NaN. The coordinate
                `valid` says which they are.
            all_lines: variables for lines without a name of their own too.
            selection: only, layer, direction, steps, batch, unit.

        Returns:
            Variables of dimensions (t, batch, unit), with layer and direction before them where there are several and
            all have the line with as many units; otherwise a variable for each, `0/forward/c_t`. Lines of another
            width have a dimension of their own, `unit_6`. The coordinate `token` has the labels of steps. The
            attributes are the trace's title, and its manifest as JSON under `lstm_trace`.

        Raises:
            OptionError: without the extra.
            MissingError: for a selection that is not there.
        """
        found: xr.Dataset = _named("trace.to_xarray", locals())
        return found


def _named(convenience: str, arguments: dict[str, Any]) -> Any:
    """Call a convenience with the arguments of a method, each by its name, with those of a selection among them."""
    trace, selection = arguments.pop("self"), arguments.pop("selection")
    return conveniences.call(convenience, trace, **arguments, **selection)
