"""What the mistakes of the table do to the output of a model: which show, which do not, and which look the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..documents.result import Finding
from ..documents.tables import LongTable
from ..languages.strings import Words
from ..mistakes.effects import MistakeEffects, effects
from ..trace.trace import Trace
from .mistakes import sentence


@dataclass(frozen=True, eq=False, repr=False)
class MistakeOverview(Finding):
    """The mistakes that apply to a model and an input, and what each does to the output.

    trace: the right run. found: the mistakes. chosen: whether kinds of mistakes were chosen.
    """

    trace: Trace
    found: MistakeEffects
    chosen: bool

    def title(self, words: Words) -> str:
        """The subject."""
        return words.word("effects.title")

    def sentences(self, words: Words) -> Iterator[str]:
        """How many leave no trace, what would show them, and how many cannot be told apart."""
        every, hidden = self.found.effects, len(self.found.hidden)
        if not every:
            yield words.word("effects.none")
        elif not hidden:
            yield words.word("effects.all", n=words.number(len(every)))
        else:
            yield words.count("effects.hidden", hidden, all=words.number(len(every)))
        for name, count in self.found.remedies.items():
            yield words.word(f"effects.remedy.{name}", n=words.number(count))
        if same := sum(one.same is not None and not one.hidden for one in every):
            yield words.count("effects.same", same)

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """One row for each kind of mistake, and one for each mistake."""
        kinds: dict[str, list[tuple[float, bool]]] = {}
        rows = []
        for placed, moved, same, hidden in self.found.effects:
            kinds.setdefault(placed.mistake.row.key, []).append((moved, hidden))
            other = None if same is None or hidden else str(same)
            rows.append((str(placed), sentence([placed], words), None if hidden else moved, other))
        summed = [
            (kind, len(each), sum(hidden for _, hidden in each), max((m for m, gone in each if not gone), default=None))
            for kind, each in kinds.items()
        ]
        columns, more = ("kind_of_mistake", "mistakes", "hidden", "moved"), (words.word("effects.kinds.note"),)
        notes = (words.word("effects.note"),)
        return (
            LongTable(columns, summed, words.word("effects.kinds"), notes=more),
            LongTable(("mistake", "says", "moved", "same_as"), rows, words.word("effects.each"), notes=notes),
        )

    def shown_tables(self, words: Words) -> tuple[LongTable, ...]:
        """The kinds; each mistake if kinds were chosen."""
        kinds, each = self.tables(words)
        return (each,) if self.chosen else (kinds,)


def overview(trace: Trace, rows: Sequence[str] = (), place: str | None = None) -> MistakeOverview:
    """The mistakes that apply to the model of a run. Args, Raises: as for `effects`."""
    return MistakeOverview(trace, effects(trace, rows, place), bool(rows or place))
