"""The values held in a trace: read from its arrays, and described by as few addresses as possible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import reduce
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array, by_key, runs, to_list
from ..base.remark import Remark
from ..cell.lines import expression, names_of
from ..cell.network import GIVEN, Stage, scope_and_name
from ..cell.ops import OPS
from .address import columns_of, ranged
from .holding import Multiple, said_of
from .trace import Trace

#: Maximum number of different values of one line that are listed; beyond that they are described as "different".
FEW = 4
#: Maximum number of entries in a sentence.
TOLD = 5


class HeldBlock(NamedTuple):
    """Values of one line that are held alike: steps, sequences and units (None: all), and the value.

    value: a number, a `Scale`, or an array (steps, sequences, units) if the values differ. columns: those of a matrix,
    of which the units are adjacent rows and columns.
    """

    scope: str
    line: str
    steps: range | None
    rows: range | None
    units: tuple[int, ...] | None
    value: Any
    columns: int | None = None

    @property
    def address(self) -> str:
        """The address of the held values, as `lt.run(hold=)` reads it."""
        return ranged(self.scope, self.line, self.steps, self.rows, self.units, self.columns)


def status(trace: Trace, stage: Stage, line: str, t: int, b: int) -> Array | None:
    """Which units of a line are held or scaled at a step of a sequence; None if none can be, or if it is unknown."""
    names, given = names_of(stage.cell).get(line), trace.given.get(stage.scope, {})
    there = [given[n][trace.index(t), b] != 0 for n in (names.hold, names.scale) if n in given] if names else []
    return np.any(there, axis=0) if there else None


def said_at(trace: Trace, stage: Stage, line: str, at: tuple[int, int, int]) -> Remark | str:
    """The value that a line is held at, for one index (step, sequence, unit); empty if it is not held."""
    names, given = names_of(stage.cell).get(line), trace.given.get(stage.scope, {})
    if names and names.hold in given and given[names.hold][at]:
        return said_of(float(given[names.to][at]))
    scaled = names and names.scale in given and given[names.scale][at]
    return said_of(Multiple(float(given[names.by][at]))) if names and scaled else ""


def held_through(trace: Trace) -> dict[tuple[str, str], Array]:
    """By scope and line, which values are held or scaled, or follow from such a value without a sum: if c_t is held,
    tanh(c_t) and h_t = o_t * tanh(c_t), and y_t if directions are merged.

    Masks (T, B, width), or broadcastable to that; lines without such values are left out.
    """
    found: dict[tuple[str, str], Array] = {}
    for stage in trace.stages:
        given, named = trace.given.get(stage.scope, {}), names_of(stage.cell)
        for line in plain_stage(stage).cell.lines:
            places = [scope_and_name(stage.sources.get(name, "")) for name in line.reads]
            keys = [p if p[0] else (stage.scope, name) for p, name in zip(places, line.reads, strict=True)]
            masks = [found[key] for key in keys if key in found]
            if line.op in ("concat", "outer") and masks:
                pairs = zip(keys, (trace.operand(stage.scope, name) for name in line.reads), strict=True)
                parts = [~np.broadcast_to(found.get(key, False), v.shape) for key, v in pairs if v is not None]
                masks = [~OPS[line.op].array(parts, ())] if len(parts) == len(line.operands) else []
            elif line.op in ("add", "slice") or line.product or line.memory or OPS[line.op].reduces:
                masks = []
            if line.name in named:
                masks += [given[n] != 0 for n in (named[line.name].hold, named[line.name].scale) if n in given]
            if masks:
                found[stage.scope, line.name] = reduce(np.logical_or, masks)
    return found


def entries(trace: Trace) -> Iterator[HeldBlock]:
    """Everything held in a trace, line by line."""
    for stage in trace.stages:
        given = trace.given.get(stage.scope, {})
        for line, names in names_of(stage.cell).items():
            held: Array = given[names.hold] != 0 if names.hold in given else np.zeros(1, bool)
            if names.hold in given:
                yield from _of_line(trace, stage.scope, line, held, given[names.to], scale=False)
            if names.scale in given:
                scaled = (given[names.scale] != 0) & ~held
                yield from _of_line(trace, stage.scope, line, scaled, given[names.by], scale=True)


def remark_on_holds(
    trace: Trace, key: str, each: str = "explanation.held.at", most: int = TOLD, short: bool = False
) -> Remark | None:
    """The holds of a trace in the sentence `key`, or `key.more` if there are more than `most`; None without holds.

    each: the key of the words for one entry. most: how many entries are named. short: without layer and direction.
    """
    found = list(islice(entries(trace), most + 1))
    names = [entry.address.removeprefix(f"{entry.scope}/" if short else "") for entry in found[:most]]
    told = (Remark(each, {"address": n, "value": said_of(entry.value)}) for n, entry in zip(names, found, strict=False))
    return Remark(key if len(found) <= most else f"{key}.more", {"what": tuple(told)}) if found else None


def _of_line(trace: Trace, scope: str, line: str, where: Array, values: Array, scale: bool) -> Iterator[HeldBlock]:
    """The entries of one line: one per value if there are few, otherwise blocks of steps, sequences and units."""
    found = np.unique(values[where])
    few, columns = scale or len(found) <= FEW, columns_of(trace, scope, line)
    for value in found if few else (None,):
        there = where & (values == value) if few else where
        for steps, rows, units in blocks(there, columns):
            array = values[np.ix_(steps, rows, units)]
            one = array.flat[0].item()
            whole = len(steps) == trace.steps and len(rows) == trace.batch
            span = None if whole else trace.span[steps.start : steps.stop]
            those = None if len(units) == where.shape[-1] else tuple(map(int, units))
            value = Multiple(one) if scale else one if few else array
            yield HeldBlock(scope, line, span, None if whole else rows, those, value, columns)


def blocks(where: Array, columns: int | None = None) -> Iterator[tuple[range, range, Array]]:
    """Blocks of adjacent steps and sequences, with units, that together cover a mask (T, B, width).

    columns: those of a matrix, of which a block has adjacent rows and columns.
    """
    for alike in _alike(where, np.flatnonzero(where.any(axis=(0, 1)))):
        plane = where[:, :, alike[0]]
        for units in [alike] if columns is None else _rectangles(alike, columns):
            for rows in _alike(plane, np.flatnonzero(plane.any(axis=0))):
                for steps in runs(np.flatnonzero(plane[:, rows[0]])):
                    yield from ((steps, run, np.array(units)) for run in runs(rows))


def _rectangles(units: list[int], columns: int) -> Iterator[list[int]]:
    """Units of a matrix in parts of adjacent rows and columns."""
    for there, rows in by_key((tuple(c), r) for r, c in by_key(divmod(u, columns) for u in units).items()).items():
        yield from ([r * columns + c for r in some for c in run] for some in runs(rows) for run in runs(there))


def _alike(masks: Array, places: Array) -> Iterable[list[int]]:
    """Places on the last axis, grouped by equal masks."""
    return by_key((np.packbits(masks[..., place]).tobytes(), place) for place in places.tolist()).values()


def held_faults(trace: Trace) -> Iterator[str]:
    """Errors in the arrays of a trace that define where lines are held."""
    for stage in trace.stages:
        given, lines = trace.given.get(stage.scope, {}), trace.lines.get(stage.scope, {})
        for line, names in names_of(stage.cell).items():
            widths = {name: given[name].shape[-1] for name in names if name in given}
            width = lines[line].shape[-1] if line in lines else max(widths.values(), default=0)
            for name in names:
                place, values = f"given {stage.scope}/{name}", given.get(name)
                if values is None:
                    if name in stage.inputs and stage.sources[name] == GIVEN:
                        yield f"{place} is missing; {line} is held, by the equations, and needs it"
                    continue
                if widths[name] != width:  # width 1 would broadcast to all units
                    yield f"{place} has width {widths[name]}; {line}, which is held, has {width}"
                kind, expected, right = "at what", "finite numbers", np.isfinite(values)
                if name in (names.hold, names.scale):
                    kind, expected, right = "where", "0 or 1 everywhere", np.isin(values, (0, 1))
                if len(wrong := np.argwhere(~right)):
                    found = f"{values[tuple(wrong[0])]:g} at [{','.join(map(str, wrong[0]))}]"
                    yield f"{place} says {kind} {line} is held: expected {expected}, found {found}"


def as_hold(trace: Trace) -> dict[str, Any]:
    """The held values of a trace, in the form that `hold=` and a problem accept: values by address."""
    values = {entry.address: entry.value for entry in entries(trace)}
    return {
        at: str(value) if isinstance(value, Multiple) else value if isinstance(value, float | int) else to_list(value)
        for at, value in values.items()
    }


def plain(trace: Trace) -> Trace:
    """The trace with the equations of its cells without holds, and without the arrays that holds add.

    A held line has the values at which it was held. For code that reads the equations and cannot run them.
    The stages are as `recurrent_stage` returns them.
    """
    if all(stage.cell.plain is None for stage in trace.stages):
        return trace
    stages, lines = tuple(map(recurrent_stage, trace.stages)), {}
    for old, new in zip(trace.stages, stages, strict=True):
        if (here := trace.lines.get(old.scope)) is not None:
            names = {line: was for (_, line), (_, was) in zip(new.cell.carry, old.cell.carry, strict=True)}
            lines[old.scope] = {n: here[names.get(n, n)] for n in new.cell.by_name if names.get(n, n) in here}
    held = {stage.scope: set(stage.cell.inputs) for stage in stages}
    given = {scope: {n: a for n, a in here.items() if n in held.get(scope, ())} for scope, here in trace.given.items()}
    return replace(trace, stages=stages, lines=lines, given={s: h for s, h in given.items() if h}, memory=None)


def plain_stage(stage: Stage) -> Stage:
    """A stage without holds."""
    cell = stage.cell.plain
    if cell is None:
        return stage
    computed = None if stage.computed is None else tuple(n for n in stage.computed if n in cell.by_name)
    return replace(stage, cell=cell, sources={n: stage.sources[n] for n in cell.inputs}, computed=computed)


def recurrent_stage(stage: Stage) -> Stage:
    """A stage without holds, and without a hold on a carried line.

    If padding carries the output (`padding: carry`) and that output is held, the carried state is a separate line, as
    it is with the other padding rules.
    """
    new = plain_stage(stage)
    cell = new.cell
    added = []
    for state, line in stage.cell.carry:
        if line != cell.states[state]:
            choice = cell.by_name[cell.states[state]]
            added.append(choice._replace(name=expression(choice)))
            carry = tuple((s, added[-1].name if s == state else name) for s, name in cell.carry)
            cell = replace(cell, lines=(*cell.lines, added[-1]), carry=carry)
    computed = None if new.computed is None else (*new.computed, *(line.name for line in added))
    return replace(new, cell=cell, computed=computed) if added else new
