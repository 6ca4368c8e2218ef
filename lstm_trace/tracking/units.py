"""A row for each unit: its values, saturation, memory, at what it changes, and where it is highest and lowest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import Array
from ..base.display import visible
from ..cell.network import layer_and_direction
from ..errors import MissingError, OptionError, nearest
from ..explanation.activity import by_halvings
from .partials import PLACE, Counts, Measure, Pairs, Partial, correlation, merge
from .search import Hit, around, at_least

if TYPE_CHECKING:
    import pandas as pd

    from ..corpus.states import States

#: Columns of the frame, and which of the values of a unit they are.
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
#: Tokens at which a unit moves most that are named; steps with a token that its mean change needs.
NAMED, FEWEST = 5, 5
#: The values of a dead unit are no further apart than so many times the spacing of numbers at the largest.
DEAD = 16
#: Numbers are computed in float32 at least: stored in half they are no further apart than by one spacing more.
COMPUTED = np.finfo(np.float32).eps
#: Steps of a context before and after its own.
BEFORE, AFTER = 12, 4


@dataclass(frozen=True, repr=False)
class Units:
    """The units of a corpus; see `States.units`. sampled: from how many of the steps the quantiles are."""

    frame: pd.DataFrame
    steps: int
    sampled: int

    def __len__(self) -> int:
        return len(self.frame)

    def to_frame(self) -> pd.DataFrame:
        """A row for each unit."""
        return self.frame

    def sorted(self, by: str) -> pd.DataFrame:
        """The rows by the size of a column, the largest first and what is no number last.

        Raises:
            MissingError: where there is no such column.
            OptionError: where it has no numbers.
        """
        import pandas as pd

        if by not in self.frame:
            raise MissingError(f"units have no {by!r}{nearest(by, self.frame.columns, 'they have')}")
        if not pd.api.types.is_numeric_dtype(self.frame[by]):
            raise OptionError(f"{by!r} has texts; sort by a column of numbers")
        order = self.frame[by].astype(float).abs().sort_values(ascending=False, kind="stable", na_position="last").index
        return self.frame.loc[order]

    def __repr__(self) -> str:
        return f"<Units: {len(self.frame):,} units over {self.steps:,} steps; to_frame(), sorted('sd')>"


def units(states: States, line: str | None, contexts: int, progress: Callable[[int, int], None] | None) -> Units:
    """See `States.units`."""
    import pandas as pd

    at_least(contexts=(contexts, 1))
    measure = Measure(states, states.layout.chosen(line), contexts)
    found, total = None, sum(span.steps for span in states.spans)
    for part in states.parts():
        one = measure.of(part)
        found = one if found is None else merge(found, one)
        if progress is not None:
            progress(found.steps, total)
    assert found is not None
    return Units(pd.DataFrame(dict(columns(measure, found))), found.steps, len(found.sample))


def columns(measure: Measure, found: Partial) -> Iterator[tuple[str, Any]]:
    """The columns of the frame."""
    blocks = [block for block in measure.blocks for _ in range(block.width)]
    places = [layer_and_direction(block.scope) for block in blocks]
    yield "layer", [layer for layer, _ in places]
    yield "direction", [direction for _, direction in places]
    yield "line", [block.line for block in blocks]
    yield "unit", [unit for block in measure.blocks for unit in range(block.width)]
    pairs, counts = Pairs(*found.pairs), Counts(*found.counts)
    n = np.where(pairs.n[0] > 0, pairs.n[0], np.nan)
    most, least = found.best[0, 0] + 0 * n, -found.best[1, 0] + 0 * n
    r = correlation(pairs)
    yield "mean", pairs.x[0] + 0 * n
    yield "sd", np.sqrt(pairs.xx[0] / n)
    yield "least", least
    yield "most", most
    yield from zip(QUANTILES, quantiles(found.sample), strict=True)
    bounded = np.where([block.range != "" for block in blocks], n, np.nan)
    yield "left", counts.left / bounded
    yield "right", counts.right / bounded
    stored = float(np.finfo(found.sample.dtype).eps)
    same = DEAD * min(stored, float(COMPUTED)) + (stored if stored > COMPUTED else 0.0)
    dead, by_gate = most - least <= same * np.maximum(np.abs(least), np.abs(most)), np.isfinite(counts.halvings)
    with np.errstate(divide="ignore"):
        fading = np.where(dead, np.nan, np.log(2) / np.abs(np.log(np.clip(r[1], 0, 1))))
    yield "memory", np.where(by_gate, by_halvings(found.steps, counts.halvings), fading)
    yield "memory_by", [block.keeps if gate else "lag 1" for block, gate in zip(blocks, by_gate, strict=True)]
    yield "dead", dead
    yield "not_finite", counts.not_finite.astype(np.int64)
    yield from zip((f"r_{name}" for name in measure.targets), np.where(dead, np.nan, r[2:]), strict=True)
    yield "moves_at", [*moves(measure.vocabulary, found.changes)]
    yield from zip(("highest", "lowest"), texts(measure.states, found.best, found.places), strict=True)


def quantiles(sample: Array) -> Array:
    """(quantiles, U) of the numbers of a sample (S, U); NaN where a unit has none."""
    levels = [*QUANTILES.values()]
    numbers = (one[np.isfinite(one)].astype(np.float64) for one in sample.T)
    return np.stack([np.quantile(one, levels) if len(one) else np.full(len(levels), np.nan) for one in numbers], axis=1)


def moves(vocabulary: Sequence[str], changes: Array) -> Iterator[str]:
    """For each unit the tokens at which it changes most: at least half as much as at the first of them."""
    steps, sums = changes
    means = np.where(steps >= FEWEST, sums / np.maximum(steps, 1), 0.0)
    order = np.argsort(-means, axis=0, kind="stable")[:NAMED]
    for unit, tokens in enumerate(order.T):
        best = means[tokens, unit]
        named = tokens[(best > 0) & (best >= best[:1].max(initial=0) / 2)]
        yield " ".join(visible(vocabulary[token]) for token in named)


def texts(states: States, best: Array, places: Array) -> list[list[str]]:
    """For each side and unit the contexts of the best values, (2, k, U), as one text."""
    there = np.argwhere(np.isfinite(best.swapaxes(1, 2)))
    parts, rows = np.divmod(places.swapaxes(1, 2)[tuple(there.T)], 1 << PLACE)
    hits = [Hit(0.0, number, row) for number, row in zip(parts.tolist(), rows.tolist(), strict=True)]
    found: list[list[list[str]]] = [[[] for _ in range(best.shape[2])] for _ in best]
    for (side, unit, _), context in zip(there, around(states, hits, BEFORE, AFTER), strict=True):
        found[side][unit].append(context.text)
    return [[" · ".join(unit) for unit in side] for side in found]
