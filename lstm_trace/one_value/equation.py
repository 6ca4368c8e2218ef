"""How one number was computed: its equation in symbols, with the numbers that it read, and written out.

In its formulas every number that has an address bears it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from ..base.display import escape
from ..cell.lines import Line
from ..cell.network import Stage
from ..cell.ops import OPS
from ..formulas.mathml import MATHML, MathML
from ..formulas.plain import Plain, raised
from ..formulas.tex import Tex
from ..formulas.tree import HELD, Dots, Index, Node, Num, formula, numbers, value, written_out
from ..formulas.values import Values
from ..languages.strings import Words
from ..report.content.backward import gradient_symbols
from ..report.content.value_blocks import parts_of
from ..trace.trace import Trace
from ..view.line_groups import held_at, with_held
from ..view.view import Naming
from ..view.worked_rows import with_comma
from .location import Location, location_of

XMLNS = "http://www.w3.org/1998/Math/MathML"


@dataclass(frozen=True)
class Formula:
    """A formula in three formats; `mathml` is a whole element of XML, in which numbers bear `data-address`.

    parts: what it is made of, each part with the sign before it.
    """

    text: str
    tex: str
    mathml: str
    parts: ClassVar[tuple[tuple[str, Node], ...]] = ()  # no field: it is no part of what is sent


@dataclass(frozen=True)
class Writing(Naming):
    """Writes formulas of a trace: its numbers as they are shown, its symbols in a notation, its places in words."""

    trace: Trace
    words: Words
    values: Values

    @cached_property
    def own(self) -> dict[str, Any]:
        """The symbols that are not those of our table."""
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
        """Prints MathML without any HTML in it, so that it is XML by itself."""

        def mn(printer: Any, node: Num) -> str:
            # a number of an equation, or what a condition comes to, has no address
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
            stage: that stage; None where there is none, whose name is printed as it is.
            name: by which the stage reads it.
            t: the step, a position in the input; None for a parameter.
            index: the unit, or the row and column.
            single: whether its array has no other number: it is printed without an index.

        Returns:
            A formula to be printed.
        """
        node = value(name, (stage or self.trace.stages[0]).cell)
        if stage is not None and t is not None:
            node = self.at(stage, t, node)
        return node if single else Index(node, ",".join(str(self.words.nth(k)) for k in index))

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


#: So many terms of a sum are written out; of a longer one `SHORT`, with dots, so that a page can show it.
TERMS, SHORT = 64, 16


@dataclass(frozen=True)
class Equation:
    """What computed a number; nothing for a premise. The formulas and relations are those of a `Derivation`.

    numbers: those that stand in `substituted`, as often as they do; left_out: how many more it reads.
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
    # a line in symbols: its name where it has one, what it computes, what a composite function stands for
    symbols = [value(line.name, stage.cell), formula(line, stage.cell) if line.assigned else None]
    named = [node for node in (*symbols, written_out(line, stage.cell)) if node is not None]
    parts = (("=" if at else "", writing.at(stage, place.t, node)) for at, node in enumerate(named))
    terms, long = _terms(writing.trace, stage, line)
    tree = writing.values.tree(stage, line, place.t, place.b, place.unit[0], SHORT if long else None)
    read = () if tree is None else tuple(number for number in numbers(tree) if number.key is not None)
    whole = _whole(writing, stage, line, place)
    return Equation(
        writing.formula(*parts),
        None if tree is None else writing.formula(("", tree)),
        writing.values.relation(result, None if line.call[:1] == (HELD,) else tree),
        None if whole is None else writing.formula(("", whole)),
        "" if whole is None else writing.values.relation(result, None if _dotted(whole) else whole),
        read,
        max(terms - len(read), 0) if _dotted(tree) else 0,
    )


def _whole(writing: Writing, stage: Stage, line: Line, place: Location) -> Node | None:
    """A named line with the numbers of named values alone; None where its own operands all have a name."""
    inner = {name: own for name in stage.through(line) if (own := stage.cell.by_name.get(name)) and not own.assigned}
    if not (line.assigned and inner) or place.t is None or place.b is None:
        return None
    terms = sum(_terms(writing.trace, stage, one)[0] for one in (line, *inner.values()))
    most = SHORT if terms > TERMS else None  # of every sum: one within another has the product of their terms
    return writing.values.whole(stage, line, place.t, place.b, place.unit[0], most)


def _terms(trace: Trace, stage: Stage, line: Line) -> tuple[int, bool]:
    """How many numbers a unit of a line reads, and whether that is a long sum."""
    if line.product is None and not OPS[line.op].reduces:
        return len(line.operands), False
    values = trace.operand(stage.scope, line.operands[line.summed], slice(0, 1))
    if values is None:
        return 0, False
    terms = int(values.shape[-2 if line.op == "vecmat" and values.ndim == 2 else -1])
    return terms * (2 if line.product else 1), terms > TERMS


def _dotted(part: Any) -> bool:
    """Whether something was left out of a formula."""
    return any(isinstance(one, Dots) for one in parts_of(part))
