"""A trace as a table in a file: what is written, what is refused; one file beside this one for each writer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from ..base.files import format_of
from ..errors import OptionError, nearest
from ..formulas.numbers import EXACT, Style
from ..tables.frames import WIDE, WORKED, check_shape, long_columns, wide_columns, wide_names, with_valid
from ..trace.rows import LONG, Part, Selection, parts
from ..trace.trace import Trace
from ..view.checks import check_style
from ..view.worked_rows import WorkedRow, worked_rows
from .suffixes import WRITERS, Writer


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
    """What a writer writes. progress is called with the number of rows after each piece.

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
        return sum(part.count if self.shape == "wide" else part.size for part in self.parts())

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns. Raises MissingError for an empty selection."""
        there = list(self.parts())
        shared = with_valid({"long": LONG, "wide": WIDE, "worked": WORKED}[self.shape], self.padding)
        return (*shared, *wide_names(there)) if self.shape == "wide" else shared

    def parts(self) -> Iterator[Part]:
        """The rows, as parts of the trace. Raises MissingError for an empty selection."""
        return parts(self.trace, self.selection, self.with_inputs, self.padding, self.shape != "long")

    def pieces(self, values: int, worked: int) -> Iterator[dict[str, Any]]:
        """The table in pieces of so many values (in the shape worked: rows), each as columns by name.

        A column is an array (-1 in one of whole numbers: an empty cell), a `Coded`, or in the shape worked a tuple. A
        column of the shape wide that a piece does not have is left out there.
        """
        if self.shape == "worked":
            rows = iter(worked_rows(self.trace, self.selection, padding=self.padding))
            while some := list(islice(rows, worked)):
                yield dict(zip(WorkedRow._fields, zip(*some, strict=True), strict=True))
        else:
            made = long_columns if self.shape == "long" else wide_columns
            yield from (made([piece]) for part in self.parts() for piece in part.pieces(values))


def export(job: Job, path: str | Path) -> None:
    """Write the table to `path`; the suffix says how, '-' is CSV on standard output.

    Raises FileError for an unknown suffix, OptionError for a shape or dialect that does not fit, MissingError for a
    selection that is not there.
    """
    writer = check(path, job.shape, job.with_inputs, job.dialect, job.values, job.padding, job.digits)
    check_style(job.trace, job.digits)
    import_module(f".{writer.module}", __package__).write(job, path)


def check(
    path: str | Path,
    shape: str = "long",
    with_inputs: bool = False,
    dialect: str = "plain",
    values: bool = False,
    padding: bool = False,
    digits: Style = EXACT,
) -> Writer:
    """What is to write; raises what `export` does for a request that needs no trace to be refused."""
    suffix = format_of(path, {suffix: suffix for suffix in WRITERS}, "tables", ".csv")
    writer = WRITERS[suffix]
    if dialect not in DIALECTS:
        raise OptionError(
            f"there is no dialect {dialect!r}{nearest(dialect, DIALECTS)}; expected {', '.join(DIALECTS)}"
        )
    if dialect != "plain" and not writer.dialects:
        raise OptionError(f"dialect {dialect} is for {_those(lambda w: w.dialects)}, not for {suffix}")
    if values and not writer.workbook:
        books = _those(lambda w: w.workbook)
        raise OptionError(f"--values is for {books}, whose cells are formulas otherwise; {suffix} has numbers always")
    if writer.workbook and (shape != "long" or with_inputs):
        what = f"shape {shape}" if shape != "long" else "with inputs"
        raise OptionError(f"{what} is for tables; {suffix} has a sheet for each layer, with its inputs: leave it out")
    if writer.workbook and padding and not values:
        raise OptionError(
            f"--padding is for tables and --values; the formulas of {suffix} need every step, so padding is kept there "
            "and shown in grey: leave it out"
        )
    if not digits.whole and not writer.digits:
        raise OptionError(
            f"--digits is for numbers as text; {suffix} keeps every bit: leave it out, or write "
            f"{next(s for s, w in WRITERS.items() if w.digits)}"
        )
    if digits.lines and writer.digits == "one":
        texts = _those(lambda w: w.digits == "lines")
        raise OptionError(f"--digits LINE=N is for {texts}; {suffix} takes one number for all values: --digits N")
    check_shape(shape, with_inputs)
    return writer


def _those(able: Callable[[Writer], bool]) -> str:
    """The suffixes of some writers, in words."""
    return " and ".join(suffix for suffix, writer in WRITERS.items() if able(writer))
