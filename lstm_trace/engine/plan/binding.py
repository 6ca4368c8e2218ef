"""Binding a plan's calls to arrays: the views of a slab that each call reads and writes, and the stacked weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...cell.ops import OPS
from .kernels import KERNELS, Steps
from .plan import Call, Operand
from .slab import Slab

#: Up to so many numbers a vector is multiplied from the left with the transposed matrix, which is quicker.
LONG_VECTOR = 256
#: Of each kind of product, at which place the vector stands.
_VECTOR = {"matvec": 1, "vecmat": 0}

Weights = Mapping[str, Array]
Packs = dict[tuple[Any, ...], Array]


class Outside:
    """Calls on many steps at once: operands are arrays."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.shape: tuple[int, ...] = ()

    def number(self, value: float) -> Array:
        return np.array(value, self.dtype)

    def scratch(self, mask: bool = False) -> Array:
        return np.empty(self.shape, bool if mask else self.dtype)

    def moving(self, array: Array) -> Array:
        """An operand that has a value at each step."""
        return array

    def fixed(self, array: Array) -> Array:
        """An operand that is the same at each step."""
        return array

    def started(self, shape: tuple[int, ...]) -> None:
        """A call begins whose result has this shape over all its steps."""
        self.shape = shape


class Inside(Outside):
    """Calls in the loop: operands are sequences with one array for each step, in the order of the loop."""

    def __init__(self, dtype: np.dtype[Any], reverse: bool, list_views: bool) -> None:
        super().__init__(dtype)
        self.reverse, self.list_views = reverse, list_views

    def number(self, value: float) -> Any:
        return repeat(np.array(value, self.dtype))

    def scratch(self, mask: bool = False) -> Any:
        return repeat(np.empty(self.shape[1:], bool if mask else self.dtype))

    def moving(self, array: Array) -> Any:
        ordered = array[::-1] if self.reverse else array
        return list(ordered) if self.list_views else ordered

    def fixed(self, array: Array) -> Any:
        return repeat(array)


class Binder:
    """Finds the arrays of each call on some steps of a slab.

    fed: the inputs at these steps. weights: the parameters by name. packs: stacked copies of them, that are added to.
    """

    def __init__(
        self, slab: Slab, fed: Mapping[str, Array], weights: Weights, packs: Packs, first: int, last: int
    ) -> None:
        self.slab, self.fed, self.weights, self.packs, self.first, self.last = slab, fed, weights, packs, first, last
        self.places, self.batch = slab.plan.places, slab.batch

    def steps(self, call: Call, bench: Outside) -> Steps:
        """The calls of numpy that compute `call`."""
        if call.op in _VECTOR and call.operands[_VECTOR[call.op]].kind != "parameter":
            return self._product(call, bench)
        out = self._values(call.lines)
        operands = [self._operand(call, operand) for operand in call.operands]
        out, operands = _flattened(out, operands, call.width) if OPS[call.op].width == "same" else (out, operands)
        bench.started(out.shape)
        given: list[Any] = []
        for operand, array in zip(call.operands, operands, strict=True):
            if array is None:
                given.append(bench.number(operand.number))
            elif operand.kind == "parameter":
                given.append(bench.fixed(array))
            else:
                given.append(bench.moving(array))
        return KERNELS[call.op](bench, bench.moving(out), given, call.constants)

    def _values(self, names: tuple[str, ...]) -> Array:
        """(steps, n, B, width)"""
        return self.slab.values(self.places[names[0]], len(names), self.first, self.last)

    def _operand(self, call: Call, operand: Operand) -> Array | None:
        """(steps, n or 1, B, width) of values and inputs, (n, B, width) of parameters, None for a number."""
        if operand.kind == "number":
            return None
        if operand.kind == "value":
            return self._values(operand.names)
        if operand.kind == "input":
            return self.fed[operand.names[0]][:, None]
        if call.op in _VECTOR:  # a product of two parameters: as the definition has it
            return self.weights[operand.names[0]]
        return self._pack(operand.names, "vectors", operand.width)

    def _product(self, call: Call, bench: Outside) -> Steps:
        """Products by stacked matrices: of one vector, or each of its own."""
        at = _VECTOR[call.op]
        names, left = call.operands[1 - at].names, at == 0
        vectors = self._operand(call, call.operands[at])
        assert vectors is not None
        out, inside = self._values(call.lines), isinstance(bench, Inside)  # (steps, n or 1, B, N), (steps, n, B, M)
        steps, count, batch, width = out.shape
        pack = partial(self._pack, names, left=left)
        if batch == 1 and vectors.shape[1] == 1:
            vector, out = vectors[:, 0, 0], out.reshape(steps, count * width)
            if not inside:
                return [(np.matmul, (vector, pack("rows").T, out))]
            if vector.shape[1] > LONG_VECTOR:
                return [(pack("rows").dot, (bench.moving(vector), bench.moving(out)))]
            return [(np.ndarray.dot, (bench.moving(vector), bench.fixed(pack("across")), bench.moving(out)))]
        matrices = pack("columns")
        if inside:
            if count == 1:
                matrices, vectors, out = matrices[0], vectors[:, 0], out[:, 0]
            return [(np.matmul, (bench.moving(vectors), bench.fixed(matrices), bench.moving(out)))]
        if batch == 1 or (vectors[:, 0].flags.c_contiguous and out[:, 0].flags.c_contiguous):  # every step at once
            vectors, out = (
                a.transpose(1, 0, 2, 3).reshape(a.shape[1], steps * batch, a.shape[3]) for a in (vectors, out)
            )
        return [(np.matmul, (vectors, matrices, out))]

    def _pack(self, names: tuple[str, ...], form: str, width: int = 0, left: bool = False) -> Array:
        """Parameters stacked in the order of `names`; made once.

        form: `rows`, matrices one below the other (n·M, N); `across`, that transposed; `columns`, each transposed
        (n, N, M); `vectors`, each repeated for every row of the batch (n, B, width). left: the vector stands left of
        the matrices, which are transposed first.
        """
        key = (names, form, left) if form != "vectors" else (names, form, width, self.batch)
        found = self.packs.get(key)
        if found is None:
            arrays = [self.weights[name].T if left else self.weights[name] for name in names]
            if form == "rows":
                found = np.concatenate(arrays)
            elif form == "across":
                found = np.concatenate(arrays).T
            elif form == "columns":
                found = np.stack([a.T for a in arrays])
            else:
                found = np.stack([np.broadcast_to(a, (self.batch, width)) for a in arrays])
            self.packs[key] = found = np.ascontiguousarray(found)
        return found


def _flattened(out: Array, operands: list[Array | None], width: int) -> tuple[Array, list[Array | None]]:
    """The operands of an elementwise call with as few axes as they allow: numpy is quickest on one run of numbers."""
    arrays = [a for a in operands if a is not None]
    if any(a.shape[-1] != width for a in arrays):
        return out, operands  # (steps, n, B, width) against (…, 1)
    if all(a.shape[-3] == out.shape[1] and a[-1].flags.c_contiguous for a in (out, *arrays) if a.ndim == 4):

        def flat(a: Array) -> Array:
            return a.reshape(a.shape[0], -1) if a.ndim == 4 else a.reshape(-1)
    else:

        def flat(a: Array) -> Array:
            return a.reshape(*a.shape[:-2], -1)

    return flat(out), [None if a is None else flat(a) for a in operands]
