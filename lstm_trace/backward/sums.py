"""What an adjoint gathers over all steps and rows: the gradients of the parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ..base.arrays import Array
from ..cell.arithmetic import Arithmetic
from ..cell.lines import Line, Sum

#: A value's name to its values at some steps, (steps, B, width).
Values = Callable[[str], Array]


def gather(sums: Iterable[Sum], values: Values) -> dict[str, Array]:
    """Each sum over some steps: (width,), or (width of a, width of b) for outer products.

    The left sides that meet one right side are stacked: one product of (units, steps) by (steps, units) for them all,
    which for small cells is several times as quick as one for each.
    """
    parts: dict[str, list[tuple[str, str]]] = {}  # by right side: sum and left side
    found: dict[str, Array] = {}

    def add(name: str, value: Array) -> None:
        found[name] = found[name] + value if name in found else value

    for gathered in sums:
        for left, *right in gathered.terms:
            parts.setdefault(right[0] if right else "", []).append((gathered.name, left))
    for right, lefts in parts.items():
        flat = [_flat(values(left)) for _, left in lefts]
        stacked = np.concatenate(flat, axis=1)
        total = stacked.T @ _flat(values(right)) if right else stacked.sum(axis=0)
        begin = 0
        for (name, _), part in zip(lefts, flat, strict=True):
            add(name, total[begin : begin + part.shape[1]])
            begin += part.shape[1]
    return found


def gather_in(arithmetic: Arithmetic, sums: Iterable[Sum], values: Values) -> dict[str, Array]:
    """The same in another arithmetic: a product with each column of the right side, the terms added in their order."""
    found = {}
    for gathered in sums:
        terms = []
        for left, *right in gathered.terms:
            matrix = arithmetic.read(_flat(values(left)).T)
            columns = _flat(values(right[0])).T if right else np.ones((1, matrix.shape[1]))
            line = Line("", "matvec", ("W", "x"))
            made = [arithmetic.compute(line, [matrix, arithmetic.read(column)]) for column in columns]
            terms.append(np.stack(made, axis=-1) if right else made[0])
        total = Line("", "add", ("a",) * len(terms), (1.0,) * len(terms))
        value = terms[0] if len(terms) == 1 else arithmetic.compute(total, [arithmetic.read(term) for term in terms])
        found[gathered.name] = value
    return found


def _flat(values: Array) -> Array:
    """Steps and rows in one axis."""
    return values.reshape(-1, values.shape[-1])
