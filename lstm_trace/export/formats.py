"""The formats that tables are written in: a row of `TABLE_FORMATS`, and a module that has `write(job, path)`.

The help of the command line, the downloads of the service and the table of the docs are made from these. A writer is
imported when it writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TableFormat:
    """What the files of a suffix are, and which options have a meaning there; the others are refused.

    suffix: with its dot. media: the media type. about: a description in one line, in Markdown. is_text: a spreadsheet
    opens it as text, so that it has dialects. digits: numbers may be rounded: each line to its own number of decimals
    (`lines`), all to one (`one`), or not at all. workbook: a sheet for each layer with formulas, instead of rows in one
    of the shapes. writer: the module that writes it.
    """

    suffix: str
    media: str
    about: str
    writer: str
    is_text: bool = False
    digits: Literal["lines", "one", ""] = ""
    workbook: bool = False


_FORMATS = (
    TableFormat(".csv", "text/csv; charset=utf-8", "comma-separated text", "text", is_text=True, digits="lines"),
    TableFormat(
        ".jsonl", "application/jsonl; charset=utf-8", "[JSON lines](#json-lines): an object for each row", "text"
    ),
    TableFormat(".parquet", "application/vnd.apache.parquet", "Parquet, typed columns (needs `[parquet]`)", "parquet"),
    TableFormat(
        ".tsv", "text/tab-separated-values; charset=utf-8", "text with tabs", "text", is_text=True, digits="lines"
    ),
    TableFormat(
        ".xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "[a spreadsheet that computes](spreadsheet.md) (needs `[xlsx]`)",
        "excel.workbook",
        digits="one",
        workbook=True,
    ),
)
#: By suffix, in the order of the alphabet.
TABLE_FORMATS = {each.suffix: each for each in _FORMATS}
