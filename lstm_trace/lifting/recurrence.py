"""The recurrences of a recorded sequence: what the numbers of each step read of those before it are the states.

A graph may do more than its recurrence: layers stand before and after it, several recurrences upon one another. So the
states are looked for in the middle: the numbers of step t that a number of step t + 1 is computed from. States that
read one another are one layer; its input is what its weights multiply besides them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..errors import LiftError, counted
from .building import BuiltCell, built, checked_trace, state_names
from .expressions import Expr, Expressions
from .reading import Reader
from .tape import FIXED, INITIAL, Ids, Tape

#: So many steps a recurrence has at least, to be read: the first knows no states, and the last may do more.
LEAST = 3
_UNREAD = "a step that depends on t, or reads x of another step, is not lifted"
#: The output among the values of states, whose names are those of parameters.
OUTPUT = ""


class RecordedLayer(NamedTuple):
    """One recurrence.

    of: the recording. cell: with its weights. states: their numbers at each step but the last, by name. x: those of its
    input at each step from the second on. initial: those of the initial states that are known; a state that is missing
    starts at zero.
    """

    of: RecordedRecurrence
    cell: BuiltCell
    states: Mapping[str, list[Ids]]
    x: list[Ids]
    initial: Mapping[str, Ids]


@dataclass
class RecordedRecurrence:
    """The recurrences of a tape.

    x: the numbers of one sequence at each step. outputs: all numbers of the outputs. title: what messages call it.
    others: the numbers of the input and of initial states of other sequences, of which there are `batch` in all.
    output: those of an output that is read too, at each step or at the last one. back: whether x is read from its end.
    matrices: whether states that are computed in rows and columns are matrices.
    """

    tape: Tape
    x: Sequence[Ids]
    outputs: Ids
    title: str
    others: Ids = field(default_factory=lambda: np.zeros(0, np.int64))
    batch: int = 1
    output: Mapping[int, Ids] = field(default_factory=dict)
    back: bool = False
    matrices: bool = False

    def layers(self) -> list[RecordedLayer]:
        """Every recurrence, in the order in which one reads another."""
        if len(self.x) < LEAST:
            raise LiftError(
                f"{self.title} runs over {counted(len(self.x), 'step')} of x, and what is carried from step to step "
                f"shows from {LEAST} steps on: export it with a longer x"
            )
        return [self._layer(group) for group in self._groups()]

    # -- states --

    @cached_property
    def states(self) -> dict[int, list[Ids]]:
        """Of each step but the last, the vectors that the next step reads.

        What follows the recurrence may read more of them together with the last step, which is left out if those that
        are computed as before cannot be found among them; the first steps are left out if they have fewer, as those of
        a function may that reads several steps back.
        """
        read = self._crossing()
        read[-1] = self._alike(*read[-3:]) if len(read) > 2 and len(read[-1]) > len(read[-2]) else read[-1]
        sizes = [[len(one) for one in each] for each in read]
        if not (usual := sizes[len(sizes) // 2]):
            raise LiftError(f"{self.title} carries no state from step to step along this axis of x; {_UNREAD}")
        end = len(read) - (len(read) > 2 and sizes[-1] != usual)
        known = range(sizes.index(usual) if self.output else 0, end)
        if (step := next((t for t in known if sizes[t] != usual), None)) is not None:
            raise LiftError(
                f"{self.title} does something else at step {step + 1} than at step {step}: it reads vectors of "
                f"{sizes[step]} units of the step before it, and not of {usual}"
            )
        return {t: read[t] for t in known}

    def _crossing(self) -> list[list[Ids]]:
        """The vectors of each step but the last that a later step reads, before weights alone are applied to them."""
        crossing: list[list[Ids]] = [[] for _ in self.x[1:]]
        alive, times = self.tape.behind([self.outputs]) & self._own, self.tape.times
        for node in self.tape.nodes:
            local = np.flatnonzero(alive[node.numbers])
            for t in {*times[local + node.start].tolist()} - {FIXED, INITIAL, 0}:
                for ids in node.read(local[times[local + node.start] == t]):
                    crossing[t - 1].append(np.unique(ids[(times[ids] < t) & (times[ids] >= 0)]))
        read = [self._vectors(np.unique(np.concatenate([np.zeros(0, np.int64), *each]))) for each in crossing]
        chains = [[self._chain(one) for one in each] for each in read]
        found: list[list[Ids]] = []
        for t, each in enumerate(chains):  # the first step, which reads zeros, may be simpler than the second
            depths = (max(range(len(one)), key=lambda k: (-len(one[k]), k)) for one in chains[max(t, 1)])
            inner = (one[min(depth, len(one) - 1)] for one, depth in zip(each, depths, strict=False))
            found.append([*{one.tobytes(): one for one in inner}.values()])
        return found

    def _alike(self, before: Sequence[Ids], last: Sequence[Ids], more: list[Ids]) -> list[Ids]:
        """The vectors of the last step that are computed from those of the step before as these were; else all."""
        exprs, found = Expressions(), dict[Expr, Ids]()
        reader = self._reader(self.x[-2], {f"state_{k}": ids for k, ids in enumerate(last)}, exprs)
        for ids in more:
            with suppress(LiftError):  # of what follows the recurrence
                found[reader.value(self._shaped(ids))] = ids
        reader = self._reader(self.x[-3], {f"state_{k}": ids for k, ids in enumerate(before)}, exprs)
        with suppress(LiftError):
            return [one for ids in last if (one := found.get(reader.value(self._shaped(ids)))) is not None]
        return more

    def _vectors(self, ids: Ids) -> list[Ids]:
        """The vectors that some numbers belong to."""
        cuts = np.flatnonzero((np.diff(ids) != 1) | (np.diff(self.tape.owners(ids)) != 0)) + 1
        return np.split(ids, cuts) if len(ids) else []

    def _chain(self, ids: Ids) -> list[Ids]:
        """A vector, and what weights alone have made it of: of U h + b, that is h. The narrowest one is the state."""
        found = [ids]
        while (inner := self._linear(found[-1])) is not None:
            found.append(inner)
        return found

    def _linear(self, ids: Ids) -> Ids | None:
        """The one vector of a step that sums and products with weights make these numbers of."""
        node = self.tape.owner(ids)
        if node.op not in ("add", "mul", "neg", "dot") or (self.tape.owners(ids) != self.tape.owners(ids[:1])).any():
            return None
        moving = [one for one in node.read(ids - node.start) if not self.tape.fixed(one)]
        if len(moving) != 1 or (node.op == "dot" and (moving[0] != moving[0][:1]).any()):
            return None
        found = np.ascontiguousarray(moving[0][0] if node.op == "dot" else moving[0])
        times = self.tape.times[found]
        return found if times[0] != FIXED and (times == times[0]).all() else None

    @cached_property
    def _own(self) -> Array:
        """The numbers of the sequence that is read: those of others of the batch are left out."""
        other = np.zeros(self.tape.size, bool)
        other[self.others] = True
        for node in self.tape.nodes:
            if node.operands and len(self.others) and 0 not in node.shape:
                each = node.read(np.arange(node.numbers.stop - node.start))
                other[node.numbers] = np.any([other[ids].reshape(len(ids), -1).any(1) for ids in each], axis=0)
        return ~other

    # -- layers --

    def read(
        self, states: Iterable[int] | None, x: Sequence[Ids], dtype: Any, returned: Iterable[Ids],
        initial: Mapping[str, Ids] | None = None,
    ) -> tuple[BuiltCell, dict[str, list[Ids]]]:  # fmt: skip
        """The cell of some of the states, or of all, and the numbers of each of them at every step.

        x: the input of the cell at each step. initial: the initial states by name, as far as they are known: they tell
        which state is h, and which c.
        """
        values = {name: value for _, each in self._all for name, value in each.items()}
        every = range(len(next(iter(self.states.values()))))
        rows = {f"state_{k}": [each[k] for each in self.states.values()] for k in (every if states is None else states)}
        begin = self._initial(rows, x[1]) if initial and 0 in self.states else {}
        given = {ids.tobytes(): name for name, ids in (initial or {}).items()}
        known = {one: given[ids.tobytes()] for one, ids in begin.items() if ids.tobytes() in given}
        names = state_names({name: values[name] for name in rows}, values.get(OUTPUT), known)
        ordered = sorted(names, key=lambda one: ("h", "c", names[one]).index(names[one]))
        numbers = {names[one]: rows[one] for one in ordered}
        found: dict[str, Expr] = {}
        for t, reader, values in self._steps(numbers, x):  # noqa: B007
            if any(found.setdefault(name, value) is not value for name, value in values.items()):
                raise LiftError(f"{self.title} does something else at step {t} than at step {t - 1}; {_UNREAD}")
        if self.output and OUTPUT not in found:
            raise LiftError(f"{self.title} returns the last step alone, and not its state: return h of every step")
        out = found.pop(OUTPUT, None)
        others = dict[str, Expr]()
        if out is not None and out not in found.values():
            others[self.tape.variable(self.output[max(self.output)]) or "out"] = out
        return built(reader, found, others, dtype, self.title, returned, out, self.back), numbers

    def _shaped(self, ids: Ids) -> Ids:
        """The numbers of a state, in rows and columns if it is a matrix."""
        return self.tape.grid(ids) if self.matrices else ids

    def _reader(self, x: Ids, old: Mapping[str, Ids], *known: Any) -> Reader:
        """Of a step with this input, from these states."""
        return Reader(self.tape, {"x_t": x} | {name: self._shaped(ids) for name, ids in old.items()}, *known)

    def _steps(self, states: dict[str, list[Ids]], x: Sequence[Ids]) -> Iterator[tuple[int, Reader, dict[str, Expr]]]:
        """The values of some states at each step, and of the output, in terms of x_t and of these states before it."""
        exprs, variables = Expressions(), dict[Expr, tuple[int, str]]()
        for k, t in enumerate(self.states, 1):
            new = {name: each[k] for name, each in states.items() if k < len(each)}
            new |= {OUTPUT: self.output[t + 1]} if t + 1 in self.output else {}
            if new:
                old = {f"{name}_prev": each[k - 1] for name, each in states.items()}
                reader = self._reader(x[t + 1], old, exprs, variables)
                yield t + 1, reader, {name: reader.value(self._shaped(ids)) for name, ids in new.items()}

    @cached_property
    def _all(self) -> list[tuple[Mapping[bytes, Expr], dict[str, Expr]]]:
        """The values of all states at each step that knows them, by the numbers and by name."""
        each = {f"state_{k}": [*rows] for k, rows in enumerate(zip(*self.states.values(), strict=True))}
        return [(reader.known, values) for _, reader, values in self._steps(each, self.x)]

    def _groups(self) -> Iterator[list[int]]:
        """The states of each layer: those that read one another and no others but those of layers below."""
        values = [*self._all[0][1].values()]
        reads = [{k for k in range(len(values)) if f"state_{k}_prev" in _leaves(value)} for value in values]
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
        fed = [self._fed(t, group) for t in range(1, len(self.states))]
        cell, states = self.read(group, [self.x[0], *fed], np.float32, [self.outputs])
        initial = self._initial(states, fed[0])
        begin = {name: initial[name] for name in states if name in initial}
        layer = RecordedLayer(self, cell, states, fed, begin)
        self._check(layer, initial.get("x"))
        return layer

    def _fed(self, t: int, group: Sequence[int]) -> Ids:
        """The numbers of the input of a layer at a step: the one vector besides its states that weights multiply."""
        known, every = self._all[t - 1]
        if (fed := _input([every[f"state_{k}"] for k in group], {f"state_{k}_prev" for k in group})) is None:
            return self.x[t]
        return next(np.frombuffer(key, np.int64) for key, one in known.items() if one is fed)

    def returns(self, layer: RecordedLayer) -> bool:
        """Whether the outputs have a state of a layer itself, at each step or at the last one."""
        if any(np.isin(np.concatenate(each[1:]), self.outputs).all() for each in layer.states.values()):
            return True
        ends = self.outputs[(self.tape.times[self.outputs] == len(self.x) - 1) & self._own[self.outputs]]
        old = {name: each[0] for name, each in layer.states.items()}
        for each in layer.states.values() if len(self.states) == len(self.x) - 1 else ():
            found = self._matched([(each[1], ends[: len(each[1])])], old)
            if all(name in found and np.array_equal(found[name], one[-1]) for name, one in layer.states.items()):
                return True
        return False

    def rows(self, ids: Ids | None, width: int) -> Array:
        """The initial state of every sequence, (B, width), by the numbers of the first one; zeros if they are None."""
        every = np.zeros(width) if ids is None else self.tape.values[ids]
        if ids is not None and (node := self.tape.owner(ids)).shape[-2:] == (self.batch, width):
            every = self.tape.values[node.numbers].reshape(-1, width)[: self.batch]
        return np.broadcast_to(every, (self.batch, width)).astype(np.float32)

    def merges(self, ahead: RecordedLayer, back: RecordedLayer) -> bool:
        """Whether the outputs have the h of two directions beside one another. back: read from the last step on."""
        one, other = ahead.states["h"], back.states["h"]
        found = [np.concatenate(pair) for pair in zip(one[::-1], other[len(self.x) - len(one) :], strict=False)]
        return any(
            np.array_equal(self.outputs[k : k + len(one)], one)
            for one in found
            for k in np.flatnonzero(self.outputs == one[0])
        )

    # -- the first step --

    def _initial(self, states: Mapping[str, Sequence[Ids]], x: Ids) -> dict[str, Ids]:
        """The numbers that stand in place of the states at the first step, where it is computed like the second.

        x: the input at the second step; what stands in place of it is returned too.
        """
        sought = {name: one[0] for name, one in states.items()} | {"x": x}
        found = self._matched([(one[1], one[0]) for one in states.values()], sought)
        return found | ({"x": self.x[0]} if x is self.x[1] else {})

    def _matched(self, todo: list[tuple[Ids, Ids]], wanted: Mapping[str, Ids]) -> dict[str, Ids]:
        """What stands in place of some vectors where others are computed in the same way, place by place."""
        found: dict[str, Ids] = {}
        names = {one.tobytes(): name for name, one in wanted.items()}
        seen: set[tuple[bytes, bytes]] = set()
        while todo:
            one, other = (np.ascontiguousarray(ids) for ids in todo.pop())
            key = one.tobytes(), other.tobytes()
            if key in seen or key[0] == key[1] or len(one) != len(other) or not len(one):
                continue
            seen.add(key)
            if key[0] in names:
                found[names[key[0]]] = other
            else:
                todo += self._pairs(one, other)
        return found

    def _pairs(self, later: Ids, first: Ids) -> Iterator[tuple[Ids, Ids]]:
        """What two vectors are computed from, place by place."""
        owners = self.tape.owners(later), self.tape.owners(first)
        if len(cuts := np.flatnonzero((np.diff(owners[0]) != 0) | (np.diff(owners[1]) != 0)) + 1):
            yield from zip(np.split(later, cuts), np.split(first, cuts), strict=True)
            return
        one, other = (self.tape.nodes[each[0]] for each in owners)
        if one.op != other.op or not one.operands:
            return
        each = [node.read(ids - node.start) for node, ids in ((one, later), (other, first))]
        for a, b in zip(*each, strict=True):
            if a.ndim == 2 and (a == a[:1]).all() and (b == b[:1]).all():
                a, b = a[0], b[0]  # what a matrix multiplies
            if not self.tape.fixed(a) and a.size == b.size:
                yield a.reshape(-1), b.reshape(-1)

    # -- checking --

    def _check(self, layer: RecordedLayer, first: Ids | None) -> None:
        """Raise LiftError if the cell computes something else than the graph. first: the input at the first step."""
        if layer.x:
            self._compare(layer, layer.x, {name: each[0] for name, each in layer.states.items()}, 1)
        with suppress(LiftError):
            if first is not None:
                self._compare(layer, [first], layer.initial, 0)
                return
        raise LiftError(
            f"the first step of {self.title} starts from a state that is not in the file: its exporter has "
            "computed with it already; export the model with the initial states as inputs"
        )

    def _compare(self, layer: RecordedLayer, x: Sequence[Ids], begin: Mapping[str, Ids], skipped: int) -> None:
        def rows(each: Sequence[Ids]) -> Array:
            return self.tape.values[np.stack(each)][:, None]

        started = {name: self.tape.values[ids][None] for name, ids in begin.items()}
        theirs = {layer.cell.lines[name]: rows(each[skipped : skipped + len(x)]) for name, each in layer.states.items()}
        checked_trace(layer.cell, self.tape, rows(x), started, lambda _: theirs, self.title)


def stored_in(tape: Tape, values: Iterable[Ids]) -> list[str]:
    """What the stored arrays are called that some values are computed from."""
    behind = tape.behind(values)
    return [tape.given[one.start] for one in tape.nodes if one.op == "weight" and behind[one.numbers].any()]


def _leaves(value: Expr) -> set[str]:
    """The names that a value is computed from; a part of a state counts as the state."""
    return {str(one.leaf).partition("[")[0] for one in value.inside() if one.op == "name"}


def _input(values: Sequence[Expr], states: set[str]) -> Expr | None:
    """The one value without states that weights multiply, if the layer reads nothing else; None for x_t itself."""
    free = {one: not _leaves(one) & states for value in values for one in value.inside()}

    def is_fed(one: Expr) -> bool:
        return one.op == "matvec" and free[one.args[1]]

    parts = {one for value in values for one in value.inside(is_fed)}
    fed = {one.args[1] for one in parts if is_fed(one)}
    if len(fed) != 1 or any(one.op == "name" and free[one] for one in parts):
        return None
    only = fed.pop()
    return None if only.leaf == "x_t" else only
