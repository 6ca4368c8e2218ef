"""A trace as a table in a file: one row here for each suffix, one file beside this one for each writer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from ..base.files import format_of
from ..errors import OptionError, nearest
from ..formulas.numbers import EXACT, Style
from ..report.content.view import check_style
from ..tables.frames import check_shape
from ..trace.rows import Selection, parts
from ..trace.trace import Trace

#: Suffix to the module that writes it: `write(job, path)`.
WRITERS = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".xlsx": "excel.workbook"}


@dataclass(frozen=True)
class Dialect:
    """How a table is written as text.

    bom: begin with a byte order mark, by which Excel knows UTF-8. guard: put ' before texts that a spreadsheet
    would take for a formula.
    """

    separator: str = ","
    decimal: str = "."
    newline: str = "\n"
    bom: bool = False
    guard: bool = False


#: `plain` is exact in every reader; the others are what Excel opens by a double click, in an English and in most
#: continental European settings.
DIALECTS = {
    "plain": Dialect(),
    "excel": Dialect(newline="\r\n", bom=True, guard=True),
    "excel-eu": Dialect(separator=";", decimal=",", newline="\r\n", bom=True, guard=True),
}


@dataclass(frozen=True)
class Job:
    """What a writer writes. progress is told the number of rows after each piece.

    values: plain numbers in a spreadsheet, instead of formulas. padding: keep the steps that are no part of their
    sequence, with a column `valid`. digits: decimals of the numbers in texts and of those that a spreadsheet shows.
    """

    trace: Trace
    shape: str = "long"
    selection: Selection = field(default_factory=Selection)
    with_inputs: bool = False
    dialect: str = "plain"
    values: bool = False
    padding: bool = False
    digits: Style = EXACT
    progress: Callable[[int], None] = lambda rows: None

    @property
    def rows(self) -> int:
        """How many rows the table has, without its header. Raises MissingError for an empty selection."""
        there = parts(self.trace, self.selection, self.with_inputs, self.padding)
        return sum(part.count if self.shape == "wide" else part.size for part in there)


def export(job: Job, path: str | Path) -> None:
    """Write the table to `path`; the suffix says how, '-' is CSV on standard output.

    Raises FileError for an unknown suffix, OptionError for a shape or dialect that does not fit, MissingError for a
    selection that is not there.
    """
    suffix = check(path, job.shape, job.with_inputs, job.dialect, job.values, job.padding, job.digits)
    check_style(job.trace, job.digits)
    import_module(f".{WRITERS[suffix]}", __package__).write(job, path)


def check(
    path: str | Path,
    shape: str = "long",
    with_inputs: bool = False,
    dialect: str = "plain",
    values: bool = False,
    padding: bool = False,
    digits: Style = EXACT,
) -> str:
    """The suffix that is to be written; raises what `export` does for a request that needs no trace to be refused."""
    suffix = format_of(path, {suffix: suffix for suffix in WRITERS}, "tables", ".csv")
    if dialect not in DIALECTS:
        raise OptionError(
            f"there is no dialect {dialect!r}{nearest(dialect, DIALECTS)}; expected {', '.join(DIALECTS)}"
        )
    if dialect != "plain" and WRITERS[suffix] != "csv":
        raise OptionError(f"dialect {dialect} is for .csv and .tsv, not for {suffix}")
    if values and suffix != ".xlsx":
        raise OptionError(f"--values is for .xlsx, whose cells are formulas otherwise; {suffix} has numbers always")
    if suffix == ".xlsx":
        _check_workbook(shape, with_inputs, values, padding, digits)
    if suffix == ".parquet" and not digits.whole:
        raise OptionError("--digits is for numbers as text; .parquet keeps every bit: leave it out, or write .csv")
    check_shape(shape, with_inputs)
    return suffix


def _check_workbook(shape: str, with_inputs: bool, values: bool, padding: bool, digits: Style) -> None:
    """Raise OptionError for what has a meaning in tables alone."""
    if shape != "long" or with_inputs:
        what = f"shape {shape}" if shape != "long" else "with inputs"
        raise OptionError(f"{what} is for tables; .xlsx has a sheet for each layer, with its inputs: leave it out")
    if padding and not values:
        raise OptionError(
            "--padding is for tables and --values; the formulas of .xlsx need every step, so padding is kept there "
            "and shown in grey: leave it out"
        )
    if digits.lines:
        raise OptionError("--digits LINE=N is for .csv and .tsv; .xlsx takes one number for all values: --digits N")
