"""What is read from a run is what the trace holds, and what a report says of it."""

from __future__ import annotations

from lstm_trace.errors import OptionError
from lstm_trace.examples import examples
from lstm_trace.runs.reading import Look

from ..support.kept_runs import Kept
from .test_reading import stepped


def test_every_example_is_said_in_every_notation_it_has(kept: Kept) -> None:
    for name in examples():
        run = kept.make(example=name)
        for notation in ("exercise", "joined", "pytorch", "keras", "goodfellow", "olah", "d2l"):
            try:
                found = stepped(kept, run, look=Look("en", notation))
            except OptionError:
                continue
            assert {line["name"] for line in found["lines"]} <= found["shown"].keys()
