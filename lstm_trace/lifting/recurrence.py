"""The recurrences of a recorded graph: what the numbers of each step read of the step before it are the states.

A graph may do more than its recurrence: layers stand before and after it, several recurrences upon one another. So the
states are looked for in the middle: the numbers of step t that a number of step t + 1 is computed from. States that
read one another are one layer; its input is what its weights multiply besides them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..errors import LiftError
from .building import BuiltCell, built
from .checking import checked_trace
from .expressions import Expr, Expressions
from .reading import Reader
from .tape import FIXED, INITIAL, Ids, Tape, TapeNode

#: So many steps a recurrence has at least, to be read: the first knows no states, and the last may do more.
LEAST = 3


class RecordedLayer(NamedTuple):
    """One recurrence. cell: with its weights. states: of it, their numbers at each step but the last, by name.

    x: the value that is its input, and its numbers at each step that was read; None for the input of the graph itself.
    initial: the numbers of the initial states that are known; a state that is missing starts at zero.
    """

    cell: BuiltCell
    states: Mapping[str, list[Ids]]
    x: list[Ids] | None
    initial: Mapping[str, Ids]


@dataclass
class RecordedRecurrence:
    """The recurrences of a tape.

    x: the numbers of one sequence at each step. others: those of the input and of initial states of other sequences.
    outputs: all numbers of the outputs. title: what messages call it.
    """

    tape: Tape
    x: Sequence[Ids]
    others: Ids
    outputs: Ids
    title: str

    def layers(self) -> list[RecordedLayer]:
        """Every recurrence, in the order in which one reads another."""
        if len(self.x) < LEAST or not self.states[0]:
            raise LiftError(f"{self.title} carries no state from step to step along this axis of x")
        sizes = [[len(one) for one in states] for states in self.states]
        step = next((t for t in range(1, len(sizes)) if sizes[t] != sizes[0]), None)
        if step is not None:
            raise LiftError(
                f"{self.title} does something else at step {step + 1} than at step {step}: it reads states of "
                f"{sizes[step]} units, and not of {sizes[step - 1]}"
            )
        return [self._layer(group) for group in self._groups()]

    # -- states --

    @cached_property
    def states(self) -> list[list[Ids]]:
        """Of each step but the last, the vectors that the next step reads."""
        crossing: list[list[Ids]] = [[] for _ in self.x[1:]]
        alive, own = self.alive(), self._own()
        times = self.tape.times
        for node in self.tape.nodes:
            local = np.flatnonzero(alive[node.numbers] & own[node.numbers])
            for t in {*times[local + node.start].tolist()} - {FIXED, INITIAL, 0}:
                for ids in _operands(node, local[times[local + node.start] == t]):
                    crossing[t - 1].append(np.unique(ids[(times[ids] < t) & (times[ids] != FIXED) & own[ids]]))
        return [self._vectors(np.unique(np.concatenate(each))) if each else [] for each in crossing]

    def _vectors(self, ids: Ids) -> list[Ids]:
        """The vectors that some numbers belong to, without what weights alone make of them."""
        owners = self.tape.owners(ids)
        cuts = np.flatnonzero((np.diff(ids) != 1) | (np.diff(owners) != 0)) + 1
        found = [self._narrowest(one) for one in np.split(ids, cuts)] if len(ids) else []
        return [*{one.tobytes(): one for one in found}.values()]

    def _narrowest(self, ids: Ids) -> Ids:
        """The vector that a vector is made of by weights alone: of U h + b, it is h."""
        best = ids
        while (inner := self._linear(ids)) is not None:
            ids = inner
            best = ids if len(ids) <= len(best) else best
        return best

    def _linear(self, ids: Ids) -> Ids | None:
        """The one vector of a step that sums and products with weights make these numbers of."""
        node = self.tape.nodes[self.tape.owners(ids[:1])[0]]
        if node.op not in ("add", "mul", "neg", "dot") or (self.tape.owners(ids) != self.tape.owners(ids[:1])).any():
            return None
        moving = [one for one in _operands(node, ids - node.start) if not self.tape.fixed(one)]
        if len(moving) != 1 or (node.op == "dot" and (moving[0] != moving[0][:1]).any()):
            return None
        found = np.ascontiguousarray(moving[0][0] if node.op == "dot" else moving[0])
        times = self.tape.times[found]
        return found if times[0] != FIXED and (times == times[0]).all() else None

    def alive(self) -> Array:
        """The numbers that the outputs are computed from."""
        alive = np.zeros(self.tape.size, bool)
        alive[self.outputs] = True
        for node in reversed(self.tape.nodes):
            if (local := np.flatnonzero(alive[node.numbers])).size:
                for ids in _operands(node, local):
                    alive[ids] = True
        return alive

    def _own(self) -> Array:
        """The numbers of the sequence that is read: those of others of the batch are left out."""
        other = np.zeros(self.tape.size, bool)
        other[self.others] = True
        for node in self.tape.nodes:
            if node.operands and len(self.others):
                other[node.numbers] = _any(other, node)
        return ~other

    # -- layers --

    def _reader(
        self, t: int, group: Sequence[int], names: Sequence[str], x: Ids, exprs: Expressions
    ) -> tuple[Reader, list[Expr]]:
        """The values of some states at a step, in terms of x_t and of these states before it, by name."""
        old = {name: self.states[t - 1][k] for name, k in zip(names, group, strict=True)}
        reader = Reader(self.tape, {"x_t": x, **old}, exprs)
        return reader, [reader.vector(self.states[t][k]) for k in group]

    @cached_property
    def _all(self) -> list[tuple[Reader, list[Expr]]]:
        """The values of all states at each step that knows them."""
        every, exprs = range(len(self.states[0])), Expressions()
        names = [f"state_{k}" for k in every]
        return [self._reader(t, every, names, self.x[t], exprs) for t in range(1, len(self.states))]

    def _groups(self) -> Iterator[list[int]]:
        """The states of each layer: those that read one another and no others but those of layers below."""
        names = [f"state_{k}" for k in range(len(self.states[0]))]
        reads = [{k for k, name in enumerate(names) if name in _leaves(value)} for value in self._all[0][1]]
        for k in range(len(reads)):
            closed: set[int] = set()
            while closed != reads[k]:
                closed = reads[k]
                reads[k] = closed.union(*(reads[j] for j in closed))
        done: set[int] = set()
        for k in sorted(range(len(reads)), key=lambda k: len(reads[k])):
            if k not in done:
                group = [j for j in sorted(reads[k] | {k}) if j not in done]
                done |= {*group}
                yield group

    def _layer(self, group: list[int]) -> RecordedLayer:
        """The cell of some of the states."""
        fed, exprs = [self._fed(t, group) for t in range(1, len(self.states))], Expressions()
        names = _names(self._reader(1, group, [f"state_{k}" for k in range(len(group))], fed[0], exprs)[1])
        steps = [self._reader(t, group, [f"{name}_prev" for name in names], x, exprs) for t, x in enumerate(fed, 1)]
        (reader, values), *others = steps
        for t, (_, again) in enumerate(others, 2):
            if any(one is not other for one, other in zip(values, again, strict=True)):
                raise LiftError(f"{self.title} does something else at step {t} than at step 1")
        order = sorted(range(len(names)), key=lambda k: ("h", "c", names[k]).index(names[k]))
        cell = built(reader, {names[k]: values[k] for k in order}, {}, np.float32, self.title, [self.outputs])
        each = {names[k]: [one[group[k]] for one in self.states] for k in order}
        layer = RecordedLayer(cell, each, None if fed[0] is self.x[1] else fed, self._initial(each))
        self._check(layer)
        return layer

    def _fed(self, t: int, group: Sequence[int]) -> Ids:
        """The numbers of the input of a layer at a step: the one vector besides its states that weights multiply."""
        reader, every = self._all[t - 1]
        fed = _input([every[k] for k in group], {f"state_{k}" for k in group})
        if fed is None:
            return self.x[t]
        return next(np.frombuffer(key, np.int64) for key, one in reader._known.items() if one is fed)

    # -- the first step --

    def _initial(self, states: Mapping[str, list[Ids]]) -> dict[str, Ids]:
        """The numbers that stand in place of the states at the first step, where it is computed like the second."""
        found: dict[bytes, Ids] = {}
        todo = [(one[1], one[0]) for one in states.values()]
        wanted = {np.ascontiguousarray(one[0]).tobytes() for one in states.values()}
        seen: set[tuple[bytes, bytes]] = set()
        while todo:
            later, first = (np.ascontiguousarray(one) for one in todo.pop())
            key = later.tobytes(), first.tobytes()
            if key in seen or len(later) != len(first):
                continue
            seen.add(key)
            if key[0] in wanted:
                found[key[0]] = first
                continue
            todo += self._pairs(later, first)
        return {name: ids for name, one in states.items() if (ids := found.get(one[0].tobytes())) is not None}

    def _pairs(self, later: Ids, first: Ids) -> Iterator[tuple[Ids, Ids]]:
        """What two vectors are computed from, place by place."""
        owners = self.tape.owners(later), self.tape.owners(first)
        cuts = np.flatnonzero((np.diff(owners[0]) != 0) | (np.diff(owners[1]) != 0)) + 1
        if len(cuts):
            yield from zip(np.split(later, cuts), np.split(first, cuts), strict=True)
            return
        one, other = (self.tape.nodes[each[0]] for each in owners)
        if one.op != other.op or one is other or not one.operands:
            return
        each = [_operands(node, ids - node.start) for node, ids in ((one, later), (other, first))]
        for a, b in zip(*each, strict=True):
            if a.ndim == 2 and (a == a[:1]).all() and (b == b[:1]).all():
                a, b = a[0], b[0]  # what a matrix multiplies
            if not self.tape.fixed(a) and a.size == b.size:
                yield a.reshape(-1), b.reshape(-1)

    # -- checking --

    def _check(self, layer: RecordedLayer) -> None:
        """Raise LiftError if the cell computes something else than the graph, at any step but the last."""
        values, begin = self.tape.values, {}
        if layer.x is None:
            rows, skipped = [values[one] for one in self.x[: len(self.states)]], 0
            begin = {name: values[ids] for name, ids in layer.initial.items()}
        else:
            rows, skipped = [values[one] for one in layer.x], 1
            begin = {name: values[each[0]] for name, each in layer.states.items()}
        theirs = {
            layer.cell.lines[name]: np.stack([values[one] for one in each[skipped:]])[:, None]
            for name, each in layer.states.items()
        }
        started = {name: value[None] for name, value in begin.items()}
        checked_trace(layer.cell, self.tape, np.stack(rows)[:, None], started, lambda _: theirs, self.title)


def _operands(node: TapeNode, local: Ids) -> list[Ids]:
    """What some numbers of a node are computed from."""
    if node.op == "dot":
        left, right = node.operands
        rows, columns = np.divmod(local, right.shape[1])
        return [left[rows], right.T[columns]]
    return [one.reshape(-1, *one.shape[len(node.shape) :])[local] for one in node.operands]


def _any(marked: Array, node: TapeNode) -> Array:
    """Which numbers of a node are computed from a marked one."""
    each = [marked[one] for one in node.operands]
    if node.op == "dot":
        return (each[0].any(1)[:, None] | each[1].any(0)[None, :]).reshape(-1)
    flat = [one if one.ndim == len(node.shape) else one.any(-1) for one in each]
    return np.asarray(np.logical_or.reduce(flat)).reshape(-1)


def _leaves(value: Expr) -> set[str]:
    """The names that a value is computed from; a part of a state counts as the state."""
    return {str(one.leaf).partition("[")[0] for one in value.inside() if one.op == "name"}


def _input(values: Sequence[Expr], states: set[str]) -> Expr | None:
    """The one value without states that weights multiply, if the layer reads nothing else; None for x_t itself."""
    free = {one: not _leaves(one) & states for value in values for one in value.inside()}
    fed: set[Expr] = set()
    todo, seen = [*values], set[Expr]()
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        if one.op == "matvec" and free[one.args[1]]:
            fed.add(one.args[1])
        elif one.op == "name" and free[one]:
            return None
        else:
            todo += one.args
    only = fed.pop() if len(fed) == 1 else None
    return None if only is None or only.leaf == "x_t" else only


def _names(values: Sequence[Expr]) -> list[str]:
    """What the states are called: h is what weights multiply, or what is computed last; c is another one."""
    products = {one.args[1].leaf for value in values for one in value.inside() if one.op == "matvec"}

    def likely(k: int) -> tuple[bool, int]:
        return f"state_{k}" in products, sum(other in [*values[k].inside()] for other in values)

    h = max(range(len(values)), key=likely)
    others = iter(["c", *(f"s{k}" for k in range(2, len(values)))])
    return ["h" if k == h else next(others) for k in range(len(values))]
