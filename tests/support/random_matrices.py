"""Random cells with matrices, with the sizes of their values, and a walk through the lines of a cell."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from lstm_trace.cell.lines import Cell
from lstm_trace.cell.ops import OPS

Array = np.ndarray[Any, Any]


@dataclass
class RandomCell:
    """A random cell with matrices. shapes: of the weights; kinds: the axes of every value, () for a number."""

    random: Random
    sizes: tuple[int, ...] = ()
    rows: list[str] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    kinds: dict[str, tuple[int, ...]] = field(default_factory=dict)
    text: str = ""

    def __post_init__(self) -> None:
        pick = self.random
        self.sizes = tuple(pick.randint(1, 4) for _ in range(3))
        self.kinds = {"x_t": (0,), "h_prev": (1,), "C_prev": (pick.randint(0, 2), pick.randint(0, 2))}
        for number in range(pick.randint(3, 9)):
            pick.choice([self.vector, self.matrix, self.matrix, self.read, self.one])(f"z_{number}")
        rows, columns = self.kinds["C_prev"]
        self.assign("u_t", self.projected(rows), (rows,))
        self.assign("v_t", self.projected(columns), (columns,))
        others = [name for name, kind in self.kinds.items() if kind == (rows, columns)]
        self.assign("C_t", f"0.5 * tanh({pick.choice(others)}) + outer(u_t, v_t)", (rows, columns))
        self.assign("h_t", f"tanh({self.projected(1)})", (1,))
        vectors = [name for name, kind in self.kinds.items() if len(kind) < 2 and name != "x_t"]
        last = " + ".join(f"sum({name})" for name in vectors)
        self.assign("y_t", f"{last} + sum(C_t)", ())
        read = set(re.findall(r"\w+", " ".join(self.rows)))
        self.shapes = {name: shape for name, shape in self.shapes.items() if name in read}
        self.text = "\n".join([*self.rows, "carry: C_prev <- C_t, h_prev <- h_t", "output: y_t"])

    def assign(self, name: str, right: str, kind: tuple[int, ...]) -> None:
        self.rows.append(f"{name} = {right}")
        self.kinds[name] = kind

    def some(self, rank: int) -> str:
        """A value of this rank."""
        return self.random.choice([name for name, kind in self.kinds.items() if len(kind) == rank] or ["C_prev"])

    def weight(self, *axes: int | None) -> str:
        """A new weight; None for an axis of one unit."""
        name = f"w_{len(self.shapes)}"
        self.shapes[name] = tuple(1 if axis is None else self.sizes[axis] for axis in axes)
        return name

    def projected(self, axis: int | None) -> str:
        """A vector with this axis, or a number."""
        other = self.some(1)
        if self.random.random() < 0.5:
            return f"{self.weight(axis, self.kinds[other][0])} @ {other} + {self.weight(axis)}"
        return f"{other} @ {self.weight(self.kinds[other][0], axis)}"

    def vector(self, name: str) -> None:
        axis = self.random.randint(0, 2)
        self.assign(name, f"tanh({self.projected(axis)})", (axis,))

    def one(self, name: str) -> None:
        right = self.random.choice(
            [f"sigmoid({self.projected(None)})", f"mean({self.some(2)})", f"max({self.some(2)})", "sum(x_t)"]
        )
        self.assign(name, right, ())

    def read(self, name: str) -> None:
        """A product with a matrix."""
        matrix = self.some(2)
        rows, columns = self.kinds[matrix]
        right = self.random.random() < 0.5
        axis, left = (columns, rows) if right else (rows, columns)
        vector = self.weight(axis) if self.random.random() < 0.25 else f"tanh({self.projected(axis)})"
        self.assign(name, f"{matrix} @ {vector}" if right else f"{vector} @ {matrix}", (left,))

    def matrix(self, name: str) -> None:
        pick, old = self.random, self.some(2)
        kind = self.kinds[old]
        alike = pick.choice([one for one, other in self.kinds.items() if other == kind])
        a, b = self.some(1), self.some(1)
        forms: list[Callable[[], tuple[str, tuple[int, ...]]]] = [
            lambda: (f"outer({a}, {b})", self.kinds[a] + self.kinds[b]),
            lambda: (f"tanh({old}) - {alike}", kind),
            lambda: (f"{old} * {alike}", kind),
            lambda: (f"sigmoid({self.projected(None)}) * {old}", kind),
            lambda: (f"{old} * {self.weight(*kind)}", kind),
            lambda: (f"{self.weight(None)} * {old} - 0.5", kind),
            lambda: (f"where({old} > {alike}, {old}, 0.25)", kind),
            lambda: (f"max({old}, {alike})", kind),
            lambda: (f"{old} + outer({self.weight(kind[0])}, ones(tanh({self.projected(kind[1])})))", kind),
        ]
        self.assign(name, *pick.choice(forms)())

    @property
    def widths(self) -> dict[str, int]:
        """The width of every named value."""
        return {name: int(np.prod([self.sizes[axis] for axis in kind])) for name, kind in self.kinds.items()}

    @property
    def grids(self) -> dict[str, tuple[int, ...]]:
        """The rows and columns of the matrices."""
        two = {name: kind for name, kind in self.kinds.items() if len(kind) == 2}
        return {name: tuple(self.sizes[axis] for axis in kind) for name, kind in two.items()}


def walk(
    cell: Cell, weights: Mapping[str, Array], inputs: Mapping[str, Array], widths: Mapping[str, int],
    backwards: bool = False, first: Mapping[str, Array] | None = None,
) -> dict[str, Array]:  # fmt: skip
    """Every value of a cell at every step, (T, width), and its sums; from the operations' definitions alone."""
    products = {line.product[0] for line in cell.lines if line.product}
    flat = {name: value if name in products else value.reshape(-1) for name, value in weights.items()}
    steps = len(next(iter(inputs.values())))
    state = {name: np.zeros(widths[name]) for name in cell.states} | dict(first or {})
    found: dict[str, list[Array]] = {name: [None] * steps for name in (*cell.by_name, *cell.states)}  # type: ignore[list-item]
    for t in reversed(range(steps)) if backwards else range(steps):
        now: dict[Any, Array] = {**flat, **{name: values[t] for name, values in inputs.items()}, **state}
        for line in cell.lines:
            read = [now[o] if isinstance(o, str) else np.array([o]) for o in line.operands]
            now[line.name] = OPS[line.op].array(read, line.constants)
        for name, values in found.items():
            values[t] = now[name]
        state = {name: now[target] for name, target in cell.carry}
    values = {name: np.array(each) for name, each in found.items()} | dict(inputs)

    def at(name: str) -> Array:
        return values[name] if name in values else np.broadcast_to(flat[name], (steps, flat[name].size))

    for gathered in cell.sums:
        terms = [at(term[0]).T @ at(term[1]) if term[1:] else at(term[0]).sum(axis=0) for term in gathered.terms]
        values[gathered.name] = sum(terms[1:], terms[0])
    return values
