"""The end of a split: the share of each premise in the difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ...backpropagation.gradients import in_baseline, premises
from ...base.arrays import Array
from ...documents.blocks import Block, Derivation, Heading, Para, Row, Text
from ...formulas.tree import Baseline, MatVec, Node, Prod, Sym
from ...formulas.whole import times, total
from ...trace.address import INITIAL
from ...view.view import UNITS
from ..content.backward import Backward
from ..content.value_blocks import excerpted, minus

#: What a residual may be of the sizes of all shares, where it is no more than rounding.
ROUNDING = 1e-12


class _Difference(NamedTuple):
    """A premise, at one step where it has steps: its slopes, its values here and in the baseline, its symbol."""

    slope: Array
    here: Array
    base: Array
    symbol: Node
    t: int | None = None
    where: str = ""

    @property
    def share(self) -> float:
        """Slope times difference, added up."""
        differs = self.here != self.base
        return float((self.slope[differs] * (self.here - self.base)[differs]).sum())


def shares(back: Backward) -> Iterator[Block]:
    """The share of every premise that differs between two traces, their sum, and value minus baseline value."""
    if not back.between:
        return
    yield Heading(2, back.said("between.shares"))
    slope, v = back.slope(Sym("v")), Sym("v")
    product = Prod(slope, minus(v, Baseline(v)))
    yield Para(back.words.text("between.share", product=product, v=v))
    parts = list(_parts(back))
    lines, note = excerpted(back, [abs(part.share) for part in parts], lambda k: (_row(back, parts[k]),))
    yield Derivation(tuple(lines))
    yield from note
    value, base = back.value_and_baseline
    found, gap = sum(part.share for part in parts), float(value.value) - float(base.value)
    rows = [Row(back.said("between.sum"), (("≈" if found else "=", back.num(found)),))]
    if not abs(gap - found) <= ROUNDING * max(1.0, sum(abs(part.share) for part in parts)):  # more than rounding
        rows.append(Row(back.said("between.rest"), (("≈", back.num(gap - found)),)))
    formula, shown = minus(value, base), back.num(gap)
    rows.append(Row((Sym("ΔL"),), (("=", formula), (back.values.between(formula, shown), shown))))
    yield Derivation(tuple((row,) for row in rows))


def _parts(back: Backward) -> Iterator[_Difference]:
    """The premises that differ."""
    for premise in premises(back.trace):
        base = in_baseline(back.trace, premise)
        here = premise.value(back.trace)
        if base is None or np.array_equal(here, base):
            continue
        owner = back.trace.stage(premise.scope) if premise.scope else None
        where = back.where(owner, None, None) if owner else ""
        name = INITIAL.get(premise.name, premise.name) if premise.kind == "state" else premise.name
        symbol = Sym("x_t" if premise.kind == "input" else name)
        if premise.kind in ("parameter", "state"):
            yield _Difference(premise.gradient, here, base, symbol, None, where)
            continue
        for t, slope, one, other in zip(back.trace.span, premise.gradient, here, base, strict=True):
            if not np.array_equal(one, other):
                yield _Difference(slope, one, other, symbol, t, where)


def _row(back: Backward, part: _Difference) -> Row:
    """What differs with its numbers, where that is little; else in symbols."""
    at = [back.step(part.t)] if part.t is not None and back.trace.steps > 1 else []
    where = back.words.word("list").join(filter(None, (part.where, *at)))
    label: Text = (part.symbol, back.words.aside(where)) if where else (part.symbol,)
    places = np.argwhere(part.here != part.base)
    put_in: Node = MatVec(Sym("Σ"), Prod(back.slope(part.symbol), minus(part.symbol, Baseline(part.symbol))))
    if len(places) <= UNITS:
        terms: list[tuple[float, Node]] = []
        for entry in map(tuple, places):
            gap = minus(back.num(part.here[entry], given=True), back.num(part.base[entry], given=True))
            terms.append((1.0, times(back.num(part.slope[entry]), gap)))
        put_in = total(terms)
    share = back.num(part.share)
    return Row(label, (("=", put_in), (back.values.between(put_in, share), share)))
