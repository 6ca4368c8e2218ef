"""sin and cos of a decimal number to 60 digits, whatever its size: pi and the series as mathematics has them."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from functools import cache

#: The largest float64 has 309 digits before the point.
WIDE = Context(prec=450, Emax=999_999, Emin=-999_999)


@cache
def pi() -> Decimal:
    """From the recipes in Python's documentation of decimals."""
    with localcontext(WIDE):
        last, term, total, n, na, d, da = Decimal(0), Decimal(3), Decimal(3), 1, 0, 0, 24
        while total != last:
            last = total
            n, na, d, da = n + na, na + 8, d + da, da + 32
            term = (term * n) / d
            total += term
        return total


def sin(z: Decimal) -> Decimal:
    """The whole series, after whole turns."""
    with localcontext(WIDE):
        z = z % (2 * pi())
    with localcontext(Context(prec=120, Emax=999_999, Emin=-999_999)):
        total, term, k = z, z, 1
        while abs(term) > abs(total) * Decimal("1e-70"):
            term *= -z * z / ((k + 1) * (k + 2))
            total, k = total + term, k + 2
        return total


def cos(z: Decimal) -> Decimal:
    """As the sine of what is a quarter of a turn ahead."""
    with localcontext(WIDE):
        return sin(z + pi() / 2)
