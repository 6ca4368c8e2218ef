"""A trace as a table in a file: what is written, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

from ..base.writing import Target, format_of
from ..errors import OptionError, nearest
from ..formulas.numbers import EXACT, Style
from ..frames.table import TraceTable, check as check_table
from ..trace.trace import Trace
from ..view.view import check_style
from .formats import TABLE_FORMATS, TableFormat


@dataclass(frozen=True)
class TextDialect:
    """How a table is written as text.

    bom: begin with a byte order mark, by which Excel recognizes UTF-8.
    """

    separator: str = ","
    decimal: str = "."
    newline: str = "\n"
    bom: bool = False


#: `plain` is exact in every reader; the others are what Excel opens on a double click, with English settings and with
#: those of most of continental Europe.
DIALECTS = {
    "plain": TextDialect(),
    "excel": TextDialect(newline="\r\n", bom=True),
    "excel-eu": TextDialect(separator=";", decimal=",", newline="\r\n", bom=True),
}


@dataclass(frozen=True)
class ExportJob(TraceTable):
    """What a writer writes: a table, and how. progress is called with the number of rows after each piece.

    values: plain numbers in a spreadsheet, instead of formulas. digits: decimals of the numbers in text files and of
    those that a spreadsheet shows.
    """

    dialect: str = "plain"
    values: bool = False
    digits: Style = EXACT
    progress: Callable[[int], None] = lambda rows: None


#: The fields of a job that are requests, and can be refused before a trace exists.
REQUESTS = tuple(field.name for field in fields(ExportJob) if field.name not in ("trace", "selection", "progress"))


def export(job: ExportJob, path: Target) -> None:
    """Write the table to `path`; the suffix selects the format, '-' is CSV on standard output. A stream takes CSV.

    Raises FileError for an unknown suffix, OptionError for a shape or dialect that does not fit, MissingError for a
    selection that does not exist.
    """
    chosen = check(path, **{name: getattr(job, name) for name in REQUESTS})
    check_style(job.trace, job.digits)
    import_module(f"{__package__}.{chosen.writer}").write(job, path)


def to_csv(
    trace: Trace, path: Target | None = None, dialect: str = "plain", digits: int | None = None, **options: Any
) -> str | None:
    """Write a table of a trace as CSV; see `Trace.to_csv`. options: as for `TraceTable.selected`."""
    if isinstance(path, str | Path):
        format_of(path, {".csv": "csv", ".tsv": "tsv"}, "the tables of to_csv", "csv")
    job = replace(ExportJob.selected(trace, **options), dialect=dialect, digits=Style(digits))
    made = StringIO()
    export(job, made if path is None else path)
    return made.getvalue() if path is None else None


def check(
    path: Target, shape: str = "long", with_inputs: bool = False, padding: bool = False, all_lines: bool = False,
    names: str = "plain", title: bool | str = False, dialect: str = "plain", values: bool = False,
    digits: Style = EXACT,
) -> TableFormat:  # fmt: skip
    """The format; raises what `export` does for a request that can be refused without a trace."""
    path = path if isinstance(path, str | Path) else "-"
    suffix = format_of(path, {suffix: suffix for suffix in TABLE_FORMATS}, "tables", ".csv")
    chosen = TABLE_FORMATS[suffix]
    if dialect not in DIALECTS:
        hint = nearest(dialect, DIALECTS)
        raise OptionError(f"there is no dialect {dialect!r}{hint}; expected {', '.join(DIALECTS)}")
    if dialect != "plain" and not chosen.is_text:
        raise OptionError(f"dialect {dialect} is for {_those(lambda f: f.is_text)}, not for {suffix}")
    if values and not chosen.workbook:
        books = _those(lambda f: f.workbook)
        raise OptionError(f"--values is for {books}, whose cells are formulas otherwise; {suffix} always has numbers")
    if chosen.workbook and (shape != "long" or with_inputs):
        what = f"shape {shape}" if shape != "long" else "with inputs"
        raise OptionError(f"{what} is for tables; {suffix} has a sheet for each layer, with its inputs: leave it out")
    if chosen.workbook and title is not False:
        raise OptionError(f"a column of the title is for tables; {suffix} has it on its first sheet: leave it out")
    if chosen.workbook and padding and not values:
        said = f"the formulas of {suffix} need every step, so padding is kept there and shown in grey: leave it out"
        raise OptionError(f"--padding is for tables and --values; {said}")
    if not digits.whole and not chosen.digits:
        text = next(s for s, f in TABLE_FORMATS.items() if f.digits)
        raise OptionError(f"--digits is for numbers as text; {suffix} keeps every bit: leave it out, or write {text}")
    if digits.lines and chosen.digits == "one":
        texts = _those(lambda f: f.digits == "lines")
        raise OptionError(f"--digits LINE=N is for {texts}; {suffix} takes one number for all values: --digits N")
    check_table(shape=shape, with_inputs=with_inputs, all_lines=all_lines, names=names, title=title)
    return chosen


def _those(able: Callable[[TableFormat], bool]) -> str:
    """The suffixes of some formats, in words."""
    return " and ".join(suffix for suffix, each in TABLE_FORMATS.items() if able(each))
