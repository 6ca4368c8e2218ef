"""What a result says, as a person reads it in English, and which value of a trace is the last."""

from __future__ import annotations

import re

from lstm_trace.languages.strings import words
from lstm_trace.results.comparison import sentences
from lstm_trace.trace.trace import Trace
from lstm_trace.verification.compare import Comparison


def verdict(comparison: Comparison) -> list[str]:
    """The sentences: the verdict, its cause, units and output, inputs and weights, notes."""
    return list(sentences(comparison, words()))


def unpadded(markdown: str) -> str:
    """Markdown whose cells have one space on either side."""
    return re.sub(" +", " ", markdown)


def last(trace: Trace) -> str:
    """The address of the first unit of the output of the last step."""
    return f"{trace.stages[-1].scope}/{trace.span[-1]}/0/{trace.stages[-1].cell.output}[0]"
