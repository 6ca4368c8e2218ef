"""How a carried line is made of the value before: a sum of (gate * previous) and other terms, and what may follow it.

What follows: a clip, what is held in place of a line, and a choice between it and the state before, as at padding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Cell, Line, Operand, names_of
from ..cell.network import Stage
from ..errors import OptionError
from ..trace.trace import Trace

#: Gives the values of an operand at some steps, all of them in shapes that go together.
Read = Callable[[Operand], Array]


class Recurrence(NamedTuple):
    """How a carried line is made: the sum, its terms that keep (sign, gate; None for 1) and that write (sign, name).

    products: the terms that keep. clip: the line that clips the sum, if any; mask: the condition under which the state
    is replaced, if any. held: the line that is carried where there is such a condition: the old state where it does not
    hold.
    """

    state: str
    carried: str
    keeps: tuple[tuple[float, Operand | None], ...]
    writes: tuple[tuple[float, Operand], ...]
    total: str
    products: tuple[str, ...]
    clip: str | None
    mask: str | None
    held: str = ""


class Change(NamedTuple):
    """What becomes of a line on its way to the next step: `part` of it, `old` of the state before, and `put`.

    line: that is held so; empty for a choice between it and the state before. held, scaled: where it has a value that
    is put, and where a multiple of its own. after: whether it is no part of the line that the sum makes, but of what is
    carried in its place.
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
    """The terms of a sum that keep something of `state` (sign, gate; None for 1), and the others (sign, name)."""
    found = tuple(zip(line.constants, line.operands, strict=True)) if line.op == "add" else ((1.0, line.name),)
    keeps: list[tuple[float, Operand | None]] = []
    writes: list[tuple[float, Operand]] = []
    for sign, term in found:
        if term == state:
            keeps.append((sign, None))
        elif (gate := _gate(cell, term, state)) is not None:
            keeps.append((sign, gate))
        else:
            writes.append((sign, term))
    return tuple(keeps), tuple(writes)


def recurrence(stage: Stage, name: str) -> Recurrence:
    """How the carried line `name` is made. Raises OptionError, with the reason, where it is no such sum."""
    cell, mask, held = stage.cell, None, ""
    made = [(state, line) for state, line in cell.carry if name in (line, _chosen(cell, state, line))]
    state = min(made, key=lambda pair: pair[1] != name)[0] if made else None
    if state is not None and (other := _chosen(cell, state, cell.states[state])) is not None:
        held, name = cell.states[state], other
        mask = str(cell.by_name[held].operands[0])
    if state is None:
        known = ", ".join(stage.carried) or "none"
        raise OptionError(f"{name} is not carried to the next step, so it has no memory; carried lines: {known}")
    if name in cell.inputs:
        raise OptionError(f"{name} is supplied here, not computed, so what it keeps is unknown")
    line = cell.by_name[name]
    clip = None
    if line.op == "clip":
        clip, line = name, cell.by_name.get(str(line.operands[0]), line)
    keeps, writes = terms(cell, line, state)
    if not keeps:
        raise OptionError(
            f"{name} = {cell.equations.get(name, name)} is not a sum of (gate * {state}) and other terms, "
            "so what it keeps cannot be separated from what it writes"
        )
    for _, term in writes:
        if term == line.name and line.op != "add":
            raise OptionError(f"{name} is made by {line.op}, not by a sum with a term gate * {state}")
    others = {term for _, term in writes}
    products = tuple(str(o) for o in line.operands if o not in others) if line.op == "add" else (line.name,)
    return Recurrence(state, name, keeps, writes, line.name, products, clip, mask, held)


def recurrences(stage: Stage, names: Iterable[str]) -> Iterator[tuple[str, Recurrence]]:
    """Those of some lines that are made so, and how."""
    for name in names:
        with suppress(OptionError):
            yield name, recurrence(stage, name)


def _chosen(cell: Cell, state: str, name: str) -> str | None:
    """Of a line that chooses between another and the state before, that other: where(valid, c_t, c_prev) at padding."""
    line = cell.by_name.get(name)
    if line is None or line.op != "where" or line.operands[2] != state:
        return None
    other = str(line.operands[1])  # a number, a weight or another state is made by no line
    return other if other in cell.by_name or other in cell.inputs else None


def _gate(cell: Cell, term: Operand, state: str) -> Operand | None:
    """The gate of a term gate * state; None for any other term."""
    line: Line | None = cell.by_name.get(term) if isinstance(term, str) else None
    if line is None or line.op != "mul" or line.operands.count(state) != 1:
        return None
    return next(o for o in line.operands if o != state)


def kept(trace: Trace, stage: Stage, rule: Recurrence, read: Read) -> Array:
    """What each step leaves of the state before it, whatever is held. stage: without holds."""
    keep, _ = kept_by_sum(trace, stage, rule, read)
    for then in changes(trace, stage, rule, read):
        keep = times(keep, then.part) + then.old
    return keep


def kept_by_sum(trace: Trace, stage: Stage, rule: Recurrence, read: Read) -> tuple[Array, list[Change]]:
    """What the terms of the sum keep; and what is put in the place of such a term, with the sign that it has there."""
    total, put = np.zeros(1), []
    for (sign, gate), product in zip(rule.keeps, rule.products, strict=True):
        part = np.asarray(sign * (1.0 if gate is None else read(gate)))
        if product != rule.total:
            for then in holds(trace, stage, product, read):
                part = times(part, then.part)
                put.append(then._replace(put=sign * then.put))
        total = total + part
    return total, put


def changes(trace: Trace, stage: Stage, rule: Recurrence, read: Read) -> Iterator[Change]:
    """What becomes of the sum, in this order."""
    for name in dict.fromkeys((rule.total, rule.carried)):
        yield from holds(trace, stage, name, read)
    if rule.mask is not None:
        chosen = (read(rule.mask) != 0).astype(np.float64)
        none = np.zeros_like(chosen, bool)
        yield Change("", chosen, 1.0 - chosen, np.zeros_like(chosen), none, none, after=True)
        yield from (then._replace(after=True) for then in holds(trace, stage, rule.held, read))


def holds(trace: Trace, stage: Stage, name: str, read: Read) -> Iterator[Change]:
    """What a line that is held or scaled keeps of its own value, and what is put in its place."""
    names, given = names_of(trace.stage(stage.scope).cell).get(name), trace.given.get(stage.scope, {})
    if names is None or not (names.hold in given or names.scale in given):
        return
    part, put, held, scaled = np.ones(1), np.zeros(1), np.zeros(1, bool), np.zeros(1, bool)
    if names.scale in given:
        scaled = read(names.scale) != 0
        part = np.where(scaled, read(names.by), part)
    if names.hold in given:
        held = read(names.hold) != 0
        part, put = np.where(held, 0.0, part), np.where(held, read(names.to), put)
    none = np.zeros_like(part, bool)
    yield Change(name, part, np.zeros_like(part), put + none, held | none, scaled & ~held | none, after=False)


def times(values: Array, part: Array) -> Array:
    """A part of some values; of all of an infinite value, or of none."""
    return np.where(part == 0, 0.0, values * part)
