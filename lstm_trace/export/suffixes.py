"""The suffixes of tables: a row for each. The command line lists them, so nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Writer:
    """What writes the files of a suffix, and which options have a meaning there; the others are refused.

    module: has `write(job, path)`. dialects: it is text that a spreadsheet opens. digits: numbers may be rounded: each
    line to its own number of decimals (`lines`), all to one (`one`), or not at all. workbook: a sheet for each layer
    with formulas, instead of rows in one of the shapes.
    """

    module: str
    dialects: bool = False
    digits: Literal["lines", "one", ""] = ""
    workbook: bool = False


WRITERS = {
    ".csv": Writer("csv", dialects=True, digits="lines"),
    ".tsv": Writer("csv", dialects=True, digits="lines"),
    ".parquet": Writer("parquet"),
    ".jsonl": Writer("json_lines"),
    ".xlsx": Writer("excel.workbook", digits="one", workbook=True),
}
