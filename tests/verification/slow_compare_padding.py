"""diff at padding: what a cell computes there is for nothing, what is kept and given out counts."""

from __future__ import annotations

from lstm_trace.verification.compare import compare

from ..support.results import verdict
from .test_compare_padding import changed, places, traced


def test_the_same_value_at_a_valid_step_counts() -> None:
    a = traced()
    for scope, name, (_, b, j) in places(a):
        found = compare(a, changed(a, scope, name, (2, 0, j)))
        assert str(found.first and found.first.first) == f"{scope}/2/0/{name}[{j}]", b
        assert "padding" not in verdict(found)[0]
