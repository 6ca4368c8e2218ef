"""What a cell remembers: the ledger of a carried value, step by step, and how fast it forgets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ..backpropagation.target import require_finite
from ..base.option import Option
from ..documents.tables import LongTable
from ..explanation.activity import foreseen, kept
from ..explanation.memory import CLIP, HOLD, SCALED, Ledger, ledger, table
from ..languages.strings import Words
from ..plot.figure import Figure
from ..plot.kinds.bars import memory as picture
from ..trace.argument_types import checked
from ..trace.held import recurrent_stage
from ..trace.labels import step_labels
from ..trace.trace import Trace
from .explanation import Explanation, in_steps, step_named


@checked
def memory(trace: Trace, of: Annotated[str, Option()]) -> MemoryExplanation:
    """What each step wrote into a carried value, and what the gates since have kept of it.

    The parts add up to the value. In a sum like c_t = f_t * c_prev + i_t * c_tilde the ledger is exact.

    Args:
        of: Address of the value as printed, for example c_3[1], or from 0, 3/c_t[1].

    Raises:
        OptionError: if the carry is not a sum of (gate * previous) and other terms.
    """
    require_finite(trace, of)
    book = ledger(trace, of)
    stage = recurrent_stage(trace.stage(book.address.scope))
    width = trace.lines[stage.scope][book.address.line].shape[2]
    lives = kept(trace, stage, book.recurrence, width, slice(None))
    half_life = float("nan") if lives is None else float(lives.half_life[(book.address.unit or (0,))[0]])
    return MemoryExplanation(trace, of, book, half_life)


@dataclass(frozen=True, eq=False, repr=False)
class MemoryExplanation(Explanation):
    """The ledger of a value.

    half_life: of its unit over all valid steps of all sequences, as in a profile; NaN if it has none.
    """

    ledger: Ledger
    half_life: float

    def title(self, words: Words) -> str:
        """The title, which names the value."""
        return words.word("memory.title", of=self.ledger.address)

    def found(self, words: Words) -> Iterator[str]:
        """The value and its rule, the largest part, and after how many steps half of it is gone."""
        book, rule = self.ledger, self.ledger.recurrence
        yield words.word("memory.value", of=book.address, value=f"{book.value:.6g}", residual=f"{book.residual:.2g}")
        gates = " + ".join(f"{'-' * (sign < 0)}{1 if gate is None else gate}" for sign, gate in rule.keeps)
        writes = words.word("list").join(f"{'-' * (sign < 0)}{name}" for sign, name in rule.writes)
        key, held = "memory.keeps.held" if book.held else "memory.keeps", words.word("or").join(book.held)
        yield words.word(key, gates=gates, state=rule.state, writes=writes or words.word("memory.nothing"), held=held)
        if rule.rewrites:
            yield words.word("memory.rewrites", state=rule.state)
        yield self._largest(words)
        yield self._halved(words)
        if not np.isnan(self.half_life):
            yield words.word("memory.typical", steps=in_steps(self.half_life, foreseen(self.trace.valid), words))

    def _largest(self, words: Words) -> str:
        rows = self.ledger.rows
        # if all parts are 0, the last value put in explains it
        at = max(range(len(rows)), key=lambda k: (abs(rows[k].part), rows[k].source.startswith(HOLD) * k))
        step, part, where = rows[at].step, rows[at].part, words.word("memory.initial")
        if step is not None:
            labels = dict(zip(self.trace.span, step_labels(self.trace, self.ledger.address.b or 0), strict=False))
            where = words.word("memory.step", step=step_named(step, labels.get(step), words))
        held = rows[at].source.startswith(HOLD)
        key = "memory.largest" if part else "memory.zero.held" if held else "memory.zero"
        return words.word(key, part=f"{part:.6g}", where=where, source=_source(rows[at].source, words))

    def _halved(self, words: Words) -> str:
        book = self.ledger
        if not book.steps:
            return words.word("memory.first")
        if book.halved is None:
            return words.count("memory.longer", book.steps)
        held = book.by.startswith(HOLD)
        hold = _source(book.by, words) if held else words.word("memory.hold", line=book.by.removeprefix(SCALED))
        key = "memory.halved.held" if held else "memory.halved.scaled" if book.by else "memory.halved"
        return words.count(key, book.halved, hold=hold)

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """One row per step that wrote something."""
        columns, rows = table(self.trace, self.ledger)
        notes, ranked = (words.word("memory.note"),), ("part", "share")
        said = {"source": _source}
        return (LongTable(columns, rows, shown=columns[1:], notes=notes, ranked=ranked, timed=True, said=said),)

    def draw(self, trace: Trace, language: str) -> Figure:
        """The ledger as bars."""
        return picture(trace, str(self.of), language)


def _source(source: str, words: Words) -> str:
    """The source of a part, with the words for holds and clips in a language."""
    name, *lines = source.split(SCALED)
    for begin, key in ((HOLD, "memory.hold"), (CLIP, "memory.clip")):
        if name.startswith(begin):
            name = words.word(key, line=name.removeprefix(begin))
    for line in lines:
        name = words.word("memory.scaled", source=name, line=line)
    return name
