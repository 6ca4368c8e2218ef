"""What a cell remembers: how a carried line is formed, and the exact ledger of its value over the steps that wrote it.

A carried line is formed from the previous value as a sum of (gate * previous) and other terms, possibly followed by a
clip, by held values that replace a line, and by a choice between the line and the previous state, as at padding. Such
a line can be unrolled exactly:
c_t = sum over s <= t of (what step s wrote) x (product of the gates since) + c_0 x (product of all gates).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from ..backpropagation.target import is_sum, names_several
from ..base.arrays import Array
from ..cell.lines import Cell, Line, Operand, names_of
from ..cell.network import VALID, Stage, scope_and_name
from ..cell.ops import OPS
from ..errors import MissingError, OptionError
from ..trace.address import INITIAL, Address, index_text
from ..trace.held import recurrent_stage
from ..trace.labels import counted_address, step_labels
from ..trace.printed import counts_from, slashed
from ..trace.trace import Trace

#: Operations whose value has the operands as terms, factors or parts.
_FORMED = {n for n, op in OPS.items() if not op.function} - {"greater"} | {"outer", "where", "sum", "mean", "concat"}

#: Returns the values of an operand at some steps, all of them with compatible shapes.
Read = Callable[[Operand], Array]


class Recurrence(NamedTuple):
    """How a carried line is formed: the sum, its terms that keep (sign, gate; None for 1) and that write (sign, name).

    products: the terms that keep. clip: the line that clips the sum, if any; mask: the condition under which the state
    is replaced, if any. held: the line that is carried if there is such a condition: the old state where it is false.
    rewrites: whether what is written is formed from the state itself, as in a delta rule, and so may erase some of it.
    """

    state: str
    carried: str
    keeps: tuple[tuple[float, Operand | None], ...]
    writes: tuple[tuple[float, Operand], ...]
    total: str
    products: tuple[str, ...]
    clip: str | None
    mask: str | None
    held: str
    rewrites: bool


class StateUpdate(NamedTuple):
    """How a line changes on its way to the next step: `part` of it, `old` of the previous state, and `put`.

    line: the line that is held; empty for a choice between it and the previous state. held, scaled: where a value
    replaces it, and where a multiple of its own does. after: whether this belongs not to the line that the sum forms,
    but to the one that is carried in its place.
    """

    line: str
    part: Array
    old: Array
    put: Array
    held: Array
    scaled: Array
    after: bool


def terms(
    cell: Cell, line: Line, state: str
) -> tuple[tuple[tuple[float, Operand | None], ...], tuple[tuple[float, Operand], ...]]:
    """The terms of a sum that keep part of `state` (sign, gate; None for 1), and the others (sign, name).

    None of them keeps if others do so too, as in 0.1 * c_prev + 0.9 * (f_t * c_prev + w_t).
    """
    found = tuple(zip(line.constants, line.operands, strict=True)) if line.op == "add" else ((1.0, line.name),)
    keeps: list[tuple[float, Operand | None]] = []
    writes: list[tuple[float, Operand]] = []
    for sign, term in found:
        made: Line | None = cell.by_name.get(term) if isinstance(term, str) else None
        if term == state:
            keeps.append((sign, None))
        elif made is not None and made.op == "mul" and made.operands.count(state) == 1:  # gate * state
            keeps.append((sign, next(o for o in made.operands if o != state)))
        else:
            writes.append((sign, term))
            sums = [cell.by_name.get(str(o)) for o in made.operands] if made is not None and made.op == "mul" else []
            within = (terms(cell, part, state)[0] for part in sums if part is not None and part.op == "add")
            if any(sign * its > 0 for parts in within for its, _ in parts):
                return (), found
    return tuple(keeps), tuple(writes)


def recurrence(stage: Stage, name: str) -> Recurrence:
    """How the carried line `name` is formed. Raises OptionError, with the reason, if it is not such a sum."""
    cell, mask, held = stage.cell, None, ""
    made = [(state, line) for state, line in cell.carry if name in (line, _chosen(cell, state, line))]
    if not made:
        known = ", ".join(stage.carried) or "none"
        raise OptionError(f"{name} is not carried to the next step, so it has no memory; carried lines: {known}")
    state, _ = min(made, key=lambda pair: pair[1] != name)
    if (other := _chosen(cell, state, cell.states[state])) is not None:
        held, name = cell.states[state], other
        mask = str(cell.by_name[held].operands[0])
    if name in cell.inputs:
        raise OptionError(f"{name} is supplied here, not computed, so what it keeps is unknown")
    line = cell.by_name[name]
    clip = None
    if line.op == "clip":
        clip, line = name, cell.by_name.get(str(line.operands[0]), line)
    keeps, writes = terms(cell, line, state)
    if not keeps:
        said = f"{name} = {cell.equations.get(name, name)} is not a sum of (gate * {state}) and other terms"
        raise OptionError(f"{said}, so what it keeps cannot be separated from what it writes")
    others = {term for _, term in writes}
    products = tuple(str(o) for o in line.operands if o not in others) if line.op == "add" else (line.name,)
    # what reads the state only inside a function, as gates and candidates do, does not have it as a term or factor
    formed: set[Operand] = {state}
    for part in cell.lines:
        if part.op in _FORMED and not part.call and not formed.isdisjoint(part.operands):
            formed.add(part.name)
    return Recurrence(state, name, keeps, writes, line.name, products, clip, mask, held, not formed.isdisjoint(others))


def recurrences(stage: Stage, names: Iterable[str]) -> Iterator[tuple[str, Recurrence]]:
    """The lines among these that are formed as such a sum, with their recurrences."""
    for name in names:
        with suppress(OptionError):
            yield name, recurrence(stage, name)


def _chosen(cell: Cell, state: str, name: str) -> str | None:
    """The other line if this one chooses between it and the previous state: where(valid, c_t, c_prev) at padding."""
    line = cell.by_name.get(name)
    if line is None or line.op != "where" or line.operands[2] != state:
        return None
    other = str(line.operands[1])  # no line computes a number, a weight or another state
    return other if other in cell.by_name or other in cell.inputs else None


def values_of(trace: Trace, stage: Stage, steps: slice, rows: slice, name: Operand) -> Array:
    """The values of an operand in float64, (steps, sequences, H) or broadcastable to that. Raises MissingError."""
    values = trace.operand(stage.scope, name, steps)
    if values is None:
        raise MissingError(f"{stage.scope}/{name} was not recorded; the memory of a value needs it")
    values = np.asarray(values, np.float64)
    return values[:, rows] if values.ndim == 3 else values


def kept(trace: Trace, stage: Stage, rule: Recurrence, read: Read) -> Array:
    """The part of the previous state that each step keeps, including the effect of holds. stage: without holds."""
    keep, _ = kept_by_sum(trace, stage, rule, read)
    for then in changes(trace, stage, rule, read):
        keep = times(keep, then.part) + then.old
    return keep


def kept_by_sum(trace: Trace, stage: Stage, rule: Recurrence, read: Read) -> tuple[Array, list[StateUpdate]]:
    """The part that the terms of the sum keep, and the values put in place of such a term, with the term's sign."""
    total, put = np.zeros(1), []
    for (sign, gate), product in zip(rule.keeps, rule.products, strict=True):
        part = np.asarray(sign * (1.0 if gate is None else read(gate)))
        if product != rule.total:
            for then in holds(trace, stage, product, read):
                part = times(part, then.part)
                put.append(then._replace(put=sign * then.put))
        total = total + part
    return total, put


def changes(trace: Trace, stage: Stage, rule: Recurrence, read: Read) -> Iterator[StateUpdate]:
    """The changes after the sum, in this order."""
    for name in dict.fromkeys((rule.total, rule.carried)):
        yield from holds(trace, stage, name, read)
    if rule.mask is not None:
        chosen = (read(rule.mask) != 0).astype(np.float64)
        none = np.zeros_like(chosen, bool)
        yield StateUpdate("", chosen, 1.0 - chosen, np.zeros_like(chosen), none, none, after=True)
        yield from (then._replace(after=True) for then in holds(trace, stage, rule.held, read))


def holds(trace: Trace, stage: Stage, name: str, read: Read) -> Iterator[StateUpdate]:
    """The part of its own value that a held or scaled line keeps, and the value put in its place."""
    names, given = names_of(trace.stage(stage.scope).cell).get(name), trace.given.get(stage.scope, {})
    if names is None or not (names.hold in given or names.scale in given):
        return
    scaled = read(names.scale) != 0 if names.scale in given else np.zeros(1, bool)
    held = read(names.hold) != 0 if names.hold in given else np.zeros(1, bool)
    part = np.where(held, 0.0, np.where(scaled, read(names.by), 1.0) if names.scale in given else 1.0)
    put = np.where(held, read(names.to), 0.0) if names.hold in given else np.zeros(1)
    none = np.zeros_like(part, bool)
    yield StateUpdate(name, part, np.zeros_like(part), put + none, held | none, scaled & ~held | none, after=False)


def times(values: Array, part: Array) -> Array:
    """A fraction of some values; an infinite value is kept whole or not at all."""
    return np.where(part == 0, 0.0, values * part)


#: Prefixes for the name of a value put in by a hold, and of the part removed by a clip.
HOLD, CLIP = "hold of ", "clip of "
#: Joins the name of a written value and that of the line whose hold scales it.
SCALED = ", scaled by the hold of "


class LedgerRow(NamedTuple):
    """What one step wrote: step (from 0; None: the initial value), source, its value then, its part of the final value.

    share: the magnitude of the part relative to all parts. running: the sum of the parts so far.
    """

    step: int | None
    source: str
    written: float
    part: float
    share: float
    running: float


@dataclass(frozen=True)
class Ledger:
    """The ledger of one value: rows whose parts add up to `value` up to `residual`.

    halved: the smallest number of latest steps whose gates multiply to a half or less; None if all together do not.
    by: the hold at the earliest of these, in the notation of a source. steps: the number of steps, not counting
    padding, which keeps everything. held: the lines in which the unit is held at some of the steps.
    """

    address: Address
    recurrence: Recurrence
    rows: tuple[LedgerRow, ...]
    value: float
    residual: float
    halved: int | None
    by: str
    steps: int
    held: tuple[str, ...]


class Write(NamedTuple):
    """What steps add to a line: the values called `name`, some of which may be held or scaled on their way.

    own: the holds of the values themselves. put: whether they exist only where something is held. later: the holds of
    the sums that they are added to.
    """

    name: str
    values: Array
    own: tuple[StateUpdate, ...] = ()
    put: bool = False
    later: tuple[StateUpdate, ...] = ()

    def source(self, s: int) -> str:
        """What wrote at a step; empty if it was replaced, or nothing was put."""
        held = any(then.held[s] for then in self.own)
        if any(then.held[s] for then in self.later) or (self.put and not held):
            return ""
        changed = [*([] if self.put else self.own), *self.later]
        more = "".join(f"{SCALED}{then.line}" for then in changed if then.scaled[s])
        return (HOLD if held else "") + self.name + more


class Flow(NamedTuple):
    """One unit of a carried value, from the first step to the step of interest.

    order: the indices of those steps in the trace's arrays, in order of computation. past: the padded steps among all
    steps, at which nothing happens. keep: the fraction of the old value kept at each step. writes: what each step adds,
    including the part removed by a clip. holds: the holds of what is kept. since: for each step of `order`, the product
    of the fractions kept by later steps. first: the value before the first step; origin: its name.
    """

    order: tuple[int, ...]
    past: Array
    keep: Array
    writes: tuple[Write, ...]
    holds: tuple[StateUpdate, ...]
    since: dict[int, float]
    first: float
    origin: str

    @property
    def cut(self) -> Array | None:
        """The part removed by a clip, (steps,)."""
        return next((write.values for write in self.writes if write.name.startswith(CLIP)), None)


@np.errstate(all="ignore")  # if a value has overflowed, its parts are NaN
def ledger(trace: Trace, of: str) -> Ledger:
    """The ledger of the carried value at address `of`, for example `3/c_t[1]`, or as printed, `c_3[1]`.

    Raises OptionError if the cell's carry is not a sum of (gate * previous) and other terms, MissingError if a
    required line was not recorded.
    """
    said, of = of, slashed(trace, of)
    if names_several(trace, of):
        raise OptionError(f"memory is the ledger of one value, not of several; found {of!r}")
    try:
        address = trace.locate(of)
    except MissingError:
        if is_sum(of):
            raise OptionError(f"memory is the ledger of one value, not of a sum; found {of!r}") from None
        raise
    stage = recurrent_stage(trace.stage(address.scope))
    if not stage.cell.carry:
        raise _carries_nothing(trace, address)
    rule = recurrence(stage, address.line)
    t, b = 0 if address.t is None else trace.index(address.t), address.b or 0
    width = trace.lines[stage.scope][address.line].shape[2]
    if address.unit is None and width > 1:
        what = "entries" if address.columns else "units"
        first = index_text((0,), address.columns, counts_from(trace, said))
        raise MissingError(f"{said}: choose one of the {width} {what}, for example {said}{first}")
    j = address.unit[0] if address.unit else 0
    if j >= width:
        there = f"the units are 0 to {width - 1}" if width > 1 else "there is only unit 0"
        raise MissingError(f"{of}: {there}")
    found = flow(trace, stage, rule, t, b, j, address.line == rule.held)
    start, latest = found.order[0], [s for s in reversed(found.order) if not found.past[s]]
    rows: list[tuple[int | None, str, float, float]] = [
        (None, found.origin, found.first, float(found.first * found.keep[start] * found.since[start]))
    ]
    for s in reversed(latest):
        put = ((source, float(write.values[s])) for write in found.writes if (source := write.source(s)))
        rows += [(trace.span[s], source, new, new * found.since[s]) for source, new in put]
    value = float(trace.lines[stage.scope][address.line][t, b, j])
    size = sum(abs(part) for *_, part in rows) or 1.0
    running = accumulate(part for *_, part in rows)
    entries = tuple(LedgerRow(*row, abs(row[3]) / size, done) for row, done in zip(rows, running, strict=True))
    left, by = value - entries[-1].running, ""
    # the smallest k for which the product of the latest k gates is a half or less
    products = np.abs(np.cumprod(found.keep[latest]))
    halved = int(np.argmax(products <= 0.5)) + 1 if (products <= 0.5).any() else None
    if halved:
        s = latest[halved - 1]  # if several are held, the last of them
        holding = (then for then in reversed(found.holds) if then.held[s] or then.scaled[s])
        by = next(((HOLD if then.held[s] else SCALED) + then.line for then in holding), "")
    every = *found.holds, *(then for write in found.writes for then in write.own)
    held = tuple(dict.fromkeys(then.line for then in every if (then.held | then.scaled)[latest].any()))
    return Ledger(address._replace(unit=(j,)), rule, entries, value, left, halved, by, len(latest), held)


def _carries_nothing(trace: Trace, address: Address) -> OptionError:
    """The error for a merged value, or one of a readout: names the values of its layer that have a memory."""
    known, met = [], _met(trace, address)
    for stage in map(recurrent_stage, trace.stages):
        if stage.layer == address.layer and (stage.scope in met or not met):
            for name, _ in recurrences(stage, stage.carried if stage.cell.carry else ()):
                width = trace.lines[stage.scope][name].shape[2] if name in trace.lines[stage.scope] else 0
                j, wide = met.get(stage.scope, (0, 0))
                unit = (j if width == wide else 0,)
                one = address._replace(line=name, direction=stage.direction, unit=unit)
                known.append(counted_address(trace, one))
    hint = f"; what is carried has one: {', '.join(known)}" if known else ""
    return OptionError(f"{address.line} of {address.scope} is not carried to the next step, so it has no memory{hint}")


def _met(trace: Trace, address: Address) -> dict[str, tuple[int, int]]:
    """For a merged value, maps scope to the unit of each direction that it is formed from, and that line's width."""
    stage, found, start = trace.stage(address.scope), {}, 0
    line, j = stage.cell.by_name.get(address.line), address.unit[0] if address.unit else 0
    for operand in line.operands if line else ():  # a supplied line has no operands
        scope, name = scope_and_name(stage.sources.get(str(operand), ""))
        values = trace.lines.get(scope, {}).get(name)
        if values is not None:
            width = values.shape[2]
            if 0 <= j - start < width:
                found[scope] = j - start, width
            start += width if line and line.op == "concat" else 0
    return found


def table(trace: Trace, book: Ledger) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The columns and rows of a ledger: `t` from 0, `step` as the problem counts, and its label (`token`), if any."""
    labels, first = step_labels(trace, book.address.b or 0), trace.header.count_from
    names: dict[int | None, str] = dict(zip(trace.span, labels, strict=False))
    token = ("token",) if labels else ()
    steps = ((row.step, None if row.step is None else row.step + first, names.get(row.step)) for row in book.rows)
    rows = [(*step[: 2 + len(token)], *row[1:]) for step, row in zip(steps, book.rows, strict=True)]
    return ("t", "step", *token, *LedgerRow._fields[1:]), rows


@np.errstate(all="ignore")
def flow(trace: Trace, stage: Stage, rule: Recurrence, at: int, b: int, j: int, held: bool = False) -> Flow:
    """The history of unit `j` of sequence `b` up to the step at index `at` of the trace's arrays.

    held: follow the value that is carried on from there: at padding the old state, not the newly computed one.
    Raises MissingError if a line that the recurrence needs was not recorded.
    """

    def read(name: Operand) -> Array:
        values = np.atleast_1d(values_of(trace, stage, slice(None), slice(b, b + 1), name))
        array = np.broadcast_to(values, (trace.steps, 1, values.shape[-1]))[:, 0]
        return array[:, j if array.shape[1] > 1 else 0]

    order = tuple(range(at + 1)) if not stage.backwards else tuple(range(trace.steps - 1, at - 1, -1))
    kept, put = kept_by_sum(trace, stage, rule, read)
    keep = np.zeros(trace.steps) + kept
    writes = [Write(str(n), sign * read(n), (*holds(trace, stage, str(n), read),)) for sign, n in rule.writes]
    writes += [Write(then.line, then.put, (then,), put=True) for then in put]
    if rule.clip is not None:
        held_clip = names_of(trace.stage(stage.scope).cell).get(rule.clip)
        cut = read(rule.clip if held_clip is None else held_clip.free) - read(rule.total)
        writes.append(Write(CLIP + rule.total, cut))
    past = np.zeros(trace.steps, bool)
    for then in changes(trace, stage, rule, read):
        if then.after and not held:  # later choices and holds do not affect the line itself
            then.part[at], then.old[at], then.put[at] = 1.0, 0.0, 0.0
            then.held[at] = then.scaled[at] = False
        keep = times(keep, then.part) + then.old
        writes = [
            write
            if write.name.startswith(CLIP) and then.line == rule.total  # the clip follows a hold of the sum
            else write._replace(values=times(write.values, then.part), later=(*write.later, then))
            for write in writes
        ]
        put.append(then)
        if then.line:
            writes.append(Write(then.line, then.put, (then,), put=True))
            past &= then.part == 1
        else:
            past = (then.old == 1) & (stage.sources.get(str(rule.mask)) == VALID)
    start = trace.operand(stage.scope, rule.state, slice(order[0], order[0] + 1))
    if start is None:
        raise MissingError(f"the initial value of {rule.state} was not recorded")
    first = float(start[0, b, j if start.shape[2] > 1 else 0])
    origin = INITIAL.get(rule.state, f"initial {rule.state}")
    if trace.first and not stage.backwards:  # only some steps were recorded
        origin = f"{rule.state} at {trace.first + trace.header.count_from}"
    later = [*reversed(order)]  # the product of the fractions kept by later steps, from the last one back
    since = dict(zip(later, [1.0, *np.cumprod(keep[later]).tolist()], strict=False))
    return Flow(order, past, keep, tuple(writes), tuple(put), since, first, origin)
