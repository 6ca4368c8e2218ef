"""What each mistake of the table does to the output of a model for one input, and which of them it cannot show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.network import forward_stages
from ..engine.run import in_arithmetic, rerun
from ..errors import OptionError, require_known
from ..trace.trace import Trace
from .identify import Search, tolerances
from .programs import OUTPUT
from .table import ROWS
from .trials import Candidate, MistakeRuns, Place, PlacedMistake

#: So many numbers of the output are compared to see which mistakes give the same; of more a sample.
SAMPLE = 4096
#: A problem that might show more: its steps, by how much its x is larger, and the seed of its other numbers.
STEPS, LARGE, SEED = 3, 100, 1


class MistakeEffect(NamedTuple):
    """A mistake and how far it moves the output; infinite if an output is not a finite number.

    same: the first mistake that gives the same output, or None if this is the first. hidden: whether the output is the
    right one, within rounding.
    """

    placed: PlacedMistake
    moved: float
    same: PlacedMistake | None
    hidden: bool


@dataclass(frozen=True)
class MistakeEffects:
    """The mistakes that apply to a model and an input.

    trace: the right run in float64. tolerance: up to this the output counts as the right one. remedies: what would
    show hidden mistakes (`steps`, `states`, `biases`, `weights`, `values`, `sequences`), and how many, most first.
    """

    trace: Trace
    effects: tuple[MistakeEffect, ...]
    tolerance: float
    remedies: Mapping[str, int]

    @property
    def hidden(self) -> tuple[MistakeEffect, ...]:
        """Those that leave no trace in the output."""
        return tuple(one for one in self.effects if one.hidden)


def effects(trace: Trace, rows: Sequence[str] = (), place: str | None = None) -> MistakeEffects:
    """Run every mistake that applies to a model, one at a time.

    Args:
        trace: the right run, with every line.
        rows: rows of the table; all if empty.
        place: the only place: `everywhere`, a layer (`1`), `above`, a direction or a stage (`1/reverse`); all if None.

    Raises:
        OptionError: if there is no such row or place, or if the trace has only some of the lines.
    """
    for row in rows:
        require_known("kind of mistake", row[:40], ROWS, otherwise="")
    stages = forward_stages(trace.stages)
    if any(stage.computed is not None and len(stage.computed) < len(stage.cell.lines) for stage in stages):
        raise OptionError(
            "the trace has only the lines that are asked for, and a mistake may touch any: run all of them"
        )
    right = in_arithmetic(replace(trace, stages=stages), None)
    search = Search(right, {})
    known = [text.rstrip("/") or "everywhere" for text in search.places.values()]
    if place is not None and place.rstrip("/") not in known:
        raise OptionError(f"there is no place {place[:40]!r}; there are {', '.join(known)}")

    def wanted(one: PlacedMistake) -> bool:
        return (not rows or one.mistake.row.key in rows) and (
            place is None or (one.place.rstrip("/") or "everywhere") == place.rstrip("/")
        )

    candidates = [one for one in search.candidates() if wanted(one.mistakes[0])]
    own = trace.output if trace.header.arithmetic is None else right.output
    tolerance = float(tolerances(right.output, own, own).max())
    found = tuple(_effects(right, candidates, tolerance))
    there = {str(one.placed) for one in found if one.hidden}
    hidden = [one for one in candidates if str(one.mistakes[0]) in there]
    counts = {name: _shown(other, hidden, tolerance) for name, other in _richer(right) if hidden}
    order = sorted((name for name, count in counts.items() if count), key=lambda name: -counts[name])
    return MistakeEffects(right, found, tolerance, {name: counts[name] for name in order})


def _outputs(trace: Trace, candidates: Sequence[Candidate]) -> Iterator[tuple[Candidate, Array]]:
    """Each candidate with the differences of its output, as one row; those that do not fit the sizes are left out."""
    stages = forward_stages(trace.stages)
    read = {source for stage in stages for source in stage.sources.values()}
    ends: list[Place] = [(s.scope, OUTPUT) for s in stages if f"{s.scope}/{s.cell.output}" not in read]
    runs = MistakeRuns(trace, ends)
    right = [runs.right(end) for end in ends]
    for candidate, found in zip(candidates, runs.run(candidates), strict=True):
        values = [found[end] for end in ends]
        fits = all(a.shape == b.shape for a, b in zip(values, right, strict=True))
        if fits and not any(np.isnan(one).all(axis=(0, 1)).any() for one in values):
            with np.errstate(invalid="ignore"):
                moved = np.concatenate([(a - b).ravel() for a, b in zip(values, right, strict=True)])
            yield candidate, np.nan_to_num(moved, nan=np.inf)


def _effects(trace: Trace, candidates: Sequence[Candidate], tolerance: float) -> Iterator[MistakeEffect]:
    kept, moved, samples = [], list[float](), list[Array]()
    for candidate, difference in _outputs(trace, candidates):
        kept.append(candidate.mistakes[0])
        moved.append(float(np.abs(difference).max(initial=0)))
        chosen = slice(None)
        if difference.size > SAMPLE:
            chosen = np.random.default_rng(SEED).choice(difference.size, SAMPLE, replace=False)  # type: ignore[assignment]
        samples.append(np.clip(difference[chosen], -1e100, 1e100))
    first = _first_equal(samples, tolerance)
    for k, placed in enumerate(kept):
        yield MistakeEffect(placed, moved[k], kept[first[k]] if first[k] != k else None, moved[k] <= tolerance)


def _first_equal(rows: Sequence[Array], tolerance: float) -> list[int]:
    """For each row the first one that equals it within a tolerance; rows are compared if their sums are near."""
    sums = [float(row.sum()) for row in rows]
    first = [*range(len(rows))]
    begin, order = 0, sorted(first, key=lambda k: (sums[k], k))
    for place, k in enumerate(order):
        while sums[k] - sums[order[begin]] > tolerance * rows[k].size:
            begin += 1
        for other in order[begin:place]:
            if first[other] == other and np.abs(rows[k] - rows[other]).max(initial=0) <= tolerance:
                low, high = sorted((k, other))
                first[high] = first[low] = low
                break
    return [first[first[k]] for k in range(len(rows))]


# -- what would show more ----------------------------------------------------------------------------------------------


def _shown(trace: Trace, hidden: Sequence[Candidate], tolerance: float) -> int:
    """How many of the hidden mistakes another run shows."""
    return sum(bool((np.abs(moved) > tolerance).any()) for _, moved in _outputs(trace, hidden))


def _richer(trace: Trace) -> Iterator[tuple[str, Trace]]:
    """Runs of the same model with what this one does not have: several steps, states, biases, sequences."""
    drawn = np.random.default_rng(SEED)

    def numbers(array: Array) -> Array:
        return drawn.uniform(-1, 1, array.shape)

    for name, part, begin in (("states", "initial", ""), ("biases", "parameters", "b"), ("weights", "parameters", "W")):
        own: Mapping[str, Mapping[str, Array]] = getattr(trace, part)
        every = [(n, v) for here in own.values() for n, v in here.items() if n.startswith(begin)]
        zero = {n for n, v in every if not v.any() or (name == "weights" and not v.all())}
        if zero:
            changed = {s: {n: numbers(v) if n in zero else v for n, v in here.items()} for s, here in own.items()}
            yield name, rerun(trace, **{part: changed})
    if trace.x is None:
        return
    yield "values", rerun(trace, x=LARGE * trace.x)
    if trace.given or trace.padded:
        return
    if trace.steps == 1:
        x = drawn.uniform(-1, 1, (STEPS, *trace.x.shape[1:]))
        header = replace(trace.header, step_labels=())
        yield "steps", rerun(replace(trace, x=np.concatenate([trace.x, x[1:]]), steps=STEPS, header=header))
    if trace.batch == 1:
        initial = {s: {n: np.repeat(v, 2, axis=0) for n, v in here.items()} for s, here in trace.initial.items()}
        yield "sequences", rerun(trace, x=np.concatenate([trace.x, numbers(trace.x)], axis=1), initial=initial)
