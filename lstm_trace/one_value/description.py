"""What a number is there for, in a sentence, and where it stands, in the words of a language."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ..cell.lines import Line
from ..cell.network import VALID, Stage
from ..formulas.tree import Sym, value
from ..formulas.whole import on_paper
from ..report.in_words.cases import percent
from ..report.in_words.gates import gates
from ..trace.labels import readout
from .equation import Writing
from .location import Location


def about(writing: Writing, place: Location) -> str:
    """What such a number is there for; of a gate also how far it is open here."""
    trace, stage = writing.trace, place.stage(writing.trace)
    line = place.line(trace)
    if stage is not None and stage.is_adjoint:
        of = dict(reversed(stage.cell.gradient)).get(place.name)
        owner = next((other for other in trace.stages if other.scope == stage.owner), stage)
        return _said(writing, "about.gradient", of=_symbol(writing, owner, of)) if of else _said(writing, "about.back")
    if line is None or stage is None:
        return _premise(writing, stage, place)
    key, fields = _line(writing, stage, line)
    told = _said(writing, key, **fields)
    number = float(place.array(trace)[place.unit])
    if (_named_gate(writing, line.name) or stage.cell.is_gate(line)) and 0 <= number <= 1:
        share = percent(writing.words, place.array(trace)[place.unit])
        told += writing.words.word("stop.next")[1:] + _said(writing, "about.here", share=share)
    return told


def where(writing: Writing, place: Location) -> str:
    """Layer, direction, step, sequence and unit in words; of a weight the units that it goes from and to."""
    trace, stage = writing.trace, place.stage(writing.trace)
    t = None if place.kind(trace) == "initial" else place.t
    found = [writing.where(stage, t, place.b)]
    width = place.array(trace).shape
    if not place.scope:
        found.append(writing.unit(place.unit[0], width[0], "x"))
    elif stage is not None and place.t is None:
        found.append(" ← ".join(_ends(writing, stage, place)))
    elif stage is not None and width != (1,):  # a number by itself, a loss for example, is of no unit
        found.append(writing.label(stage, place.name, place.unit[0], width[0]))
    return writing.words.word("list").join(part for part in found if part)


def _ends(writing: Writing, stage: Stage, place: Location) -> Iterator[str]:
    """The unit that a weight goes to, and the one that it comes from where it is in a matrix."""
    shape = place.array(writing.trace).shape
    reader = next(iter(stage.cell.readers.get(place.name, ())), None)
    if reader is None or reader.product is None or len(shape) == 1:
        name = reader.name if reader is not None else place.name
        yield from (writing.label(stage, name, j, n) for j, n in zip(place.unit, shape, strict=True))
        return
    to, of = (0, 1) if reader.op == "matvec" else (1, 0)
    yield writing.label(stage, reader.name, place.unit[to], shape[to])
    yield writing.label(stage, reader.product[1], place.unit[of], shape[of])


def _said(writing: Writing, key: str, **fields: str) -> str:
    """The sentence of a key, beginning with a capital, or with the symbol that it begins with."""
    text = writing.words.word(key, **fields)
    begin = text[:1] if writing.words.table[key].startswith("{") else text[:1].upper()
    return begin + text[1:] + writing.words.word("stop")


def _symbol(writing: Writing, stage: Stage, name: str) -> str:
    """A value of a stage as it is printed."""
    return writing.plain(on_paper(value(name, stage.cell)))


def _named_gate(writing: Writing, name: str) -> bool:
    """Whether the cell calls a line a gate, whatever its activation."""
    key = f"the.{writing.trace.header.kind}.{name}"
    return writing.words.has(f"did.{writing.trace.header.kind}.{name}") and writing.words.has(key)


def _line(writing: Writing, stage: Stage, line: Line) -> tuple[str, dict[str, str]]:
    """The key and fields of the sentence on a line: the cell's own, or by what it is among the equations."""
    cell, kind, words = stage.cell, writing.trace.header.kind, writing.words
    symbol = partial(_symbol, writing, stage)
    if VALID in {stage.sources.get(name) for name in line.reads}:
        return "about.held", {"line": symbol(str(line.operands[1]))}
    if stage.direction == "joined" and line.name == cell.output:
        return "about.joined", {}
    named = frozenset(name for name in cell.by_name if _named_gate(writing, name))
    found = {gate.name: gate for gate in gates(stage, named)}
    gate = found.get(line.name)
    if words.has(own := f"about.{kind}.{line.name}"):
        mixed = f"{own}.{gate.signal}" if gate is not None else ""
        return (mixed if words.has(mixed) else own), {}
    if line.product is not None:
        return "about.product", {"vector": symbol(line.product[1]), "line": _target(writing, stage, line)}
    if gate is not None:
        return "about.gate", {"signal": symbol(gate.signal)}
    for one in found.values():
        if line.op == "mul" and set(line.operands) == {one.name, one.signal}:
            return "about.lets", {"gate": symbol(one.name), "signal": symbol(one.signal)}
    if carried := [state for state, name in cell.carry if name == line.name]:
        return "about.state", {"state": symbol(carried[0])}
    if line.name in readout(cell):
        return "about.readout", {}
    if line.name == cell.output:
        return "about.output", {}
    others = (other.sources.values() for other in writing.trace.stages if not other.is_adjoint)
    if line.name not in cell.readers and not any(f"{stage.scope}/{line.name}" in sources for sources in others):
        values = writing.trace.lines.get(stage.scope, {}).get(line.name)
        return ("about.result.1" if values is not None and values.shape[-1] == 1 else "about.result"), {}
    summed = line.op == "add" and any(name in cell.by_name and cell.by_name[name].product for name in line.reads)
    return "about.sum" if summed else "about.line", {"line": _target(writing, stage, line)}


def _target(writing: Writing, stage: Stage, line: Line) -> str:
    """The line that another one leads to, as it is printed: the nearest that has a name of its own, past its sums."""
    cell, kind = stage.cell, writing.trace.header.kind
    name, seen = line.name, {line.name}
    while name in cell.readers and (reader := cell.readers[name][0]).name not in seen:
        name = reader.name
        seen.add(name)
        summed = reader.op == "add" and name in cell.readers and len(cell.readers[name]) == 1
        if writing.words.has(f"{kind}.{name}") or (reader.assigned and not summed):
            break
    return _symbol(writing, stage, name)


def _premise(writing: Writing, stage: Stage | None, place: Location) -> str:
    """The sentence on a number that is given."""
    kind = place.kind(writing.trace)
    if kind == "input":
        return _said(writing, "about.valid" if place.scope else "about.input")
    if kind == "initial" and stage is not None:
        return _said(writing, "about.initial", state=writing.plain(Sym(stage.cell.states[place.name])))
    reader = None if stage is None else next(iter(stage.cell.readers.get(place.name, ())), None)
    if kind == "given" or stage is None or reader is None:
        return _said(writing, "about.given")
    target = _target(writing, stage, reader)
    if reader.product is not None:
        to, of = _ends(writing, stage, place)
        symbol = _symbol(writing, stage, reader.product[1])
        return _said(writing, "about.weight", unit=of, vector=symbol, line=target, to=to)
    if reader.op == "add":
        return _said(writing, "about.bias", line=target)
    return _said(writing, "about.parameter", line=target)
