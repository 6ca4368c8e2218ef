"""The end of a split: the share of each premise in the difference, and experiments that check these shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ...backpropagation.gradients import in_baseline, premises
from ...base.arrays import Array
from ...base.display import visible
from ...documents.blocks import Block, Derivation, Heading, Para, Row, Table, Text
from ...explanation.account import BINS, Faithfulness, Score, Step, share_of
from ...formulas.numbers import show
from ...formulas.tree import Baseline, MatVec, Node, Num, Prod, Sym
from ...formulas.whole import times, total
from ...trace.address import INITIAL
from ...view.view import UNITS, View
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
    yield from _sum(back, [part.share for part in parts])


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
    where = back.words.comma_list(part.where, *at)
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


def _sum(back: Backward, shares: list[float]) -> Iterator[Block]:
    """That the shares add up; what they leave is said where it is more than rounding."""
    value, base = back.value_and_baseline
    found, gap = float(np.sum(shares)), float(value.value) - float(base.value)
    rows = [Row(back.said("between.sum"), (("≈" if found else "=", back.num(found)),))]
    if not abs(gap - found) <= ROUNDING * max(1.0, np.abs(shares).sum()):
        rows.append(Row(back.said("between.rest"), (("≈", back.num(gap - found)),)))
    formula, shown = minus(value, base), back.num(gap)
    rows.append(Row((Sym("ΔL"),), (("=", formula), (back.values.between(formula, shown), shown))))
    yield Derivation(tuple((row,) for row in rows))


def experiments(shown: View) -> Iterator[Block]:
    """What L loses without each step, beside its share; the scores of the orders, and whether they agree."""
    told = shown.told
    if told is None or told.occlusion is None:
        return
    yield Heading(2, shown.said("experiments"))
    yield Para(shown.said("experiments.occlusion"))
    rows = told.ranked
    labelled = any(isinstance(row, Step) and row.token is not None for row in rows)
    head: list[Text] = [(Sym("t"),), *([shown.said("experiments.label")] if labelled else [])]
    head += [shown.said("experiments.share"), shown.said("experiments.lost")]

    def cells(k: int) -> tuple[Text, ...]:
        row = rows[k]
        place, token = (str(shown.words.nth(row.t)), row.token) if isinstance(row, Step) else (row.place, "")
        names: list[Text] = [(place,), *([(visible(token or ""),)] if labelled else [])]
        return (*names, (shown.num(share_of(row)),), ("",) if row.occlusion is None else (shown.num(row.occlusion),))

    body, _ = excerpted(shown, [abs(share_of(row)) for row in rows], cells, timed=told.faithfulness is None)
    yield Table(tuple(head), tuple(body), 1 + labelled)
    if told.padding:
        yield Para(shown.said("answers.padding"))
    if told.unreached:
        yield Para(shown.said("experiments.unreached"))
    opposed, largest = told.opposed
    if largest:
        yield Para(shown.said("experiments.opposed", opposed=opposed, largest=largest))
    made, possible = told.occlusion.made, told.occlusion.possible
    if made < possible:
        yield Para(shown.said("plot.contribution.made", made=made, possible=possible))
    if told.faithfulness is not None:
        yield from _faithful(shown, told.faithfulness)


def _faithful(shown: View, found: Faithfulness) -> Iterator[Block]:
    best = shown.words.word(f"experiments.order.{found.best}")
    yield Para(shown.said("experiments.faithful", percent=", ".join(map(str, BINS)), order=best))
    rows: list[tuple[Text, Score]] = [(shown.said(f"experiments.order.{name}"), s) for name, s in found.orders.items()]
    rows.append((shown.said("experiments.order.random", n=len(found.drawn)), found.mean))
    yield Table(
        tuple(shown.said(f"experiments.{name}") for name in ("order", "away", "past", "kept", "distance")),
        tuple((name, *((shown.num(value),) for value in score)) for name, score in rows),
    )
    if len(found.orders) > 1 and found.disagree:
        correlation = Num(show(found.correlation, 2), found.correlation)
        if found.uncorrelated:
            yield Para(shown.words.text("experiments.disagree.ranks", correlation=correlation))
        if found.apart:
            yield Para(shown.said("experiments.disagree.top", common=found.common, top=found.top))
    for key, is_chance in zip(("away", "kept"), found.chance, strict=True):
        if is_chance:
            worse = ".worse" if key == "kept" and found.worse[1] else ""
            yield Para(shown.said(f"experiments.chance.{key}{worse}"))
    if found.misleading:
        yield Para(shown.said("experiments.misleading"))
