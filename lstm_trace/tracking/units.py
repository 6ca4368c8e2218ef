"""Measures of the units, taken part by part; the measures of any parts can be merged, in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.display import cells, visible
from ..cell.network import layer_and_direction
from ..corpus.inputs.columns import is_number
from ..corpus.rows import TOKEN, Block, compute, pa
from ..documents.formats import Show
from ..documents.result import Finding
from ..documents.tables import LongTable
from ..errors import MissingError, OptionError, nearest
from ..explanation.activity import HIGH, LOW, by_halvings, halvings
from ..frames.table import ENTRY
from ..frames.terminal import TerminalTable, printed
from ..languages.strings import Words
from ..plot.furniture import shown_number
from .contexts import Hit, around, at_least, highest

if TYPE_CHECKING:
    import pandas as pd

    from ..corpus.part_file import Part
    from ..corpus.states import States


#: The approximate number of steps in the sample for quantiles; how many tokens are distinguished by how they change
#: units; how many numbers are known while tokens are counted.
SAMPLE, VOCABULARY, COUNTED = 1 << 14, 1 << 12, 1 << 16
#: The most numbers in the sample, and in what is known of tokens: both are reduced for very many units.
ROOM = 1 << 22
#: Units that are read at once; the bits of a place that are the row, above which is the number of the part.
AT_ONCE, PLACE = 16, 40


class Partial(NamedTuple):
    """The measures of U units over some rows, arrays whose last axis is the unit.

    pairs: (6, 2 + targets, U), of a value and itself, of a value and that of the previous step, and of a value and each
    target: how many, both means, the sums of both squares and of the products of the deviations from the means.
    counts: (4, U), how many values are not finite, left and right of the thresholds, and the halvings by the gate.
    changes: (2, V, U), for each token the steps, and the total change of a value at them. sample: (S, U). best:
    (2, k, U), of k sequences the highest value, and the lowest with its sign reversed; -inf if there is none. places:
    of these, the number of the part and the row there.
    """

    pairs: Array
    counts: Array
    changes: Array
    sample: Array
    best: Array
    places: Array

    @property
    def steps(self) -> int:
        """How many rows they are."""
        return int(self.pairs[0, 0, 0] + self.counts[0, 0])


def merge(a: Partial, b: Partial) -> Partial:
    """The same units over the rows of both."""
    best, places = (np.concatenate(two, axis=1) for two in ((a.best, b.best), (a.places, b.places)))
    order = np.lexsort((places, -best), axis=1)[:, : a.best.shape[1]]
    return Partial(
        _pairs(a.pairs, b.pairs), a.counts + b.counts, a.changes + b.changes,
        np.concatenate([a.sample, b.sample]), *(np.take_along_axis(found, order, 1) for found in (best, places)),
    )  # fmt: skip


def _pairs(a: Array, b: Array) -> Array:
    """The pairs of both (Chan, Golub & LeVeque 1983)."""
    n = a[0] + b[0]
    share = b[0] / np.maximum(n, 1)
    x, y = apart = b[1:3] - a[1:3]
    sums = a[3:] + b[3:] + np.array([x * x, y * y, x * y]) * (a[0] * share)
    return np.concatenate([[n], a[1:3] + apart * share, sums])


def correlation(pairs: Array) -> Array:
    """Pearson's correlation; NaN if one of the two does not vary, except by rounding."""
    n, x, y, xx, yy, xy = pairs
    least = n * (8 * np.finfo(np.float64).eps) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.clip(xy / np.sqrt(xx) / np.sqrt(yy), -1.0, 1.0)
    return np.where((xx > least * x * x) & (yy > least * y * y), found, np.nan)


@dataclass(frozen=True)
class UnitMeasurement:
    """What is measured, for which units. kept: how many highest and lowest values, at most one per sequence."""

    states: States
    blocks: tuple[Block, ...]
    kept: int

    @cached_property
    def targets(self) -> list[str]:
        """The columns of numbers and truth values of the input."""
        schema = next(self.states.parts()).places.schema
        return [name for name in self.states.targets if is_number(schema.field(name).type)]

    @cached_property
    def vocabulary(self) -> list[str]:
        """The most frequent tokens, by a pass over the tokens alone."""
        found: Counter[str] = Counter()
        for part in self.states.parts() if TOKEN in self.states.place_columns else ():
            for one in compute.value_counts(part.places.column(TOKEN).cast(pa.large_string())).to_pylist():
                found[one["values"] or ""] += one["counts"]
            if len(found) > COUNTED:  # the rarest are forgotten
                found = Counter(dict(sorted(found.items(), key=_often)[:COUNTED]))
        return [token for token, _ in sorted(found.items(), key=_often)[: min(VOCABULARY, self.room)]]

    @property
    def room(self) -> int:
        """How many numbers are allowed for each unit."""
        return max(ROOM // sum(block.width for block in self.blocks), 1)

    @cached_property
    def share(self) -> float:
        """The share of the steps that are in the sample."""
        return min(SAMPLE, self.room) / sum(span.steps for span in self.states.spans)

    def of(self, part: Part) -> Partial:
        """The measures of a part."""
        rows = _Rows(self, part)
        units = [unit for block in self.blocks for unit in self._of(block, rows)]
        return Partial(*(np.stack(arrays, axis=-1) for arrays in zip(*units, strict=True)))

    def _of(self, block: Block, rows: _Rows) -> Iterator[Partial]:
        gates = {(b.scope, b.line, b.width): b for b in self.states.layout.blocks}
        backwards = layer_and_direction(block.scope)[1] == "reverse"
        gate, limits = gates.get((block.scope, block.keeps, block.width)), thresholds(block)
        for first in range(0, block.width, AT_ONCE):
            units = range(first, min(first + AT_ONCE, block.width))
            kept = [None] * len(units) if gate is None else rows.part.values(gate, units).T
            for raw, of_gate in zip(rows.part.values(block, units).T, kept, strict=True):
                known = of_gate is not None and np.isfinite(of_gate).all()
                halved = halvings(of_gate.astype(np.float64)).sum() if known else np.nan
                yield rows.measured(np.ascontiguousarray(raw), limits, halved, backwards)


def thresholds(block: Block) -> tuple[float, float]:
    """The values below and above which a unit is saturated, as in `explanation.activity`; never if it has no range."""
    left, right = {"gate": (LOW, HIGH), "": (-np.inf, np.inf)}.get(block.range, (2 * LOW - 1, 2 * HIGH - 1))
    return (np.arctanh(left), np.arctanh(right)) if block.range == "before tanh" else (left, right)


def _often(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


class _Weights(NamedTuple):
    """What counts among R steps: of pairs of neighbours (R - 1,), of steps (R, 3 + targets).

    near: neighbours of one sequence. codes: their tokens; steps: how many of each. w: a step itself, one that has a
    previous step, those with each target, one that has a next step; n: how many of each but the last. y: the targets
    (targets, R), their sums, and those of their squares.
    """

    near: Array
    codes: Array
    steps: Array
    w: Array
    n: Array
    y: Array
    y_sums: Array
    y_squares: Array


class _Rows:
    """The rows of a part, and what is the same for all units."""

    def __init__(self, measure: UnitMeasurement, part: Part) -> None:
        self.part, self.kept, self.words = part, measure.kept, len(measure.vocabulary)
        rows = int(part.starts[-1])
        self.within = np.ones(rows - 1)
        self.within[part.starts[1:-1] - 1] = 0.0
        y = [part.places.column(name).cast(pa.float64(), safe=False).to_numpy() for name in measure.targets]
        known = np.isfinite(np.reshape(y, (-1, rows)))  # missing values are NaN
        self.centres = np.array([one[w].mean() if w.any() else 0.0 for one, w in zip(y, known, strict=True)])
        self.known, self.y = known, np.where(known, np.reshape(y, known.shape) - self.centres[:, None], 0.0)
        self.sampled = np.flatnonzero(_hashes(part) < measure.share) if measure.share < 1 else slice(None)
        every = np.full(rows, self.words)
        if self.words:
            tokens = compute.fill_null(part.places.column(TOKEN).cast(pa.large_string()), "")
            found = compute.index_in(tokens, value_set=pa.array(measure.vocabulary, tokens.type))
            every = compute.fill_null(found, self.words).to_numpy()
        #: The token of two neighbours at which a unit has changed: the later one, or the earlier if it runs backwards.
        self.codes = every[1:], every[:-1]
        self.whole = [self.weights(np.ones(rows), backwards) for backwards in (False, True)]
        self.room = np.empty((2, rows))  # allocating it for each unit would take longer than computing with it

    def weights(self, there: Array, backwards: bool) -> _Weights:
        """The weights of the steps that are present, not 0 in (R,)."""
        near, y = self.within * there[1:] * there[:-1], self.y * there
        codes = np.where(near, self.codes[backwards], self.words).astype(np.intp)
        w = np.stack([there, np.append(0.0, near), *(self.known * there), np.append(near, 0.0)], axis=1)
        steps = np.bincount(codes, minlength=self.words + 1)
        return _Weights(near, codes, steps, w, w.sum(axis=0)[:-1], y, y.sum(axis=1), (y * y).sum(axis=1))

    def measured(self, raw: Array, limits: tuple[float, float], halved: float, backwards: bool) -> Partial:
        """The measures of one unit, without the last axis. raw: (R,), as stored."""
        there = np.isfinite(raw)
        whole = bool(there.all())
        of = self.whole[backwards] if whole else self.weights(there.astype(np.float64), backwards)
        seen, values = (raw, raw) if whole else (raw[there], np.where(there, raw, np.nan))
        mean = seen.mean(dtype=np.float64) if seen.size else 0.0
        x = np.subtract(values, np.float64(mean), out=self.room[0])
        if not whole:
            x[~there] = 0.0
        (sx, *sums, before), (xx, *squares, before2) = x @ of.w, np.multiply(x, x, out=self.room[1]) @ of.w
        lag = np.multiply(x[1:], x[:-1], out=self.room[1, 1:]) @ of.near
        sums = np.array([[sx, *sums], [sx, before, *of.y_sums]])
        products = np.array([[xx, *squares], [xx, before2, *of.y_squares], [xx, lag, *(of.y @ x)]])
        count = np.maximum(of.n, 1)
        means = np.array([np.full(len(of.n), mean), [mean, mean, *self.centres]]) + sums / count
        products -= np.array([sums[0] ** 2, sums[1] ** 2, sums[0] * sums[1]]) / count
        saturated = np.count_nonzero(seen < limits[0]), np.count_nonzero(seen > limits[1])
        sizes = np.abs(np.subtract(x[1:], x[:-1], out=self.room[1, 1:]), out=self.room[1, 1:])
        moved = np.bincount(of.codes, sizes, self.words + 1)
        best, places = np.full((2, self.kept), -np.inf), np.zeros((2, self.kept), np.int64)
        for side, those in enumerate((values, -values)):
            for k, (value, row) in enumerate(highest(those, self.part.starts, self.kept)):
                best[side, k], places[side, k] = value, self.part.span.number << PLACE | row
        return Partial(
            np.stack([of.n, *means, *products]), np.array([len(raw) - len(seen), *saturated, halved]),
            np.array([of.steps, moved])[:, :-1], values[self.sampled], best, places,
        )  # fmt: skip


def _hashes(part: Part) -> Array:
    """(R,), from 0 to 1: of the sequence and the step, so that a row's membership does not depend on its part."""
    from pandas.util import hash_array

    z = np.repeat(hash_array(np.asarray(part.ids)), np.diff(part.starts)) + part.t.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):  # the end of splitmix64
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    return z.astype(np.float64) / 2.0**64


#: Columns of the frame, and which of the values of a unit they are.
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
#: How many tokens at which a unit moves most are named; how many steps with a token its mean change needs.
NAMED, FEWEST = 5, 5
#: The values of a dead unit differ by at most this many times the spacing of numbers at the largest.
DEAD = 16
#: Numbers are computed at least in float32: stored in half precision they differ by at most one spacing more.
COMPUTED = np.finfo(np.float32).eps
#: Steps of a context before and after its own.
BEFORE, AFTER = 12, 4


@dataclass(frozen=True, eq=False, repr=False)
class Units(Finding):
    """The units of a corpus over this many steps; see `States.units`.

    measured: a row for each unit. by, most: the column that decides which of them a document shows, and how many.
    """

    measured: pd.DataFrame
    steps: int
    by: str = "sd"
    most: int = 20
    widest = 1000

    def __len__(self) -> int:
        return len(self.measured)

    def title(self, words: Words) -> str:
        """What was measured."""
        return words.word("units.title")

    def sentences(self, words: Words) -> Iterator[str]:
        """How many units and steps they are, and which values are not as expected."""
        over = {"units": words.count("counted.units", len(self)), "steps": words.count("counted.steps", self.steps)}
        yield words.word("units.over", **over)
        for name, key in (("dead", "units.dead"), ("not_finite", "units.broken")):
            if n := int(self.measured[name].sum()):
                yield words.count(key, n)

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """All units and columns."""
        return (_long(self.measured),)

    def shown_tables(self, words: Words) -> tuple[LongTable, ...]:
        """The units with the largest values, with the columns of a wide terminal."""
        rows = self.sorted(self.by)
        names = dict.fromkeys((self.by, *chain(*FIRST), *_targets(rows)[:MOST_NAMED], "moves_at"))
        there = [name for name in names if rows[name].notna().any()]
        return (replace(_long(rows.assign(unit=_names(rows))[["unit", *there]]), ranked=(self.by,), adds=False),)

    def blocks(self, words: Words, show: Show) -> Iterator[Any]:
        """As of every finding, with the requested number of units."""
        return super().blocks(words, show if show.brief else replace(show, rows=self.most))

    def terminal(self, words: Words, columns: int, colours: bool) -> str:
        """A table of the columns that fit."""
        return printed(table(self, words, columns), columns, colours=False)

    def frame(self) -> pd.DataFrame:
        """A row for each unit."""
        return self.measured

    def sorted(self, by: str) -> pd.DataFrame:
        """The rows by the size of a column, the largest first and NaN last.

        Raises:
            MissingError: if there is no such column.
            OptionError: if it has no numbers.
        """
        import pandas as pd

        if by not in self.measured:
            raise MissingError(f"units have no {by!r}{nearest(by, self.measured.columns, 'they have')}")
        if not pd.api.types.is_numeric_dtype(self.measured[by]):
            raise OptionError(f"{by!r} has texts; sort by a column of numbers")
        return self.measured.sort_values(by, key=lambda one: -one.astype(float).abs(), kind="stable")

    def __repr__(self) -> str:
        return f"<Units: {len(self):,} units over {self.steps:,} steps; to_frame(), sorted('sd')>"


def units(states: States, line: str | None, contexts: int, progress: Callable[[int, int], None] | None) -> Units:
    """See `States.units`."""
    import pandas as pd

    at_least(contexts=(contexts, 1))
    measure = UnitMeasurement(states, states.layout.chosen(line), contexts)
    total = sum(span.steps for span in states.spans)
    for found in accumulate(map(measure.of, states.parts()), merge):
        if progress is not None:
            progress(found.steps, total)
    return Units(pd.DataFrame(dict(columns(measure, found))), found.steps)


def columns(measure: UnitMeasurement, found: Partial) -> Iterator[tuple[str, Any]]:
    """The columns of the frame."""
    units = [(block, unit) for block in measure.blocks for unit in range(block.width)]
    blocks = [block for block, _ in units]
    places = [(*layer_and_direction(block.scope), block.line, unit) for block, unit in units]
    yield from zip(("layer", "direction", "line", "unit"), zip(*places, strict=True), strict=True)
    if any(block.across for block in blocks):  # -1 for a unit of a vector, as in a table of a trace
        entries = [divmod(unit, block.across) if block.across else (-1, -1) for block, unit in units]
        yield from zip(ENTRY, zip(*entries, strict=True), strict=True)
    (count, mean, _, squares), (not_finite, left, right, halved) = found.pairs[:4, 0], found.counts
    n = np.where(count > 0, count, np.nan)
    most, least = found.best[0, 0] + 0 * n, -found.best[1, 0] + 0 * n
    r = correlation(found.pairs)
    yield "mean", mean + 0 * n
    yield "sd", np.sqrt(squares / n)
    yield "least", least
    yield "most", most
    yield from zip(QUANTILES, quantiles(found.sample), strict=True)
    bounded = np.where([block.range != "" for block in blocks], n, np.nan)
    yield "left", left / bounded
    yield "right", right / bounded
    stored = float(np.finfo(found.sample.dtype).eps)
    same = DEAD * min(stored, float(COMPUTED)) + (stored if stored > COMPUTED else 0.0)
    dead, by_gate = most - least <= same * np.maximum(np.abs(least), np.abs(most)), np.isfinite(halved)
    with np.errstate(divide="ignore"):
        fading = np.where(dead, np.nan, np.log(2) / np.abs(np.log(np.clip(r[1], 0, 1))))
    yield "memory", np.where(by_gate, by_halvings(found.steps, halved), fading)
    yield "memory_by", [block.keeps if gate else "lag 1" for block, gate in zip(blocks, by_gate, strict=True)]
    yield "dead", dead
    yield "not_finite", not_finite.astype(np.int64)
    yield from zip((f"r_{name}" for name in measure.targets), np.where(dead, np.nan, r[2:]), strict=True)
    yield "moves_at", [*moves(measure.vocabulary, found.changes)]
    yield from zip(("highest", "lowest"), texts(measure.states, found.best, found.places), strict=True)


def quantiles(sample: Array) -> Array:
    """(quantiles, U) of the numbers of a sample (S, U); NaN if a unit has none."""
    numbers = (one[np.isfinite(one)].astype(np.float64) for one in sample.T)
    return np.stack([np.quantile(one if len(one) else [np.nan], [*QUANTILES.values()]) for one in numbers], axis=1)


def moves(vocabulary: Sequence[str], changes: Array) -> Iterator[str]:
    """For each unit the tokens at which it changes most: at least half as much as at the first of them."""
    steps, sums = changes
    means = np.where(steps >= FEWEST, sums / np.maximum(steps, 1), 0.0)
    for unit, tokens in enumerate(np.argsort(-means, axis=0, kind="stable")[:NAMED].T):
        best = means[tokens, unit]
        named = tokens[(best > 0) & (best >= best[:1].max(initial=0) / 2)]
        yield " ".join(visible(vocabulary[token]) for token in named)


def texts(states: States, best: Array, places: Array) -> list[list[str]]:
    """For each side and unit the contexts of the best values, (2, k, U), as one text."""
    there = np.isfinite(best)
    parts, rows = np.divmod(places[there], 1 << PLACE)
    hits = [Hit(0.0, number, row) for number, row in zip(parts.tolist(), rows.tolist(), strict=True)]
    found = np.full(best.shape, "", object)
    found[there] = [context.text for context in around(states, hits, BEFORE, AFTER)]
    return [[" · ".join(filter(None, unit)) for unit in side.T] for side in found]


#: Columns of numbers as they are shown, and as they get room, both of a pair or none, after `--sort` and correlations.
SHOWN = ("mean", "sd", "least", "q05", "q25", "median", "q75", "q95", "most", "left", "right", "memory", "not_finite")
FIRST = (("sd",), ("memory",), ("mean",), ("left", "right"), ("least", "most"))
#: Columns of a terminal that are kept for the tokens at which a unit moves.
TOKENS = 14
#: How many columns without room are named: an input may have hundreds.
MOST_NAMED = 12


def _long(frame: pd.DataFrame) -> LongTable:
    """The rows of a frame; a cell without a number is empty."""
    cells = frame.astype(object).where(frame.notna(), None)
    return LongTable((*map(str, frame),), [*cells.itertuples(index=False, name=None)])


def _names(rows: pd.DataFrame) -> pd.Series[str]:
    """The names of units, with their scope if there are several."""
    several = len(rows[["layer", "direction"]].drop_duplicates()) > 1
    scopes = rows["layer"].astype(str) + "/" + rows["direction"] + "/" if several else ""
    units = rows["unit"].astype(str)
    if ENTRY[0] in rows:
        units = units.where(rows["row"] < 0, rows["row"].astype(str) + "," + rows["column"].astype(str))
    return scopes + rows["line"] + "[" + units + "]"


def _targets(frame: pd.DataFrame) -> list[str]:
    return [name for name in map(str, frame) if name.startswith("r_")]


def table(found: Units, words: Words, width: int) -> TerminalTable:
    """The units with the largest values, with as many columns as fit into a terminal of this width."""
    frame, rows = found.measured, found.sorted(found.by)
    columns = {"unit": [*_names(rows)][: found.most]}
    rows = rows.head(found.most)
    moved = bool(frame["moves_at"].any())
    left = width - max(map(cells, columns["unit"])) - (TOKENS if moved else 0)
    targets = _targets(frame)
    without: list[str] = []
    sorted_by = [pair for pair in FIRST if found.by in pair] or [(found.by,)]
    for pair in dict.fromkeys((*sorted_by, *((name,) for name in targets), *FIRST)):
        texts = {name: [shown_number(value, 3) for value in rows[name]] for name in pair if frame[name].notna().any()}
        if (wide := sum(max(map(cells, (*column, name))) + 2 for name, column in texts.items())) <= left:
            columns, left = columns | texts, left - wide
        else:
            without += texts
    if moved:
        most = left + TOKENS - 2
        columns["moves_at"] = [text if cells(text) <= most else f"{text[: most - 1]}…" for text in rows["moves_at"]]
    names = [name for name in ("unit", *SHOWN, *targets, "moves_at") if name in columns]
    return TerminalTable(
        words.count("counted.steps", found.steps), tuple(names),
        tuple(zip(*(columns[name] for name in names), strict=True)), 0, frozenset(),
        " ".join(f"{note}{words.word('stop')}" for note in _notes(found, words, without)), ("moves_at",),
    )  # fmt: skip


def _notes(found: Units, words: Words, without: Sequence[str]) -> Iterator[str]:
    if (rest := len(found) - found.most) > 0:
        yield words.count("units.more", rest, every=len(found))
    yield from list(found.sentences(words))[1:]
    if without:
        yield words.word("units.without", names=words.some(without, MOST_NAMED))
    yield words.word("units.all")
