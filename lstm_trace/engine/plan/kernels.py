"""How numpy computes each operation into existing memory: a table from operation to calls with an output.

A kernel yields (function, arguments) pairs, to be called in order. It never looks at its operands: they are arrays of
many steps, or sequences with one array per step, and the pairs are the same. Every result equals, bit for bit, that of
the operation's array function on the same operands; only products may be summed in another order, and numpy before 2
gives some functions other last digits for strided arrays. `verification.plans` compares them at every stride.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...cell.ops import OPS

Arrays = Mapping[str, Array]
Steps = list[tuple[Callable[..., Any], tuple[Any, ...]]]
#: From a bench, the memory of the result, the operands and the constants to the calls.
Kernel = Callable[["Outside", Any, Sequence[Any], Sequence[float]], Steps]


class Outside:
    """Calls on many steps at once: operands are arrays."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.shape: tuple[int, ...] = ()

    def number(self, value: float) -> Any:
        """The number as an operand."""
        return np.array(value, self.dtype)

    def scratch(self, mask: bool = False) -> Any:
        """Memory of the result's shape; boolean with `mask`."""
        return np.empty(self.shape, bool if mask else self.dtype)

    def moving(self, array: Array) -> Array:
        """An operand that has a value at each step."""
        return array

    def fixed(self, array: Array) -> Array:
        """An operand that is the same at each step."""
        return array

    def started(self, shape: tuple[int, ...]) -> None:
        """Begin a call whose result has this shape over all its steps."""
        self.shape = shape


class Inside(Outside):
    """Calls in the loop: operands are sequences with one array per step, in the order of the loop."""

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


def _put(mask: Array, values: Array, out: Array) -> None:
    np.copyto(out, values, where=mask)


def _larger(a: Array, b: Array, out: Array) -> None:
    np.maximum(a, b, out=out)  # numpy accepts the output of these two only by name


def _smaller(a: Array, b: Array, out: Array) -> None:
    np.minimum(a, b, out=out)


def _one_call(function: Callable[..., Any]) -> Kernel:
    return lambda bench, out, a, constants: [(function, (*a, out))]


def _neg(bench: Outside, out: Any, a: Sequence[Any], _: Sequence[float]) -> Steps:
    """As in `ops.negated`: `np.negative` is wrong at some strides."""
    return [(np.subtract, (bench.number(-0.0), a[0], out))]


def _add(bench: Outside, out: Any, a: Sequence[Any], signs: Sequence[float]) -> Steps:
    """From left to right, the first two terms together unless the first is negated."""
    total = a[0]
    found: Steps = []
    if signs[0] < 0 or len(a) == 1:
        found += _neg(bench, out, a, ()) if signs[0] < 0 else [(np.positive, (a[0], out))]
        total = out
    for term, sign in zip(a[1:], signs[1:], strict=True):
        found.append((np.add if sign > 0 else np.subtract, (total, term, out)))
        total = out
    return found


def _sigmoid(bench: Outside, out: Any, a: Sequence[Any], _: Sequence[float]) -> Steps:
    one = bench.number(1.0)
    return [*_neg(bench, out, a, ()), (np.exp, (out, out)), (np.add, (out, one, out)), (np.divide, (one, out, out))]


def _clip(bench: Outside, out: Any, a: Sequence[Any], c: Sequence[float]) -> Steps:
    return [(_larger, (a[0], bench.number(c[0]), out)), (_smaller, (out, bench.number(c[1]), out))]


def _elu(bench: Outside, out: Any, a: Sequence[Any], c: Sequence[float]) -> Steps:
    mask = bench.scratch(mask=True)
    zero = bench.number(0.0)
    return [
        (_smaller, (a[0], zero, out)),
        (np.expm1, (out, out)),
        (np.multiply, (bench.number(c[0]), out, out)),
        (np.less, (a[0], zero, mask)),
        (np.logical_not, (mask, mask)),
        (_put, (mask, a[0], out)),
    ]


def _softplus(bench: Outside, out: Any, a: Sequence[Any], _: Sequence[float]) -> Steps:
    above = bench.scratch()
    return [
        (np.absolute, (a[0], out)),
        *_neg(bench, out, [out], ()),
        (np.exp, (out, out)),
        (np.log1p, (out, out)),
        (_larger, (a[0], bench.number(0.0), above)),
        (np.add, (above, out, out)),
    ]


def _where(bench: Outside, out: Any, a: Sequence[Any], _: Sequence[float]) -> Steps:
    mask = bench.scratch(mask=True)
    return [(np.not_equal, (a[0], bench.number(0.0), mask)), (np.positive, (a[2], out)), (_put, (mask, a[1], out))]


def _slice(bench: Outside, out: Any, a: Sequence[Any], c: Sequence[float]) -> Steps:
    units = slice(int(c[0]), int(c[1]))
    return [(lambda whole, part: np.positive(whole[..., units], part), (a[0], out))]


def _by_definition(op: str) -> Kernel:
    """The operation's own array function, with its result copied: if numpy cannot compute in place."""

    def kernel(bench: Outside, out: Any, a: Sequence[Any], constants: Sequence[float]) -> Steps:
        def call(result: Array, *operands: Array) -> None:
            result[...] = OPS[op].array(operands, constants)

        return [(call, (out, *a))]

    return kernel


#: How each operation is computed. The operands of products differ in shape: their rule is in `numpy_machine`.
KERNELS: dict[str, Kernel] = {
    **{name: _by_definition(name) for name, op in OPS.items() if op.width not in ("same", "slice")},
    "add": _add,
    "mul": _one_call(np.multiply),
    "div": _one_call(np.divide),
    "neg": _neg,
    "copy": _one_call(np.positive),
    "greater": _one_call(np.greater),
    "slice": _slice,
    "sigmoid": _sigmoid,
    **{op: _one_call(getattr(np, op)) for op in ("tanh", "exp", "log", "sqrt", "sin", "cos", "floor")},
    "relu": lambda bench, out, a, _: [(_larger, (a[0], bench.number(0.0), out))],
    "elu": _elu,
    "softplus": _softplus,
    "clip": _clip,
    "where": _where,
    "maximum": _one_call(_larger),
}
