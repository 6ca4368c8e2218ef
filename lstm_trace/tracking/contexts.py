"""Where units are highest, lowest, or above a level together, as the text around it, coloured by their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np

from ..base.arrays import Array, by_key
from ..base.display import visible, wrapped
from ..base.remark import Remark
from ..corpus.rows import TOKEN
from ..documents.result import Finding
from ..documents.tables import LongTable
from ..errors import MissingError, OptionError
from ..languages.strings import Words, words as strings
from ..plot import coloured_text
from ..plot.coloured_text import Scale, Tokens, are_words, gate, strength, symmetric, tokens
from ..plot.figure import Figure
from ..plot.furniture import remarks, shown_number
from ..plot.kinds.text import in_lines, text_panel
from ..plot.panels import Column, Grid, Panel, Spans
from ..printable import printable

if TYPE_CHECKING:
    from ..corpus.part_file import Part
    from ..corpus.states import States


#: The tokens by which it is decided whether tokens are words.
SAMPLE = 2000
#: The most columns of the name of a sequence; the most parts of a text in a table, and of one in a picture.
NAME, NEAR, PARTS = 40, 40, 400
#: The height of a picture in pixels, so that it fits on a page; that of a text without its lines.
TALL, BETWEEN = 1050, 26


class Context(NamedTuple):
    """The text around a stretch of a sequence.

    t: the step at which it begins, `length` steps long; value: at t, or over the stretch. first: the step of the first
    of `tokens`, which are the numbers of the steps if the corpus has no tokens, and end early in a stretch of
    thousands; values: (tokens,), of the unit. others: units besides those requested that are on throughout. spaced:
    whether spaces are printed between the tokens.
    """

    sequence: int | str
    t: int
    value: float
    first: int
    tokens: tuple[str, ...]
    values: Array
    length: int = 1
    others: int | None = None
    spaced: bool = False

    @property
    def found(self) -> Tokens:
        """The text."""
        return tokens(self.tokens, (), self.spaced)

    @property
    def stretch(self) -> range:
        """The places of the stretch among the tokens."""
        at = self.t - self.first
        return range(at, min(at + self.length, len(self.tokens)))

    def near(self, most: int) -> Context:
        """The same with so many parts of its text, which begin shortly before the stretch."""
        begin = max(self.stretch.start - most // 2, 0)
        kept = slice(begin, begin + most)
        return self._replace(first=self.first + begin, tokens=self.tokens[kept], values=self.values[kept])

    def place(self, words: Words) -> str:
        """The place of the stretch, in words, and its value."""
        steps = words.span(range(self.t, self.t + self.length))
        fields = {"sequence": visible(str(self.sequence), NAME), "steps": steps, "value": shown_number(self.value)}
        place = words.word("contexts.place", **fields)
        return place if self.others is None else words.comma_list(place, words.count("contexts.others", self.others))

    @property
    def text(self) -> str:
        """The text on one line, with the stretch in ‹ ›."""
        found, at = self.found, self.stretch
        gap = " " if found.spaced else ""
        shown = [visible(label) for label in found.labels] if found.spaced else list(found.shown)
        inner = gap.join(shown[at.start : at.stop])
        return gap.join([*shown[: at.start], f"‹{inner}›", *shown[at.stop :]])


@dataclass(frozen=True, eq=False, repr=False)
class Contexts(Finding, Sequence[Context]):
    """Some contexts. asked: what they show; range: of the values, as in `Block`; notes: the meaning of each number."""

    asked: Remark
    found: tuple[Context, ...]
    range: str = ""
    notes: tuple[Remark, ...] = ()
    widest = 1000

    @overload
    def __getitem__(self, at: int) -> Context: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Context, ...]: ...
    def __getitem__(self, at: int | slice) -> Context | tuple[Context, ...]:
        return self.found[at]

    def __len__(self) -> int:
        return len(self.found)

    def title(self, words: Words) -> str:
        """What they show."""
        return self.asked.said(words)

    def sentences(self, words: Words) -> Iterator[str]:
        """The meaning of each number; that there are none."""
        return iter([note.said(words) for note in self.notes] if self.found else [words.word("contexts.none")])

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """A row for each: `seq_id`, `t`, `length`, `value`, `others` if they were counted, `context`."""
        counted = any(one.others is not None for one in self.found)
        names = ("seq_id", "t", "length", "value", *(["others"] if counted else []), "context")
        rows = [(c.sequence, c.t, c.length, c.value, *([c.others] if counted else []), c.text) for c in self.found]
        return (LongTable(names, rows, said={"seq_id": lambda name, _: visible(str(name), NAME)}),)

    def shown_tables(self, words: Words) -> tuple[LongTable, ...]:
        """The same with the text near the stretch."""
        return replace(self, found=tuple(one.near(NEAR) for one in self.found)).tables(words)

    @property
    def broken(self) -> bool:
        """Whether any value is not finite."""
        return any(not np.isfinite(one.values).all() for one in self.found)

    @property
    def scale(self) -> Scale:
        """A scale for all of them."""
        return gate() if self.range == "gate" else symmetric(np.concatenate([c.values for c in self.found]))

    def panels(self, language: str = "en") -> Figure | None:
        """The texts, coloured by their values; None if nothing was found."""
        if not self.found:
            return None
        words, scale = strings(language), self.scale
        panels = [_panel(one.near(PARTS), scale, words) for one in self.found[: TALL // BETWEEN]]
        drawn = max(sum(end <= TALL for end in accumulate(panel.tall + BETWEEN for panel in panels)), 1)
        rest = [words.count("contexts.more", len(self) - drawn)] if drawn < len(self) else []
        grids = tuple(Grid([Column([panel])]) for panel in panels[:drawn])
        caption = " ".join([*rest, *remarks(words, {"plot.text.broken": self.broken})])
        return Figure("text", self.title(words), caption, grids, self.to_frame, words)

    def terminal(self, words: Words, columns: int = 80, colours: bool = True) -> str:
        """The texts for a terminal: with colours behind the tokens, or with marks below them."""
        broken = remarks(words, {f"plot.terminal.{'reversed' if colours else 'broken'}": self.broken})
        said = self.title(words), *self.sentences(words), *broken
        lines = [row for text in said for row in wrapped(printable(text), columns)]
        scale = self.scale if self.found else gate()
        lines += [coloured_text.legend(scale, colours)] if self.found else []
        for one in self.found:
            strengths, valid = strength(scale, one.values), np.ones(len(one.values), bool)
            shown = coloured_text.lines(one.found, strengths, valid, columns, colours, one.stretch)
            lines += ["", *wrapped(printable(one.place(words)), columns), *shown]
        return "\n".join(lines) + "\n"


def _panel(one: Context, scale: Scale, words: Words) -> Panel:
    place, valid = one.place(words), np.ones(len(one.values), bool)
    said = [f"t = {words.nth(one.first + k)}: {shown_number(v)}" for k, v in enumerate(one.values)]
    shown, steps = one.found, range(one.first, one.first + len(said))
    mark = Spans(shown, one.values, valid, scale, said, *in_lines(shown), one.stretch)
    return text_panel(words, steps, mark, name=place, heading=printable(place), above=20.0, below=6.0)


def spaced(states: States) -> bool:
    """Whether spaces are printed between the tokens of a corpus, judging by the first: a single stretch may mislead."""
    part = next(iter(states.parts())).places
    return TOKEN not in part.column_names or are_words([text or "" for text in part.column(TOKEN)[:SAMPLE].to_pylist()])


#: How many steps of a stretch, and after it, are given as text: it may be a whole sequence.
LONGEST = 2_000


class Hit(NamedTuple):
    """A stretch of `length` steps: its value, the number of its part, its first row there.

    others: how many units besides those requested are on throughout.
    """

    value: float
    part: int
    row: int
    length: int = 1
    others: int | None = None


def highest(values: Array, starts: Array, n: int) -> Iterator[tuple[float, int]]:
    """The n highest values and their rows, only the first of the highest in a sequence.

    values: (R,), NaN for none. starts: as in `Part`.
    """
    best = np.fmax.reduceat(values, starts[:-1])
    best[np.isnan(best)] = -np.inf
    least = np.partition(best, -n)[-n] if n < len(best) else -np.inf
    among = np.flatnonzero((best >= least) & (best > -np.inf))
    for at in among[np.argsort(-best[among], kind="stable")[:n]]:
        yield float(best[at]), int(starts[at] + np.argmax(values[starts[at] : starts[at + 1]] == best[at]))


def around(
    states: States, hits: Sequence[Hit], before: int, after: int, read: Callable[[Part], Array] | None = None
) -> list[Context]:
    """The hits with this many steps before and after them, as far as their sequences go.

    read: gives the values (R,).
    """
    found: dict[int, Context] = {}
    apart = bool(hits) and spaced(states)
    spans = {span.number: span for span in states.spans}
    for number, here in by_key((hit.part, at) for at, hit in enumerate(hits)).items():
        part = states.part(spans[number])  # only one is held at a time
        tokens, values = part.tokens, np.zeros(part.starts[-1]) if read is None else read(part)
        for at in here:
            hit = hits[at]
            k = int(np.searchsorted(part.starts, hit.row, "right")) - 1
            last = hit.row + min(hit.length + after, LONGEST)
            rows = slice(max(part.starts[k], hit.row - before), min(part.starts[k + 1], last))
            steps = part.t[rows]
            found[at] = Context(
                part.ids[k : k + 1].tolist()[0], int(part.t[hit.row]), hit.value, int(steps[0]),
                tuple(map(str, steps) if tokens is None else tokens[rows]), values[rows].astype(np.float64),
                hit.length, hit.others, apart,
            )  # fmt: skip
    return [found[at] for at in range(len(hits))]


def top(states: States, unit: str, n: int, lowest: bool, before: int, after: int) -> Contexts:
    """See `States.top`."""
    at_least(n=(n, 1), before=(before, 0), after=(after, 0))
    block, j = states.layout.unit(unit)
    sign = -1.0 if lowest else 1.0
    found: list[Hit] = []

    def read(part: Part) -> Array:
        return part.values(block, [j])[:, 0].astype(np.float64)

    for part in states.parts():
        values = read(part)
        values = np.where(np.isfinite(values), sign * values, np.nan)
        found += (Hit(sign * value, part.span.number, row) for value, row in highest(values, part.starts, n))
        found = sorted(found, key=lambda hit: (-sign * hit.value, hit.part, hit.row))[:n]
    asked = Remark(f"contexts.at.{'lowest' if lowest else 'highest'}", {"unit": f"{block.scope}/{block.name(j)}"})
    return Contexts(asked, tuple(around(states, found, before, after, read)), block.range)


class Thresholds(NamedTuple):
    """When a unit is on: above one level, below the other, or between them."""

    above: float | None
    below: float | None

    def on(self, values: Array) -> Array:
        """Which values are on."""

        found = np.ones(values.shape, bool) if self.above is None else values > self.above
        return found if self.below is None else found & (values < self.below)

    def nearest(self, values: Array, axis: int) -> Array:
        """Along an axis the values that are nearest to the level: to `above`, if there are two."""
        return np.asarray(values.max(axis=axis) if self.above is None else values.min(axis=axis))

    def asked(self, units: str) -> Remark:
        """The sentence that says when units are on."""
        given = {side: f"{end:g}" for side, end in self._asdict().items() if end is not None}
        return Remark(f"contexts.on.{'.'.join(given)}", {"units": units, **given})


def level(above: float | None, below: float | None) -> Thresholds:
    """The level; above 0.3, as in LSTMVis, if neither is given. Raises OptionError for one that is not finite."""
    if any(end is not None and not np.isfinite(end) for end in (above, below)):
        raise OptionError(f"a level is a finite number; found above={above}, below={below}")
    return Thresholds(0.3, None) if above is None and below is None else Thresholds(above, below)


def match(
    states: States, units: Sequence[int], line: str, above: float | None, below: float | None, min_length: int,
    max_length: int | None, n: int, exact: bool, before: int, after: int,
) -> Contexts:  # fmt: skip
    """See `States.match`."""
    wanted = level(above, below)
    most = min_length if max_length is None else max_length
    at_least(n=(n, 1), min_length=(min_length, 1), max_length=(most, min_length), before=(before, 0), after=(after, 0))
    block, chosen = states.layout.one(line), sorted(set(units))
    if not chosen or chosen[0] < 0 or chosen[-1] >= block.width:
        raise MissingError(f"{line} has the units 0 to {block.width - 1}; found {', '.join(map(str, units)) or 'none'}")
    found: list[Hit] = []

    def nearest(values: Array) -> Array:
        return wanted.nearest(values, axis=1).astype(np.float64)

    for part in states.parts():
        values = part.values(block, chosen)
        on = wanted.on(values).all(axis=1)
        edge = np.isin(np.arange(len(on) + 1), part.starts)
        first = np.flatnonzero(on & (edge[:-1] | ~np.roll(on, 1)))
        stop = np.flatnonzero(on & (edge[1:] | ~np.roll(on, -1))) + 1
        runs = np.stack([first, stop], axis=1)[(stop - first >= min_length) & (stop - first <= (max_length or len(on)))]
        others = np.zeros(len(runs), int)
        if exact and len(runs):
            every = np.pad(wanted.on(part.values(block)), ((0, 1), (0, 0)))  # a run may end behind the last row
            others = np.logical_and.reduceat(every, runs.ravel())[::2].sum(axis=1) - len(chosen)
        for k in np.lexsort((runs[:, 0], runs[:, 0] - runs[:, 1], others))[:n]:
            a, b = runs[k].tolist()
            value = float(nearest(values[a:b]).mean())
            found.append(Hit(value, part.span.number, a, b - a, int(others[k]) if exact else None))
        found = sorted(found, key=lambda hit: (hit.others or 0, -hit.length, hit.part, hit.row))[:n]
    name = f"{block.line}[{','.join(map(str, chosen))}]" if block.across is None else ", ".join(map(block.name, chosen))
    asked = wanted.asked(f"{block.scope}/{name}")
    shown = around(states, found, before, after, lambda part: nearest(part.values(block, chosen)))
    note = Remark("contexts.mean" if len(chosen) == 1 else "contexts.mean.nearest")
    return Contexts(asked, tuple(shown), block.range, (note,))


def select(
    states: States, sequence: int | str, first: int, last: int, line: str, above: float | None, below: float | None,
    exclusive: bool,
) -> list[int]:  # fmt: skip
    """See `States.select`."""
    wanted = level(above, below)
    block = states.layout.one(line)
    part, rows = states.rows_of(sequence)
    t0, t1 = int(part.t[rows][0]), int(part.t[rows][-1])
    if not t0 <= first <= last <= t1:
        raise MissingError(f"sequence {sequence} has the steps {t0} to {t1}; found {first} to {last}")
    on = wanted.on(part.values(block)[rows])
    found = on[first - t0 : last - t0 + 1].all(axis=0)
    for beside in (first - 1, last + 1) if exclusive else ():
        if t0 <= beside <= t1:
            found &= ~on[beside - t0]
    return [int(unit) for unit in np.flatnonzero(found)]


def at_least(**given: tuple[int, int]) -> None:
    """Raise OptionError for a number that is too small. given: by name, the number and its minimum."""
    for name, (value, least) in given.items():
        if value < least:
            raise OptionError(f"{name} is at least {least}; found {value}")
