"""Traces of random cells as PDF and as a workbook with formulas."""

from __future__ import annotations

import random
import zipfile
from contextlib import suppress
from pathlib import Path

from lstm_trace.errors import LstmTraceError
from lstm_trace.export.writers import ExportJob, export

from .equations import traced


def check(rng: random.Random, folder: Path) -> str:
    """Both are made; or the workbook is refused by an error of ours, as values that ran over are."""
    trace = traced(rng)
    if trace is None:
        return "refused"
    assert trace.pdf(detail=rng.choice((None, "scalar", "compact", "vector"))).startswith(b"%PDF")
    path = folder / "t.xlsx"
    path.unlink(missing_ok=True)
    with suppress(LstmTraceError):
        export(ExportJob(trace), path)
        with zipfile.ZipFile(path) as book:
            assert book.testzip() is None
        return "PDF and workbook"
    return "PDF"
