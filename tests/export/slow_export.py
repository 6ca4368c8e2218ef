"""CSV and TSV: order and exactness by loops that share no code, a golden file, dialects, streaming, the command."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from lstm_trace.export.writers import ExportJob, export
from lstm_trace.trace.rows import Selection

from ..support.table_cases import stacked


def test_memory_is_bounded_by_the_piece(tmp_path: Path) -> None:
    trace = stacked(3000, 1, 1, 4, ("forward",))
    export(ExportJob(trace, selection=Selection(steps=0)), tmp_path / "warm.csv")
    tracemalloc.start()
    export(ExportJob(trace), tmp_path / "x.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "x.csv").stat().st_size > 12_000_000
    assert peak < 4_000_000
