"""Where two traces differ, by unit: how far, from which step on, and how it affects the output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial, reduce
from typing import TYPE_CHECKING

import numpy as np

from ..base.arrays import Array, by_key
from ..base.remark import Remark
from ..cell.network import Stage, forward_stages
from ..engine.plan_choice import pieces
from ..errors import ShapeError
from ..trace.address import address_of, columns_of, index_text
from ..trace.held import held_through, plain_stage
from ..trace.labels import axis, labels
from ..trace.trace import Trace
from ..verification.alignment import in_both, notes, side_by_side
from ..verification.compare import ROUNDING, Comparison, Tolerance, compare
from ..verification.measures import OutputDifference, UnitDifference, first_index
from ..verification.propagation import sizes_apart
from .changes import find

if TYPE_CHECKING:
    from ..plot.figure import Figure

#: Differences below this fraction of the unit's range are ignored.
FROM = 0.01


def compared(a: Trace, b: Trace, tolerance: Tolerance = ROUNDING, *, among: bool = False) -> Comparison:
    """`verification.compare`, extended by the units that differ and the effect on the output.

    among: whether b is one of several; then traces without a common value are no error, but inconclusive.
    """
    try:
        found = replace(compare(a, b, tolerance), not_finite=(a.not_finite, b.not_finite))
    except ShapeError as error:
        if not among:
            raise
        told = sorted(notes(a, b), key=lambda remark: remark.key != "diff.width")
        why = Remark("diff.unsure.common", {"why": told[0] if told else str(error)})
        return Comparison((), tuple(told[1:]), (), None, tolerance, undecided=why, sides=(a, b))
    if found.first is None:
        return found
    a, b = side_by_side(a, b)
    apart = tuple(units(a, b))
    both = ((stage, name, a.lines[stage.scope][name].shape[2]) for stage, names in _compared(a, b) for name in names)
    widths = by_key(((stage.scope, _matrix(a, stage, name)), width) for stage, name, width in both)
    every = sum(map(max, widths.values()))
    end = output(a, b)

    lines = dict.fromkeys(unit.line for unit in apart)
    if end is not None and end.most and any(unit.scope == end.address.scope for unit in apart):
        lines |= {end.address.line: None}  # of which the page speaks first
    drawing = partial(_drawing, a, b, tuple(lines)) if apart else None
    changes = find(a, b, end, found.lines)
    return replace(found, units=apart, every_unit=every, changes=changes, output=end, drawing=drawing)


def _drawing(a: Trace, b: Trace, lines: Sequence[str], language: str) -> Figure:
    from ..plot.kinds.maps import diff  # only if a picture is requested

    return diff(a, b, lines=list(lines), language=language)


def _compared(a: Trace, b: Trace) -> Iterator[tuple[Stage, list[str]]]:
    """Each layer and direction with the lines by which its units are compared: carried lines, and the output."""
    common = in_both(a, b)
    for stage in forward_stages(a.stages):
        names = [*stage.carried, stage.unpadded(stage.cell.output)] if stage.cell.carry else []
        yield stage, [name for name in dict.fromkeys(names) if name in common.get(stage.scope, ())]


@np.errstate(over="ignore", invalid="ignore")  # values may be NaN, and ranges infinite
def units(a: Trace, b: Trace) -> list[UnitDifference]:
    """Every unit of each layer and direction that differs, the most different first (before these, the earliest that is
    not finite), represented by the carried line or output in which it differs most.
    """
    found: list[UnitDifference] = []
    masks = [held_through(trace) for trace in (a, b)]
    for stage, names in _compared(a, b):
        held: set[tuple[str, int]] = set()
        best: dict[tuple[str, int], UnitDifference] = {}
        for name in names:
            shape, key, matrix = a.lines[stage.scope][name].shape, (stage.scope, name), _matrix(a, stage, name)
            there = (np.broadcast_to(mask[key], shape).any(axis=(0, 1)) for mask in masks if key in mask)
            held.update((matrix, int(j)) for mask in there for j in np.flatnonzero(mask))
            for one in _line(a, b, stage, name):
                at = matrix, one.unit
                if at not in best or _weight(one) > _weight(best[at]):
                    best[at] = one
        turn = -1 if stage.backwards else 1  # those that are not finite in the order in which they become so
        order = sorted(best.items(), key=lambda one: (turn * (one[1].nonfinite or 0), -one[1].of_range))
        found += (one._replace(held=at in held) for at, one in order)
    return sorted(found, key=lambda one: (one.nonfinite is None, -one.of_range if one.nonfinite is None else 0.0))


def _matrix(trace: Trace, stage: Stage, name: str) -> str:
    """The name of a line that is a matrix, whose units are no others; empty for a vector."""
    return name if trace.grid(stage.scope, name) else ""


def _weight(one: UnitDifference) -> tuple[bool, float]:
    """How much a line says about its unit; values that are not finite say most."""
    return one.nonfinite is not None, one.of_range


def _valid(a: Trace, b: Trace) -> Array:
    """Whether a step is valid in both traces, (T, B)."""
    return np.logical_and(a.valid[:, :, 0], b.valid[:, :, 0])


def _line(a: Trace, b: Trace, stage: Stage, name: str) -> Iterator[UnitDifference]:
    """The units of a line that differ at a valid step."""
    one, two, valid = a.lines[stage.scope][name], b.lines[stage.scope][name], _valid(a, b)
    width = one.shape[2]
    low, high, most = np.full(width, np.inf), np.full(width, -np.inf), np.zeros(width)
    at, odd = np.zeros((width, 2), int), np.zeros(width, bool)
    for steps in pieces(a.steps, a.batch * width):
        t, row = np.nonzero(valid[steps])
        if not len(t):
            continue
        ours, theirs = (np.asarray(values[steps], np.float64)[t, row] for values in (one, two))
        for values in (ours, theirs):
            finite = np.where(np.isfinite(values), values, 0.0)
            low, high = np.minimum(low, finite.min(axis=0)), np.maximum(high, finite.max(axis=0))
        size = sizes_apart(ours, theirs)
        odd |= ~np.isfinite(size).all(axis=0)
        size = np.where(np.isfinite(size), size, 0.0)
        where = np.argmax(size, axis=0)
        here = size[where, np.arange(width)]
        further = here > most
        at[further] = np.stack([t + steps.start, row], axis=1)[where[further]]
        most = np.maximum(most, here)
    scale = np.where(high > low, high - low, 1.0)
    first = _first(one, two, valid, FROM * scale, stage.backwards)
    largest = np.full(width, np.finfo(np.float64).max)
    broken = _first(one, two, valid, largest, stage.backwards) if odd.any() else np.full((width, 2), -1)
    columns = columns_of(a, stage.scope, name)
    entries = [] if columns is None else [f"{name}{index_text((j,), columns)}" for j in range(width)]
    called = entries or labels(a, axis(a, stage, name), width)
    for j in map(int, np.flatnonzero((most > 0) | odd)):
        (step, b_row), (began, since_b) = (at if most[j] else broken)[j].tolist(), first[j].tolist()
        since, since_row = (a.span[began], since_b) if began >= 0 else (None, None)
        furthest, share, label = float(most[j]), float(most[j] / scale[j]), called[j] if called else ""
        pair = float(one[step, b_row, j]), float(two[step, b_row, j])
        nonfinite = a.span[int(broken[j, 0])] if odd[j] else None
        place = a.span[step], b_row
        sizes = furthest, share, *pair, *place, since, since_row, label
        yield UnitDifference(stage.scope, j, name, *sizes, nonfinite=nonfinite)


def _first(one: Array, two: Array, valid: Array, limit: Array, backwards: bool) -> Array:
    """For each unit, (step, sequence) of the first difference above `limit`, as the stage visits them; otherwise -1."""
    steps, batch, width = one.shape
    found = np.full((width, 2), -1)
    for block in pieces(steps, batch * width, backwards):
        size = sizes_apart(one[block], two[block])
        far = (size > limit) & valid[block][:, :, None]
        far = far[::-1] if backwards else far
        flat = far.reshape(-1, width)
        new = (found[:, 0] < 0) & flat.any(axis=0)
        t, row = np.divmod(flat.argmax(axis=0), batch)
        t = block.stop - 1 - t if backwards else block.start + t
        found[new] = np.stack([t, row], axis=1)[new]
        if (found[:, 0] >= 0).all():
            break
    return found


@np.errstate(all="ignore")
def output(a: Trace, b: Trace) -> OutputDifference | None:
    """The effect on a readout, or on the last requested line, ignoring held values, whose differences are expected.
    None if neither is in both traces.
    """
    there = list(_last(a, b))
    if not there:
        return None
    masks = [held_through(trace) for trace in (a, b)]
    each = [reduce(np.logical_or, (mask.get(key, np.zeros(1, bool)) for mask in masks)) for key in there]
    free = [at for at, mask in enumerate(each) if not mask.all()]
    (scope, name), held = (there[free[-1]], each[free[-1]]) if free else (there[-1], np.zeros(1, bool))
    stage, valid = a.stage(scope), _valid(a, b)
    size = np.where(valid[:, :, None] & ~held, sizes_apart(a.lines[scope][name], b.lines[scope][name]), 0.0)
    ends, odd = np.zeros_like(size), ~np.isfinite(size)
    for k in range(a.batch):  # the last valid step, as the stage visits them
        steps = np.flatnonzero(valid[:, k])
        last = steps[:1] if stage.backwards else steps[-1:]
        ends[last, k] = size[last, k]
    size[odd] = 0.0
    (t, row, j), end = (tuple(map(int, np.unravel_index(sizes.argmax(), sizes.shape))) for sizes in (size, ends))
    address, last_address = (address_of(a, stage, name, *at) for at in ((t, row, j), end))
    broken = first_index(stage, odd)
    nonfinite = broken and address._replace(t=a.span[broken[0]], b=broken[1], unit=broken[2:])
    pair = tuple(float(values.lines[scope][name][t, row, j]) for values in (a, b))
    most, at_end = float(size[t, row, j]), float(ends[end])
    return OutputDifference(address, most, pair, last_address, at_end, bool(held.any()), nonfinite)


def _last(a: Trace, b: Trace) -> Iterator[tuple[str, str]]:
    """The requested lines in both traces, and those that depend on the output and are used by no other line."""
    common, top = in_both(a, b), plain_stage(forward_stages(a.stages)[-1])
    asked = [(str(address.scope), address.line) for address in a.asked()]
    made = [(top.scope, name) for name in top.ends]
    yield from ((s, n) for s, n in dict.fromkeys((*asked, *made)) if n in common.get(s, ()))
