"""The enclosures of the checker, beside 260 digits of the decimal module."""

from __future__ import annotations

import math
import random
from decimal import Context, Decimal, localcontext
from fractions import Fraction

import pytest

from lstm_trace.checker import check


def function(op: str, x: Decimal, alpha: Decimal) -> Decimal:
    """The value of a function, by the digits of the decimal module, or by a series."""
    if op in ("sin", "cos"):
        term, total, n = (x, Decimal(0), 1) if op == "sin" else (Decimal(1), Decimal(0), 0)
        while abs(term) > Decimal("1e-150"):
            total += term
            term, n = -term * x * x / ((n + 1) * (n + 2)), n + 2
        return total
    return {
        "exp": lambda: x.exp(),
        "log": lambda: x.ln(),
        "sigmoid": lambda: 1 / (1 + (-x).exp()),
        "tanh": lambda: 1 - 2 / ((2 * x).exp() + 1),
        "softplus": lambda: (1 + x.exp()).ln(),
        "elu": lambda: x if x >= 0 else alpha * (x.exp() - 1),
    }[op]()


def arguments(op: str, count: int) -> list[Fraction]:
    """Arguments of every size that a float64 has, near what is difficult, and decimals."""
    draw = random.Random(op)  # noqa: S311
    found = [Fraction(draw.gauss(0, 3)) for _ in range(count)]
    found += [Fraction(draw.gauss(0, 300)) for _ in range(count)]
    found += [Fraction(draw.uniform(-1, 1)) * Fraction(2) ** draw.randint(-1070, 5) for _ in range(count)]
    found += [Fraction(draw.randint(-(10**6), 10**6), 10**5) for _ in range(count)]
    found += [Fraction(1 + draw.randint(-9, 9) * 2**-52) for _ in range(3)] + [
        Fraction(math.pi / 2 * n) for n in (1, 2, 11)
    ]
    if op == "log":
        return [abs(x) for x in found if x]
    return [x for x in found if abs(x) < 200] if op in ("sin", "cos") else found


@pytest.mark.parametrize("op", check.EPSILONS)
def test_every_enclosure_holds_and_is_narrow(op: str) -> None:
    for x in arguments(op, 12):
        for s in (64, 128, 400):
            lo, hi = check.enclosed(op, x, [Fraction(7, 10)], s)
            with localcontext(Context(prec=260, Emin=-(10**6), Emax=10**6)):
                ends = Fraction(function(op, Decimal(x.numerator) / Decimal(x.denominator), Decimal("0.7"))) * 2**s
            slack = abs(ends) / 10**240 + Fraction(1, 10**100)  # of the decimals
            if op == "elu" and x >= 0:
                continue
            assert lo - slack <= ends <= hi + slack, (op, x, s)
            wide = 2**20 if op == "log" else abs(ends) / 2**40 + 2**12
            assert hi - lo <= wide, (op, x, s)


def test_what_is_beyond_every_format_is_enclosed_too() -> None:
    for x in (Fraction(10**6), Fraction(2) ** 1000, Fraction(4097)):
        lo, hi = check.enclosed("exp", -x, [], 128)
        assert (lo, hi <= 1) == (0, True)
        assert check.enclosed("exp", x, [], 128)[0] >= 2**5000
        assert check.enclosed("tanh", -x, [], 128)[0] >= -(2**128) - 1
        assert check.enclosed("sigmoid", x, [], 128)[1] >= 2**128
    lo, hi = check.enclosed("sin", Fraction(2) ** 1000, [], 200)  # by many digits of pi
    assert hi - lo < 4
    assert Fraction(lo, 2**200) - 1e-15 <= Fraction(math.sin(2.0**1000)) <= Fraction(hi, 2**200) + Fraction(1, 10**15)


def test_what_is_known_exactly_is_not_enclosed() -> None:
    constants = [Fraction(1, 2)]
    assert check.known("sqrt", Fraction(1, 400), []) == Fraction(1, 20)
    assert check.known("sqrt", Fraction(2), []) is None
    assert check.known("log", Fraction(1), []) == 0
    assert check.known("elu", -math.inf, constants) == -0.5
    assert check.known("elu", Fraction(3), constants) == 3
    assert check.known("sigmoid", Fraction(0), []) == 0.5
    assert check.known("softplus", Fraction(0), []) is None
    assert math.isnan(float(check.known("log", Fraction(-1), []) or 0))
    assert check.known("floor", Fraction(-1, 3), []) == -1
