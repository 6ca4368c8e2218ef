"""The part of the reverse walk that cannot be done for all steps at once: adjoints of the carried states.

Within a step the walk is linear. A line that passes its adjoint through a chain of elementwise lines needs no place
in the loop: the slopes of the chain are multiplied beforehand, for all steps at once. What stays are the carried
lines, lines that read several of those, and one product for each state with the matrices that read it put together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line
from ..cell.slopes import Slope

#: Adjoints smaller than this are 0: arithmetic below the normal range is a hundred times slower. Looked at this often.
SMALLEST = {"float32": 1e-30, "float64": 1e-290}
OFTEN = 64

Rows = Sequence[Array]  # one (B, width) array for each step
Call = tuple[Callable[..., Any], Rows, Rows, Rows]  # function, two operands, result


class Term(NamedTuple):
    """What one line's adjoint brings to that of an operand: factor * adjoint of `source`, then the rest.

    factor: a number or (steps, B, width). matrix: multiplied from the right; part: only these units; narrow: the
    sum over units, for an operand of width 1 that broadcasts.
    """

    source: str
    factor: Array | float
    matrix: Any = None
    part: slice | None = None
    narrow: bool = False

    @property
    def plain(self) -> bool:
        """Whether it only scales."""
        return self.matrix is None and self.part is None and not self.narrow


def recur(
    core: Sequence[Line],
    carry: Mapping[str, str],
    slopes: Callable[[Line], tuple[Slope, ...]],
    base: Mapping[str, Array],
    later: Mapping[str, Array],
    widths: Mapping[str, int],
    steps: int,
) -> dict[str, Array]:
    """Adjoints of the states of one block of steps: (steps + 1, B, width), the last entry being `later`.

    core: the lines between states and carried lines, last first; `slopes` gives a line's. carry: state to carried
    line. base: for lines and states what reaches them from elsewhere, (steps, B, width). later: (B, width) for each
    state. widths: of every line and state.
    """
    loop = _Loop(base, later, widths, steps)
    nodes = _link(core, carry, slopes, base, widths)
    for name in nodes:
        if name not in carry:
            loop.line(name, nodes[name], [s for s, target in carry.items() if target == name])
    for state in carry:
        loop.state(state, nodes[state])
    loop.run()
    return loop.back


def _link(
    core: Sequence[Line],
    carry: Mapping[str, str],
    slopes: Callable[[Line], tuple[Slope, ...]],
    base: Mapping[str, Array],
    widths: Mapping[str, int],
) -> dict[str, list[Term]]:
    """The lines and states that need a place in the loop, in the order of the walk, with what flows into each."""
    inside = {line.name for line in core} | set(carry)
    targets = set(carry.values())
    incoming: dict[str, list[Term]] = {name: [] for name in inside}
    nodes: dict[str, list[Term]] = {}
    for line in core:
        terms = incoming[line.name]
        alone = line.name not in targets and line.name not in base and len({t.source for t in terms}) == 1
        if alone and line.op != "concat" and all(term.plain for term in terms):
            source, factor = terms[0].source, sum(term.factor for term in terms[1:]) + terms[0].factor
        else:
            source, factor = line.name, 1.0
            nodes[line.name] = terms
        for operand, term in _terms(line, source, factor, slopes, inside, widths):
            incoming[operand].append(term)
    return nodes | {state: incoming[state] for state in carry}


def _terms(
    line: Line,
    source: str,
    factor: Array | float,
    slopes: Callable[[Line], tuple[Slope, ...]],
    inside: set[str],
    widths: Mapping[str, int],
) -> Iterable[tuple[str, Term]]:
    if not inside.intersection(line.reads):
        return
    begin = 0
    width = widths[line.name]
    for operand, slope in zip(line.operands, slopes(line), strict=True):
        size = widths.get(operand, 1) if isinstance(operand, str) else 1
        if operand in inside and slope is not None:
            if line.product or line.op == "slice":
                yield str(operand), Term(source, factor, matrix=np.asarray(slope))
            elif line.op == "concat":
                yield str(operand), Term(source, factor, part=slice(begin, begin + size))
            else:
                here = _times(factor, slope)
                if size > width:  # a reduction: its adjoint goes to every unit
                    here = here * np.ones(size)
                yield str(operand), Term(source, here, narrow=size < width)
        begin += size


def _times(a: Array | float, b: Array | float) -> Array | float:
    return b if isinstance(a, float) and a == 1.0 else a if isinstance(b, float) and b == 1.0 else a * b


class _Loop:
    """Calls with their operands and results for every step; built once, then run from the last step to the first."""

    def __init__(self, base: Mapping[str, Array], later: Mapping[str, Array], widths: Mapping[str, int], steps: int):
        self.base, self.widths, self.steps = base, widths, steps
        first = next(iter(later.values()))
        self.batch, self.dtype = first.shape[0], first.dtype
        self.calls: list[Call] = []
        self.back: dict[str, Array] = {}
        for state, value in later.items():
            self.back[state] = np.zeros((steps + 1, *value.shape), self.dtype)
            self.back[state][-1] = value
        self.out: dict[str, Rows] = {state: list(values) for state, values in self.back.items()}

    def line(self, name: str, terms: Sequence[Term], states: Sequence[str]) -> None:
        """Add a line; states: those that carry it to the next step, whose adjoints come back."""
        self._gather(name, terms, [self.out[state][1:] for state in states], None)

    def state(self, name: str, terms: Sequence[Term]) -> None:
        """Add a state: its adjoint is kept for every step."""
        self._gather(name, terms, [], self.out[name][:-1])

    def run(self) -> None:
        """All calls of all steps."""
        smallest = SMALLEST[np.dtype(self.dtype).name]
        for top in range(self.steps, 0, -OFTEN):
            for values in self.back.values():
                values[top][np.abs(values[top]) < smallest] = 0
            low = max(top - OFTEN, 0)
            some = slice(top - 1, low - 1 if low else None, -1)
            steps = [map(call, a[some], b[some], out[some]) for call, a, b, out in self.calls]
            deque(zip(*steps, strict=True), 0)  # the calls of one step after the other, without a loop in Python

    def _gather(self, name: str, terms: Sequence[Term], plain: list[Rows], out: Rows | None) -> None:
        """Add the calls that sum what flows into `name`, its own base included."""
        if name in self.base:
            plain.append(list(self.base[name]))
        products: list[Call] = []
        products += self._dot([t for t in terms if t.matrix is not None])
        for term in terms:
            rows = self.out[term.source]
            if term.matrix is None and isinstance(term.factor, float) and term.factor == 1.0 and not term.narrow:
                plain.append([row[:, term.part] for row in rows] if term.part else rows)
            elif term.matrix is None:
                products.append(self._scaled(rows, term))
        if out is None and not products and len(plain) == 1:
            self.out[name] = plain[0]
            return
        result = out if out is not None else self._buffer(self.widths[name])
        held = False
        for call, a, b, _ in products:
            into = self._buffer(self.widths[name]) if held else result
            self.calls.append((call, a, b, into))
            if held:
                self.calls.append((np.add, result, into, result))
            held = True
        if not held and len(plain) > 1:
            self.calls.append((np.add, plain.pop(0), plain.pop(0), result))
            held = True
        for rows in plain:
            self.calls.append((np.add, result, rows, result) if held else (_copy, rows, rows, result))
            held = True
        self.out[name] = result

    def _buffer(self, width: int) -> Rows:
        return [np.zeros((self.batch, width), self.dtype)] * self.steps

    def _scaled(self, rows: Rows, term: Term) -> Call:
        """factor * adjoint, summed over units where the operand is narrow."""
        factor = self._rows(term.factor)
        if not term.narrow:
            return np.multiply, rows, factor, rows
        width = max(rows[0].shape[-1], np.shape(factor[0])[-1] if np.ndim(factor[0]) else 1)
        wide = self._buffer(width)
        self.calls.append((np.multiply, rows, factor, wide))
        return np.dot, wide, [np.ones((width, 1), self.dtype)] * self.steps, wide

    def _rows(self, factor: Array | float) -> Rows:
        if np.ndim(factor) == 0:
            return [np.asarray(factor, self.dtype)] * self.steps
        array = np.asarray(factor, self.dtype)
        if array.ndim == 3 and array.shape[0] == self.steps:
            return list(array)
        return [np.atleast_2d(array.reshape(array.shape[-2:]) if array.ndim == 3 else array)] * self.steps

    def _dot(self, terms: Sequence[Term]) -> list[Call]:
        """One product for all matrices: their scaled adjoints side by side, the matrices one below the other."""
        if not terms:
            return []
        groups: dict[tuple[str, int], list[Term]] = {}
        for term in terms:
            groups.setdefault((term.source, np.shape(term.matrix)[0]), []).append(term)
        matrices = [term.matrix for group in groups.values() for term in group]
        slab = np.zeros((self.batch, sum(np.shape(m)[0] for m in matrices)), self.dtype)
        begin = 0
        for (source, width), group in groups.items():
            lead = (self.steps, self.batch, width)
            factors = np.stack([np.broadcast_to(np.asarray(t.factor, self.dtype), lead) for t in group], axis=2)
            end = begin + width * len(group)
            place = slab[:, begin:end].reshape(self.batch, len(group), width)  # a view: only the last axis is split
            rows = [row[:, None, :] for row in self.out[source]]
            self.calls.append((np.multiply, rows, list(factors), [place] * self.steps))
            begin = end
        whole: Array = np.ascontiguousarray(np.concatenate(matrices), self.dtype)
        return [(np.dot, [slab] * self.steps, [whole] * self.steps, [slab] * self.steps)]


def _copy(a: Array, _: Array, out: Array) -> None:
    np.copyto(out, a)
