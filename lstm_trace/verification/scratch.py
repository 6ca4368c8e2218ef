"""Memory for the blocks of a walk forward, used again by each: fresh memory costs more than what is computed in it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line
from ..engine.plan.kernels import KERNELS


class Scratch:
    """Arrays by what they are for; the next array of that name and dtype has the same memory."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, np.dtype[Any]], Array] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array, without values."""
        size, key = math.prod(shape), (name, np.dtype(dtype))
        if key not in self._held or self._held[key].size < size:
            self._held[key] = np.empty(size, dtype)
        return self._held[key][:size].reshape(shape)

    def derive(self, line: Line, operands: list[Array], shape: tuple[int, ...], dtype: Any) -> Array:
        """The line's value from its operands."""
        out = self.array("value", shape, dtype)
        if line.product:
            matrix, vector = (operands[line.operands.index(name)] for name in line.product)
            lead = math.prod(vector.shape[:-1])
            if vector.shape[:-1] == shape[:-1] and vector.dtype == matrix.dtype == out.dtype:
                rows = self.array("rows", (lead, vector.shape[-1]), dtype)
                if vector.flags.c_contiguous:
                    rows = vector.reshape(rows.shape)
                else:
                    np.copyto(rows.reshape(vector.shape), vector)
                np.matmul(rows, matrix.T if line.op == "matvec" else matrix, out=out.reshape(lead, shape[-1]))
                return out
        for function, arguments in KERNELS[line.op](_Bench(self, out), out, operands, line.constants):
            function(*arguments)
        return out


class _Bench:
    """What a kernel needs beside its operands."""

    def __init__(self, scratch: Scratch, out: Array) -> None:
        self._scratch, self._out = scratch, out

    def number(self, value: float) -> Array:
        """The number as an operand."""
        return np.asarray(value, self._out.dtype)

    def scratch(self, mask: bool = False) -> Array:
        """Memory of the result's shape."""
        return self._scratch.array("beside", self._out.shape, bool if mask else self._out.dtype)
