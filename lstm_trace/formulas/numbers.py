"""How a number is displayed: rounded for display only; noise is never shown as a value, nor a value as zero.

A float represents the shortest decimal that reads back equal in its dtype, which is what a person wrote down; that
decimal is rounded to the requested places. The displayed number is itself a decimal, so that a printed equality can be
checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import describe
from ..errors import OptionError, raise_all
from ..trace.files.problem_file import MOST_DIGITS as MOST

#: Default number of decimals: that of the exercises.
DIGITS = 8
#: Numbers from this size are written with an exponent.
LARGE = Decimal(10) ** 12
#: Maximum number of digits before the point without an exponent, and of those that may follow it.
_ENOUGH = Context(prec=400, Emin=MIN_EMIN, Emax=MAX_EMAX)


class Shown(NamedTuple):
    """A number as printed, in parts, so that each format can write minus, point and exponent in its own way.

    negative: whether a minus precedes it. digits: `0.4`, `0,4`, or a word (`nan`, `inf`). exponent: of ten, or None.
    """

    negative: bool
    digits: str
    exponent: int | None = None

    @property
    def finite(self) -> bool:
        """Whether it is a number, and not one of the words."""
        return self.digits not in ("nan", "inf")

    @property
    def fraction(self) -> Fraction | None:
        """The exact printed value; None for the words."""
        return Fraction(str(self).replace(",", ".")) if self.finite else None

    def __str__(self) -> str:
        """As plain text: `-0.4`, `1.5e-12`; reads back with `float`."""
        return f"{'-' if self.negative else ''}{self.digits}{'' if self.exponent is None else f'e{self.exponent}'}"


def decimal(value: Any) -> Decimal:
    """The shortest decimal that reads back equal in the value's own dtype; NaN and infinities unchanged.

    >>> decimal(0.1), decimal(np.float32(0.1))
    (Decimal('0.1'), Decimal('0.1'))
    """
    return Decimal(str(value if isinstance(value, np.floating) else float(value)))


def percent(share: Any) -> tuple[str, int]:
    """A number between 0 and 1 in whole percent: 0 and 100 only if exact, otherwise `<` 1 and `>` 99.

    >>> percent(0.125), percent(0.001), percent(0.995), percent(1)
    (('', 13), ('<', 1), ('>', 99), ('', 100))
    """
    exact = decimal(share)
    rounded = int((100 * exact).quantize(Decimal(1), ROUND_HALF_UP))
    return ("<", 1) if rounded == 0 < exact else (">", 99) if rounded == 100 and exact < 1 else ("", rounded)


def fraction(value: Any) -> Fraction | None:
    """The number that a person wrote for `value`, exactly; None for NaN and infinities.

    >>> fraction(0.2)
    Fraction(1, 5)
    """
    exact = decimal(value)
    return Fraction(exact) if exact.is_finite() else None


def show(value: Any, digits: int | None = DIGITS, noise: float = 0.0, zeros: int = 1) -> Shown:
    """`value` with at most `digits` decimals (all if None), without trailing zeros except `zeros` decimals.

    noise: values no larger than this are round-off residue near zero, and are shown as 0. A value that would lose all
    its digits, or all but two of many, is written with an exponent; so is a very large one.

    >>> [str(show(v)) for v in (-0.39999999999999997, 1.0, -0.0, 0.0398682, 9.357622968840175e-14, float("inf"))]
    ['-0.4', '1.0', '0.0', '0.0398682', '9.35762297e-14', 'inf']
    >>> str(show(-5.551115123125783e-17, noise=1e-16)), str(show(2 / 3, 4)), str(show(0.004, 2))
    ('0.0', '0.6667', '4.0e-3')
    """
    exact = decimal(value)
    if not exact.is_finite():
        return Shown(exact.is_signed() and not exact.is_nan(), "nan" if exact.is_nan() else "inf")
    if abs(exact) <= noise:  # zero, negative zero and noise
        return Shown(False, _text(Decimal(0), zeros))
    if (size := abs(exact)) >= LARGE or size < smallest(digits):
        exponent = size.adjusted()
        if (mantissa := _rounded(size.scaleb(-exponent), digits)) >= 10:
            mantissa, exponent = mantissa / 10, exponent + 1
        return Shown(exact < 0, _text(mantissa, zeros), exponent)
    return Shown(exact < 0, _text(_rounded(size, digits), zeros))


@dataclass(frozen=True)
class Style:
    """How the numbers of a report are displayed; the values are not changed.

    digits: decimals, all if None. significant: this many significant digits instead. lines: decimals of single lines,
    by name. comma: use a decimal comma. kept: whether trailing zeros are kept, so that computed numbers have the same
    number of decimals everywhere. written: whether given numbers are shown as they were written, if that is not longer;
    given: their decimals, `digits` if None.

    >>> style = Style(4, lines={"c_t": 2}, comma=True)
    >>> str(style.show(2 / 3)), str(style.show(2 / 3, "c_t")), str(Style(significant=3).show(0.0012345))
    ('0,6667', '0,67', '0.00123')
    >>> style = Style(4, kept=True, written=True)
    >>> str(style.show(0.04)), str(style.show(0.04, given=True)), str(style.show(-1.0, given=True))
    ('0.0400', '0.04', '-1')
    """

    digits: int | None = DIGITS
    significant: int | None = None
    lines: Mapping[str, int] = field(default_factory=dict)
    comma: bool = False
    kept: bool = False
    written: bool = False
    given: int | None = None

    def __post_init__(self) -> None:
        least = {"digits": (0, self.digits), "significant": (1, self.significant)}
        least |= {f"digits of {name}": (0, count) for name, count in self.lines.items()}
        wrong = (
            f"{name}: expected a whole number from {low} to {MOST}, found {describe(count)}"
            for name, (low, count) in least.items()
            if count is not None and not (type(count) is int and low <= count <= MOST)
        )
        raise_all(OptionError, wrong)

    @property
    def whole(self) -> bool:
        """Whether all digits are shown."""
        return self.digits is None and self.significant is None and not self.lines

    def is_short(self, values: Any) -> bool:
        """Whether no value has more decimals than are shown of given numbers."""
        digits = self.digits if self.given is None else self.given
        if digits is None:
            return True
        with np.errstate(over="ignore"):  # the largest floats remain unchanged
            return bool(np.array_equal(np.round(values, digits), values, equal_nan=True))

    def show(
        self, value: Any, name: str = "", noise: float = 0.0, given: bool = False, short: bool | None = None
    ) -> Shown:
        """`value` of the line `name`; see `show`. given: whether a person wrote it down, or it was computed.

        short: whether that applies to the matrix that contains it, so that its columns look alike; to it alone if None.
        """
        given = given and self.written
        as_written = given and (self.is_short(value) if short is None else short)
        digits = self.lines.get(name, self.digits if self.given is None or not given else self.given)
        if self.significant is not None and name not in self.lines:
            zeros = 0 if as_written else None if self.kept else 1
            shown = _significant(value, self.significant, noise, zeros)
        else:
            zeros = 0 if as_written else digits if self.kept and digits is not None else 1
            shown = show(value, digits, noise, zeros)
        return shown._replace(digits=shown.digits.replace(".", ",")) if self.comma else shown


#: All digits needed to read the number back.
EXACT = Style(None)


def _significant(value: Any, count: int, noise: float, zeros: int | None) -> Shown:
    """With `count` significant digits; with an exponent below 1e-4, and if a digit before the point is not significant.

    zeros: this many trailing zeros are kept; all significant ones if None.
    """
    exact = decimal(value)
    if not exact.is_finite() or abs(exact) <= noise:
        return show(value, None, noise, 1 if zeros is None else zeros)
    size = _rounded(abs(exact), count - 1 - exact.adjusted())
    exponent = size.adjusted()
    if -5 < exponent < count or size == size.to_integral_value() == abs(exact) < LARGE:
        return Shown(exact < 0, _text(size, max(count - 1 - exponent, 0) if zeros is None else zeros))
    return Shown(exact < 0, _text(size.scaleb(-exponent), count - 1 if zeros is None else zeros), exponent)


def smallest(digits: int | None) -> Decimal:
    """Smaller numbers are written with an exponent: too few of their digits would be left."""
    return Decimal("1e-6") if digits is None else Decimal(1).scaleb(min(max(digits - 4, 1), 3) - 1 - digits)


def _rounded(size: Decimal, digits: int | None) -> Decimal:
    return size if digits is None else size.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN, _ENOUGH)


def _text(size: Decimal, zeros: int = 1) -> str:
    """A magnitude with the decimals that it needs, padded with zeros up to a minimum."""
    whole, _, part = f"{size:f}".partition(".")
    part = part.rstrip("0").ljust(zeros, "0")
    return f"{whole}.{part}" if part else whole


def shortest(value: float) -> str:
    """The shortest decimal that reads back equal, in float32 if the value is one.

    >>> shortest(0.1), shortest(float(np.float32(0.1))), shortest(1 / 3)
    ('0.1', '0.1', '0.3333333333333333')
    """
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return str(single) if float(single) == value else repr(value)
