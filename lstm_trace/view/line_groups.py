"""How the lines of a stage are shown: in groups that belong together, and marked where they are held.

A line that is not held is shown by its equation. Otherwise it is `held(c_t⁰)`: some of the values given by its
equation, c_t⁰, are replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ..cell.lines import Cell, Line, names_of
from ..cell.network import Stage
from ..cell.ops import OPS
from ..documents.blocks import Block, Code, Heading, Para, Text
from ..formulas.symbols import Symbol
from ..formulas.tree import HELD, Baseline, Call, Index, Node, heading, number, value
from ..trace.held import HeldBlock, entries, plain_stage, status
from ..trace.holding import Multiple
from ..trace.labels import axis
from ..trace.trace import Trace
from .hand_size import TABLE

if TYPE_CHECKING:
    from .view import Place, View


#: Functions of one value that end a group: their result is an activation.
_LEADING = {name for name, op in OPS.items() if op.function and op.arity == 1 and op.width == "same"} - {"clip", "sqrt"}


class LineGroup(NamedTuple):
    """Lines in order of computation; the last of them is the result of the group, `leader` unless that has no name.

    ends: for gradients of the `input` or the `state` of a step, which of the two; then there is no leader.
    """

    leader: Line | None
    lines: tuple[Line, ...]
    ends: str = ""


def gated(line: Line, cell: Cell) -> str | None:
    """The value that the gate `line` multiplies; None if it is not a gate."""
    return multiplied(line.name, cell) if cell.is_gate(line) else None


def multiplied(name: str, cell: Cell) -> str | None:
    """The value that a line or input multiplies; None if there is none.

    Among several products, one in which it is the first factor takes precedence over one in which it is the second. If
    both factors are gates, the first is the gate.
    """
    second_factor = None
    for product in cell.readers.get(name, ()):
        if product.op != "mul" or not all(isinstance(operand, str) for operand in product.operands):
            continue
        first, second = map(str, product.operands)
        if first == name:
            return second
        if first not in cell.by_name or not cell.is_gate(cell.by_name[first]):
            second_factor = second_factor or first
    return second_factor


def groups(stage: Stage, titled: frozenset[str]) -> list[LineGroup]:
    """The computed lines of a stage in groups, in an order in which they can be computed.

    A group ends in a line that others build on: one with a heading of its own (`titled`), an activation, a gate, a
    carried line, the output. Lines that only such a line needs come before it.
    """
    cell = stage.cell
    carried = frozenset(cell.states.values())
    computed = {line.name for line in stage.lines}
    place = {line.name: at for at, line in enumerate(stage.lines)}
    leader: dict[str, str] = {}
    for line in reversed(stage.lines):
        readers = [reader.name for reader in cell.readers.get(line.name, ()) if reader.name in computed]
        leads = line.assigned and (
            line.name in titled | carried | {cell.output} or line.op in _LEADING or line.call or gated(line, cell)
        )
        targets = dict.fromkeys(leader[name] for name in readers)
        if leads or not targets or (line.assigned and len(targets) > 1):
            leader[line.name] = line.name
        else:  # the earliest of the groups that use it, so that every line still comes after its operands
            leader[line.name] = min(targets, key=place.__getitem__)
    found: dict[str, list[Line]] = {}
    for line in stage.lines:
        own = leader[line.name]
        found.setdefault("" if own in carried and not cell.by_name[own].assigned else own, []).append(line)
    order = sorted(found, key=lambda name: place[name] if name else len(place))
    return [LineGroup(cell.by_name.get(name), tuple(found[name])) for name in order]


def titled(shown: View, place: Place, group: LineGroup, level: int) -> Iterator[Heading]:
    """The heading of a group: its last line in words, and its symbol; for gradients, their variable."""
    stage = place.stage if not place.stage.is_adjoint else shown.trace.stage(place.stage.owner)
    cell, leader, words = stage.cell, group.leader, shown.words
    if leader is None:
        first = place.t == shown.trace.span[-1 if stage.backwards else 0]
        ends = {"input": "back.input", "state": "back.initial" if first else "back.before"}
        yield Heading(level, shown.said(ends.get(group.ends, "line.carried")))
        return
    alias = shown.trace.header.aliases.get(leader.name)
    called = words.text("line.alias", name=Code(alias)) if alias and place.t == shown.places[0].t else ()
    symbol = (shown.at(stage, place.t, heading(leader, cell)), *called)
    if not leader.assigned:
        yield Heading(level, symbol)
        return
    key = f"{shown.trace.header.kind}.{leader.name}"
    if leader.call and words.has(f"function.{leader.call[0]}"):
        key = f"function.{leader.call[0]}"
    elif stage.direction == "joined" and leader.name == cell.output:
        key = "line.joined"
    elif not words.has(key):
        carried = leader.name in cell.states.values()
        key = "line.state" if carried else "line.gate" if cell.is_gate(leader) else "line.output"
        if key == "line.output" and leader.name != cell.output:
            key = "line.readout" if axis(shown.trace, stage, leader.name) == "y" else ""
    yield Heading(level, (f"{words.word(key)} ", *symbol) if key else symbol)


def held_at(trace: Trace, stage: Stage, t: int, b: int, unit: int | None = None) -> frozenset[str]:
    """The lines with values, or this unit, held at step t of sequence b."""
    part = slice(None) if unit is None else slice(unit, unit + 1)
    held = {line: status(trace, stage, line, t, b) for line in names_of(stage.cell)}
    return frozenset(line for line, units in held.items() if units is not None and units[part].any())


def with_held(stage: Stage, held: frozenset[str]) -> Stage:
    """The stage as shown if these lines are held, and no others."""
    names, plain = names_of(stage.cell), plain_stage(stage)
    if not held:
        return plain
    lines: list[Line] = []
    for line in plain.cell.lines:
        if line.name in held:
            free = names[line.name].free
            lines.append(line._replace(name=free))
            line = Line(line.name, "copy", (free,), (), (HELD, free))
        lines.append(line)
    computed = None
    if plain.computed is not None:
        computed = tuple(x.name for x in lines if x.name in plain.computed or x.name not in plain.cell.by_name)
    return replace(plain, cell=replace(plain.cell, lines=tuple(lines)), computed=computed)


def held_symbols(trace: Trace) -> dict[str, Symbol]:
    """Symbols for holds: c_t⁰ is the value of its equation, held(c_t) whether it is held."""
    found = {}
    for stage in trace.stages:
        for line, names in names_of(stage.cell).items():
            printed = value(line, stage.cell.plain or stage.cell)
            found[names.free] = Symbol(node=Baseline(printed))
            found[names.hold] = found[names.scale] = Symbol(node=Call(HELD, (printed,)))
            found |= {name: Symbol(name=name) for name in (names.to, names.by)}
    return found


def interventions(shown: View) -> Iterator[Block]:
    """A paragraph about holds, if there are any in the shown stages."""
    scopes = {stage.scope for stage in shown.stages}
    there = (entry for entry in entries(shown.trace) if entry.scope in scopes)
    if what := held_in(shown, there, None if shown.everything else TABLE):
        yield Para(shown.words.text("intervention", what=what))


def held_in(shown: View, there: Iterable[HeldBlock], most: int | None) -> Text:
    """The holds in words, empty if there are none: `c_t[35] = 0 (t = 5–9)`, a multiple, or that values are given.

    most: maximum number of places named; all if None.
    """
    found = list(islice(there, None if most is None else most + 1))
    texts = [_told(shown, entry) for entry in found[:most]] + [("…",)] * (len(found) > len(found[:most]))
    return shown.words.listed(texts, "semicolon", "semicolon")


def _told(shown: View, entry: HeldBlock) -> Text:
    stage = shown.trace.stage(entry.scope)
    line: Node = value(entry.line, stage.cell.plain or stage.cell)
    if entry.units is not None:
        at = ",".join(str(shown.words.nth(j)) for j in entry.units[:TABLE]) + (",…" if len(entry.units) > TABLE else "")
        if entry.columns is not None:  # adjacent rows and columns of a matrix
            ends = zip(*(divmod(entry.units[k], entry.columns) for k in (0, -1)), strict=True)
            at = ",".join("..".join(dict.fromkeys(str(shown.words.nth(k)) for k in pair)) for pair in ends)
        line = Index(line, at)
    places = [shown.place(stage)]
    if entry.steps is not None and shown.trace.steps > 1:
        places.append(f"t = {shown.words.span(entry.steps)}")
    if entry.rows is not None and shown.trace.batch > 1:
        places.append("–".join(dict.fromkeys(shown.row(entry.rows[k]) for k in (0, -1))))
    behind = f" ({where})" if (where := shown.words.comma_list(*places)) else ""
    if isinstance(entry.value, Multiple):
        return (*shown.words.text("intervention.scaled", line=line, n=number(entry.value.factor)), behind)
    if isinstance(entry.value, float):
        return (line, " = ", number(entry.value), behind)
    return (*shown.words.text("intervention.values", line=line), behind)
