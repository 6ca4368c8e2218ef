"""What belongs only to the backward pass: what L is, how gradients are found, the equations of the adjoint.

Its steps are printed like those of the forward pass, by `solution.steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from ...backpropagation.gradients import by_address, in_baseline, premises
from ...base.arrays import Array
from ...cell.network import Stage, X
from ...documents.blocks import Block, Code, Derivation, Heading, Inline, Para, Parts, Premises, Row, Table, Text
from ...formulas import tree
from ...formulas.tree import Baseline, Dots, MatVec, Node, Num, Prod, Sym, kept, matrix, minus, value
from ...formulas.whole import times, total
from ...languages.strings import capital
from ...trace.address import INITIAL
from ...view.view import UNITS, Place
from ..content.backward import Backward, comes_back, made_for
from ..content.value_blocks import column, exact, excerpted, shortened
from .equations import passed_back
from .solution import by_unit, rounding, steps


def backward_pass(back: Backward) -> Iterator[Block]:
    """The gradients at each shown place, from the last step to the first, preceded by the rules that they follow."""
    yield Heading(2, back.said("back.solution"))
    if not back.alone:
        yield from opening(back)
    elif back.trace.header.arithmetic is not None:
        yield Para(rounding(back, back.trace.header.arithmetic))
    yield Para(back.said(back.key("how")))
    if back.between:
        yield Para(back.words.text("between.baseline", base=tree.Baseline(Sym("c_t")), own=Sym("c_t")))
    yield from passed_back(back)
    yield from _notes(back)
    yield from steps(back)


def adjoint(back: Backward) -> Iterator[Block]:
    """The equations of the adjoint: those of one step, what is carried to the previous step, sums over all steps."""
    if back.alone != "equations":
        return
    yield Heading(2, back.said("back.solution"))
    yield Para(back.said(back.key("how")))
    several = len({stage.scope for stage in back.stages}) > 1
    seen: set[tuple[tuple[Row, ...], ...]] = set()
    for stage in back.stages:
        lines = (line for line in stage.cell.lines if line.assigned and back.chosen.has(line.name))
        parts: list[tuple[str, str, Node]] = [(line.name, "=", back.symbolic(stage, line)) for line in lines]
        parts += [(state, "←", Sym(carried)) for state, carried in stage.cell.carry]
        parts += [(one.name, "=", summed(back, stage, one.terms, "t")) for one in stage.cell.sums]
        rows = tuple((Row((Sym(name),), ((sign, node),)),) for name, sign, node in parts)
        if rows in seen:
            continue
        seen.add(rows)
        if several:
            yield Heading(3, capital((back.place(stage),)))
        yield Derivation(rows)
    if back.objective.unit is not None:
        yield Para(back.words.text("back.weight", w=Sym(_weight(back)), line=_named(back)))
    if any(stage.cell.carry for stage in back.stages):
        yield Para(back.words.text(back.key("next"), next=back.slope(Sym("h_t"), "next"), prev=Sym("h_prev")))


def title(back: Backward) -> Text:
    """The heading of the backward pass alone: the value whose gradient or split it is."""
    found = back.objective
    of = Code(found.said) if found.said and not found.few else _named(back)
    if back.between:
        return back.words.text("between.title", of=of)
    if found.weighted and not found.few and not found.said:
        return back.words.text("back.title.sum" if found.is_output else "back.title.values")
    return back.words.text("back.title", of=of)


def _named(back: Backward) -> Node:
    """The symbol of L, with its unit if there are several; for a sum of a few terms, the terms."""
    stage, name, *_ = found = back.objective
    symbol = value(name, stage.cell)
    if found.few:
        terms = tuple(tree.Index(symbol, back.entry(stage, name, unit)) for _, unit in found.few)
        return tree.Sum(tuple(sign for sign, _ in found.few), terms)
    if found.weighted:
        return Sym("L")
    if found.unit is None or back.width(stage, name) == 1:
        return symbol
    return tree.Index(symbol, back.entry(stage, name, found.unit))


def opening(back: Backward) -> Iterator[Block]:
    """What L is, with its value, and what a gradient is."""
    words, of = back.words, back.objective
    several = of.weighted and not of.few
    grids = [back.trace.grid(stage.scope, line) for stage, line, _ in of.parts]
    listed = of.weighted and bool(of.few or of.said or not of.is_output or grids[0])
    at = (words.aside(back.where(of.stage, of.t, of.b)),)
    if back.between:
        here, base = back.value_and_baseline
        formula, gap = minus(here, base), back.num(here.value - base.value)
        fields: dict[str, Inline | Text] = {"line": _named(back), "at": at, "value": here, "base": base}
        fields |= {"formula": formula, "difference": gap, "gap": Sym("ΔL"), "sign": back.values.between(formula, gap)}
        yield Para(words.text("between.weighted" if several else "between.value", **fields))
    elif several and listed:
        key = "back.of" if of.said else "back.values"
        yield Para(words.text(key, sum=Code(of.said), sign="≈", value=back.worth))
    elif not of.few and (of.unit is None or of.t is None):
        key = "back.sum" if of.weighted else "back.loss" if of.line == "L" else "back.total"
        yield Para(words.text(key, w=Sym(_weight(back)), line=value(of.line, of.stage.cell)))
    else:
        number, sign = back.worth, "≈"
        if of.unit is not None:
            number = back.values.num(of.stage.scope, of.line, of.t, of.b, (of.unit,))
            sign = "=" if back.values.is_exact(number) else "≈"
        yield Para(words.text("back.value", line=_named(back), at=at, sign=sign, value=number))
    if listed and not back.between:
        weights = [
            words.text(f"back.weights{'.matrix' if grid else ''}", w=Sym(seed), line=value(line, stage.cell))
            for seed, (stage, line, _), grid in zip(of.seeds, of.parts, grids, strict=True)
        ]
        yield Para(words.sentence(words.listed(weights)))
    example = of.line if of.line != "L" else of.stage.cell.output  # not the gradient of L with respect to L
    stage = next(s for s in back.trace.stages if s.cell.gradient and s.owner == of.stage.scope)
    if symbol := next((new for new, name in made_for(stage).items() if name == example), ""):
        line = value(example, of.stage.cell)
        yield Para(words.text(back.key("what"), gap=Sym("ΔL"), example=Sym(symbol), line=line))


def _weight(back: Backward) -> str:
    return next(name for stage in back.trace.stages for name in stage.weights)


def _notes(back: Backward) -> Iterator[Block]:
    """Explanations of the symbols, what was left out, and which values get no gradient."""
    lines = [(place.stage, line) for place in back.places for line in back.lines(place.stage)]
    symbols = [node for stage, line in lines for _, node in back.formulas(stage, line)]
    if any(isinstance(part, tree.Holds) for node in symbols for part in tree.parts_of(node)):
        yield Para(back.said("back.holds"))
    if any(not back.live.at(p.stage, p.t, p.b).isdisjoint(p.stage.cell.states) for p in back.places):
        yield Para(back.words.text(back.key("next"), next=back.slope(Sym("h_t"), "next"), prev=Sym("h_prev")))
    yield from shortened(back)
    for stage in back.trace.stages:
        if stage.cell.gradient and not comes_back(back.trace, stage) and stage not in back.stages:
            yield Para(back.said(back.key("nothing"), place=back.place(stage)))


#: How many terms of a sum over steps are written out; how many rows of matrices.
STEPS, MATRIX_ROWS = 4, 150
#: A matrix with more entries is printed below its sum, next to others.
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
        if not back.everything and sum(min(len(there[name]), UNITS) for name in found) > MATRIX_ROWS:
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
    """The steps and rows that contribute to a sum through one of its terms, in the order of the walk."""
    steps = back.trace.span[::-1] if stage.backwards else back.trace.span
    bears = [name for name in term if name in back.live.bears[stage.scope]]
    there = [(t, b) for t in steps for b in back.seeded if back.live.at(stage, t, b).issuperset(bears)]
    return [Place(back.live.stage(stage, t, b), t, b) for t, b in there]


def summed(back: Backward, stage: Stage, terms: Sequence[Term], over: str) -> Node:
    """A sum in symbols. over: its indices, `t`, `b` or both; empty if there is only one step and row."""

    def part(name: str) -> Node:
        line = stage.cell.by_name.get(name)
        return value(name, stage.cell) if line is None or line.assigned else back.symbolic(stage, line)

    node = total([(1.0, MatVec(part(t[0]), tree.Transposed(part(t[1]))) if t[1:] else part(t[0])) for t in terms])
    if not over:
        return node
    sign = Sym(f"Σ_{over}")
    return MatVec(MatVec(sign, node.matrix), node.vector) if isinstance(node, MatVec) else MatVec(sign, node)


class _Summed:
    """The gradient of one parameter, and how it is written.

    terms: those of its sum that can be nonzero, each a value or an outer product. shown: the places whose terms are
    written out, None for dots. recorded: whether all terms were recorded; otherwise no numbers are inserted.
    """

    def __init__(self, back: Backward, stage: Stage, name: str, terms: list[Term]) -> None:
        self.back, self.stage, self.name, self.terms = back, stage, name, terms
        self.sum: Array = back.trace.sums[stage.scope][name]
        self.by_term = {term: {(p.t, p.b): p for p in _places(back, stage, term)} for term in terms}
        self.places = list({at: place for there in self.by_term.values() for at, place in there.items()}.values())
        chosen = kept(len(self.places), None if back.everything else STEPS)
        self.shown = [None if at is None else self.places[at] for at in chosen]
        self.recorded = all(back.values.array(stage.scope, name) is not None for term in terms for name in term)

    def rows(self, apart: list[tuple[Node, str, Node]]) -> tuple[Row, ...]:
        """Its rows; a large matrix goes to those that are printed `apart`."""
        steps, rows = len({p.t for p in self.places}) > 1, len({p.b for p in self.places}) > 1
        over = "t, b" if steps and rows else "t" if steps else "b" * rows  # where there are several
        formula = ("=", summed(self.back, self.stage, self.terms, over))
        return self._matrix(formula, apart) if self.terms[0][1:] else self._vector(formula)

    def _put_in(self, places: Sequence[Place | None], part: Callable[[Place, Term], Node]) -> Node:
        """The terms at some places with numbers. part: of the formula, for a term that is not zero there."""
        terms: list[tuple[float, Node]] = []
        for place in places:
            if place is None:
                terms.append((1.0, Dots()))
            else:
                there = (term for term, at in self.by_term.items() if (place.t, place.b) in at)
                terms += [(1.0, part(place, term)) for term in there]
        return total(terms)

    def _num(self, *at: int) -> Num:
        return self.back.num(self.sum[at], self.name, key=(self.stage.scope, self.name, None, None, at))

    def _unit(self, name: str, place: Place, unit: int) -> Num:
        return self.back.values.num(self.stage.scope, name, place.t, place.b, (unit,))

    def _matrix(self, formula: tuple[str, Node], apart: list[tuple[Node, str, Node]]) -> tuple[Row, ...]:
        """Each step as a column times a row."""
        back, parts = self.back, [formula]
        rows, columns = (kept(n, None if back.everything else UNITS) for n in self.sum.shape)

        def outer(place: Place, term: Term) -> Node:
            row = tuple(Dots() if k is None else self._unit(term[1], place, k) for k in columns)
            return MatVec(column(rows, partial(self._unit, term[0], place)), tree.Mat((row,)))

        def is_exact(i: int, k: int) -> bool:
            """Whether an entry is printed as exactly the result of the printed products."""
            products = self._put_in(
                self.places, lambda place, term: tree.Prod(self._unit(term[0], place, i), self._unit(term[1], place, k))
            )
            return back.values.between(products, self._num(i, k)) == "="

        if back.detail != "summary" and self.recorded:
            parts.append(("=", self._put_in(self.shown, outer)))
        entries = [(i, k) for i in rows for k in columns if i is not None and k is not None]
        exactly = self.recorded and None not in self.shown and all(is_exact(*entry) for entry in entries)
        value = "=" if exactly else "≈", matrix(rows, columns, self._num)
        if self.sum.size <= SMALL and back.detail != "summary":
            return (Row((Sym(self.name),), (*parts, value)),)
        apart.append((Sym(self.name), *value))
        return (Row((Sym(self.name),), tuple(parts)),) if back.detail != "summary" else ()

    def _vector(self, formula: tuple[str, Node]) -> tuple[Row, ...]:
        """A row for each unit, or for each entry of a weight that is used as a matrix is."""
        back, flat = self.back, self.sum.ndim == 1
        rows, *columns = (kept(n, back.units) for n in self.sum.shape)
        if back.detail != "scalar" or not self.recorded:
            value = column(rows, self._num) if flat else matrix(rows, columns[0], self._num)
            return (Row((Sym(self.name),), (formula, ("≈" if self.sum.any() else "=", value))),)
        units = rows if flat else back.entries(self.stage, self.terms[0][0])

        def numbers(j: int) -> Parts:
            added = self._put_in(self.shown, partial(self._entry, j))
            result = self._num(*map(int, np.unravel_index(j, self.sum.shape)))
            if isinstance(added, Num):
                return ((back.values.relation(added, None), result),)
            return ((":", added), (back.values.between(added, result), result))

        row = Row((Sym(self.name),), (formula,))
        return by_unit(back, self.stage, self.terms[0][0], self.sum.size, row, units, numbers)

    def _entry(self, unit: int, place: Place, term: Term) -> Node:
        """The term of one unit at a place, with numbers."""
        line = place.stage.cell.by_name.get(term[0])
        if line is None or line.assigned:
            return self._unit(term[0], place, unit)
        found = self.back.values.whole(place.stage, line, place.t, place.b, unit, self.back.terms)
        return Dots() if found is None else found


# -- inputs and initial states -----------------------------------------------------------------------------------------


def _inputs(back: Backward) -> Iterator[Block]:
    """The gradient of the input at each step that L depends on."""
    x = next((premise.gradient for premise in premises(back.trace) if premise.kind == "input"), None)
    lines = [
        (stage, [new for new, n in stage.cell.gradient if back.trace.stage(stage.owner).sources.get(n) == X])
        for stage in back.trace.stages
    ]
    places = ((t, b) for t in back.trace.span for b in back.rows)
    live = [(t, b, back.live.at(stage, t, b).intersection(of_x)) for t, b in places for stage, of_x in lines if of_x]
    reached = list(dict.fromkeys((t, b) for t, b, found in live if found))
    if x is None or not reached:
        return
    yield Heading(3, back.said("back.inputs"))
    several = sum(X in s.sources.values() for s in back.trace.stages if not s.cell.gradient) > 1
    yield Para(back.words.text(back.key("inputs.more" if several else "inputs.one"), x=Sym("x_t")))
    columns, first = kept(x.shape[-1], None if back.everything else UNITS), back.place_columns()
    of, symbol = next((stage, of_x[0]) for stage, of_x in lines if of_x)
    head = (*first, *(("…",) if k is None else (Sym(symbol), f"[{back.entry(of, symbol, k)}]") for k in columns))

    def number(t: int, b: int, k: int) -> Num:
        return back.num(x[back.trace.index(t), b, k], key=() if several else (of.scope, symbol, t, b, (k,)))

    def row(entry: int) -> tuple[Text, ...]:
        t, b = reached[entry]
        numbers = ((Dots(),) if k is None else (number(t, b, k),) for k in columns)
        return (*back.place_cells(t, b), *numbers)

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
        found = [(state, lines[state]) for state in back.trace.initial.get(owner.scope, {}) if state in lines]
        for state, name, b in ((*one, b) for one in found for b in back.rows):
            if name in back.live.at(stage, t, b):
                symbol = back.slope(Sym(INITIAL.get(state, state)), back.where(owner, None, b))
                vector = back.values.vector(stage.scope, name, t, b, back.units)
                rows.append((Row((symbol,), ((exact(back, vector), vector),)),))
    if rows:
        yield Heading(3, back.said("back.states"))
        yield Derivation(tuple(rows))


def by_size(back: Backward) -> Iterator[Block]:
    """The gradients that are not zero, in order of the sum of the sizes of their entries."""
    if back.between:
        return
    named = {back.words.address(name): values for name, values in by_address(back.trace).items()}
    if not (blocks := [block for block in magnitudes(named) if block[1]]):
        yield Para(back.said("back.zero"))
        return
    point = "," if back.values.style.comma else "."
    cells = [((name,), *((f"{size:.6g}".replace(".", point),) for size in sizes)) for name, *sizes in blocks]
    rows, note = excerpted(back, [size for _, size, _ in blocks], cells.__getitem__)
    yield Heading(2, back.said("back.blocks"))
    yield Table(tuple(back.words.text(f"back.column.{name}") for name in ("block", "total", "largest")), tuple(rows))
    yield from note
    if back.alone:
        yield Para(back.words.text("back.more", csv=Code("-o FILE.csv")))


def magnitudes(gradients: Mapping[str, Array]) -> list[tuple[str, float, float]]:
    """By name, the sum of the magnitudes of each gradient, and the largest; the largest sum first."""
    sizes = ((name, np.abs(values)) for name, values in gradients.items())
    blocks = ((name, float(size.sum()), float(size.max(initial=0.0))) for name, size in sizes)
    return sorted(blocks, key=lambda block: -block[1])


#: The largest residual, relative to the sizes of all shares, that counts as rounding.
ROUNDING = 1e-12


class _Difference(NamedTuple):
    """A premise, at one step if it has steps: its slopes, its values here and in the baseline, its symbol."""

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
    """The difference with its numbers if there are few; otherwise in symbols."""
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
