"""Ablation: what a value becomes when a unit, a step or a whole line is held at another value, each in turn.

Each variant is a run of its own: it equals `lt.run(…, hold={…})` by the trace's plan to the last bit. By the compiled
plan variants are the rows of one batch, since a row does not depend on the others there; numpy's products of several
rows may round otherwise, so by the other plans each variant is run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from ...backpropagation.gradients import forward
from ...backpropagation.target import Value, one_value
from ...base.arrays import Array, describe
from ...cell.holds import names_of
from ...cell.network import Stage, restrict
from ...engine.rerun import row_seconds, rows_alone, values_at
from ...errors import Faults, OptionError, TooLargeError, counted
from ...trace.holds.held import plain
from ...trace.holds.places import Place, places
from ...trace.holds.values import Lines, Scale, applied, numbers, read_value
from ...trace.operands import one_row, sizes
from ...trace.trace import Trace

Over = Literal["units", "steps", "lines"]

#: Seconds that all variants may take, by the estimate for compiled code.
MOST_SECONDS = 60.0
#: Bytes of the arrays of the variants that are run at once, and how many those are at most.
AT_ONCE, MOST_ROWS = 1 << 27, 512
#: Sizes of batch are multiples of this, since each has machine code of its own.
ROUND = 8


class Effect(NamedTuple):
    """One variant: what was held (t, unit: None for all of them), the value then, and by how much it changed."""

    scope: str
    line: str
    t: int | None
    unit: int | None
    value: float
    effect: float


@dataclass(frozen=True)
class Ablation:
    """A value, and what it becomes in each variant, the largest change first.

    of: the value's place; value: as the run without a hold gives it. held: what is held in a variant, in words.
    """

    of: Value
    value: float
    over: Over
    to: str
    effects: tuple[Effect, ...]


class _Variant(NamedTuple):
    place: Place
    t: int | None
    unit: int | None


@np.errstate(all="ignore")  # a value that has overflowed has effects that are NaN
def ablation(
    trace: Trace, of: str, over: Over = "units", lines: str | Sequence[str] | None = None, to: Any = 0.0
) -> Ablation:
    """Hold each unit over all steps, or each step, or each line in turn, and see what the value at `of` becomes.

    lines: addresses of what is held, as `hold` has them without rows (steps and units that they name are the only
    ones); None is the cell state of every layer and direction (over lines: every line with a name). to: what it is held
    at: a number, `'*0.5'`, or a trace of the same size. What the trace holds already stays held.
    Raises OptionError, MissingError, ShapeError; TooLargeError where it would take too long.
    """
    if over not in get_args(Over):
        raise OptionError(f"over must be one of {', '.join(get_args(Over))}; found {describe(over)}")
    whole = forward(trace)
    place = one_value(whole, of)
    value = read_value("to", to)
    one = _reached(one_row(replace(whole, header=replace(whole.header, ask=())), place.b), place)
    meant = _places(one, _lines(one, over) if lines is None else [lines] if isinstance(lines, str) else lines)
    variants = [v for each in meant for v in _variants(each, over, one)]
    _afford(one, len(variants))
    runs = _Runs(one, place._replace(b=0), isinstance(value, Scale), partial(_values, value, one, place.b))
    base, found = runs.value, runs.of(variants)
    effects = [
        Effect(v.place.scope, v.place.line, v.t, v.unit, y, y - base) for v, y in zip(variants, found, strict=True)
    ]
    order = np.argsort([-abs(e.effect) if np.isfinite(e.effect) else -np.inf for e in effects], kind="stable")
    said = str(value) if isinstance(value, Scale) else f"{value:g}" if isinstance(value, float) else "given values"
    return Ablation(place, base, over, said, tuple(effects[k] for k in order))


def _reached(one: Trace, place: Value) -> Trace:
    """The trace with the stages on which a value depends, with all their lines."""
    kept = {stage.scope for stage in restrict(one.stages, [(place.scope, place.line)], carried=True)}
    kept |= {place.scope}
    return replace(one, stages=tuple(stage for stage in one.stages if stage.scope in kept))


def _lines(one: Trace, over: Over) -> list[str]:
    """The lines that are held where none are named."""
    stages = plain(one).stages
    if over == "lines":
        return list(dict.fromkeys(f"{s.scope}/{x.name}" for s in stages for x in s.lines if x.assigned))
    states = {stage.scope: [*stage.cell.states] for stage in stages}
    found = [f"{scope}/{_made(one.stage(scope), names[-1])}" for scope, names in states.items() if names]
    return found or [f"{stages[-1].scope}/{stages[-1].cell.output}"]


def _made(stage: Stage, state: str) -> str:
    """The line that a state carries on, without what keeps it at padding."""
    cell = stage.cell.plain or stage.cell
    line = cell.by_name.get(cell.states[state])
    return str(line.operands[1]) if line is not None and line.op == "where" else cell.states[state]


def _places(one: Trace, texts: Sequence[str]) -> list[Place]:
    found: list[Place] = []
    faults = Faults()
    base = plain(one)
    for text in texts:
        with faults.gather():
            found += places(text, base.stages, base.span, 1, sizes(base))
    faults.tell()
    return list(dict.fromkeys(found))


def _variants(place: Place, over: Over, one: Trace) -> Iterator[_Variant]:
    if over == "units":
        yield from (_Variant(place._replace(units=(j,)), None, j) for j in place.units)
    elif over == "steps":
        valid = one.valid[:, 0, 0] != 0
        there = (t for t in place.steps if valid[one.index(t)])
        yield from (_Variant(place._replace(steps=range(t, t + 1)), t, None) for t in there)
    else:
        yield _Variant(place, None, None)


def _afford(one: Trace, variants: int) -> None:
    """Raise TooLargeError for variants that would take too long."""
    seconds = variants * row_seconds(one)
    if seconds > MOST_SECONDS:
        most = max(int(MOST_SECONDS / row_seconds(one)), 1)
        raise TooLargeError(
            f"{counted(variants, 'run')} of {counted(one.steps, 'step')} would take some {seconds:,.0f} s, and at most "
            f"{MOST_SECONDS:g} s are allowed, some {counted(most, 'run')}: name fewer units or steps with --line, "
            "as in 0/forward/c_t[0..31] or 5..9/c_t"
        )


def _values(value: Any, one: Trace, b: int, place: Place) -> Array:
    """What a place is held at, (steps, 1, units)."""
    width = sizes(one)[place.scope][place.line]
    if isinstance(value, Trace) and value.batch > 1:
        value = one_row(value, b)
    return numbers("to", place, value, one.span, 1, width, np.dtype(one.header.dtype))


@dataclass(frozen=True)
class _Runs:
    """Runs of a trace of one row in which places are held, or scaled.

    of_value: the value that is looked at. numbers: of a place, what it is held at.
    """

    one: Trace
    of_value: Value
    scale: bool
    numbers: Callable[[Place], Array]

    @property
    def value(self) -> float:
        """That of the run without a variant."""
        return float(self._run(self.one, [], 1)[0])

    def of(self, variants: Sequence[_Variant]) -> list[float]:
        """The value in each variant."""
        trace = self._with_lines(variants)
        if not variants or not rows_alone(trace):
            return [float(self._run(self._with_lines([v]), [v], 1)[0]) for v in variants]
        size, found = self._size(trace, len(variants)), []
        for at in range(0, len(variants), size):
            some = variants[at : at + size]
            found += self._run(trace, some, size)[: len(some)].tolist()
        return found

    def _with_lines(self, variants: Sequence[_Variant]) -> Trace:
        """The trace with the lines of variants as lines that can be held, and nothing of them held yet."""
        one, wanted = self.one, {(v.place.scope, v.place.line) for v in variants}
        lines: Lines = ()
        for stage in one.stages:
            here = tuple(line for scope, line in wanted if scope == stage.scope)
            held, scaled = stage.cell.held, stage.cell.scaled
            both = (held, (*scaled, *here)) if self.scale else ((*held, *here), scaled)
            lines += ((stage.scope, *both),)
        stages, widths = applied(one.stages, lines), sizes(one)
        given = {scope: dict(here) for scope, here in one.given.items()}
        for stage in stages:
            for line, names in names_of(stage.cell).items():
                shape = one.steps, 1, widths[stage.scope][line]
                there = given.setdefault(stage.scope, {})
                for name in (name for name in names if name in stage.cell.inputs and name not in there):
                    there[name] = np.zeros(shape, one.header.dtype)
        return replace(one, stages=stages, given={scope: here for scope, here in given.items() if here})

    def _size(self, trace: Trace, variants: int) -> int:
        """How many variants are run at once."""
        widths = sizes(trace)
        each = sum(widths[stage.scope][name] for stage in trace.stages for name in stage.inputs)
        taken = max(3 * each * trace.steps * np.dtype(trace.header.dtype).itemsize, 1)
        size = min(-(-variants // ROUND) * ROUND, MOST_ROWS, max(AT_ONCE // taken, 1))
        return min(size, variants) if size < ROUND else size // ROUND * ROUND

    def _run(self, trace: Trace, variants: Sequence[_Variant], rows: int) -> Array:
        given: dict[str, dict[str, Array]] = {
            scope: {name: np.repeat(value, rows, axis=1) for name, value in here.items()}
            for scope, here in trace.given.items()
        }
        for row, variant in enumerate(variants):
            self._hold(trace, given, row, variant.place)
        of, at = self.of_value, trace.index(self.of_value.t)
        found = values_at(
            trace,
            range(at, at + 1),
            {of.scope: [of.line]},
            x=None if trace.x is None else np.repeat(trace.x, rows, axis=1),
            initial={s: {n: np.repeat(v, rows, axis=0) for n, v in here.items()} for s, here in trace.initial.items()},
            given=given,
            lengths=None if trace.lengths is None else np.repeat(trace.lengths, rows),
            mask=None if trace.mask is None else np.repeat(trace.mask, rows, axis=1),
        )
        return found[of.scope][of.line][0, :, of.unit].astype(np.float64)

    def _hold(self, trace: Trace, given: Mapping[str, Mapping[str, Array]], row: int, place: Place) -> None:
        """Hold a place in one row."""
        names, here = names_of(trace.stage(place.scope).cell)[place.line], given[place.scope]
        where = np.ix_([trace.index(t) for t in place.steps], [row], place.units)
        if self.scale:
            here[names.scale][where], here[names.by][where] = 1, self.numbers(place)
            if names.hold in here:  # it was held in the trace itself
                here[names.hold][where] = 0
        else:
            here[names.hold][where], here[names.to][where] = 1, self.numbers(place)
