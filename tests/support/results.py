"""What a comparison says, as a person reads it in English."""

from __future__ import annotations

import re

from lstm_trace.languages.strings import words
from lstm_trace.results.comparison import sentences
from lstm_trace.verification.compare import Comparison


def verdict(comparison: Comparison) -> list[str]:
    """The sentences: the verdict, its cause, units and output, inputs and weights, notes."""
    return list(sentences(comparison, words()))


def unpadded(markdown: str) -> str:
    """Markdown whose cells have one space on either side."""
    return re.sub(" +", " ", markdown)
