"""The formats that tables are written in: rows of `TABLE_FORMATS`, each with a module that has `write(job, path)`.

The help of the command line, the downloads of the service and the table in the docs are made from these. A writer is
imported when it writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TableFormat:
    """What the files of a suffix contain, and which options apply to them; the others are refused.

    suffix: with its dot. media: the media type. about: a description in one line, in Markdown. is_text: a spreadsheet
    opens it as text, so that it has dialects. digits: numbers may be rounded: each line to its own number of decimals
    (`lines`), all to the same number (`one`), or not at all. workbook: a sheet with formulas for each layer, instead of
    rows in one of the shapes. writer: the module that writes it.
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
#: By suffix, in alphabetical order.
TABLE_FORMATS = {each.suffix: each for each in _FORMATS}
