"""What belongs to the backward pass alone: what L is, how gradients are found, the equations of the adjoint.

Its steps are printed as those of the forward pass, by `solution.steps`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...backpropagation.gradients import by_address
from ...base.arrays import Array
from ...cell.network import Stage, X
from ...documents.blocks import Block, Code, Derivation, Heading, Para, Premises, Row, Table, Text
from ...formulas.tree import (
    Baseline,
    Dots,
    Holds,
    Index,
    Mat,
    MatVec,
    Node,
    Num,
    Prod,
    Sum,
    Sym,
    Transposed,
    Vec,
    kept,
    value,
)
from ...formulas.whole import total
from ...languages.strings import capital
from ...trace.address import INITIAL
from ...view.view import UNITS, Place
from ..content.backward import Backward, comes_back
from ..content.objective import made_for
from ..content.value_blocks import exact, excerpted, matrix, parts_of
from .equations import passed_back
from .solution import continued, rounding, shortened, steps


def backward_pass(back: Backward) -> Iterator[Block]:
    """The gradients at each shown place, from the last step to the first; before them the rules that they follow."""
    yield Heading(2, back.said("back.solution"))
    if not back.alone:
        yield from opening(back)
    elif back.trace.header.arithmetic is not None:
        yield Para(rounding(back, back.trace.header.arithmetic))
    yield Para(back.said(back.key("how")))
    if back.between:
        yield Para(back.words.text("between.baseline", base=Baseline(Sym("c_t")), own=Sym("c_t")))
    yield from passed_back(back)
    yield from _notes(back)
    yield from steps(back)


def adjoint(back: Backward) -> Iterator[Block]:
    """The equations of the adjoint: those of one step, what is carried to the step before, sums over all steps."""
    if back.alone != "equations":
        return
    yield Heading(2, back.said("back.solution"))
    yield Para(back.said(back.key("how")))
    several = len({stage.scope for stage in back.stages}) > 1
    seen: dict[tuple[tuple[Row, ...], ...], None] = {}
    for stage in back.stages:
        rows = tuple(_equations(back, stage))
        if rows in seen:
            continue
        seen[rows] = None
        if several:
            yield Heading(3, capital((back.place(stage),)))
        yield Derivation(rows)
    if back.objective.unit is not None:
        yield Para(back.words.text("back.weight", w=Sym(_weight(back)), line=_named(back)))
    if any(stage.cell.carry for stage in back.stages):
        yield Para(back.words.text(back.key("next"), next=back.slope(Sym("h_t"), "next"), prev=Sym("h_prev")))


def _equations(back: Backward, stage: Stage) -> Iterator[tuple[Row, ...]]:
    for line in stage.cell.lines:
        if line.assigned and back.chosen.has(line.name):
            yield (Row((Sym(line.name),), (("=", back.symbolic(stage, line)),)),)
    for state, carried in stage.cell.carry:
        yield (Row((Sym(state),), (("←", Sym(carried)),)),)
    for gathered in stage.cell.sums:
        yield (Row((Sym(gathered.name),), (("=", summed(back, stage, gathered.terms, "t")),)),)


def title(back: Backward) -> Text:
    """The heading of the backward pass alone: the gradient or the split of what it is."""
    found = back.objective
    of = Code(found.said) if found.said and not found.few else _named(back)
    if back.between:
        return back.words.text("between.title", of=of)
    if found.weighted and not found.few and not found.said:
        return back.words.text("back.title.sum" if found.is_output else "back.title.values")
    return back.words.text("back.title", of=of)


def _named(back: Backward) -> Node:
    """The symbol of what L is, with its unit where there are several; of a sum of a few its terms."""
    stage, name, *_ = found = back.objective
    symbol = value(name, stage.cell)
    if found.few:
        terms = tuple(Index(symbol, str(back.words.nth(unit))) for _, unit in found.few)
        return Sum(tuple(sign for sign, _ in found.few), terms)
    if found.weighted:
        return Sym("L")
    if found.unit is None or back.width(stage, name) == 1:
        return symbol
    return Index(symbol, str(back.words.nth(found.unit)))


def opening(back: Backward) -> Iterator[Block]:
    """What L is, with its value, and what a gradient is."""
    words, of = back.words, back.objective
    several = of.weighted and not of.few
    at = (words.aside(back.where(of.stage, of.t, of.b)),)
    if back.between:
        here, base = back.value_and_baseline
        formula, gap = Sum((1.0, -1.0), (here, base)), back.num(here.value - base.value)
        shares: dict[str, Node] = {"value": here, "base": base, "gap": Sym("ΔL"), "formula": formula, "difference": gap}
        named: dict[str, Node | Text] = {} if several else {"line": _named(back), "at": at}
        sign = back.values.between(formula, gap)
        yield Para(words.text("between.weighted" if several else "between.value", sign=sign, **named, **shares))
    elif several and (of.said or not of.is_output):
        if of.said:
            yield Para(words.text("back.of", sum=Code(of.said), sign="≈", value=back.worth))
        else:
            yield Para(words.text("back.values"))
        lines = {seed: value(line, stage.cell) for seed, (stage, line, _) in zip(of.seeds, of.parts, strict=True)}
        weights = [words.text("back.weights", w=Sym(seed), line=line) for seed, line in lines.items()]
        yield Para(words.sentence(words.listed(weights)))
    elif not of.few and (of.unit is None or of.t is None):
        key = "back.sum" if of.weighted else "back.loss" if of.line == "L" else "back.total"
        yield Para(words.text(key, w=Sym(_weight(back)), line=value(of.line, of.stage.cell)))
    else:
        number, sign = back.worth, "≈"
        if of.unit is not None:
            number = back.values.num(of.stage.scope, of.line, of.t, of.b, (of.unit,))
            sign = "=" if back.values.is_exact(number) else "≈"
        yield Para(words.text("back.value", line=_named(back), at=at, sign=sign, value=number))
    example = of.line if of.line != "L" else of.stage.cell.output  # not the gradient of L with respect to L
    stage = next(s for s in back.trace.stages if s.cell.gradient and s.owner == of.stage.scope)
    if symbol := next((new for new, name in made_for(stage).items() if name == example), ""):
        line = value(example, of.stage.cell)
        yield Para(words.text(back.key("what"), gap=Sym("ΔL"), example=Sym(symbol), line=line))


def _weight(back: Backward) -> str:
    return next(name for stage in back.trace.stages for name in stage.weights)


def _notes(back: Backward) -> Iterator[Block]:
    """What the symbols need said, what was left out, and where nothing comes back to."""
    symbols = [
        node for place in back.places for x in back.lines(place.stage) for _, node in back.formulas(place.stage, x)
    ]
    if any(isinstance(part, Holds) for symbol in symbols for part in parts_of(symbol)):
        yield Para(back.said("back.holds"))
    if any(not back.live.at(p.stage, p.t, p.b).isdisjoint(p.stage.cell.states) for p in back.places):
        yield Para(back.words.text(back.key("next"), next=back.slope(Sym("h_t"), "next"), prev=Sym("h_prev")))
    if back.cut:
        yield Para(shortened(back))
    for stage in back.trace.stages:
        if stage.cell.gradient and not comes_back(back.trace, stage) and stage not in back.stages:
            yield Para(back.said(back.key("nothing"), place=back.place(stage)))


#: So many terms of a sum over steps are written out; so many rows of matrices.
STEPS, MATRIX_ROWS = 4, 150
#: A matrix with more entries stands below its sum, beside others.
SMALL = 12

Term = tuple[str, ...]  # of a `Sum`: a value, or the two of an outer product


def gradients(back: Backward) -> Iterator[Block]:
    """Every weight and bias with its sum over the steps, then inputs and initial states."""
    yield Heading(2, back.said(back.key("sums")))
    for stage in back.stages:
        there = back.trace.sums.get(stage.scope, {})  # none of some steps or rows alone
        sums = [s for s in stage.cell.sums if s.name in there]
        found = {s.name: terms for s in sums if (terms := [t for t in s.terms if _places(back, stage, t)])}
        if not found:
            continue
        if place := back.place(stage):
            yield Heading(3, capital((place,)))
        shapes = [there[name].shape for name in found]
        if sum(n if back.everything else min(n, UNITS) for n, *_ in shapes) > MATRIX_ROWS and not back.everything:
            yield Para(back.said("back.many"))
            continue
        apart: list[tuple[Node, str, Node]] = []
        rows = [_Summed(back, stage, name, terms).rows(apart) for name, terms in found.items()]
        if any(rows):
            yield Derivation(tuple(row for row in rows if row))
        if apart:
            yield Premises((tuple(apart),))
    yield from _inputs(back)
    yield from _initial(back)


def _places(back: Backward, stage: Stage, term: Term) -> list[Place]:
    """The steps and rows that add to a sum by one of its terms, in the order of the walk."""
    steps = back.trace.span[::-1] if stage.backwards else back.trace.span
    bears = [name for name in term if name in back.live.bears[stage.scope]]
    return [
        Place(back.live.stage(stage, t, b), t, b)
        for t in steps
        for b in back.seeded
        if back.live.at(stage, t, b).issuperset(bears)
    ]


def summed(back: Backward, stage: Stage, terms: Sequence[Term], over: str) -> Node:
    """A sum in symbols. over: what it runs over, `t`, `b` or both; empty where there is one step and row."""

    def part(name: str) -> Node:
        line = stage.cell.by_name.get(name)
        return value(name, stage.cell) if line is None or line.assigned else back.symbolic(stage, line)

    node = total([(1.0, MatVec(part(t[0]), Transposed(part(t[1]))) if t[1:] else part(t[0])) for t in terms])
    if not over:
        return node
    sign = Sym(f"Σ_{over}")
    return MatVec(MatVec(sign, node.matrix), node.vector) if isinstance(node, MatVec) else MatVec(sign, node)


class _Summed:
    """The gradient of one parameter, and how it is written.

    terms: those of its sum that are not zero anyhow, of which each is a value or an outer product. recorded: whether
    these were all recorded; else its rows have no numbers put in.
    """

    def __init__(self, back: Backward, stage: Stage, name: str, terms: list[Term]) -> None:
        self.back, self.stage, self.name, self.terms = back, stage, name, terms
        self.sum: Array = back.trace.sums[stage.scope][name]
        self.by_term = {term: {(p.t, p.b): p for p in _places(back, stage, term)} for term in terms}
        self.places = list({at: place for there in self.by_term.values() for at, place in there.items()}.values())
        self.recorded = all(back.values.array(stage.scope, name) is not None for term in terms for name in term)

    def rows(self, apart: list[tuple[Node, str, Node]]) -> tuple[Row, ...]:
        """Its rows; a large matrix goes to those that stand `apart`."""
        return self._matrix(apart) if self.sum.ndim == 2 else self._vector()

    def _there(self, place: Place) -> list[Term]:
        """The terms that are not zero at a place."""
        return [term for term, there in self.by_term.items() if (place.t, place.b) in there]

    def _sum(self) -> Node:
        """The formula: a sum over steps and rows, where there are several."""
        steps, rows = len({p.t for p in self.places}) > 1, len({p.b for p in self.places}) > 1
        return summed(self.back, self.stage, self.terms, "t, b" if steps and rows else "t" if steps else "b" * rows)

    def _chosen(self) -> list[int | None]:
        return kept(len(self.places), None if self.back.everything else STEPS)

    def _num(self, entry: Any) -> Num:
        return self.back.num(entry, self.name)

    # -- a matrix: each step a column times a row ---------------------------------------------------------------------

    def _matrix(self, apart: list[tuple[Node, str, Node]]) -> tuple[Row, ...]:
        back, most = self.back, None if self.back.everything else UNITS
        rows, columns = (kept(n, most) for n in self.sum.shape)
        parts: list[tuple[str, Node]] = [("=", self._sum())]
        if back.detail != "summary" and self.recorded:
            put_in = total([pair for at in self._chosen() for pair in self._outer(at, rows, columns)])
            parts.append(("=", put_in))
        value = matrix(rows, columns, lambda i, k: self._num(self.sum[i, k]))
        shown = [(i, k) for i in rows for k in columns if i is not None and k is not None]
        mark = "=" if self.recorded and None not in self._chosen() and all(self._same(i, k) for i, k in shown) else "≈"
        if self.sum.size > SMALL or back.detail == "summary":
            apart.append((Sym(self.name), mark, value))
            return (Row((Sym(self.name),), tuple(parts)),) if back.detail != "summary" else ()
        return (Row((Sym(self.name),), (*parts, (mark, value))),)

    def _outer(self, at: int | None, rows: list[int | None], columns: list[int | None]) -> Iterator[tuple[float, Node]]:
        """The outer products of a place, each a column times a row."""
        if at is None:
            yield 1.0, Dots()
            return
        place = self.places[at]
        for left, right in self._there(place):
            column = Vec(tuple(Dots("down") if i is None else self._unit(left, place, i) for i in rows))
            row = tuple(Dots() if k is None else self._unit(right, place, k) for k in columns)
            yield 1.0, MatVec(column, Mat((row,)))

    def _unit(self, name: str, place: Place, unit: int) -> Num:
        return self.back.values.num(self.stage.scope, name, place.t, place.b, (unit,))

    def _same(self, i: int, k: int) -> bool:
        """Whether an entry is printed as exactly what the printed products come to."""
        products: list[tuple[float, Node]] = [
            (1.0, Prod(self._unit(left, p, i), self._unit(right, p, k)))
            for p in self.places
            for left, right in self._there(p)
        ]
        return self.back.values.between(total(products), self._num(self.sum[i, k])) == "="

    # -- a vector: a row for each unit --------------------------------------------------------------------------------

    def _vector(self) -> tuple[Row, ...]:
        back = self.back
        first = (("=", self._sum()),)
        units = kept(len(self.sum), back.units)
        if back.detail != "scalar" or not self.recorded:
            vector = Vec(tuple(Dots("down") if j is None else self._num(self.sum[j]) for j in units))
            return (Row((Sym(self.name),), (*first, ("≈" if self.sum.any() else "=", vector))),)
        rows = [Row((Sym(self.name),), first)]
        for j in units:
            if j is None:
                rows.append(Row((Dots("down"),), under=True))
                continue
            tree, result = self._added(j), self._num(self.sum[j])
            parts: tuple[tuple[str, Node], ...] = ((":", tree), (back.values.between(tree, result), result))
            if isinstance(tree, Num):
                parts = ((back.values.relation(tree, None), result),)
            if len(self.sum) == 1:
                return (continued(rows[0], parts),)
            label = back.label(self.stage, self.terms[0][0], j, len(self.sum))
            rows.append(Row((back.words.labelled(label) if parts[0][0] == ":" else label,), parts, under=True))
        return tuple(rows)

    def _added(self, unit: int) -> Node:
        """The terms of one unit over the steps, with numbers."""
        terms: list[tuple[float, Node]] = []
        for at in self._chosen():
            if at is None:
                terms.append((1.0, Dots()))
                continue
            place = self.places[at]
            for (name,) in self._there(place):
                line = place.stage.cell.by_name.get(name)
                if line is None or line.assigned:
                    terms.append((1.0, self._unit(name, place, unit)))
                else:
                    tree = self.back.values.whole(place.stage, line, place.t, place.b, unit, self.back.terms)
                    terms.append((1.0, Dots() if tree is None else tree))
        return total(terms)


# -- inputs and initial states -----------------------------------------------------------------------------------------


def _inputs(back: Backward) -> Iterator[Block]:
    """The gradient of the input at each step that L depends on."""
    gradient = by_address(back.trace).get("x")
    readers = [s for s in back.trace.stages if s.cell.gradient and X in back.trace.stage(s.owner).sources.values()]
    if gradient is None:
        return
    header = back.trace.header
    swapped = header.batched and header.batch_first
    x: Array = gradient[:, None] if not header.batched else np.swapaxes(gradient, 0, 1) if swapped else gradient
    lines = {
        s.scope: [new for new, n in s.cell.gradient if back.trace.stage(s.owner).sources.get(n) == X] for s in readers
    }
    reached = [
        (t, b) for t in back.trace.span for b in back.rows
        if any(not back.live.at(s, t, b).isdisjoint(lines[s.scope]) for s in readers)
    ]  # fmt: skip
    if not reached:
        return
    yield Heading(3, back.said("back.inputs"))
    several = sum(X in s.sources.values() for s in back.trace.stages if not s.cell.gradient) > 1
    yield Para(back.words.text(back.key("inputs.more" if several else "inputs.one"), x=Sym("x_t")))
    columns, first = kept(x.shape[-1], None if back.everything else UNITS), back.place_columns()
    symbol = Sym(lines[readers[0].scope][0])
    head = (*first, *(("…",) if k is None else (symbol, f"[{back.words.nth(k)}]") for k in columns))

    def row(entry: int) -> tuple[Text, ...]:
        t, b = reached[entry]
        there = x[back.trace.index(t), b]
        return (*back.place_cells(t, b), *((Dots(),) if k is None else (back.num(there[k]),) for k in columns))

    sizes = [float(np.abs(x[back.trace.index(t), b]).max()) for t, b in reached]
    rows, note = excerpted(back, sizes, row, timed=True)
    yield Table(head, tuple(rows), len(first))
    yield from note


def _initial(back: Backward) -> Iterator[Block]:
    """The gradients of the initial states."""
    rows: list[tuple[Row, ...]] = []
    for stage in reversed(back.stages):
        owner = back.trace.stage(stage.owner)
        lines = {of: new for new, of in made_for(stage).items() if new in back.trace.lines.get(stage.scope, {})}
        t = back.trace.span[-1 if owner.backwards else 0]
        for state in back.trace.initial.get(owner.scope, {}):
            for b in back.rows:
                if (name := lines.get(state)) is None or name not in back.live.at(stage, t, b):
                    continue
                symbol = back.slope(Sym(INITIAL.get(state, state)), back.where(owner, None, b))
                vector = back.values.vector(stage.scope, name, t, b, back.units)
                rows.append((Row((symbol,), ((exact(back, vector), vector),)),))
    if rows:
        yield Heading(3, back.said("back.states"))
        yield Derivation(tuple(rows))


def by_size(back: Backward) -> Iterator[Block]:
    """The gradients that are not zero by the sum of the sizes of their entries."""
    if back.between:
        return
    blocks = [(name, float(np.abs(a).sum()), np.abs(a).max()) for name, a in by_address(back.trace).items() if a.any()]
    blocks.sort(key=lambda block: -block[1])
    if not blocks:
        yield Para(back.said("back.zero"))
        return
    rows, note = excerpted(
        back, [size for _, size, _ in blocks], lambda k: ((blocks[k][0],), *((f"{n:.6g}",) for n in blocks[k][1:]))
    )
    yield Heading(2, back.said("back.blocks"))
    yield Table(tuple(back.words.text(f"back.column.{name}") for name in ("block", "total", "largest")), tuple(rows))
    yield from note
    if back.alone:
        yield Para(back.words.text("back.more", csv=Code("-o FILE.csv")))
