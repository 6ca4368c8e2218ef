"""What the cases show of the table of mistakes is as `core.json` says: `python -m docs.conformance` writes it again."""

from __future__ import annotations

from docs.conformance import measure
from lstm_trace.mistakes.conformance.cases import measured


def test_the_core_is_current() -> None:
    assert measure() == measured()
