"""Rows from arrays: which, in which order and with which text, against rows that are made one by one."""

from __future__ import annotations

import tracemalloc

import numpy as np

from lstm_trace.documents.tables import Entries, EntryGrid, LongTable, largest_first

from ..support.said import Told


def test_a_table_of_a_million_weights_is_written_in_little_memory() -> None:
    """No string, tuple or frame for each of 2^20 entries: those took 600 bytes each."""
    draw = np.random.default_rng(5).normal(size=(1024, 1024))
    weights = EntryGrid("W[%d,%d]", (("unit", range(1024)), ("input", range(1024))), {"kind": "p"}, {"a": draw})
    columns = ("address", "kind", "a")
    rows = Entries(columns, lambda: [largest_first([weights], ("a",))])
    told = Told("T", (), LongTable(columns, rows, ranked=("a",)))
    tracemalloc.start()
    try:
        told.report()
        shown = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        count = sum(piece.count("\n") for piece in told.pieces("csv"))
        written = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == draw.size + 1
    assert shown < 12 * draw.nbytes
    assert written < 6 * draw.nbytes
