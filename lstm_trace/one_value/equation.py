"""How one number was computed, and in words what it is for and where it belongs.

Its equation is given in symbols, with the numbers that it read, and written out. In its formulas every number that
has an address carries it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, ClassVar

from ..base.display import escape
from ..cell.lines import Line
from ..cell.network import VALID, Stage
from ..cell.ops import OPS
from ..formulas.mathml import MATHML, MathML
from ..formulas.plain import Plain, raised
from ..formulas.tex import Tex
from ..formulas.tree import HELD, Dots, Index, Node, Num, Sym, formula, numbers, parts_of, value, written_out
from ..formulas.values import Values
from ..formulas.whole import on_paper
from ..languages.strings import Words
from ..report.content.backward import gradient_symbols
from ..report.in_words.cases import percent
from ..report.in_words.gates import gates
from ..trace.labels import readout
from ..trace.trace import Trace
from ..view.hand_size import with_comma
from ..view.line_groups import held_at, with_held
from ..view.naming import Naming
from .location import Location, location_of

XMLNS = "http://www.w3.org/1998/Math/MathML"


@dataclass(frozen=True)
class Formula:
    """A formula in three formats; `mathml` is a complete XML element, in which numbers carry `data-address`.

    parts: the parts of the formula, each with the sign before it.
    """

    text: str
    tex: str
    mathml: str
    parts: ClassVar[tuple[tuple[str, Node], ...]] = ()  # not a field: it is not part of what is sent


@dataclass(frozen=True)
class Writing(Naming):
    """Writes formulas of a trace: its numbers as they are shown, its symbols in a notation, its places in words."""

    trace: Trace
    words: Words
    values: Values

    @cached_property
    def own(self) -> dict[str, Any]:
        """The symbols that are not in our table."""
        own: dict[str, Any] = dict(self.trace.header.symbols)
        if any(stage.cell.gradient for stage in self.trace.stages):
            own |= gradient_symbols(self.trace.stages, own, self.place)
        return own

    @cached_property
    def plain(self) -> Plain:
        """Prints text."""
        return Plain(self.own)

    @cached_property
    def tex(self) -> Tex:
        """Prints TeX."""
        return Tex(self.own)

    @cached_property
    def mathml(self) -> MathML:
        """Prints MathML without any HTML in it, so that it is XML on its own."""

        def mn(printer: Any, node: Num) -> str:
            # a number of an equation, or the outcome of a condition, has no address
            at = escape(location_of(self.trace, node.key).address(self.trace)) if node.key else ""
            where = f' data-address="{at}"' if at else ""
            return f"<mn{where}>{printer.number(node.shown)}</mn>"

        power = replace(MATHML, scaled=lambda number, exponent: f"{number}×10{raised(str(exponent))}", num=mn)
        return MathML(self.own, power)

    def formula(self, *parts: tuple[str, Node]) -> Formula:
        """Parts of a chain, each with the sign before it (none before the first)."""
        if self.values.style.comma:
            parts = tuple((sign, with_comma(node)) for sign, node in parts)
        tex = {"≈": r"\approx"}
        text = " ".join(f"{sign} {self.plain(node)}".strip() for sign, node in parts)
        source = " ".join(f"{tex.get(sign, sign)} {self.tex(node)}".strip() for sign, node in parts)
        body = "".join((f"<mo>{sign}</mo>" if sign else "") + self.mathml(node) for sign, node in parts)
        tall = ' displaystyle="true"' if "<mfrac>" in body else ""
        made = Formula(text, source, f'<math xmlns="{XMLNS}"{tall}>{body}</math>')
        object.__setattr__(made, "parts", parts)
        return made

    def shown(self, number: Num) -> str:
        """A number as text."""
        return self.plain.number(with_comma(number.shown) if self.values.style.comma else number.shown)

    def symbol(self, stage: Stage | None, name: str, t: int | None, index: Sequence[int], single: bool) -> Node:
        """The symbol of one number as a stage reads it.

        Args:
            stage: that stage; None if there is none: the name is then printed as it is.
            name: the name by which the stage reads it.
            t: the step, a position in the input; None for a parameter.
            index: the unit, also of a matrix that lies in one row; or the row and column.
            single: whether its array has no other number: it is printed without an index.

        Returns:
            A formula to be printed.
        """
        node = value(name, (stage or self.trace.stages[0]).cell)
        if stage is not None and t is not None:
            node = self.at(stage, t, node)
        if single:
            return node
        if stage is not None and len(index) == 1:
            return Index(node, self.entry(stage, name, *index))
        return Index(node, ",".join(str(self.words.nth(k)) for k in index))

    def symbol_of(self, place: Location) -> Node:
        """The symbol of the number at a place."""
        stage, name = place.read_as(self.trace)
        return self.symbol(stage, name, place.t, place.unit, place.is_single(self.trace))

    def number(self, place: Location) -> Num:
        """The number at a place, as it is shown."""
        stage, name = place.read_as(self.trace)
        if stage is None or place.kind(self.trace) == "sum":
            recorded = place.array(self.trace)[place.unit]
            return Num(self.values.style.show(recorded, place.name), recorded, tuple(place))
        return self.values.num(stage.scope, name, place.t, place.b, place.unit)


#: How many terms of a sum are written out; of a longer one `SHORT`, with dots, so that a page can show it.
TERMS, SHORT = 64, 16
#: How many values a formula that is written out shows, each as often as it is read, before dots follow.
WRITTEN = 2000


@dataclass(frozen=True)
class Equation:
    """What computed a number; empty for a premise. The formulas and relations are those of a `ValueDerivation`.

    numbers: those in `substituted`, as often as they occur; left_out: how many more it reads.
    """

    equation: Formula | None = None
    substituted: Formula | None = None
    relation: str = ""
    written_out: Formula | None = None
    written_out_relation: str = ""
    numbers: tuple[Num, ...] = ()
    left_out: int = 0


def equation(writing: Writing, place: Location, result: Num) -> Equation:
    """The equation of a number; result: as it is shown."""
    stage, line = place.stage(writing.trace), place.line(writing.trace)
    if line is None or stage is None or place.t is None or place.b is None:
        return Equation()
    shown = with_held(stage, held_at(writing.trace, stage, place.t, place.b, place.unit[0]))
    if line.name in shown.cell.by_name:
        stage, line = shown, shown.cell.by_name[line.name]
    # a line in symbols: its name if it has one, what it computes, what a composite function is short for
    symbols = [value(line.name, stage.cell), formula(line, stage.cell) if line.assigned else None]
    named = [node for node in (*symbols, written_out(line, stage.cell)) if node is not None]
    parts = (("=" if at else "", writing.at(stage, place.t, node)) for at, node in enumerate(named))
    terms, long = _terms(writing.trace, stage, line)
    tree = writing.values.tree(stage, line, place.t, place.b, place.unit[0], SHORT if long else None)
    read = () if tree is None else tuple(number for number in numbers(tree) if number.key is not None)
    relation = writing.values.relation(result, None if line.call[:1] == (HELD,) else tree)
    put_in = None if tree is None else writing.formula(("", tree))
    left_out = max(terms - len(read), 0) if _dotted(tree) else 0
    found = Equation(writing.formula(*parts), put_in, relation, numbers=read, left_out=left_out)
    inner = {name: own for name in stage.through(line) if (own := stage.cell.by_name.get(name)) and not own.assigned}
    if not (line.assigned and inner):  # its own operands all have a name
        return found
    terms = sum(_terms(writing.trace, stage, one)[0] for one in (line, *inner.values()))
    most = SHORT if terms > TERMS else None  # of every sum: a nested sum has the product of their terms
    whole = writing.values.whole(stage, line, place.t, place.b, place.unit[0], most, WRITTEN)
    if whole is None:
        return found
    relation = writing.values.relation(result, None if _dotted(whole) else whole)
    return replace(found, written_out=writing.formula(("", whole)), written_out_relation=relation)


def _terms(trace: Trace, stage: Stage, line: Line) -> tuple[int, bool]:
    """How many numbers a unit of a line reads, and whether that is a long sum."""
    product = line.product or line.memory
    if product is None and not OPS[line.op].reduces:
        return len(line.operands), False
    values = trace.operand(stage.scope, line.operands[line.summed], slice(0, 1))
    if values is None:
        return 0, False
    terms = int(values.shape[-2 if line.op == "vecmat" and values.ndim == 2 else -1])
    return terms * (2 if product else 1), terms > TERMS


def _dotted(node: Node | None) -> bool:
    """Whether something was left out of a formula."""
    return node is not None and any(isinstance(part, Dots) for part in parts_of(node))


def about(writing: Writing, place: Location) -> str:
    """What such a number is for; for a gate also how far it is open here."""
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
    """Layer, direction, step, sequence and unit in words; for a weight the units that it goes from and to."""
    trace, stage = writing.trace, place.stage(writing.trace)
    t = None if place.kind(trace) == "initial" else place.t
    found = [writing.where(stage, t, place.b)]
    width = place.array(trace).shape
    if not place.scope:
        found.append(writing.unit(place.unit[0], width[0], "x"))
    elif stage is not None and place.t is None:
        found.append(" ← ".join(_ends(writing, stage, place)))
    elif stage is not None and width != (1,):  # a single number, such as a loss, belongs to no unit
        found.append(writing.label(stage, place.name, place.unit[0], width[0]))
    return writing.words.comma_list(*found)


def _ends(writing: Writing, stage: Stage, place: Location) -> Iterator[str]:
    """The unit that a weight goes to, and the unit that it comes from if it is in a matrix.

    A gradient that is summed over all steps has those of the weight.
    """
    shape = place.array(writing.trace).shape
    weight, owner = dict(stage.cell.gradient).get(place.name, place.name), writing.trace.stage(stage.owner)
    if writing.trace.grid(owner.scope, weight):
        yield writing.label(owner, weight, place.unit[0] * shape[1] + place.unit[1], shape[0] * shape[1])
        return
    reader = next(iter(owner.cell.readers.get(weight, ())), None)
    if reader is None or reader.product is None or len(shape) == 1:
        name = reader.name if reader is not None else weight
        yield from (writing.label(owner, name, j, n) for j, n in zip(place.unit, shape, strict=True))
        return
    to, of = (0, 1) if reader.op == "matvec" else (1, 0)
    yield writing.label(owner, reader.name, place.unit[to], shape[to])
    yield writing.label(owner, reader.product[1], place.unit[of], shape[of])


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
    """The key and fields of the sentence on a line: the cell's own, or one by its role among the equations."""
    cell, kind, words = stage.cell, writing.trace.header.kind, writing.words
    symbol = partial(_symbol, writing, stage)
    if line.op == "where" and stage.sources.get(str(line.operands[0])) == VALID:
        kept = line.operands[2] in cell.states
        return "about.held" if kept else "about.padded", {"line": symbol(str(line.operands[1]))}
    if stage.direction == "joined" and line.name == cell.output:
        return "about.joined", {}
    named = frozenset(name for name in cell.by_name if _named_gate(writing, name))
    found = {gate.name: gate for gate in gates(stage, named)}
    gate = found.get(line.name)
    if words.has(own := f"about.{kind}.{line.name}"):
        mixed = f"{own}.{gate.signal}" if gate is not None else ""
        return (mixed if words.has(mixed) else own), {}
    if line.memory is not None:
        return "about.read", dict(zip(("matrix", "vector"), map(symbol, line.memory), strict=True))
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
    """The line that another one leads to, as it is printed: the nearest that has a name of its own, beyond its sums."""
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
