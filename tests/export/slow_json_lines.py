"""JSON lines: each row against the arrays by loops that share no code with the writer, or against the CSV."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from lstm_trace.export.writers import ExportJob, export
from lstm_trace.trace.rows import Selection

from ..support.table_cases import stacked


def test_memory_is_bounded_by_the_piece(tmp_path: Path) -> None:
    trace = stacked(3000, 1, 1, 4, ("forward",))
    export(ExportJob(trace, selection=Selection(steps=0)), tmp_path / "warm.jsonl")
    tracemalloc.start()
    export(ExportJob(trace), tmp_path / "x.jsonl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "x.jsonl").stat().st_size > 25_000_000
    assert peak < 6_000_000
