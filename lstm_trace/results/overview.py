"""The contents of a trace at a glance: its size, and every line with its last values. A notebook shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..documents.result import Finding
from ..documents.tables import LongTable
from ..formulas.numbers import show
from ..formulas.plain import number
from ..languages.strings import Words
from ..trace.trace import Trace

#: Maximum number of entries shown of a value.
NUMBERS = 4


def html(trace: Trace) -> str:
    """The overview as part of a page."""
    return Overview(trace)._repr_html_()


@dataclass(frozen=True, eq=False)
class Overview(Finding):
    """The contents of a trace."""

    trace: Trace

    def title(self, words: Words) -> str:
        """The title of the problem, or the kind of the cell."""
        return self.trace.header.title or words.word("overview.title", kind=self.trace.header.kind)

    def sentences(self, words: Words) -> Iterator[str]:
        """Steps, sequences and number type."""
        trace = self.trace
        steps = words.count("explanation.steps", trace.steps)
        if trace.first:
            first, last = words.nth(trace.first), words.nth(trace.span[-1])
            steps = words.word("overview.window", steps=steps, first=first, last=last)
        size = words.word("overview.size", steps=steps, batch=trace.batch, dtype=trace.header.dtype)
        yield words.word("overview.layers", n=len(trace.stages), size=size) if len(trace.stages) > 1 else size
        if trace.header.mistakes:
            from ..mistakes.in_words import purpose  # few traces have one

            yield purpose(trace, words)

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """One row per line named in the equations, with its values at the last valid step of sequence 0."""
        trace, rows = self.trace, []
        valid = np.flatnonzero(trace.valid[:, 0, 0])
        for stage, line, values in trace.recorded():
            if line.assigned:
                last = values[valid[:1] if stage.backwards else valid[-1:], 0].ravel()
                name = line.name if len(trace.stages) == 1 else f"{stage.scope}/{line.name}"
                texts = [*(number(show(value, 4)) for value in last[:NUMBERS]), *["…"] * (len(last) > NUMBERS)]
                rows.append((name, line.op, " × ".join(map(str, values.shape)), ", ".join(texts)))
        return (LongTable(("line", "operation", "size", "last"), rows),)
