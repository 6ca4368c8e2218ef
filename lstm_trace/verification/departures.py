"""Which recorded values are not what their line gives, within what rounding explains; bounds only where they decide."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.rounding import of_sum
from ..cell.lines import Line
from ..cell.ops import OPS
from ..engine.plan.kernels import KERNELS
from .rounding import FEW, beyond, bound, reach

#: Values up to which a line is derived by its definition. More are by the calls of numpy's plan, which save memory: a
#: fault of those, which would then be no fault of a plan alone, is found in a few steps.
SMALL = 1 << 15


class Departures(NamedTuple):
    """wrong: values that are further from their derivation than rounding explains; unsure: those whose bound is not
    finite. Each like the values, or None where there are none.
    """

    wrong: Array | None = None
    unsure: Array | None = None


@np.errstate(all="ignore")
def departures(line: Line, operands: list[Array], recorded: Array, scratch: Scratch) -> Departures:
    """Hold recorded values against those that follow from `operands`."""
    derived = scratch.derive(line, operands, recorded.shape, recorded.dtype)
    ulp = OPS[line.op].ulp
    if ulp == 0:
        off = np.not_equal(recorded, derived, out=scratch.array("off", recorded.shape, bool))
        if not off.any():
            return Departures()
    elif line.product or ulp is not None:
        found = _of_product if line.product else _of_function
        if (told := found(line, operands, recorded, derived, scratch)) is not None:
            return told
    return beyond_limit(recorded, derived, np.broadcast_to(bound(line, operands, derived), recorded.shape))


@np.errstate(all="ignore")
def beyond_limit(recorded: Array, derived: Array, limit: Array) -> Departures:
    """The same with the bound of every value."""
    off, unsure = beyond(recorded, derived, limit)
    return Departures(off if off.any() else None, unsure if unsure.any() else None)


def _of_function(
    line: Line, operands: list[Array], recorded: Array, derived: Array, scratch: Scratch
) -> Departures | None:
    """Of a named function: nothing departs; None where something does, or a value is not finite."""
    ulp, info = OPS[line.op].ulp, np.finfo(derived.dtype)
    limit = np.abs(derived, out=scratch.array("limit", derived.shape, derived.dtype))
    if ulp is None or not np.isfinite(limit.max(initial=0.0)):
        return None
    limit *= ulp * info.eps
    limit += info.tiny
    return None if _over(recorded, derived, limit, scratch).any() else Departures()


def _of_product(
    line: Line, operands: list[Array], recorded: Array, derived: Array, scratch: Scratch
) -> Departures | None:
    """Of a product, its bounds worked out for the few values alone that need them; None where many do, or where a
    bound may overflow.

    Most are within n eps |derived|, which is less than a bound: |W x| is at most |W| |x| (see `of_sum`).
    """
    matrix, vector = (operands[line.operands.index(name)] for name in line.product or ())
    info, terms = np.finfo(derived.dtype), vector.shape[-1]
    largest = 2 * terms * terms * float(reach(matrix)) * float(reach(vector))
    if not (largest < info.max and math.isfinite(of_sum(largest, terms, info.dtype))):
        return None
    near = np.abs(derived, out=scratch.array("limit", derived.shape, derived.dtype))
    near *= terms * info.eps
    off = _over(recorded, derived, near, scratch)
    count = np.count_nonzero(off)
    if count == 0:
        return Departures()
    if count > FEW * off.size:
        return None
    places = np.nonzero(off)
    weights = np.abs((matrix if line.op == "matvec" else matrix.T)[places[-1]])
    rows = np.abs(np.broadcast_to(vector, (*off.shape[:-1], terms))[places[:-1]])
    limit = of_sum(np.einsum("kn,kn->k", weights, rows), terms, info.dtype)
    wrong, _ = beyond(recorded[places], derived[places], limit)
    if not wrong.any():
        return Departures()
    found = np.zeros(off.shape, bool)
    found[places] = wrong
    return Departures(found)


def _over(one: Array, two: Array, limit: Array, scratch: Scratch) -> Array:
    """Where the two are not within `limit`, NaN included."""
    gap = np.subtract(one, two, out=scratch.array("gap", two.shape, two.dtype))
    np.abs(gap, out=gap)
    off = np.less_equal(gap, limit, out=scratch.array("off", two.shape, bool))
    return np.logical_not(off, out=off)


class Scratch:
    """Memory for the blocks of a walk, used again by each: fresh memory costs more than what is computed in it.

    Arrays by what they are for; the next array of that name and dtype has the same memory.
    """

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
        if out.size <= SMALL:
            out[...] = OPS[line.op].array(operands, line.constants)
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
