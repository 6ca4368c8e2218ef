"""The profile of a trained model: the behaviour of its units, steps and layers over a trace, in numbers and frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.network import Direction, Stage, forward_stages
from ..errors import MissingError
from ..trace.argument_types import checked
from ..trace.held import plain
from ..trace.labels import axis, labels, step_labels
from ..trace.rows import Selection, empty
from ..trace.trace import Trace
from .activity import COLUMNS, behaviour, foreseen, line_statistics, moves, values_at
from .memory import Recurrence, recurrences

if TYPE_CHECKING:
    import pandas as pd

    from ..trace.not_finite import NotFinite
    from .activity import Activity, Kept, LineStatistics, Moves

#: Minimum number of steps per different token: with fewer, tokens seem to determine values by chance.
SPARE = 10


class Follows(NamedTuple):
    """How closely the units of a line follow tokens that occur at several steps.

    tokens: (K,), those that occur at two steps or more. counts: (K,), the number of steps. share: (H,), the fraction of
    a unit's variance over those steps that lies between tokens, adjusted for their number (the adjusted R²: 0 by
    chance, 1 if the token alone determines the value); NaN if nothing varies, or a value is not finite. means: (K, H).
    """

    tokens: tuple[str, ...]
    counts: Array
    share: Array
    means: Array


def follows(trace: Trace, scope: str, name: str, shift: Array, rows: slice) -> Follows | None:
    """How closely the units of the line `name` follow the tokens; None if too few labels recur.

    shift: (H,), roughly the mean of each unit; it is subtracted before squares are added up. rows: the sequences.
    """
    batch = range(trace.batch)[rows]
    labels = np.array([list(step_labels(trace, b)) or [""] * trace.steps for b in batch], dtype=object).T
    inside = (trace.valid[:, rows, 0] != 0) & (labels != "")
    known, codes, counts = np.unique(labels[inside].astype(str), return_inverse=True, return_counts=True)
    again = counts > 1
    token = np.full(labels.shape, -1)
    token[inside] = np.where(again, np.cumsum(again) - 1, -1)[codes]
    tokens, n = tuple(known[again].tolist()), int(counts[again].sum())
    if len(tokens) < 2 or n - len(tokens) < SPARE:
        return None
    sums, squares = np.zeros((len(tokens), len(shift))), np.zeros(len(shift))
    for _, t, b, values in values_at(trace, scope, name, rows, token >= 0):
        here = values - shift
        np.add.at(sums, token[t, b], here)
        squares += (here * here).sum(axis=0)
    size = counts[again][:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = squares - sums.sum(axis=0) ** 2 / n
        within = squares - (sums * sums / size).sum(axis=0)
        share = 1 - (within / (n - len(tokens))) / (whole / (n - 1))
        flat = ~(whole > 1e-12 * np.maximum(squares, np.finfo(float).tiny))
        return Follows(tokens, counts[again], np.where(flat, np.nan, share), sums / size + shift)


#: The columns of the frames `Profile.units` and `Profile.steps`.
UNITS = (
    *("layer", "direction", "line", "unit", "label", "mean", "least", "most", "largest", "t", "batch"),
    *("half_life", "kept", "dead", "follows"),
)
STEPS = ("layer", "direction", "t", "batch", "token", "change", "times", "forgets", "line", "unit", "before", "after")
#: A unit is dead if its output moves less than this fraction of the output of the most active unit.
DEAD = 0.05


@dataclass(frozen=True, eq=False)
class StageProfile:
    """The profile of one layer and direction.

    gates: each unit of each gate (in a cell without gates: of its tanh lines), in order of computation. states: the
    carried lines, those with a memory of their own. output: the line passed to the next layer; one of `states` if the
    cell carries it as its memory. moves: of the first of them that was recorded. follows: how closely the units of each
    of the `lines` follow the labels of the steps, by the line's name; empty if too few labels recur.
    """

    stage: Stage
    gates: dict[str, tuple[Activity, ...]]
    states: tuple[LineStatistics, ...]
    output: LineStatistics | None
    moves: Moves | None
    follows: Mapping[str, Follows]

    @property
    def lines(self) -> tuple[LineStatistics, ...]:
        """The lines that are described, each once."""
        others = () if self.output is None or self.output in self.states else (self.output,)
        return (*self.states, *others)

    @property
    def memory(self) -> Kept | None:
        """What units keep of the first carried line for which it is known."""
        return next((state.kept for state in self.states if state.kept is not None), None)

    @property
    def forgets(self) -> Array | None:
        """The fraction of units that keep less than half of their value, at each step: (T, B), NaN at padding."""
        return None if self.memory is None else self.memory.forgets

    @property
    def summary(self) -> dict[str, float]:
        """The numbers by which layers and directions are compared; NaN for lines that were not recorded.

        The mean of each gate by its name; the fractions of all gate values that are left- and right-saturated; the
        median and the largest half-life of a unit; the mean magnitude of the output; the number of units, and how many
        of them are dead.
        """
        every = [unit for units in self.gates.values() for unit in units]
        times = np.zeros(0) if self.memory is None else self.memory.half_life
        known = times[~np.isnan(times)]
        return {
            **{name: _mean([unit.mean for unit in units]) for name, units in self.gates.items()},
            "left": _mean([unit.left for unit in every]),
            "right": _mean([unit.right for unit in every]),
            "half_life": float(np.median(known)) if known.size else np.nan,
            "longest": float(np.max(known)) if known.size else np.nan,
            "output": np.nan if self.output is None else _mean(self.output.size.tolist()),
            "units": len(self.dead) if self.output is not None else max((len(s.mean) for s in self.states), default=0),
            "dead": int(self.dead.sum()),
        }

    @cached_property
    def dead(self) -> Array:
        """Whether each unit of the output is dead, (H,): see DEAD."""
        if self.output is None:
            return np.zeros(0, bool)
        span = self.output.most - self.output.least
        return span <= DEAD * np.max(span[np.isfinite(span)], initial=0.0)


@dataclass(frozen=True, eq=False, repr=False)
class Profile:
    """What the units of a trained model did: one entry in `parts` per layer and direction.

    rows: the sequences of the batch that were evaluated. counted: their valid steps. foreseen: the longest half-life
    that is given as a number. missing: `scope/line` of lines that were not recorded. not_finite: the first value that
    is not finite.
    """

    __array_ufunc__ = None  # as for a trace

    trace: Trace
    parts: tuple[StageProfile, ...]
    rows: range
    counted: int
    foreseen: int
    missing: tuple[str, ...]
    not_finite: NotFinite | None

    def __repr__(self) -> str:
        places = ", ".join(part.stage.scope for part in self.parts)
        return f"<Profile of {self.trace.header.called}: {places}; frames layers, units, steps, gates>"

    @cached_property
    def gates(self) -> pd.DataFrame:
        """One row per unit of each gate: mean, smallest, largest, fractions of saturated values, state, half-life."""
        import pandas as pd

        rows = [unit.row for part in self.parts for units in part.gates.values() for unit in units]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    @cached_property
    def units(self) -> pd.DataFrame:
        """One row per unit of each carried line and of the output: its range, where it is largest, half-life, ….

        `half_life`: valid steps divided by the number of halvings, where a step that keeps the fraction k counts as
        −log₂ k halvings, but at most 1; infinite if nothing is lost. `kept`: the mean fraction kept from step to step.
        `dead`: for the output. `follows`: see `Follows.share`.
        """
        return _joined(UNITS, [self._units(part, line) for part in self.parts for line in part.lines])

    def _units(self, part: StageProfile, line: LineStatistics) -> Sequence[Any]:
        width = len(line.mean)
        named = labels(self.trace, axis(self.trace, part.stage, line.name), width)
        half_life, kept = (np.nan, np.nan) if line.kept is None else (line.kept.half_life, line.kept.mean)
        return (
            part.stage.layer, part.stage.direction, line.name, np.arange(width), list(named) or "",
            line.mean, line.least, line.most, line.largest, line.at[:, 0] + self.trace.first, line.at[:, 1],
            half_life, kept, part.dead if line is part.output else False,
            part.follows[line.name].share if line.name in part.follows else np.nan,
        )  # fmt: skip

    @cached_property
    def steps(self) -> pd.DataFrame:
        """One row per valid step: how far the states of a layer and direction moved, compared with a typical step.

        `change`: ‖c_t − c_{t−1}‖; `times`: relative to its median; `forgets`: the fraction of units that keep less than
        half; `unit`: the one that moved furthest, from `before` to `after`.
        """
        return _joined(STEPS, [self._steps(part, part.moves) for part in self.parts if part.moves is not None])

    def _steps(self, part: StageProfile, moves: Moves) -> Sequence[Any]:
        labels_of = [step_labels(self.trace, row) or [""] * self.trace.steps for row in self.rows]
        valid = self.trace.valid[:, self.rows.start : self.rows.stop, 0] != 0
        t, b = at = np.nonzero(~np.isnan(moves.change) | valid)
        return (
            part.stage.layer, part.stage.direction, t + self.trace.first, b + self.rows.start,
            [labels_of[row][step] for step, row in zip(t.tolist(), b.tolist(), strict=True)],
            moves.change[at], moves.times[at], np.nan if part.forgets is None else part.forgets[at], moves.name,
            moves.unit[at], moves.before[at], moves.after[at],
        )  # fmt: skip

    @cached_property
    def layers(self) -> pd.DataFrame:
        """One row per layer and direction: see `StageProfile.summary`."""
        import pandas as pd

        rows = [{"layer": part.stage.layer, "direction": part.stage.direction, **part.summary} for part in self.parts]
        return pd.DataFrame(rows)


@checked
def profile(
    trace: Trace, layer: int | None = None, direction: Direction | None = None, batch: int | None = None
) -> Profile:
    """Summarize the trace of a trained model, unit by unit and step by step (docs/report.md).

    Args:
        trace: the trace.
        layer: from 0; all if None.
        direction: `forward` or `reverse`; both if None.
        batch: the sequence, from 0; all if None.

    Returns:
        A `Profile` with the frames `units` (range, half-life, dead or not), `steps` (how far the states moved),
        `layers` (a comparison) and `gates` (saturation). Only valid steps count, not padding.

    Raises:
        MissingError: if no cell carries a state, or the trace does not contain the selection.

    >>> import lstm_trace as lt
    >>> cell = {"equations": "c_t = f * c_prev + x_t\\ncarry: c_prev <- c_t\\noutput: c_t"}
    >>> found = profile(lt.run({"f": [1.0, 0.5]}, [[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]], cell=cell))
    >>> found.units[["line", "unit", "largest", "half_life"]]
      line  unit  largest  half_life
    0  c_t     0      2.0        inf
    1  c_t     1      1.5        1.0
    """
    chosen, whole, trace = Selection(None, layer, direction, None, batch), trace, plain(trace)
    rows = chosen.rows(trace)
    stages = [stage for stage in forward_stages(trace.stages) if stage.cell.carry and chosen.places(stage)]
    if not any(map(chosen.places, trace.stages)):
        raise empty(trace, chosen)
    if not stages:
        there = ", ".join(s.scope for s in trace.stages if s.cell.carry)
        but = f" in the selection, but in {there}" if there else ""
        raise MissingError(f"a profile describes cells that carry a state from step to step; there is none{but}")
    found = behaviour(trace, batch=batch)
    valid = trace.valid[:, rows, 0] != 0
    parts = tuple(_part(whole, stage, rows, found.units) for stage in stages)
    lacking = tuple(f"{stage.scope}/{name}" for stage in stages for name in _lacking(trace, stage))
    longest, batch_rows = foreseen(trace.valid[:, rows]), range(trace.batch)[rows]
    return Profile(trace, parts, batch_rows, int(valid.sum()), longest, lacking, whole.not_finite)


def _part(trace: Trace, stage: Stage, rows: slice, units: tuple[Activity, ...]) -> StageProfile:
    """The profile of a stage without holds; the trace has the holds."""
    memories, cell, recorded = _memories(stage), stage.cell, trace.lines.get(stage.scope, {})
    there = [name for name in [*memories] or stage.carried if name in recorded]
    every = {name: line_statistics(trace, stage, name, rows, memories.get(name)) for name in there}
    states, output = tuple(every.values()), stage.unpadded(cell.output)
    if output in recorded and output not in every:
        every[output] = line_statistics(trace, stage, output, rows, None)
    squashed = cell.gates or [line.name for line in cell.lines if line.assigned and line.op == "tanh"]
    own = [unit for unit in units if unit.scope == stage.scope]
    gates = {name: tuple(unit for unit in own if unit.line == name) for name in squashed}
    moved = moves(trace, stage, next(iter(every)), rows) if every else None
    followed = ((name, follows(trace, stage.scope, name, line.mean, rows)) for name, line in every.items())
    known = {name: found for name, found in followed if found is not None}
    return StageProfile(stage, {k: v for k, v in gates.items() if v}, states, every.get(output), moved, known)


def _memories(stage: Stage) -> dict[str, Recurrence]:
    """The carried lines that are a sum of (gate * previous) and other terms; the first of those with the same gates."""
    found: dict[Any, tuple[str, Recurrence]] = {}
    for name, rule in recurrences(stage, stage.carried):
        found.setdefault(rule.keeps, (name, rule))
    return dict(found.values())


def _lacking(trace: Trace, stage: Stage) -> Iterator[str]:
    """The lines of a stage that a profile needs and that were not recorded."""
    cell = stage.cell
    wanted = {*stage.carried, stage.unpadded(cell.output), *cell.gates}
    wanted |= {str(gate) for rule in _memories(stage).values() for _, gate in rule.keeps if isinstance(gate, str)}
    wanted = wanted.difference(trace.lines.get(stage.scope, {}))
    yield from (line.name for line in cell.lines if line.name in wanted)


def _mean(values: Sequence[float]) -> float:
    """The mean of the values that are not NaN; NaN if there are none."""
    known = [value for value in values if not np.isnan(value)]
    return sum(known) / len(known) if known else np.nan


def _joined(names: Sequence[str], parts: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """The rows of several parts, given as columns, concatenated. names: of the columns."""
    import pandas as pd

    frames = [pd.DataFrame(dict(zip(names, columns, strict=True))) for columns in parts]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(names))
