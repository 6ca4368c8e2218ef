"""Formulas of one number as text, TeX and MathML, in which every number that has an address bears it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..base.text.markup import escape
from ..cell.network import Stage
from ..formulas.mathml import MATHML, MathML
from ..formulas.plain import Plain, raised
from ..formulas.tex import Tex
from ..formulas.tree import Index, Node, Num, value
from ..formulas.values import Values
from ..languages.strings import Words
from ..report.content.objective import gradient_symbols
from ..trace.trace import Trace
from ..view.view import Naming
from ..view.worked_rows import with_comma
from .places import Place, place_of

XMLNS = "http://www.w3.org/1998/Math/MathML"


@dataclass(frozen=True)
class Formula:
    """A formula in three formats; `mathml` is a whole element of XML, in which numbers bear `data-address`."""

    text: str
    tex: str
    mathml: str

    def record(self) -> dict[str, str]:
        """As plain values."""
        return {"text": self.text, "tex": self.tex, "mathml": self.mathml}


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
        power = replace(MATHML, scaled=lambda number, exponent: f"{number}×10{raised(str(exponent))}", num=self._mn)
        return MathML(self.own, power)

    def _mn(self, printer: Any, node: Num) -> str:
        text = printer.number(node.shown)
        if not node.key:  # of an equation, or what a condition comes to
            return f"<mn>{text}</mn>"
        return f'<mn data-address="{escape(place_of(self.trace, node.key).address(self.trace))}">{text}</mn>'

    def formula(self, *parts: tuple[str, Node]) -> Formula:
        """Parts of a chain, each with the sign before it (none before the first)."""
        if self.values.style.comma:
            parts = tuple((sign, with_comma(node)) for sign, node in parts)
        tex = {"≈": r"\approx"}
        text = " ".join(f"{sign} {self.plain(node)}".strip() for sign, node in parts)
        source = " ".join(f"{tex.get(sign, sign)} {self.tex(node)}".strip() for sign, node in parts)
        body = "".join((f"<mo>{sign}</mo>" if sign else "") + self.mathml(node) for sign, node in parts)
        tall = ' displaystyle="true"' if "<mfrac>" in body else ""
        return Formula(text, source, f'<math xmlns="{XMLNS}"{tall}>{body}</math>')

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

    def symbol_of(self, place: Place) -> Node:
        """The symbol of the number at a place."""
        stage, name = place.read_as(self.trace)
        return self.symbol(stage, name, place.t, place.unit, place.is_single(self.trace))

    def number(self, place: Place) -> Num:
        """The number at a place, as it is shown."""
        stage, name = place.read_as(self.trace)
        if stage is None or place.kind(self.trace) == "sum":
            recorded = place.array(self.trace)[place.unit]
            return Num(self.values.style.show(recorded, place.name), recorded, tuple(place))
        return self.values.num(stage.scope, name, place.t, place.b, place.unit)
