"""Rows from arrays: which, in which order and with which text, against rows that are made one by one."""

from __future__ import annotations

import tracemalloc

import numpy as np

from lstm_trace.tables.entries import Entries, Grid, largest_first
from lstm_trace.tables.explanation import Explanation


def test_a_table_of_a_million_weights_is_written_in_little_memory() -> None:
    """No string, tuple or frame for each of 2^20 entries: those took 600 bytes each."""
    draw = np.random.default_rng(5).normal(size=(1024, 1024))
    weights = Grid("W[%d,%d]", (("unit", range(1024)), ("input", range(1024))), {"kind": "p"}, {"a": draw})
    told = Explanation("T", (), ("address", "kind", "a"), Entries(
        ("address", "kind", "a"), lambda: [largest_first([weights], ("a",))]
    ), ranked=("a",))  # fmt: skip
    tracemalloc.start()
    try:
        told.markdown()
        shown = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        count = sum(piece.count("\n") for piece in told.pieces("csv"))
        written = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == draw.size + 1
    assert shown < 12 * draw.nbytes
    assert written < 6 * draw.nbytes
