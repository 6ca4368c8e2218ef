"""What `identify` found, and what each mistake does to an output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..base.arrays import by_key
from ..documents.blocks import Block, Code, Heading, Items, Para, marked
from ..documents.formats import Show
from ..documents.result import Finding
from ..documents.tables import LongTable
from ..languages.strings import Words, words_for
from ..mistakes.identify import Identification, MistakeExplanation
from ..mistakes.in_words import sentence, stacked
from ..mistakes.on_purpose import late_symbols
from ..mistakes.seeding import MistakeEffects, effects
from ..trace.trace import Trace

if TYPE_CHECKING:
    import pandas as pd


# -- what was found ----------------------------------------------------------------------------------------------------

#: So many of the mistakes that give the same values are named.
EQUAL = 3
COLUMNS = ("fits", "mistake", "share", "distance", "mean", "says")


def own(result: Identification) -> Any:
    """The symbols of the problem, and of values that are read a step late."""
    symbols = result.trace.header.symbols
    return {**late_symbols([one for found in result.found for one in found.equations], symbols), **symbols}


def blocks(result: Identification, words: Words, show: Show) -> Iterator[Block]:
    """The answer, the equations with the mistakes, what the values cannot decide, and every candidate that is near."""
    yield Heading(1, (words.word("identify.title"),))
    yield Items(tuple((one,) for one in answer(result, words)))
    for found in result.found:
        yield from stacked(found.equations, result.trace, words)
    if more := tuple(map(marked, undecided(result, words))):
        yield Items(more)
    elif result.found:
        keys = " + ".join(map(str, result.found[0].mistakes))
        yield Items((words.text("identify.key", name=Code(keys)),))
    if len(rows := _rows(result, words)) > 1 and result.found:
        yield Heading(2, (words.word("identify.fits"),))
        yield Items(tuple((Code(mistake),) for _, mistake, *_ in rows[: show.rows]))
        if (left := len(rows) - show.rows) > 0:
            yield Para((words.count("identify.equal.more", left),))
    if result.nearest:
        yield Heading(2, (words.word("identify.near"),))
        yield Items(tuple((_nearest(one, words),) for one in result.nearest))


def _nearest(one: MistakeExplanation, words: Words) -> str:
    share, error = f"{100 * one.fit.share:.0f}", f"{one.fit.distance:.2g}"
    return words.word("identify.nearest", what=sentence(one.mistakes, words), share=share, error=error)


def frame(result: Identification) -> pd.DataFrame:
    """One row for each combination of mistakes that explains the values, then those of the nearest that do not."""
    return LongTable(COLUMNS, _rows(result, words_for(result.trace, "en"))).to_frame()


def facts(result: Identification) -> dict[str, Any]:
    """The verdict, the sentences, and every explanation with its keys and equations."""
    words = words_for(result.trace, "en")
    verdict = "right" if result.right else "explained" if result.found else "unexplained"
    found: dict[str, Any] = {"verdict": verdict, "sentences": [*answer(result, words), *undecided(result, words)]}
    found |= {
        "as_read": result.as_read._asdict(),
        "tried": result.tried,
        "compared": result.compared,
        "lost": result.lost,
    }
    for name in ("found", "nearest"):
        found[name] = [_facts(one, words) for one in getattr(result, name)]
    return found


def _facts(one: MistakeExplanation, words: Words) -> dict[str, Any]:
    mistakes = [
        {"key": str(placed), "row": placed.mistake.row.key, "place": placed.place, "value": placed.mistake.value,
         "sentence": sentence([placed], words)}
        for placed in one.mistakes
    ]  # fmt: skip
    equal = [[str(placed) for placed in other] for other in one.equal]
    equations = [dict(vars(changed)) for changed in one.equations]
    others = {"equations": equations, "equal": equal, "separates": one.separates}
    return {"mistakes": mistakes, **one.fit._asdict(), **others}


def _rows(result: Identification, words: Words) -> list[tuple[Any, ...]]:
    """`COLUMNS` of everything that explains the values, or is near."""
    return [
        (bool(result.found), " + ".join(map(str, each)), *one.fit, sentence(each, words))
        for one in (*result.found, *result.nearest) for each in (one.mistakes, *one.equal)
    ]  # fmt: skip


def answer(result: Identification, words: Words) -> Iterator[str]:
    """What explains the values: a sentence for each mistake, the last with how far the values are off."""
    off = f"{result.as_read.distance:.2g}"
    if result.as_read.share == 1:
        yield words.count("identify.finite" if result.lost else "identify.right", result.compared, error=off)
    elif not result.found:
        chance = any(one.fit.share == 1 for one in result.nearest)
        yield words.word("identify.chance" if chance else "identify.none", n=words.number(result.tried), off=off)
    else:
        best = result.found[0]
        *others, last = (sentence([one], words) for one in best.mistakes)
        yield from others
        yield words.word("identify.found", what=last, error=f"{best.fit.distance:.2g}", off=off)
    yield from (remark.said(words) for remark in result.remarks)


def undecided(result: Identification, words: Words) -> Iterator[str]:
    """What else gives the same values, and what to print to tell them apart."""
    for found in result.found:
        equal = list(dict.fromkeys(sentence(other, words) for other in found.equal))
        yield from (words.word("identify.equal", what=what) for what in equal[:EQUAL])
        if (more := len(equal) - EQUAL) > 0:
            yield words.count("identify.equal.more", more)
        if found.equal:
            address = found.separates and words.address(found.separates)
            yield words.word("identify.print", line=address) if address else words.word("identify.same")


# -- what they do to an output -----------------------------------------------------------------------------------------


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
        every = self.found.effects
        rows = [
            (str(one.placed), sentence([one.placed], words), None if one.hidden else one.moved,
             str(one.same) if one.same and not one.hidden else None)
            for one in every
        ]  # fmt: skip
        summed = [
            (kind, len(each), sum(e.hidden for e in each), max((e.moved for e in each if not e.hidden), default=None))
            for kind, each in by_key((one.placed.mistake.row.key, one) for one in every).items()
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
