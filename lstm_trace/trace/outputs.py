"""Conveniences of a trace that higher rooms implement: each method calls its module, looked up by name."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Unpack

from ..base.conveniences import Convenience, R
from .argument_types import checked

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import xarray as xr

    from ..documents.formats import Format, Report
    from ..frames.table import NameStyle, Shape
    from ..plot.plots import Plots
    from ..report.options import ReportOptions
    from .not_finite import NotFinite
    from .rows import Selected


@checked
class TraceOutputs:
    """The conveniences of a trace."""

    __array_ufunc__ = None  # an array that is compared with a trace is not equal to it, instead of each of its numbers

    def save(self, path: str | Path | IO[Any], format: str | None = None) -> None:
        """Write the trace to a file.

        Args:
            path: a path that ends in `.json` or `.safetensors`, or an open stream, which needs `format`.
            format: `json` or `safetensors`, if the suffix does not determine it.

        Raises:
            FileError: if the suffix or format is unknown, or the file cannot be written.
        """
        Convenience[None]("trace.save")(self, path, format)

    def _repr_html_(self) -> str:
        """The view in a notebook."""
        return Convenience[str]("trace.html")(self)

    def report(self, format: Format = "md", **options: Unpack[ReportOptions]) -> Report:
        """Return the worked solution as text; notebooks display it rendered, whatever its format.

        Args:
            format: `md`, `text`, `html`, `tex` or `typ`.
            options: how it is shown, and which part of the trace; see `report.options.Options`.

        Raises:
            OptionError: if the format or an option does not exist.
            MissingError: if the trace does not contain the selection.
        """
        return Convenience["Report"]("trace.report")(self, format, **options)

    def pdf(self, **options: Unpack[ReportOptions]) -> bytes:
        """Return the worked solution as a PDF; needs the extra `[pdf]`.

        Args:
            options: as for `report`.

        Raises:
            OptionError: if an option does not exist, or the extra is not installed.
        """
        return Convenience[bytes]("trace.pdf")(self, **options)

    @property
    def plot(self) -> Plots:
        """Draw pictures: `trace.plot()` shows gates and states over time (see `plot.plots.Plots`)."""
        return Convenience["Plots"]("trace.plot")(self)

    @property
    def not_finite(self) -> NotFinite | None:
        """The first value that is NaN or infinite, and what made it so; None if all are finite (docs/nonfinite.md)."""
        return Convenience["NotFinite | None"]("trace.not_finite")(self)

    def to_frame(
        self, shape: Shape = "long", with_inputs: bool = False, padding: bool = False, flat: bool = False,
        all_lines: bool = False, names: NameStyle = "plain", title: bool | str = False, **selection: Unpack[Selected],
    ) -> pd.DataFrame:  # fmt: skip
        """Return the values as a pandas frame of ordered categoricals and small integers (see `frames.frame.frame`).

        Args:
            shape: `long`, one row per value; `wide`, one row per step, with the steps as index; or `worked`, with
                formulas.
            with_inputs: include parameters, inputs and initial states; in the shape wide, all that each step reads, so
                that a row has every operand of its lines (`W_xi[1,0]`, `x_t[0]`, `h_prev[1]`).
            padding: keep the steps beyond a sequence's length, with a boolean column `valid`.
            flat: make layer, direction, t and batch columns (wide only).
            all_lines: include lines without a name of their own, such as `W_xi @ x_t[0]` (wide only).
            names: column names in the shape wide: `plain` (`c_t[0]`), `safe` (`c_t_0`: letters, digits and _), or
                `labels` (`c_t[rain]`, with the problem's labels of units).
            title: add a first column with the trace's title, or this text, to identify it in concatenated frames.
            selection: only (or line), layer, direction, steps (or t), batch, unit.

        Raises:
            OptionError: if the shape is unknown, or an option does not apply to it.
            MissingError: if the trace does not contain the selection.
        """
        return _named(Convenience["pd.DataFrame"]("trace.to_frame"), locals())

    def to_csv(
        self, path: str | Path | IO[Any] | None = None, shape: str = "long", with_inputs: bool = False,
        padding: bool = False, all_lines: bool = False, names: str = "plain", title: bool | str = False,
        dialect: str = "plain", digits: int | None = None, **selection: Any,
    ) -> str | None:  # fmt: skip
        """Write the values as CSV, as `lstm-trace export` does: the columns of `to_frame`, ten times as fast.

        Args:
            path: a path that ends in `.csv`, or in `.tsv` for tabs, or an open stream; None returns the text.
            shape, with_inputs, padding, all_lines, names, title: as for `to_frame`; layer, step and so on are columns.
            dialect: `plain`, or what Excel opens with a double click: `excel`, or `excel-eu` with decimal commas.
            digits: decimals; by default all, so that every number reads back to the last bit.
            selection: only (or line), layer, direction, steps (or t), batch, unit.

        Returns:
            The text if path is None, otherwise None.

        Raises:
            OptionError: if the shape is unknown, or an option does not apply to it.
            MissingError: if the trace does not contain the selection.
            FileError: if the suffix is another, or the file cannot be written.
        """
        return _named(Convenience["str | None"]("trace.to_csv"), locals())

    def to_arrow(
        self, shape: Shape = "long", with_inputs: bool = False, padding: bool = False, all_lines: bool = False,
        names: NameStyle = "plain", title: bool | str = False, **selection: Unpack[Selected],
    ) -> pa.Table:  # fmt: skip
        """Return the values as an Arrow table, with the columns and types of `to_frame`; needs the extra `[parquet]`.

        polars (`pl.from_arrow`), DuckDB and pyarrow accept it directly. The trace's manifest is in the metadata of the
        schema, as JSON under `lstm_trace`.

        Args:
            shape: `long`, `wide` or `worked`, as in `to_frame`, like the other options; layer, step and so on are
                columns.
            with_inputs: include parameters, inputs and initial states; in the shape wide, all that each step reads.
            padding: keep the steps beyond a sequence's length, with a column `valid`.
            all_lines: include lines without a name of their own (wide only).
            names: `plain`, `safe` or `labels` (wide only).
            title: add a first column with the trace's title, or this text.
            selection: only (or line), layer, direction, steps (or t), batch, unit.

        Raises:
            OptionError: if the shape is unknown, an option does not apply to it, or the extra is not installed.
            MissingError: if the trace does not contain the selection.
        """
        return _named(Convenience["pa.Table"]("trace.to_arrow"), locals())

    def to_xarray(self, padding: bool = False, all_lines: bool = False, **selection: Unpack[Selected]) -> xr.Dataset:
        """Return an xarray Dataset with one variable per line, by t, batch and unit; needs the extra `[xarray]`.

        Args:
            padding: keep the values of steps beyond a sequence's length; otherwise they are NaN. The coordinate `valid`
                marks the steps of the sequence.
            all_lines: include lines without a name of their own.
            selection: only (or line), layer, direction, steps (or t), batch, unit.

        Returns:
            Variables with dimensions (t, batch, unit), preceded by layer and direction if there are several and all
            have the line with the same number of units; otherwise one variable per stage, `0/forward/c_t`. Lines of
            another width have their own dimension, `unit_6`. The coordinate `token` has the labels of the steps. The
            attributes are the trace's title, and its manifest as JSON under `lstm_trace`.

        Raises:
            OptionError: if the extra is not installed.
            MissingError: if the trace does not contain the selection.
        """
        return _named(Convenience["xr.Dataset"]("trace.to_xarray"), locals())


def _named(convenience: Convenience[R], arguments: dict[str, Any]) -> R:
    """Call a convenience with the arguments of a method, by name, including those of a selection."""
    trace, selection = arguments.pop("self"), arguments.pop("selection")
    return convenience(trace, **arguments, **selection)
