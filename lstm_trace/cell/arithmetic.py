"""Other arithmetics: by hand, in a smaller float format, or in fixed point; defines what is rounded, and where.

A number is read in the arithmetic's own representation (an exact decimal, or a float64 that the format can hold), every
operation is computed with no other roundings than the stated ones, and the result is stored as the nearest float64. The
next line uses the stored value: a line can be derived again, exactly, from the trace alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, localcontext
from functools import lru_cache, partial, reduce
from operator import add
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..errors import OptionError
from .lines import Line
from .ops import OPS, as_grid

Number = Decimal | float
Rule = Callable[["Arithmetic", Sequence[Array], Sequence[float]], Array]

#: Digits of decimals between two roundings: products of two 32-bit numbers are exact, functions correct far beyond
#: any format's last digit. No signals are trapped: overflow gives infinity, undefined results NaN.
CONTEXT = Context(prec=100, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
#: A float64 cannot distinguish more decimals than this, nor fixed-point numbers of more bits.
MOST_DECIMALS, MOST_BITS = 15, 32
#: Format to the digits of its significand and its smallest normal exponent, in base 2 (IEEE 754-2019, table 3.5).
FORMATS: dict[str, tuple[int, int]] = {"float32": (24, -126), "float16": (11, -14), "bfloat16": (8, -126)}
#: Those that pages offer: the decimals to which exercises round, and a common fixed-point format of chips.
COMMON = ("by-hand-2", "by-hand-3", "by-hand-4", "by-hand-6", *FORMATS, "q4.12")
#: The name of full precision, to override a problem's arithmetic.
FULL_PRECISION = "float64"
#: The names that `find` accepts, for messages and help.
KNOWN = "by-hand-N (N decimals), float32, float16, bfloat16, or qM.N (fixed point of M + N bits)"


@dataclass(frozen=True)
class Arithmetic:
    """How numbers are represented and where they are rounded.

    number: converts a stored float64 to this arithmetic's representation, a Decimal if `exact`, otherwise a float64.
    rounded: rounds each number in an array to what the arithmetic can hold. premises: whether weights and inputs are
    rounded when they are read (as in a chip), or used as written. products: whether each product within a dot product
    is rounded. sums: whether each partial sum is, from left to right; the complete sum always is.
    Separate products, quotients and function values are rounded once.
    """

    name: str
    exact: bool
    number: Callable[[float], Number]
    rounded: Callable[[Array], Array]
    premises: bool
    products: bool
    sums: bool

    def read(self, values: Any) -> Array:
        """Stored values, of any shape, as numbers of this arithmetic."""
        with localcontext(CONTEXT):
            stored = np.asarray(values, np.float64)
            if self.exact:
                stored = np.asarray(np.frompyfunc(self.number, 1, 1)(stored), object)
            return self.rounded(stored) if self.premises else stored

    def compute(self, line: Line, operands: Sequence[Array]) -> Array:
        """The value of `line`, as float64 to store, from operands that were read: (…, width) each, or a parameter."""
        with localcontext(CONTEXT), np.errstate(all="ignore"):
            return np.asarray(RULES[line.op](self, operands, line.constants), np.float64)


def find(name: str) -> Arithmetic:
    """The arithmetic with this name. Raises OptionError.

    >>> line = Line("y", "mul", ("a", "b"))
    >>> for name in ("by-hand-2", "bfloat16", "q4.12"):
    ...     arithmetic = find(name)
    ...     print(name, arithmetic.compute(line, [arithmetic.read(0.25), arithmetic.read([0.3, 100.0])]))
    by-hand-2 [ 0.08 25.  ]
    bfloat16 [ 0.07519531 25.        ]
    q4.12 [0.07495117 2.        ]
    """
    if match := re.fullmatch(r"by-hand-([0-9]{1,3})", name):
        places = int(match[1])
        if places > MOST_DECIMALS:
            raise OptionError(f"{name}: at most {MOST_DECIMALS} decimals, since values are stored as float64")
        return _by_hand(name, places)
    if match := re.fullmatch(r"q([0-9]{1,3})\.([0-9]{1,3})", name):
        whole, part = int(match[1]), int(match[2])
        if whole < 1 or whole + part > MOST_BITS:
            raise OptionError(f"{name}: expected at least 1 bit (the sign) before the point and {MOST_BITS} in all")
        return _fixed(name, whole, part)
    if name in FORMATS:
        rounded = partial(round_binary, digits=FORMATS[name][0], smallest=FORMATS[name][1])
        return Arithmetic(name, False, float, rounded, premises=True, products=True, sums=True)
    raise OptionError(f"there is no arithmetic {name!r}; expected {KNOWN}")


def named(name: str | None) -> str | None:
    """The name of an arithmetic as stored in the header of a trace: None for float64. Raises OptionError."""
    return None if name in (None, FULL_PRECISION) else find(name).name


def decimals(name: str | None) -> int:
    """The number of decimals kept by hand; 0 in any other arithmetic."""
    return int(name.removeprefix("by-hand-")) if name and name.startswith("by-hand-") else 0


# -- representations of numbers ---------------------------------------------------------------------------------------


def _by_hand(name: str, places: int) -> Arithmetic:
    """A person with a pocket calculator: every result is written with `places` decimals, rounded half away from
    zero.
    """
    step = Decimal(1).scaleb(-places)

    def noted(value: Decimal) -> Decimal:
        return value.quantize(step, ROUND_HALF_UP, CONTEXT) if value.is_finite() and value.adjusted() < 60 else value

    return Arithmetic(name, True, _written, _each(noted), premises=False, products=True, sums=False)


def _written(value: float) -> Decimal:
    """The shortest decimal that reads back equal: the number as a person wrote it."""
    return Decimal(repr(float(value)))


def _fixed(name: str, whole: int, part: int) -> Arithmetic:
    """Two's complement with `whole` + `part` bits, `whole` of them (including the sign) before the point; saturates."""
    steps = Decimal(2) ** part
    low, high = -(Decimal(2) ** (whole - 1)) * steps, Decimal(2) ** (whole - 1) * steps - 1

    def nearest(value: Decimal) -> Decimal:
        scaled = value * steps
        if scaled.is_nan():
            return value
        return min(max(scaled, low), high).to_integral_value(ROUND_HALF_EVEN) / steps

    return Arithmetic(name, True, Decimal, _each(nearest), premises=True, products=False, sums=False)


def _each(rounded: Callable[[Decimal], Decimal]) -> Callable[[Array], Array]:
    whole = np.frompyfunc(rounded, 1, 1)
    return lambda values: np.asarray(whole(values), object)


def round_binary(values: Array, digits: int, smallest: int) -> Array:
    """float64 values rounded to `digits` binary digits, half to even; below 2^smallest they lose digits (subnormal).

    Sums, products and quotients of float64 numbers with at most 25 digits are correct after one more rounding like
    this: 53 is at least twice the digits plus two (Figueroa 1995, When is double rounding innocuous?).
    """
    values = np.asarray(values, np.float64)
    exponent = np.maximum(np.frexp(values)[1] - digits, smallest - digits + 1)
    rounded = np.ldexp(np.rint(np.ldexp(values, -exponent)), exponent)
    largest = (2 - 2.0 ** (1 - digits)) * 2.0 ** (1 - smallest)
    return np.where(np.abs(rounded) > largest, np.copysign(np.inf, rounded), rounded)


# -- the operations ---------------------------------------------------------------------------------------------------


def _total(a: Arithmetic, terms: Sequence[Array]) -> Array:
    """The sum from left to right; each partial sum rounded if the arithmetic does so, otherwise only the last one."""
    if a.sums:
        return reduce(lambda total, term: a.rounded(total + term), terms)
    return a.rounded(reduce(add, terms))


def products(a: Arithmetic, matrix: Array, vector: Array) -> list[Array]:
    """The terms of W @ x in order of addition, each product rounded or exact.

    W: (M, N), or (…, M, N) of a value, x: (…, N): N arrays (…, M).
    """
    terms = [matrix[..., k] * vector[..., k, None] for k in range(matrix.shape[-1])]
    return [a.rounded(term) for term in terms] if a.products else terms


def _units(a: Arithmetic, o: Sequence[Array], _: Sequence[float]) -> Array:
    values = np.atleast_1d(o[0])
    return _total(a, [values[..., k, None] for k in range(values.shape[-1])])


def _mean(a: Arithmetic, o: Sequence[Array], c: Sequence[float]) -> Array:
    count = np.atleast_1d(o[0]).shape[-1]
    return a.rounded(_units(a, o, c) / (Decimal(count) if a.exact else count))


def _picked(op: str) -> Rule:
    """Operations that return one of their operands: there is nothing to round."""
    return lambda _, o, c: OPS[op].array(o, c)


def _function(op: str) -> Rule:
    """A function, computed with full precision and rounded once."""

    def value(a: Arithmetic, o: Sequence[Array], c: Sequence[float]) -> Array:
        known, anew = (partial(f, op, tuple(c)) for f in (_in_full, _in_full.__wrapped__))
        whole = np.frompyfunc(lambda v: known(v) if v else anew(v), 1, 1)  # 0 equals -0, and they differ
        return a.rounded(np.asarray(whole(o[0]), object if a.exact else np.float64))

    return value


@lru_cache(1 << 16, typed=True)  # 0.5 equals Decimal("0.5")
def _in_full(op: str, constants: tuple[float, ...], value: Number) -> Number:
    """A function's value to many digits, in the representation of its argument."""
    found = FULL[op](value if isinstance(value, Decimal) else Decimal(value), *map(_written, constants))
    return found if isinstance(value, Decimal) else _odd(found)


def _odd(value: Decimal) -> float:
    """`value` as a float64 that rounds to every shorter format in the same way as `value` itself: rounded to odd.

    (Boldo and Melquiond 2008, Emulation of FMA and correctly rounded sums.)
    """
    near = float(value)
    if not math.isfinite(near) or Decimal(near) == value or np.float64(near).view(np.int64) & 1:
        return near
    return math.nextafter(near, math.inf if value > Decimal(near) else -math.inf)


def _pool(x: Decimal, low: Decimal, high: Decimal) -> Decimal:
    return x if x.is_nan() else min(max(x, low), high)


@lru_cache(1)
def _right_angle() -> Decimal:
    """pi / 2, to so many digits that CONTEXT's are right after the reduction of any float64.

    By the arithmetic-geometric mean, which doubles their number each time (Brent 1976, Salamin 1976).
    """
    a, b, rest = Decimal(1), Decimal("0.5").sqrt(), Decimal("0.25")
    for k in range(9):
        mean, b = (a + b) / 2, (a * b).sqrt()
        a, rest = mean, rest - 2**k * (a - mean) ** 2
    return a * a / rest / 2


def _sine(x: Decimal, ahead: int) -> Decimal:
    """sin(x + ahead pi / 2), by the power series at what is left of x beside a multiple of pi / 2."""
    if not x.is_finite():
        return Decimal("nan")
    with localcontext(prec=500):
        turns = (x / _right_angle()).to_integral_value(ROUND_HALF_EVEN)
        rest, quarter = x - turns * _right_angle(), int(turns % 4) + ahead
    total = term = rest if quarter % 2 == 0 else Decimal(1)
    k = 1 - quarter % 2
    while abs(term) > abs(total).scaleb(-CONTEXT.prec - 1):
        term *= -rest * rest / ((k + 1) * (k + 2))
        total, k = total + term, k + 2
    return -total if quarter % 4 > 1 else total


#: Functions of one operand, computed with the digits of the context.
FULL: dict[str, Callable[..., Decimal]] = {
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "tanh": lambda x: 1 - 2 / (1 + (2 * x).exp()),
    "exp": lambda x: x.exp(),
    "log": lambda x: x.ln(),
    "sqrt": lambda x: x.sqrt(),
    "sin": lambda x: _sine(x, 0),
    "cos": lambda x: _sine(x, 1),
    "floor": lambda x: x.to_integral_value(ROUND_FLOOR),
    "relu": lambda x: _pool(x, Decimal(0), Decimal("inf")),
    "elu": lambda x, alpha: alpha * (x.exp() - 1) if x < 0 else x,
    "softplus": lambda x: max(x, Decimal(0)) + (1 + (-abs(x)).exp()).ln(),
    "clip": _pool,
}

#: Operation to its implementation, from numbers in the arithmetic's representation to numbers that it can hold.
RULES: dict[str, Rule] = {
    "matvec": lambda a, o, _: _total(a, products(a, o[0], o[1])),
    "vecmat": lambda a, o, _: _total(a, products(a, o[1].T, o[0])),
    "outer": lambda a, o, _: a.rounded(OPS["outer"].array(o, ())),
    "memvec": lambda a, o, _: _total(a, products(a, as_grid(o[0], o[1], -1), o[1])),
    "vecmem": lambda a, o, _: _total(a, products(a, as_grid(o[1], o[0], 0).swapaxes(-1, -2), o[0])),
    "add": lambda a, o, c: _total(a, [term if sign > 0 else -term for term, sign in zip(o, c, strict=True)]),
    "mul": lambda a, o, _: a.rounded(o[0] * o[1]),
    "div": lambda a, o, _: a.rounded(o[0] / o[1]),
    "neg": lambda a, o, _: a.rounded(-o[0]),
    "greater": lambda a, o, _: a.rounded(a.read(o[0] > o[1])),
    "sum": _units,
    "mean": _mean,
    **{op: _picked(op) for op in ("copy", "where", "maximum", "max", "concat", "slice")},
    **{op: _function(op) for op in FULL},
}
