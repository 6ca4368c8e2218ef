"""The end of a walk back: the gradients of weights, biases, inputs and initial states, each a sum over the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from ...base.arrays import Array
from ...cell.lines import Line
from ...cell.network import Stage
from ...formulas.blocks import Block, Derivation, Heading, Para, Premises, Row, Table, Text
from ...formulas.exact import evaluate
from ...formulas.numbers import show
from ...formulas.tree import Call, Dots, Mat, MatVec, Neg, Node, Num, Prod, Sym, Vec, kept, number, numbers
from ...trace.address import INITIAL
from ..content.excerpt import excerpt, left_out
from ..content.view import TABLE, UNITS, Place
from .adjoints import Edge
from .backward_terms import WHOLE, Signed, edge_at, relation, total
from .derivatives import BACKWARD
from .readings import GRADIENT, Back, Symbols

#: So many terms of a sum over steps are written out; so many rows of matrices.
STEPS, MATRIX_ROWS = 4, 150
T = TypeVar("T")
#: A matrix with more entries stands below its sum, beside others.
SMALL = 12


def sums(back: Back) -> Iterator[Block]:
    """Every weight and bias with its sum over the steps, then inputs and initial states."""
    shown = back.shown
    yield Heading(2, shown.said("back.sums"))
    for stage in shown.stages:
        read = set().union(*(_read(stage, live) for live in set(back.flow.live[stage.scope].values())))
        names = [name for name in stage.parameters if name in read]
        if not names:
            continue
        if place := shown.place(stage):
            yield Heading(3, (place[:1].upper() + place[1:],))
        heights = sum(_height(shown.trace.parameters[stage.scope][n], shown.everything) for n in names)
        if heights > MATRIX_ROWS and not shown.everything:
            yield Para(shown.said("back.many"))
            continue
        apart: list[tuple[Node, str, Node]] = []
        rows = [_parameter(back, stage, name, apart) for name in names]
        if any(rows):
            yield Derivation(tuple(row for row in rows if row))
        if apart:
            yield Premises((tuple(apart),))
    yield from _inputs(back)
    yield from _initial(back)


def _height(values: Array, everything: bool) -> int:
    return len(values) if everything else min(len(values), UNITS)


def _places(back: Back, stage: Stage, name: str) -> list[Place]:
    """The steps and rows that add to the gradient of a parameter, in the order of the walk."""
    live, weights = back.flow.live[stage.scope], back.flow.seeds.values()
    rows = [b for b in range(back.shown.trace.batch) if any(w[:, b].any() for here in weights for w in here.values())]
    return [Place(stage, t, b) for t in back.flow.order(stage) if name in _read(stage, live[t]) for b in rows]


def _read(stage: Stage, live: frozenset[str]) -> set[str]:
    return {name for line in stage.lines if line.name in live for name in line.reads}


def _symbol(back: Back, places: list[Place], node: Node) -> Node:
    """A sum over steps and rows, where there are several."""
    steps, rows = len({p.t for p in places}) > 1, len({p.b for p in places}) > 1
    if not steps and not rows:
        return node
    under = "t, b" if steps and rows else "t" if steps else "b"
    sign = back.notation.make(f"Σ_{under}", rf"\sum_{{{under}}}")
    if isinstance(node, MatVec):
        return MatVec(MatVec(sign, node.matrix), node.vector)
    return MatVec(sign, node)


def _parameter(back: Back, stage: Stage, name: str, apart: list[tuple[Node, str, Node]]) -> tuple[Row, ...]:
    values = back.shown.trace.parameters[stage.scope][name]
    return _matrix(back, stage, name, values, apart) if values.ndim == 2 else _vector(back, stage, name, values)


def _matrix(back: Back, stage: Stage, name: str, values: Array, apart: list[tuple[Node, str, Node]]) -> tuple[Row, ...]:
    """∂L/∂W = Σ δ xᵀ, of x @ W it is Σ x δᵀ, each step as a column times a row; a large matrix goes to those that stand
    `apart`.
    """
    shown, notation = back.shown, back.notation
    places = _places(back, stage, name)
    formula: list[Signed] = []
    for edge in back.flow.edges(stage, name, places[0].t):
        sign, origin = back.term(stage, edge.line)
        reading = Symbols(back, stage, edge.line, origin)
        column, row = _turned(edge.line, reading.g, reading.x(edge.line.summed))
        formula.append((sign, MatVec(column, notation.transposed(row))))
    parts: list[tuple[str, Node]] = [("=", _symbol(back, places, total(formula)))]
    rows, columns = (kept(n, None if shown.everything else UNITS) for n in values.shape)
    terms: list[Signed] = []
    chosen = kept(len(places), None if shown.everything else STEPS)
    for at in chosen:
        terms += [(1.0, Dots())] if at is None else _outer(back, places[at], name, rows, columns)
    if shown.detail != "summary":
        put_in = total(terms)
        parts.append(("=" if all(back.leaf(n) is not None for n in numbers(put_in)) else "≈", put_in))
    result, mark = _matrix_result(back, stage, name, places, rows, columns, None in chosen)
    symbol = notation.gradient(Sym(name))
    if values.size > SMALL or shown.detail == "summary":
        apart.append((symbol, mark, result))
        return (Row((symbol,), tuple(parts)),) if shown.detail != "summary" else ()
    return (Row((symbol,), (*parts, (mark, result))),)


def _outer(back: Back, place: Place, name: str, rows: list[int | None], columns: list[int | None]) -> Iterator[Signed]:
    stage = place.stage
    for edge in back.flow.edges(stage, name, place.t):
        sign, _ = back.term(stage, edge.line)
        column, row = _factors(back, place, edge)
        entries = tuple(Dots("down") if i is None else column(i) for i in rows)
        yield sign, MatVec(Vec(entries), Mat((tuple(Dots() if k is None else row(k) for k in columns),)))


def _turned(line: Line, gradient: T, vector: T) -> tuple[T, T]:
    """What stands for the rows of a product's matrix, and what for its columns."""
    return (gradient, vector) if line.op == "matvec" else (vector, gradient)


def _factors(back: Back, place: Place, edge: Edge) -> tuple[Callable[[int], Node], Callable[[int], Node]]:
    """The numbers that one entry of the gradient of a matrix is the product of: for each row, for each column."""
    stage, t, b = place
    _, origin = back.term(stage, edge.line)
    return _turned(
        edge.line,
        lambda u: back.num(stage.scope, origin.name, t, b, u),
        lambda u: _operand(back, place, edge.line.operands[edge.line.summed], u),
    )


def _operand(back: Back, place: Place, operand: object, k: int) -> Node:
    """One unit of the vector that a matrix multiplies."""
    stage, t, b = place
    if not isinstance(operand, str):
        return number(float(str(operand)))
    values = back.shown.values.array(stage.scope, operand)
    assert values is not None
    per_step = values.ndim == 3
    return back.shown.values.num(stage.scope, operand, t if per_step else None, b if per_step else None, (k,))


def _matrix_result(
    back: Back,
    stage: Stage,
    name: str,
    places: list[Place],
    rows: list[int | None],
    columns: list[int | None],
    shortened: bool,
) -> tuple[Mat, str]:
    scope = stage.scope
    found = back.flow.premises.parameters[scope][name]
    same = not shortened

    def entry(i: int | None, k: int | None) -> Node:
        nonlocal same
        if i is None or k is None:
            return Dots("diagonal" if i is None and k is None else "down" if i is None else "across")
        result = _premise(back, found[i, k])
        if same:
            products = [
                (back.term(stage, edge.line)[0], Prod(column(i), row(k)))
                for p in places
                for edge in back.flow.edges(stage, name, p.t)
                for column, row in (_factors(back, p, edge),)
            ]
            same = evaluate(total(list(products)), back.leaf) == result.shown.fraction
        return result

    matrix = Mat(tuple(tuple(entry(i, k) for k in columns) for i in rows))
    return matrix, "=" if same else "≈"


def _premise(back: Back, value: object) -> Num:
    return Num(show(value, back.shown.values.digits), value, None)


def _vector(back: Back, stage: Stage, name: str, values: Array) -> tuple[Row, ...]:
    """∂L/∂b = Σ δ, a row for each unit."""
    shown = back.shown
    places = _places(back, stage, name)
    formula: list[Signed] = []
    for edge in back.flow.edges(stage, name, places[0].t):
        sign, origin = back.term(stage, edge.line)
        node = BACKWARD[edge.line.op](Symbols(back, stage, edge.line, origin))[edge.k]
        assert node is not None
        sign *= edge.line.constants[edge.k] if edge.line.op == "add" else 1.0
        sign, node = (-sign, node.of) if isinstance(node, Neg) else (sign, node)
        narrow = len(values) == 1 < back.width(stage, edge.line.name) and edge.line.op not in WHOLE
        formula.append((sign, Call("sum", (node,)) if narrow else node))
    symbol = back.notation.gradient(Sym(name))
    first = (("=", _symbol(back, places, total(formula))),)
    found = back.flow.premises.parameters[stage.scope][name]
    if shown.detail != "scalar":
        entries = kept(len(found), shown.units)
        vector = Vec(tuple(Dots("down") if j is None else _premise(back, found[j]) for j in entries))
        return (Row((symbol,), (*first, ("≈" if found.any() else "=", vector))),)
    rows = [Row((symbol,), first)]
    chosen = kept(len(places), None if shown.everything else STEPS)
    for j in kept(len(found), shown.units):
        if j is None:
            rows.append(Row((Dots("down"),), under=True))
            continue
        terms: list[Signed] = []
        for at in chosen:
            if at is None:
                terms.append((1.0, Dots()))
                continue
            for edge in back.flow.edges(stage, name, places[at].t):
                terms += edge_at(back, places[at], edge, j)
        result, tree = _premise(back, found[j]), total(terms)
        label = (shown.unit(j, len(found)),)
        mark = relation(back, result, tree)
        parts: tuple[tuple[str, Node], ...] = (
            ((mark, result),) if isinstance(tree, Num) else ((":", tree), (mark, result))
        )
        rows.append(Row(label, parts, under=True))
    return tuple(rows)


# -- inputs and initial states -----------------------------------------------------------------------------------------


def _inputs(back: Back) -> Iterator[Block]:
    shown, found = back.shown, back.flow.premises.x
    if found is None:
        return
    readers = [s for s in shown.trace.stages if "x" in s.sources.values()]
    reached = [
        (t, b) for t in shown.trace.span for b in shown.rows
        if any(set(s.cell.inputs) & back.flow.live[s.scope][t] for s in readers)
    ]  # fmt: skip
    if not reached:
        return
    yield Heading(3, shown.said("back.inputs"))
    yield Para(shown.words.text("back.inputs.more" if len(readers) > 1 else "back.inputs.one", x=Sym("x_t")))
    columns = kept(found.shape[-1], None if shown.everything else UNITS)
    first: list[Text] = [(Sym("t"),)] if shown.trace.steps > 1 else []
    first += [shown.said("column.row")] if shown.trace.batch > 1 else []
    symbol = back.notation.gradient(Sym("x_t"))
    head = (*first, *(("…",) if k is None else (symbol, f"[{k}]") for k in columns))
    rows: list[tuple[Text, ...]] = []
    sizes = [float(np.abs(found[shown.trace.index(t), b]).max()) for t, b in reached]
    entries = excerpt(sizes, len(sizes) if shown.everything else TABLE, timed=True)
    for entry in entries:
        if isinstance(entry, range):
            rows.append(tuple((Dots("down"),) for _ in head))
            continue
        t, b = reached[entry]
        labels: list[Text] = [(str(t),)] if shown.trace.steps > 1 else []
        labels += [(str(b),)] if shown.trace.batch > 1 else []
        cells: list[Text] = [
            (Dots(),) if k is None else (_premise(back, found[shown.trace.index(t), b, k]),) for k in columns
        ]
        rows.append((*labels, *cells))
    yield Table(head, tuple(rows), len(first))
    yield from _left(back, sizes, entries)


def _left(back: Back, sizes: Sequence[float], entries: Sequence[int | range]) -> Iterator[Block]:
    """How many rows of a table were left out, and how large they are."""
    rows = left_out(entries)
    if rows:
        largest = _premise(back, max(sizes[row] for row in rows))
        yield Para(back.shown.words.text("back.left", n=f"{len(rows):,}", dots=Dots("down"), largest=largest))


def _initial(back: Back) -> Iterator[Block]:
    shown = back.shown
    found: list[tuple[Row, ...]] = []
    for stage in reversed(shown.stages):
        for state, values in back.flow.premises.initial.get(stage.scope, {}).items():
            t = shown.trace.span[-1 if stage.direction == "reverse" else 0]
            if state not in back.flow.live[stage.scope][t]:
                continue
            for b in shown.rows:
                symbol = back.notation.gradient(Sym(INITIAL.get(state, state)), _where(back, stage, b))
                row = values[b]
                entries = tuple(
                    Dots("down") if j is None else _premise(back, row[j]) for j in kept(len(row), shown.units)
                )
                keys = [(GRADIENT, stage.scope, state, t, b, (j,)) for j in range(len(row))]
                same = all(key in back.exact for key in keys)
                found.append((Row((symbol,), (("=" if same else "≈", Vec(entries)),)),))
    if found:
        yield Heading(3, shown.said("back.states"))
        yield Derivation(tuple(found))


def _where(back: Back, stage: Stage, b: int) -> str:
    return back.shown.where(stage, None, b)


def largest(back: Back, found: dict[str, Array]) -> Iterator[Block]:
    """The blocks of gradients that are not zero by the sum of the sizes of their entries."""
    rows = [(name, float(np.abs(a).sum()), float(np.abs(a).max(initial=0.0))) for name, a in found.items() if a.any()]
    rows.sort(key=lambda row: -row[1])
    words = back.shown.words
    sizes = [size for _, size, _ in rows]
    entries = excerpt(sizes, len(rows) if back.shown.everything else TABLE)
    yield Table(
        tuple(words.text(f"back.column.{name}") for name in ("block", "total", "largest")),
        tuple(
            ((Dots("down"),),) * 3
            if isinstance(entry, range)
            else ((rows[entry][0],), (f"{rows[entry][1]:.6g}",), (f"{rows[entry][2]:.6g}",))
            for entry in entries
        ),
    )
    yield from _left(back, sizes, entries)
