"""An exact split of the difference of one value between two traces over everything that it was computed from.

The secants (`cell.secant`) give each premise a slope between the traces; slope times the premise's difference is its
share, and the shares add up to the difference of the value. Products are shared half and half, so the split does not
depend on the order of the operands; other complete splits exist (docs/attribution.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..cell import adjoint
from ..cell.adjoint import KnownWidths, Seeds, Side
from ..cell.lines import Line
from ..cell.network import GIVEN, SEED, VALID, Stage, X, scope_and_name
from ..cell.ops import OPS
from ..errors import OptionError, ShapeError, raise_all
from ..trace.address import INITIAL, STATE, Grid
from ..trace.argument_types import checked
from ..trace.derived import Values, one_row, sizes, total
from ..trace.trace import Trace
from ..trace.window import arrays, between
from ..verification.rounding import beyond, bound
from .gradients import forward, premises
from .run import Visit, adjoint_stages, extended, seed_names
from .target import Target, Weightings, recorded, require_finite, target


def comparable(a: Trace, b: Trace, row: int, sides: tuple[str, str] = ("a", "b")) -> None:
    """Raise ShapeError with every reason why the two cannot be split value by value. sides: their names."""
    raise_all(ShapeError, _held_apart(a, b))
    problems: list[str] = []
    first, second = sides
    if a.scopes != b.scopes:
        here, there = ", ".join(a.scopes), ", ".join(b.scopes)
        problems.append(f"the layers and directions differ: {first} has {here}, {second} has {there}")
    if a.first != b.first:
        here, there = (f"{trace.span[0]} to {trace.span[-1]}" for trace in (a, b))
        problems.append(f"the steps differ: {first} holds {here}, {second} {there}")
    elif a.steps != b.steps:
        here, there = f"{first} has T = {a.steps}", f"{second} has T = {b.steps}"
        problems.append(f"the numbers of steps differ: {here}, {there}: run both over equally many")
    if not 0 <= row < a.batch:
        problems.append(f"{first} has no row {row} of the batch; it has B = {a.batch}")
    for one, two in zip(a.stages, b.stages, strict=False):
        if one.scope == two.scope and (one.cell != two.cell or one.sources != two.sources):
            mine, yours = one.cell.equations, two.cell.equations
            names = [n for n in dict.fromkeys((*mine, *yours)) if mine.get(n) != yours.get(n)]
            problems.append(f"{one.scope}: the cells differ in {', '.join(names) or 'what they carry or are fed'}")
    own, other = shapes(a), shapes(b)
    for place in dict.fromkeys((*own, *other)):
        if place not in own or place not in other:
            problems.append(f"{place} is only in {first if place in own else second}")
        elif own[place] != other[place]:
            problems.append(f"{place} has the shape {own[place]} in {first} and {other[place]} in {second}")
    raise_all(ShapeError, [f"{problem}; a difference is split only between equal shapes" for problem in problems])


def _held_apart(a: Trace, b: Trace) -> Iterator[str]:
    """For each stage that differs only in its holds, the lines in question."""
    for one, two in zip(a.stages, b.stages, strict=False):
        mine, yours = one.cell, two.cell
        if one.scope != two.scope or mine == yours or (mine.plain or mine) != (yours.plain or yours):
            continue
        names = {*mine.held} ^ {*yours.held} | {*mine.scaled} ^ {*yours.scaled}
        listed = ", ".join(name for name in (mine.plain or mine).by_name if name in names)
        apart = "held in one of the two alone, or at a number in one and at a multiple in the other"
        advice = "only runs that hold the same lines can be split: release them, or hold them in both"
        yield f"{one.scope}: {listed}: {apart}; {advice}"


def shapes(trace: Trace) -> dict[str, tuple[int, ...]]:
    """The shapes of the premises by place, without the axes of steps and batch."""
    found, lead = {} if trace.x is None else {"x": trace.x.shape[2:]}, {"parameters": 0, "initial": 1, "given": 2}
    there = ((f"{s}/{INITIAL.get(n, n)}", trace.grid(s, n), v.shape[lead[p] :]) for p, s, n, v in arrays(trace, *lead))
    return found | {place: grid or shape for place, grid, shape in there}


@dataclass(frozen=True)
class Split:
    """The difference of one value, b minus a (a is the baseline), in parts that add up to it.

    of: the value; `row` is the sequence that contains a's. Parts are contributions by address: `0/forward/W_xi` in the
    parameter's shape; `x` (T, 1, I), `0/forward/h0` (1, H), supplied lines `0/forward/f_t` (T, 1, ·), only for the
    sequence of the value, since no other matters; `lengths` or `mask` (T, 1, 1) if those differ.
    kinds: of each part: parameter, input, state, given, lengths or mask. by_step: the contribution of each parameter at
    each step, (T,); they add up to the parameter's part.
    local: that of values that deviate from their own derivation in a or b by more than rounding (a foreign or wrong
    trace), by line (T, 1, ·). rounding: that due to the rounding of float32 values from their derivation; 0
    for float64, where it is as small as the residual. first: the position in the input of the first step. sides: the
    values of each part in a and in b, by address.
    """

    of: Target
    row: int
    value: float
    baseline: float
    parts: dict[str, Array]
    kinds: dict[str, str]
    by_step: dict[str, Array]
    local: dict[str, Array]
    rounding: float = 0.0
    first: int = 0
    sides: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    #: The rows and columns of states, lines and supplied values that are matrices, by address.
    grids: dict[str, Grid] = field(default_factory=dict)

    @property
    def difference(self) -> float:
        """b's value minus a's."""
        return self.value - self.baseline

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return total((*self._arrays(), self.rounding))

    @property
    def residual(self) -> float:
        """The part of the difference not covered by the parts: rounding."""
        return self.difference - self.total

    @property
    def size(self) -> float:
        """The sum of the magnitudes of all parts, with which the residual should be compared."""
        return total((*map(np.abs, self._arrays()), abs(self.rounding)))

    def _arrays(self) -> tuple[Array, ...]:
        return (*self.parts.values(), *self.local.values())


@np.errstate(all="ignore")  # if a value has overflowed, its shares are NaN
def split(a: Trace, b: Trace, of: str, row: int | None = None) -> Split:
    """Split the difference of the value at `of`, b minus a, over every premise; a is the baseline.

    of: the address of one value of a line in b, or a sum of such values (see `target`); in a the same value, or that of
    sequence `row`.
    Raises ShapeError with every reason why the traces cannot be compared value by value, MissingError if a line that is
    needed was not recorded, and OptionError if the value is NaN or infinite in one of them.
    """
    value, base, trace = compared_rows(a, b, of, row)
    told = _Shares(trace, base)
    found = _walked(trace, base, value, record=False, visit=told.visit)
    parts: dict[str, Array] = {}
    kinds: dict[str, str] = {}
    sides: dict[str, tuple[Array, Array]] = {}
    for one in premises(found):
        ours, theirs = one.value(trace), one.value(base)
        place, kind = one.place, one.kind
        if kind == "valid":
            if not trace.padded or np.array_equal(ours, theirs):
                continue
            place = kind = "mask" if "mask" in (trace.padded, base.padded) else "lengths"
        parts[place], kinds[place] = _share(one.gradient, difference(ours, theirs)), kind
        sides[place] = theirs, ours
    rounding = total(told.rounding) if "float32" in (a.header.dtype, b.header.dtype) else 0.0
    numbers = value.read(trace), value.read(base)
    named = target(forward(b), of)  # in its own sequence
    places = [place for place, kind in kinds.items() if kind in ("state", "given")]
    split = ((place, *scope_and_name(place)) for place in (*places, *told.local))
    grids = {place: grid for place, scope, name in split if (grid := trace.grid(scope, STATE.get(name, name)))}
    return Split(named, named.b if row is None else row, *numbers, parts, kinds, told.by_step, told.local, rounding,
                 b.first, sides, grids)  # fmt: skip


@checked
@np.errstate(all="ignore")
def secants(a: Trace, b: Trace, of: str, row: int | None = None) -> Trace:
    """Return the split as a trace: every secant at every step is a line of it.

    Args:
        a: the baseline.
        b: a trace of the same model.
        of: the address of one value of a line, in b; in a the same value.
        row: the sequence of a's batch that contains its value, if it differs.

    Returns:
        The sequence of b that contains the value, with the secants of each stage as an additional stage
        (`0/adjoint-forward`). Values that they use from the baseline are supplied: `base_c_t`. The slope of a parameter
        (`sums`), input or state, times its difference, is its share: what `attribute` returns.

    Raises:
        OptionError: if a trace uses another arithmetic than float64, or the value is NaN or infinite in one of them.
        ShapeError: if the traces cannot be compared value by value.
        MissingError: if a line that is needed was not recorded.

    >>> import lstm_trace as lt
    >>> a, b = (lt.run({"W": [[w]]}, [[x]], cell={"equations": "h_t = W @ x_t"}) for w, x in ((2, 3), (5, 7)))
    >>> found = secants(a, b, "h_t[0]")
    >>> found["d_x_t"].item(), found.sums["0/adjoint-forward"]["d_W"].item(), lt.verify(found).verdict
    (3.5, 5.0, 'verified')
    """
    value, base, trace = compared_rows(a, b, of, row)
    for name, one in zip(_sides(row), (base, trace), strict=True):
        if not exact(one):
            kind = one.header.arithmetic or one.header.dtype
            raise OptionError(f"{name} was computed in {kind}; the split as a trace needs float64. Its table does not: "
                              "lt.attribute")  # fmt: skip
    return _walked(trace, base, value, record=True)


def exact(trace: Trace) -> bool:
    """Whether its values were computed in float64."""
    return trace.header.dtype == "float64" and trace.header.arithmetic is None


def _sides(row: int | None) -> tuple[str, str]:
    """The names of two traces: a and b, or, if the baseline is another sequence, descriptions of both."""
    return ("a", "b") if row is None else ("the baseline", "the trace")


def compared_rows(a: Trace, b: Trace, of: str, row: int | None) -> tuple[Target, Trace, Trace]:
    """Reduce both to the sequences of the value and the baseline's, with the value in these: value, baseline, trace.
    Steps after the value are left out if they have values that are not finite, and no direction runs backwards. A value
    that is itself not finite raises OptionError.
    """
    a, b = forward(a), forward(b)
    value = target(b, of)
    there = value.b if row is None else row
    comparable(a, b, there, _sides(row))
    first, second = _sides(row)
    first += "" if row is None else " (choose another: zero-input, zero-state, a batch element, or a trace)"
    for one, at, side in ((a, there, first), (b, value.b, second)):
        require_finite(one, replace(value, b=at), side)
    pair = one_row(a, there), one_row(b, value.b)
    after = max(int(part.steps[-1]) for part in value.parts) + 1
    finite = all(np.isfinite(array[after:]).all() for one in pair for *_, array in arrays(one, "lines"))
    if not finite and all(stage.direction == "forward" for stage in b.stages):
        pair = between(pair[0], a.span[:after]), between(pair[1], b.span[:after])  # 0 NaN is NaN
    return replace(value, b=0), *pair


def _walked(trace: Trace, base: Trace, value: Target, record: bool, visit: Visit | None = None) -> Trace:
    """The trace in float64 with the secants of one value. record: keep all of their lines."""
    seeds: Weightings = {}
    value.weigh(trace, seeds)
    whole = exact(trace)
    reads: dict[str, Mapping[str, tuple[Side, str]]] = {}

    def between(stage: Stage, here: Seeds, widths: KnownWidths) -> Any:
        found = adjoint.secants(stage.active, here, widths, _premises(stage, here) if record else ())
        reads[stage.scope] = found.reads
        linked = {new: f"{stage.scope}/{name}" for new, (side, name) in found.reads.items() if whole and side == "own"}
        return found.cell, {new: linked.get(new, GIVEN) for new in found.cell.inputs}

    stages = adjoint_stages(trace.stages, seeds, sizes(trace), between)
    given: dict[str, dict[str, Array]] = {}
    parameters = {scope: dict(here) for scope, here in trace.parameters.items()}
    for stage in stages:
        scope, cell = stage.owner, stage.cell
        weights = seeds.get(scope, {})
        here = given[stage.scope] = {fed: weights[n] for n, fed in seed_names(trace.stage(scope), weights).items()}
        for new, (side, name) in reads[scope].items():
            if new not in cell.inputs:
                ours, theirs = (np.asarray(t.parameters[scope][name], np.float64) for t in (trace, base))
                mean = ours if np.array_equal(ours, theirs) else 0.5 * (ours + theirs)
                parameters[scope][new] = {"own": ours, "base": theirs, "mean": mean}[side]
            elif stage.sources[new] == GIVEN:
                where = " in the baseline" if side == "base" else ""
                more = f"{where}: trace again and record that line too"
                here[new] = recorded(base if side == "base" else trace, scope, name, more=more)
        if record:  # the baseline's differing parameters, by their names in the secants
            active = trace.stage(scope).active
            for name in active.parameters:
                ours, theirs = (t.parameters[scope][name] for t in (trace, base))
                if not np.array_equal(ours, theirs):
                    parameters[scope][adjoint.secant_names(active)["base", name]] = np.asarray(theirs, np.float64)
    header = replace(trace.header, dtype="float64", arithmetic=None)
    return extended(replace(trace, header=header, parameters=parameters), stages, given, record, visit)


def _premises(stage: Stage, seeds: Seeds) -> tuple[str, ...]:
    """The values of a stage that the shares of a split need from the baseline: premises, and the split values."""
    cell = stage.active
    fed = [name for name in cell.inputs if stage.sources.get(name) in (X, VALID, GIVEN)]
    split = [name for name, inputs in seeds.items() if any(new.startswith(SEED) for new in inputs)]
    return tuple(dict.fromkeys((*fed, *cell.states, *split)))


def difference(a: Array, b: Array) -> Array:
    """a - b in float64, and 0 if they are equal (also if both are the same infinity)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(a == b, 0.0, a - b)


def _share(slope: Array, gap: Array) -> Array:
    """Slope times difference, in float64; 0 if there is no difference, however steep."""
    return np.where(gap == 0, 0.0, slope * gap)


class _Shares:
    """Collects data while the secants run: shares of parameters by step, and deviations that no operand explains."""

    def __init__(self, trace: Trace, base: Trace) -> None:
        self.traces = trace, base
        self.by_step: dict[str, Array] = {}
        self.local: dict[str, Array] = {}
        self.rounding: list[float] = []

    def visit(self, back: Stage, steps: slice, values: Values) -> None:
        """Add the shares of the lines of one stage at some steps."""
        stage = self.traces[0].stage(back.owner)
        names = back.cell.gradient_of
        for gathered in back.cell.sums:
            name = dict(back.cell.gradient)[gathered.name]
            gap = difference(*(trace.parameters[back.owner][name] for trace in self.traces))
            total = self.by_step.setdefault(f"{back.owner}/{name}", np.zeros(self.traces[0].steps))
            for left, *right in gathered.terms if gap.any() else ():
                share = values(left) * (np.matmul(values(right[0]), gap.T) if right else gap.ravel())
                total[steps] += share.sum(axis=(1, 2))
        for line in stage.lines:
            if line.name in names:
                self._local(stage, line, steps, values(names[line.name]))

    def _local(self, stage: Stage, line: Line, steps: slice, slope: Array) -> None:
        """Recorded minus derived, in the trace minus in the baseline."""
        (own, odd), (base, other) = (_own(trace, stage, line, steps) for trace in self.traces)
        gap = difference(own, base)
        if not np.any(gap):
            return
        share = _share(slope, gap)
        off = np.broadcast_to(odd | other, share.shape)
        if off.any():
            name = f"{stage.scope}/{line.name}"
            shape = (self.traces[0].steps, *share.shape[1:])
            self.local.setdefault(name, np.zeros(shape))[steps] += np.where(off, share, 0.0)
        self.rounding.append(float(np.where(off, 0.0, share).sum()))


_NOTHING = np.zeros(()), np.zeros((), bool)


def _own(trace: Trace, stage: Stage, line: Line, steps: slice) -> tuple[Array, Array]:
    """A line's recorded value minus the one derived from its operands, and where that is more than rounding.

    Nothing if it or an operand was not recorded.
    """
    values = trace.lines.get(stage.scope, {}).get(line.name)
    operands: list[Any] = [trace.operand(stage.scope, operand, steps) for operand in line.operands]
    if values is None or any(operand is None for operand in operands):
        return _NOTHING
    values, op = values[steps], OPS[line.op]
    derived = np.broadcast_to(np.asarray(op.array(operands, line.constants), values.dtype), values.shape)
    if values.dtype == np.float64 and np.array_equal(values, derived):
        return _NOTHING
    off, _ = beyond(values, derived, np.asarray(bound(line, operands, derived)))
    if values.dtype != np.float64:
        derived = op.array([np.asarray(operand, np.float64) for operand in operands], line.constants)
    return difference(values, derived), off
