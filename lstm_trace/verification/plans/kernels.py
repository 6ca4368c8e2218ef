"""The kernels of the numpy plan, and the operations' array functions, on values at every stride.

A step of a plan's memory is one row, so a value lies at the stride of all columns; numpy has other loops for strides
than for contiguous numbers, and for some strides loops of their own: 2.1 to 2.4.6 negate wrongly at 64 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...cell.lines import Line
from ...cell.ops import OPS
from ...engine.plan.kernels import KERNELS
from ...engine.plan.numpy_machine import Outside
from .cases import DTYPES, MATRICES, ONE, ROWS, VECTOR, WIDE, Fault, cases, first, off

WIDTHS, COLUMNS = range(1, 17), range(1, 71)
#: Steps: more than a loop computes at once (two vectors of 16, or 8 numbers one by one), with a rest.
STEPS = 37
#: Numbers at which a function changes its ways, with zeros of both signs.
_SPECIAL = (0.0, -0.0, 1.0, -1.0, 30.0, -30.0, 800.0, -800.0, np.inf, -np.inf, np.nan, 1e-310)
#: What memory holds that nobody has written to.
_UNTOUCHED = 7.5
#: Where operands and the result lie, in turn: each in memory of its own (at a stride, or without a gap), or all in one.
PLACES = (("strided", "strided"), ("strided", "whole"), ("whole", "strided"), ("shared", "shared"))


def check_kernels(
    widths: Sequence[int] = WIDTHS,
    columns: Sequence[int] = COLUMNS,
    ulps: bool = True,
    signs: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Fault]:
    """What kernels and array functions compute wrongly, the first value of each call that does.

    widths: units of a value. columns: of the memory; a value lies in those that hold it. ulps, signs: see `cases.off`.
    progress: told how many of the sizes are done, and how many there are.
    """
    sizes = [(dtype, width) for dtype in DTYPES for width in widths]
    for done, (dtype, width) in enumerate(sizes):
        values = _values(width, dtype)
        with np.errstate(all="ignore"):
            tried = [_Case(line, values) for line in cases(width)]
            for count in columns:
                if count >= width:
                    yield from _at_stride([case for case in tried if case.width <= count], values, count, ulps, signs)
        if progress is not None:
            progress(done + 1, len(sizes))


class _Case:
    """A line with what it gives on operands without gaps."""

    def __init__(self, line: Line, values: dict[str, Array]) -> None:
        self.line = line
        dtype = values[ONE].dtype
        self.operands = [values[o] if isinstance(o, str) else np.array(o, dtype) for o in line.operands]
        self.moving = [o for o in line.operands if o in (*WIDE, ONE)]
        self.expected = np.array(OPS[line.op].array(self.operands, line.constants))
        self.bits, self.width = _bits(self.expected), self.expected.shape[1]
        # what is broadcast is read as usual, or not at all
        self.places = PLACES if all(o in WIDE for o in self.moving) else PLACES[:1]


def _values(width: int, dtype: str) -> dict[str, Array]:
    """Operands by name: (steps, width), (steps, 1), (width,) and two matrices."""
    rng = np.random.default_rng(width)
    found = {name: rng.normal(0, 2, (STEPS, width)).astype(dtype) for name in WIDE}
    for k, name in enumerate(WIDE):
        at = rng.permutation(STEPS)[: len(_SPECIAL)]
        found[name][at, k % width] = np.array(_SPECIAL).astype(dtype)
    found[ONE] = found[WIDE[0]][:, :1].copy()
    shapes = {VECTOR: (width,), MATRICES["matvec"][0]: (ROWS, width), MATRICES["vecmat"][1]: (width, ROWS)}
    return found | {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def _at_stride(
    tried: Sequence[_Case], values: dict[str, Array], columns: int, ulps: bool, signs: bool
) -> Iterator[Fault]:
    dtype = values[ONE].dtype
    apart = {name: np.full((STEPS, columns), _UNTOUCHED, dtype)[:, : values[name].shape[1]] for name in (*WIDE, ONE)}
    for name, array in apart.items():
        array[...] = values[name]
    wide = values[WIDE[0]].shape[1]
    shared = np.full((STEPS, columns), _UNTOUCHED, dtype)
    room = columns // wide - 1  # operands that the shared memory holds beside a result
    beside = dict(zip(WIDE[:room], (shared[:, k * wide : (k + 1) * wide] for k in range(room)), strict=False))
    for name, array in beside.items():
        array[...] = values[name]
    result = np.full((STEPS, columns), _UNTOUCHED, dtype)
    where = f"width {wide} of {columns} columns"
    for case in tried:
        width = case.width
        for read, written in case.places:
            known = {"strided": apart, "whole": values, "shared": beside}[read]
            if read == "shared" and (width > wide or not all(name in known for name in case.moving)):
                continue
            memory = {"strided": result, "whole": np.empty((STEPS, width), dtype), "shared": shared}[written]
            found = memory[:, memory.shape[1] - width :]
            found.fill(_UNTOUCHED)
            operands = [
                known.get(o, values[o]) if isinstance(o, str) else given
                for o, given in zip(case.line.operands, case.operands, strict=True)
            ]
            _call(case.line, operands, found)
            yield from _compared("planned", case, found, where, ulps, signs)
            if read == "strided" and written == "strided":
                by_array = np.asarray(OPS[case.line.op].array(operands, case.line.constants))
                yield from _compared("lines", case, by_array, where, ulps, signs)
            if written == "strided":
                found.fill(_UNTOUCHED)
                beside_it = result != _UNTOUCHED
                if beside_it.any():
                    before = np.full_like(result, _UNTOUCHED)
                    yield first("planned", case.line, f"beside {where}", beside_it, result, before)
                    result.fill(_UNTOUCHED)


def _call(line: Line, operands: Sequence[Any], out: Array) -> None:
    """As a call before or after the loop: many steps at once."""
    bench = Outside(out.dtype)
    bench.started(out.shape)
    for function, arguments in KERNELS[line.op](bench, out, operands, line.constants):
        function(*arguments)


def _compared(plan: str, case: _Case, found: Array, where: str, ulps: bool, signs: bool) -> Iterator[Fault]:
    if (_bits(found) == case.bits).all():
        return
    wrong = off(case.line, case.operands, found, case.expected, ulps, signs)
    if wrong.any():
        yield first(plan, case.line, where, wrong, found, case.expected)


def _bits(array: Array) -> Array:
    return array.view(f"i{array.itemsize}")
