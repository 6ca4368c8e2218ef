"""Long tables of explanations show the rows that matter: planted ones are found, and what is left out is reported."""

from __future__ import annotations

import re

import pytest

from lstm_trace.results.explanation import explanation

from .test_excerpt import LAST, PLANTED, cells, planted


def test_contributions_by_step_and_by_entry() -> None:
    text = explanation(planted(), f"{LAST}/h_t[0]", "contribution", points=2).report()
    steps = [row[0] for row in cells(text, "t")]
    assert steps[0] == str(PLANTED)  # in the order that is more faithful
    assert steps[-1] == "⋮"
    assert "A .json file has every row." in text.partition("## Entries")[0]
    entries = cells(text.partition("## Entries")[2], "address")
    assert entries[0][0] == f"{PLANTED}/0/x_t[0]"
    assert entries[-1][0] == "⋮"
    difference = float(re.findall(r"the difference is (\S+)", text)[0])
    for column, rows in ((3, cells(text, "t")), (1, entries)):
        assert sum(float(row[column]) for row in rows) == pytest.approx(difference, rel=1e-4)
