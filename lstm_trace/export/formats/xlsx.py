"""A workbook with live formulas."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from . import TableFormat

if TYPE_CHECKING:
    from ..writers import ExportJob

FORMATS = (
    TableFormat(
        ".xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "[a spreadsheet that computes](spreadsheet.md) (needs `[xlsx]`)",
        digits="one",
        workbook=True,
    ),
)


def write(job: ExportJob, path: str | Path) -> None:
    """Write the workbook; see `excel.workbook.write`, which stands above this room and is looked up by its name."""
    import_module("lstm_trace.export.excel.workbook").write(job, path)
