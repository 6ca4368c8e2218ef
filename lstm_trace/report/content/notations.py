"""A trace in a notation (cell/notations.toml): its symbols, and [h; x] joined.

A notation changes what is printed and never a number. It is refused if it would print something that is not true.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...cell.lines import Cell, Line
from ...cell.network import Stage
from ...cell.notations import Spelling, cells_of, notations, spellings
from ...documents.blocks import Block, Derivation, Para, Row
from ...errors import OptionError, require_known
from ...formulas.plain import Plain
from ...formulas.symbols import GATES, Symbol, distinct, symbol
from ...formulas.tree import Mat, Sym
from ...languages.strings import words_for
from ...trace.address import line_name
from ...trace.rows import Selection
from ...trace.trace import Trace
from ...view.line_groups import held_symbols

#: For two matrices that are joined for [h; x], the matrix in which they are side by side.
JOINED: dict[tuple[str, str], str] = {(f"W_h{gate}", f"W_x{gate}"): f"W_{gate}" for gate in GATES}


def applied(
    trace: Trace, notation: str | None, selection: Selection | None = None, language: str | None = None,
    joined: bool = True,
) -> tuple[Trace, tuple[Block, ...]]:  # fmt: skip
    """The trace as it is printed in a notation, and the remarks that the notation requires.

    notation: that of the problem if None. The symbols are in the header; those of the problem's author take precedence
    over those of the notation. joined: whether products are joined, if the notation does so. Raises OptionError for an
    unknown notation, and if it would print something that is not true.
    """
    if notation is None:  # a joined product has no backward pass
        back = any(stage.cell.gradient for stage in trace.stages)
        notation = trace.header.notation or "exercise"
        joint = any(one.joined for one in spellings(trace.header.kind) if one.notation == notation)
        notation = "exercise" if back and joint else notation
    require_known("notation", notation, notations())
    trace, remarks = _printed(trace, {**held_symbols(trace), **trace.header.symbols}), tuple[Block, ...]()
    one = next((one for one in spellings(trace.header.kind) if one.notation == notation), None)
    if one is None and notation not in ("exercise", "joined"):
        raise OptionError(
            f"notation {notation!r} has symbols for {cells_of(notation)}, and this cell is of kind "
            f"{trace.header.kind!r}; use exercise, or symbols: in the problem"
        )
    if joined and (notation == "joined" or (one is not None and one.joined)):
        trace, remarks = _joined_trace(trace, notation, selection or Selection(), language)
    if one is None or notation in ("exercise", "joined"):
        alike = distinct((name for stage in trace.stages for name in _names(stage.cell)), trace.header.symbols)
        return _printed(trace, {**alike, **trace.header.symbols}), remarks
    symbols: dict[str, Any] = {**_symbols(one), **trace.header.symbols}
    plain = Plain({name: found for name, found in symbols.items() if isinstance(found, Symbol)})
    for stage in trace.stages:
        printed: dict[str, str] = {}
        for name in _names(stage.cell):
            if (other := printed.setdefault(plain(Sym(name)), name)) != name:
                said = f"notation {notation!r} prints {other} and {name} alike, as {plain(Sym(name))}; use exercise"
                raise OptionError(said)
    return _printed(trace, symbols), remarks


def _symbols(one: Spelling) -> dict[str, Symbol]:
    """The symbols of a notation by our names; where it has x W, matrices of our equations are its own transposed."""
    weights = {ours: name for ours, name in one.names.items() if len(one.weights[name]) == 1}
    turned = {ours: symbol(name)._replace(power="T") for ours, name in weights.items() if ours.startswith("W_")}
    found = {ours: symbol(name) for ours, name in {**weights, **one.lines}.items() if ours != name}
    return found | turned if one.transposed else found


def _printed(trace: Trace, symbols: Mapping[str, Any]) -> Trace:
    """The trace with other symbols."""
    return replace(trace, header=replace(trace.header, symbols=symbols))


def _names(cell: Cell) -> list[str]:
    """Every name of a cell that has a symbol."""
    return [*(line.name for line in cell.lines if line.assigned), *cell.inputs, *cell.states, *cell.parameters]


# -- [h; x] -----------------------------------------------------------------------------------------------------------


class _Merge(NamedTuple):
    """A sum in which two products become a single product.

    sum: its name. two: its products with a state and an input. matrix: the name of the joined matrix. lines: state and
    input concatenated, the joined matrix times that, and the sum; the product is the sum if there is nothing to add.
    """

    sum: str
    two: tuple[Line, Line]
    matrix: str
    lines: tuple[Line, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the matrices that are side by side."""
        return tuple(str(product.operands[0]) for product in self.two)


def _merged(line: Line, two: tuple[Line, Line], matrix: str) -> _Merge:
    """The sum `line` with one product instead of two, in the place of the first of them."""
    state, given = (product.operands[1] for product in two)
    vector = Line(f"concat({state}, {given})", "concat", (state, given))
    product = Line(f"{matrix} @ {vector.name}", "matvec", (matrix, vector.name))
    first, second = sorted((one.name for one in two), key=line.operands.index)
    terms = zip(line.constants, line.operands, strict=True)
    signs, operands = zip(*((sign, product.name if o == first else o) for sign, o in terms if o != second), strict=True)
    if len(operands) == 1:
        return _Merge(line.name, two, matrix, (vector, product._replace(name=line.name)))
    return _Merge(line.name, two, matrix, (vector, product, Line(line.name, "add", operands, signs)))


def _joined_trace(
    trace: Trace, notation: str, selection: Selection, language: str | None
) -> tuple[Trace, tuple[Block, ...]]:
    if trace.header.arithmetic is not None:
        raise OptionError(
            f"notation {notation!r} adds up two products at once, and in the arithmetic {trace.header.arithmetic} each "
            "of them is rounded; use another notation"
        )
    if any(stage.cell.gradient for stage in trace.stages):
        raise OptionError(
            f"notation {notation!r} shows two products as one, which the backward pass does not; use exercise"
        )
    kept = {*(selection.names or ()), *(line_name(text) for text in trace.header.ask)}
    found = {stage.scope: list(_merges(stage, kept)) for stage in trace.stages}
    if not any(found.values()):
        raise OptionError(
            f"notation {notation!r} finds no sum of W_h… h and W_x… x to join (the matrices of a gate, W_hi and W_xi "
            "for example, in one sum, neither product asked for itself); use exercise"
        )
    parameters, lines, stages = dict(trace.parameters), dict(trace.lines), []
    for stage in trace.stages:
        merges = found[stage.scope]
        stages.append(_rewritten(stage, merges))
        if merges:
            parameters[stage.scope] = _matrices(trace.parameters.get(stage.scope, {}), merges)
            lines[stage.scope] = _values(trace, stage, merges)
    rows = dict.fromkeys((merge.matrix, merge.parts) for merges in found.values() for merge in merges)
    said = tuple((Row((Sym(matrix),), (("=", Mat((tuple(map(Sym, parts)),))),)),) for matrix, parts in rows)
    note = (Para(words_for(trace, language).text("joined")), Derivation(said))
    return replace(trace, stages=tuple(stages), parameters=parameters, lines=lines, memory=None), note


def _merges(stage: Stage, kept: set[str]) -> Iterator[_Merge]:
    """The sums of a cell in which two products can be shown as one without losing anything else."""
    cell = stage.cell
    names = {*cell.by_name, *cell.inputs, *cell.states, *cell.parameters}
    times = Counter(name for line in cell.lines for name in line.reads)
    for line in cell.lines:
        if line.op != "add":
            continue
        terms: dict[str, Line] = {}
        for sign, operand in zip(line.constants, line.operands, strict=True):
            product = cell.by_name.get(str(operand))
            if product is None or product.op != "matvec" or product.assigned or product.name in kept or sign < 0:
                continue
            if times[product.name] == times[str(product.operands[0])] == 1:
                terms[str(product.operands[0])] = product
        for (state, given), matrix in JOINED.items():
            if state in terms and given in terms and matrix not in names:
                yield _merged(line, (terms[state], terms[given]), matrix)


def _rewritten(stage: Stage, merges: list[_Merge]) -> Stage:
    """The stage with joined products in place of two."""
    by_sum = {merge.sum: merge.lines for merge in merges}
    gone = {product.name for merge in merges for product in merge.two}
    computed = {line.name for line in stage.lines}
    lines: dict[str, Line] = {}
    for line in stage.cell.lines:
        if line.name in gone:
            continue
        made = by_sum.get(line.name, (line,))
        lines |= {one.name: one for one in made}
        if line.name in computed:
            computed |= {one.name for one in made}
    cell: Cell = replace(stage.cell, lines=tuple(lines.values()))
    return replace(stage, cell=cell, computed=tuple(name for name in lines if name in computed))


def _matrices(there: Mapping[str, Array], merges: list[_Merge]) -> dict[str, Array]:
    """The parameters with each pair side by side, in the position of the first of the pair."""
    # a run that needs no gate has no weights of it
    here = [merge for merge in merges if there.keys() >= {*merge.parts}]
    whole = {merge.matrix: np.hstack([there[part] for part in merge.parts]) for merge in here}
    joined = {part: (merge.matrix, whole[merge.matrix]) for merge in here for part in merge.parts}
    return dict(joined.get(name, (name, values)) for name, values in there.items())


def _values(trace: Trace, stage: Stage, merges: list[_Merge]) -> dict[str, Array]:
    """The recorded lines; a joined vector and product, if what they are made of was recorded."""
    there = dict(trace.lines.get(stage.scope, {}))
    for merge in merges:
        vector, product, *added = merge.lines
        parts = (trace.operand(stage.scope, operand) for operand in vector.operands)
        vectors = [part for part in parts if part is not None]
        if len(vectors) == 2:
            there[vector.name] = np.concatenate(vectors, axis=-1)
        products = [there.pop(product.name) for product in merge.two if product.name in there]
        if len(products) == 2 and added:
            there[product.name] = products[0] + products[1]
    return there
