"""Operations of the array libraries on numbers of a tape, written in those of the operation table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .tape import Ids, Tape


def _op(name: str, *constants: float) -> Callable[..., Ids]:
    """An operation of the table, as a method."""
    return lambda math, *operands: math.tape.elementwise(name, *operands, constants=constants)


class RecordedMath:
    """The operations of one tape, on arrays of integers."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self._plain: dict[int, tuple[Any, Ids]] = {}  # arrays of the code, which are kept so that no other has their id

    def plain(self, value: Any, numbers: Any = None) -> Ids:
        """Numbers of the code that were not recorded, as constants named after their variable.

        numbers: those of the value, if it is no array of numpy.
        """
        array = np.asarray(value if numbers is None else numbers)
        if array.dtype.kind not in "fiub":
            raise self.tape.refusal(f"an operand is no array of numbers but {type(value).__name__}")
        if array.size and np.all(array == array.flat[0]):
            return np.broadcast_to(self.tape.number(float(array.flat[0])), array.shape)
        if id(value) not in self._plain:
            self._plain[id(value)] = value, self.tape.source("constant", array, name=self._called(value))
        return self._plain[id(value)][1]

    def _called(self, value: Any) -> str:
        """The variable of the user's code that holds a value."""
        frame = sys._getframe(1)
        while frame is not None:
            if self.tape.is_user_code(frame.f_code.co_filename):
                for name, held in (*frame.f_locals.items(), *frame.f_globals.items()):
                    if held is value and name.isidentifier():
                        return name
            frame = frame.f_back  # type: ignore[assignment]
        return ""

    # -- of each number --

    add, subtract = _op("add", 1.0, 1.0), _op("add", 1.0, -1.0)
    multiply, divide, negative = _op("mul"), _op("div"), _op("neg")
    maximum, greater = _op("maximum"), _op("greater")

    def where(self, condition: Ids, a: Ids, b: Ids) -> Ids:
        owners = {*self.tape.owners(condition).flat}
        if {self.tape.nodes[k].op for k in owners} == {"constant"}:  # a mask of the code, which chooses places
            return np.where(self.tape.values[condition] != 0, a, b)
        return self.tape.elementwise("where", condition, a, b)

    def power(self, a: Ids, b: Ids) -> Ids:
        match self._numbers(b):
            case (0.5,):
                return self.tape.elementwise("sqrt", a)
            case (-1.0,):
                return self.divide(self.tape.number(1.0), a)
            case (2.0,):
                return self.multiply(a, a)
            case (3.0,):
                return self.multiply(self.multiply(a, a), a)
        raise self.tape.refusal("a power is an operation of a cell only if the exponent is 2, 3, 0.5 or -1")

    def _numbers(self, ids: Ids | None) -> tuple[float, ...]:
        """The different numbers of the code that some are; none if they are computed."""
        return () if ids is None or not self.tape.fixed(ids) else (*{*map(float, self.tape.values[ids].flat)},)

    def clip(self, a: Ids, low: Ids | None, high: Ids | None) -> Ids:
        match self._numbers(low), self._numbers(high):
            case (bottom,), (top,):
                return self.tape.elementwise("clip", a, constants=(bottom, top))
        a = a if low is None else self.maximum(a, low)
        return a if high is None else _lower(self, a, high)

    # -- sums --

    def matmul(self, a: Ids, b: Ids) -> Ids:
        """As numpy's: vectors and matrices; batches of matrices one by one."""
        if b.ndim <= 2:
            rows = self.tape.dot(a.reshape(-1, a.shape[-1]), b[:, None] if b.ndim == 1 else b)
            return rows.reshape((*a.shape[:-1], *b.shape[1:]))
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        left, right = (np.broadcast_to(one, (*lead, *one.shape[-2:])) for one in (np.atleast_2d(a), b))
        each = np.stack([self.matmul(left[at], right[at]) for at in np.ndindex(*lead)])
        found = each.reshape(*lead, *each.shape[1:])
        return found[..., 0, :] if a.ndim == 1 else found

    def dot(self, a: Ids, b: Ids) -> Ids:
        """numpy's dot: also of a number and an array."""
        return self.matmul(a, b) if a.ndim and b.ndim else self.multiply(a, b)

    def reduce(self, op: str, a: Ids, axis: Any = None, keepdims: bool = False) -> Ids:
        axes = tuple(range(a.ndim)) if axis is None else tuple(int(n) % a.ndim for n in np.atleast_1d(axis))
        rest = [n for n in range(a.ndim) if n not in axes]
        moved = a.transpose(*rest, *axes).reshape(*(a.shape[n] for n in rest), -1)
        found = self.tape.reduced(op, np.ascontiguousarray(moved))
        return found.reshape([1 if n in axes else a.shape[n] for n in range(a.ndim)]) if keepdims else found

    def variance(self, a: Ids, axis: Any = None, keepdims: bool = False) -> Ids:
        away = self.subtract(a, self.reduce("mean", a, axis, True))
        return self.reduce("mean", self.multiply(away, away), axis, keepdims)

    def einsum(self, text: str, *operands: Ids) -> Ids:
        """Of two operands: a product of matrices for each value of the indices that both have and the result keeps."""
        inputs, arrow, out = text.replace(" ", "").partition("->")
        terms = inputs.split(",")
        if len(terms) != 2 or not arrow or "." in text or any(len({*one}) < len(one) for one in terms):
            raise self.tape.refusal("this einsum is not read: write it with two operands and `->`")
        a, b = terms
        both = [c for c in a if c in b]
        batch, shared = [c for c in both if c in out], [c for c in both if c not in out]
        of_a, of_b = ([c for c in one if c not in both] for one in (a, b))
        if {*of_a, *of_b} - {*out}:
            raise self.tape.refusal("this einsum sums over an index of one operand alone: use sum for it")
        sizes = dict(zip(a + b, operands[0].shape + operands[1].shape, strict=True))

        def lengths(*groups: list[str]) -> list[int]:
            return [int(np.prod([sizes[c] for c in group], dtype=int)) for group in groups]

        x = operands[0].transpose([a.index(c) for c in (*batch, *of_a, *shared)]).reshape(lengths(batch, of_a, shared))
        y = operands[1].transpose([b.index(c) for c in (*batch, *shared, *of_b)]).reshape(lengths(batch, shared, of_b))
        found = self.matmul(x, y) if shared else self.multiply(x, y)
        order = [*batch, *of_a, *of_b]
        return found.reshape([sizes[c] for c in order]).transpose([order.index(c) for c in out])


def _from_one(math: RecordedMath, a: Ids) -> Ids:
    return math.subtract(math.tape.number(1.0), a)


def _unlike(math: RecordedMath, a: Ids, b: Ids) -> Ids:
    return math.add(math.greater(a, b), math.greater(b, a))


def _lower(math: RecordedMath, a: Ids, b: Ids) -> Ids:
    return math.negative(math.maximum(math.negative(a), math.negative(b)))


#: Operations on each number, by their names in numpy.
ELEMENTWISE: Mapping[str, Callable[..., Ids]] = {
    **{op: _op(op) for op in ("tanh", "exp", "log", "sqrt", "sin", "cos", "floor", "sigmoid")},
    "expit": _op("sigmoid"),
    **{op: getattr(RecordedMath, op) for op in ("add", "subtract", "multiply", "negative", "greater", "where")},
    **dict.fromkeys(("divide", "true_divide"), RecordedMath.divide),
    **dict.fromkeys(("positive", "conjugate"), lambda math, a: a.copy()),
    **dict.fromkeys(("maximum", "fmax"), RecordedMath.maximum),
    **dict.fromkeys(("minimum", "fmin"), _lower),
    "less": lambda math, a, b: math.greater(b, a),
    "equal": lambda math, a, b: _from_one(math, _unlike(math, a, b)),
    "not_equal": _unlike,
    "greater_equal": lambda math, a, b: _from_one(math, math.greater(b, a)),
    "less_equal": lambda math, a, b: _from_one(math, math.greater(a, b)),
    **dict.fromkeys(("logical_and", "bitwise_and"), RecordedMath.multiply),
    **dict.fromkeys(("logical_or", "bitwise_or"), RecordedMath.maximum),
    **dict.fromkeys(("logical_not", "invert"), _from_one),
    **dict.fromkeys(("absolute", "fabs"), lambda math, a: math.maximum(a, math.negative(a))),
    **dict.fromkeys(("power", "float_power"), RecordedMath.power),
    "square": lambda math, a: math.multiply(a, a),
    "reciprocal": lambda math, a: math.divide(math.tape.number(1.0), a),
    "expm1": lambda math, a: math.subtract(math.tape.elementwise("exp", a), math.tape.number(1.0)),
    "log1p": lambda math, a: math.tape.elementwise("log", math.add(math.tape.number(1.0), a)),
    "logaddexp": lambda math, a, b: math.add(a, math.tape.elementwise("softplus", math.subtract(b, a))),
}
#: Products of arrays.
PRODUCTS: Mapping[str, Callable[..., Ids]] = {
    "matmul": RecordedMath.matmul,
    "dot": RecordedMath.dot,
    "inner": lambda math, a, b: math.dot(a, b.T),
    "outer": lambda math, a, b: math.multiply(a.reshape(-1, 1), b.reshape(1, -1)),
}
#: Sums and their like, with the arguments `axis` and `keepdims`.
REDUCTIONS: Mapping[str, Callable[..., Ids]] = {
    **{name: lambda math, a, *rest, op=op, **more: math.reduce(op, a, *rest, **more)
       for name, op in (("sum", "sum"), ("mean", "mean"), ("max", "max"), ("amax", "max"))},
    **dict.fromkeys(("min", "amin"), lambda math, a, *rest, **more: math.negative(
        math.reduce("max", math.negative(a), *rest, **more))),
    "var": RecordedMath.variance,
    "std": lambda math, a, *rest, **more: math.tape.elementwise("sqrt", math.variance(a, *rest, **more)),
    "norm": lambda math, a, **more: math.tape.elementwise("sqrt", math.reduce("sum", math.multiply(a, a), **more)),
}  # fmt: skip
