"""CSV, TSV and JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import TableFormat

if TYPE_CHECKING:
    from ..writers import ExportJob

FORMATS = (
    TableFormat(".csv", "text/csv; charset=utf-8", "comma-separated text", is_text=True, digits="lines"),
    TableFormat(".tsv", "text/tab-separated-values; charset=utf-8", "text with tabs", is_text=True, digits="lines"),
    TableFormat(".jsonl", "application/jsonl; charset=utf-8", "[JSON lines](#json-lines): an object for each row"),
)


def write(job: ExportJob, path: str | Path) -> None:
    """Write the table; nothing appears under `path` unless it is whole. Raises FileError, MissingError."""
    from ..text import write_rows

    write_rows(job, path)
