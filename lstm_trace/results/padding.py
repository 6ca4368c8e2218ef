"""Which steps of each sequence are valid, and which are padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..base.arrays import runs
from ..documents.tables import LongTable
from ..languages.strings import Words
from ..report.in_words.cases import percent
from ..trace.argument_types import checked
from ..trace.trace import Trace
from .explanation import Explanation, some_of


@checked
def padding(trace: Trace) -> PaddingExplanation:
    """Which steps of each sequence are valid; at the others states are held, and the computed values are masked."""
    valid = (np.flatnonzero(trace.valid[:, b, 0]) + trace.first for b in range(trace.batch))
    return PaddingExplanation(trace, None, tuple(tuple(steps.tolist()) for steps in valid))


@dataclass(frozen=True, eq=False, repr=False)
class PaddingExplanation(Explanation):
    """The valid steps of each sequence."""

    valid: tuple[tuple[int, ...], ...]

    def title(self, words: Words) -> str:
        """The title, which names padding as the subject."""
        return words.word("padding.title")

    def found(self, words: Words) -> Iterator[str]:
        """How many steps are padding, and which sequences stand out."""
        steps, lengths = self.trace.steps * self.trace.batch, [len(steps) for steps in self.valid]
        if not (gone := steps - sum(lengths)):
            yield words.word("padding.none", steps=words.number(steps))
            return
        share = percent(words, gone / steps) if steps else ""
        yield words.count("padding.some", gone, steps=words.number(steps), share=share)
        if len(set(lengths)) > 1:
            yield words.word("padding.lengths", least=min(lengths), most=max(lengths))
        first = self.trace.first
        empty = [str(words.nth(b)) for b, steps in enumerate(self.valid) if not steps]
        gaps = [str(words.nth(b)) for b, steps in enumerate(self.valid) if steps and steps[-1] - first + 1 > len(steps)]
        for key, those in (("padding.empty", empty), ("padding.gaps", gaps)):
            if those:
                yield words.word(key, names=some_of(those, words))

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """One row per sequence."""
        rows = [
            (b, len(steps), self.trace.steps - len(steps), ", ".join(map(words.span, runs(steps))))
            for b, steps in enumerate(self.valid)
        ]
        columns, notes = ("sequence", "valid", "padding", "steps"), (words.word("padding.note"),)
        return (LongTable(columns, rows, notes=notes, ranked=("padding",), adds=False),)
