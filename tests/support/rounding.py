"""What rounding explains (ARCHITECTURE.md): numbers for the scalar oracles that know it, and the two comparisons.

Step by step: the oracle begins each step with the state that the run recorded and computes with `Near`, a float that
knows how far from it another right computation may end. Over a whole sequence: `by_precision` lets the oracle run with
floats and with `Exact`; ours may be off by 8 times what the floats are off, plus 8 ulp of 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

import numpy as np

EPS = 2.0**-52
TINY = 2.0**-1022  # the smallest normal number: functions underflow at different places in different libraries


@dataclass(frozen=True, eq=False)
class Near:
    """The float that an oracle gets; `off` bounds how far from it another right computation of the same ends.

    What is computed from exact operands (off 0) by one operation of IEEE 754 is exact.
    """

    value: float
    off: float = 0.0

    def __add__(self, other: Any) -> Near:
        other = near(other)
        return _rounded(self.value + other.value, self.off + other.off)

    def __mul__(self, other: Any) -> Near:
        other = near(other)
        off = abs(self.value) * other.off + abs(other.value) * self.off + self.off * other.off
        return _rounded(self.value * other.value, off)

    def __truediv__(self, other: Any) -> Near:
        other = near(other)
        value, least = self.value / other.value, abs(other.value) - other.off
        return _rounded(value, (self.off + abs(value) * other.off) / least if least > 0 else math.inf)

    def __sub__(self, other: Any) -> Near:
        return self + -near(other)

    def __rsub__(self, other: Any) -> Near:
        return -self + other

    def __rtruediv__(self, other: Any) -> Near:
        return near(other) / self

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Near:
        return Near(-self.value, self.off)

    def __abs__(self) -> Near:
        return Near(abs(self.value), self.off)

    def __lt__(self, other: Any) -> bool:
        return self.value < near(other).value

    def __gt__(self, other: Any) -> bool:
        return self.value > near(other).value


def near(value: Any) -> Near:
    """A number that is recorded, or known: exact."""
    return value if isinstance(value, Near) else Near(float(value))


def _rounded(value: float, off: float) -> Near:
    """The result of one operation: each of two computations rounds it to half an ulp."""
    return Near(value, off + EPS * (abs(value) + off) if off else 0.0)


class Exact(Decimal):
    """A number with 60 digits, beside which a float's error is all there is; floats become exact."""

    def __neg__(self) -> Exact:
        return Exact(_HIGH.minus(self))

    def __abs__(self) -> Exact:
        return Exact(_HIGH.abs(self))


_HIGH = Context(prec=60)


def _operator(name: str, turned: bool) -> Callable[[Any, Any], Exact]:
    rule = getattr(_HIGH, name)
    if turned:
        return lambda a, b: Exact(rule(Decimal(b), a))
    return lambda a, b: Exact(rule(a, Decimal(b)))


for _sign, _name in (("add", "add"), ("sub", "subtract"), ("mul", "multiply"), ("truediv", "divide")):
    setattr(Exact, f"__{_sign}__", _operator(_name, turned=False))
    setattr(Exact, f"__r{_sign}__", _operator(_name, turned=True))


def _either(of_floats: Callable[[float], float], of_exact: Callable[[Exact], Any]) -> Callable[[Any], Any]:
    return lambda z: Exact(of_exact(z)) if isinstance(z, Exact) else of_floats(z)


#: Functions of a float or an exact number.
exp = _either(math.exp, _HIGH.exp)
expm1 = _either(math.expm1, lambda z: exp(z) - 1)
log = _either(math.log, _HIGH.ln)
log1p = _either(math.log1p, lambda z: log(1 + z))
sqrt = _either(math.sqrt, _HIGH.sqrt)
tanh = _either(math.tanh, lambda z: 1 - 2 / (exp(2 * z) + 1))


#: Ulps that libraries may be off, by function: none where a value is only chosen, 6 where two functions are composed.
ULPS = {"relu": 0, "clip": 0, "floor": 0, "thresholded_relu": 0, "linear": 0, "hard_tanh": 0, "relu6": 0, "sqrt": 1,
        "exp": 4, "log": 4, "tanh": 4, "sin": 4, "cos": 4}  # fmt: skip
#: Functions whose ulps are those of their terms, which may cancel.
SHIFTED = ("affine", "hard_sigmoid", "hard_sigmoid_keras")


def through(name: str, function: Callable[..., Any], z: Any, *constants: float) -> Any:
    """The named function of a number of any kind; between the ends of what is near it is taken to be monotone, or to
    turn once.
    """
    if not isinstance(z, Near):
        return function(z, *constants)
    if math.isnan(z.value):  # no comparison is true of it
        return z
    value, low, high = (function(v, *constants) for v in (z.value, z.value - z.off, z.value + z.off))
    origin = function(0.0, *constants) if name in SHIFTED else 0.0
    ulps = ULPS.get(name, 6)
    turned = z.off**2 / 2 if name in ("sin", "cos") else 0.0
    return Near(
        value,
        max(abs(low - value), abs(high - value)) + turned + ulps * (EPS * (abs(value - origin) + abs(origin)) + TINY),
    )


def total(terms: Iterable[Any]) -> Any:
    """The sum from left to right; near terms may be added, and products among them rounded, in any order."""
    terms = list(terms)
    if not any(isinstance(term, Near) for term in terms):
        return sum(terms)
    parts = [near(term) for term in terms]
    off = sum(part.off for part in parts)
    size = sum(abs(part.value) for part in parts) + off
    return Near(sum(part.value for part in parts), off + len(parts) * EPS * size)


def largest(values: Iterable[Any]) -> Any:
    """The largest, or nan where there is one."""
    values = list(values)
    return next((value for value in values if math.isnan(near(value).value)), max(values))


def dot(row: Sequence[float], vector: Sequence[Any]) -> Any:
    """Each product, added up."""
    assert len(row) == len(vector), f"a row of {len(row)} against {len(vector)} values"
    return total(w * v for w, v in zip(row, vector, strict=True))


def numbers(values: Any, kind: Callable[[float], Any] = Near) -> Any:
    """An array, or lists, as lists of numbers of one kind."""
    values = values.tolist() if isinstance(values, np.ndarray) else values
    return [numbers(v, kind) for v in values] if isinstance(values, list) else kind(values)


def by_precision(rule: Callable[[Callable[[float], Any]], Any]) -> np.ndarray:
    """What `rule` gives over a whole sequence, as `Near`: exact, and off by 8 times the floats' error + 8 ulp of 1.

    rule: takes the kind of the numbers to compute with (float, Exact) and gives lists or arrays; nan is no value.
    """
    plain, right = np.array(rule(float), float), np.array(rule(Exact), object)
    own = max(abs(float(r - p)) for p, r in zip(plain.flat, right.flat, strict=True) if not math.isnan(p))
    return np.array([Near(float(r), 8 * own + 8 * EPS) for r in right.flat], object).reshape(plain.shape)


def plainly(values: Any) -> np.ndarray:
    """The floats of near numbers."""
    return np.vectorize(lambda v: near(v).value, otypes=[float])(np.asarray(values, object))


def agrees(found: Any, expected: Any) -> np.ndarray:
    """For each value that was found, whether it is as near to the expected number as the rounding bound is."""
    found, expected = np.asarray(found, float), np.asarray(expected, object)
    assert found.shape == expected.shape, f"{found.shape} against {expected.shape}"
    off = np.vectorize(lambda v: near(v).off, otypes=[float])(expected)
    with np.errstate(invalid="ignore"):
        return np.abs(found - plainly(expected)) <= off


def within(found: Any, expected: Any, what: str = "") -> None:
    """Assert it of all."""
    right = agrees(found, expected)
    if not right.all():
        at = tuple(np.argwhere(~right)[0].tolist())
        raise AssertionError(
            f"{what}{list(at)} is {np.asarray(found)[at]!r}; expected {np.asarray(expected, object)[at]}"
        )
