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
            lo, hi = (end * 2**s for end in check.enclosed(op, x, [Fraction(7, 10)], s))
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
        assert (lo, hi <= Fraction(1, 2**128)) == (0, True)
        assert check.enclosed("exp", x, [], 128)[0] >= 2**5000
        assert check.enclosed("tanh", -x, [], 128)[0] >= -1
        assert check.enclosed("sigmoid", x, [], 128)[1] >= 1
        lo, hi = check.enclosed("softplus", x, [], 128)
        assert x <= lo <= hi <= x + Fraction(1, 2**100)
    lo, hi = check.enclosed("sin", Fraction(2) ** 1000, [], 200)  # by doubling a thousand times
    assert hi - lo < Fraction(1, 2**190)
    assert lo - Fraction(1, 10**15) <= Fraction(math.sin(2.0**1000)) <= hi + Fraction(1, 10**15)


def test_what_is_known_exactly_has_equal_ends() -> None:
    def known(op: str, x: float | Fraction) -> object:
        lo, hi = check.enclosed(op, x, [Fraction(1, 2)], 64)
        return lo if lo == hi else None

    assert known("sqrt", Fraction(1, 400)) == Fraction(1, 20)
    assert known("sqrt", Fraction(2)) is None
    assert known("log", Fraction(1)) == 0
    assert known("log", Fraction(0)) == -math.inf
    assert known("elu", -math.inf) == -0.5
    assert known("elu", Fraction(3)) == 3
    assert known("sigmoid", Fraction(0)) == 0.5
    assert known("cos", Fraction(0)) == known("exp", Fraction(0)) == 1
    assert known("sin", Fraction(0)) == known("tanh", Fraction(0)) == 0
    assert [known(op, end) for op in ("sigmoid", "tanh", "exp", "softplus") for end in (-math.inf, math.inf)] == [
        *(0, 1, -1, 1),
        *(0, math.inf, 0, math.inf),
    ]
    assert known("softplus", Fraction(0)) is None
    assert math.isnan(check.enclosed("log", Fraction(-1), [], 64)[0])
    assert math.isnan(check.enclosed("cos", math.inf, [], 64)[0])
    assert known("floor", Fraction(-1, 3)) == -1


def test_the_series_hold_without_guard_digits() -> None:
    draw = random.Random(5)  # noqa: S311
    with localcontext(Context(prec=120)):
        for _ in range(60):
            s = draw.choice([64, 100, 150])
            r, t = draw.randrange(1 << s), draw.randrange((1 << s) // 3)
            halves = [check.series(r, s, first, 1, True) for first in (0, 1)]  # cosh and sinh
            value, wide = (sum(ends) for ends in zip(*halves, strict=True))
            for argument in (r, r + 1):
                assert abs((Decimal(argument) / 2**s).exp() * 2**s - value) <= wide <= 2**8
            value, wide = check.series(t, s, 1, 1, False)
            for argument in (t, t + 1):
                x = Decimal(argument) / 2**s
                assert abs(((1 + x) / (1 - x)).ln() / 2 * 2**s - value) <= wide <= 2**8


def test_doubling_counts_its_errors() -> None:
    draw = random.Random(6)  # noqa: S311
    for _ in range(60):
        x, s = Fraction(draw.uniform(0, 40)), draw.choice([64, 130])
        with localcontext(Context(prec=150)):
            number = Decimal(x.numerator) / Decimal(x.denominator)
            exact = [(number.exp() + sign * (-number).exp()) / 2 for sign in (1, -1)]
            exact += [function(op, number, Decimal(1)) for op in ("cos", "sin")]
            for sign, pair in ((1, exact[:2]), (-1, exact[2:])):
                *found, e = check.doubled(x.numerator, x.denominator, s, sign)
                assert e < 2**10
                assert all(abs(value - one * 2**s) <= e for value, one in zip(found, pair, strict=True))


def accepted(line: check.Line, vectors: list[list[float]], r: float, dtype: str = "float64") -> bool:
    extra = len(vectors[0]) if line.op == "matvec" else line.constants
    unit = next(iter(check.UNITS[line.op](*map(tuple, vectors), extra)))
    return not check.Rounding("", dtype).judged(line, unit, r)


@pytest.mark.parametrize("op", check.EPSILONS)
def test_a_function_is_accepted_exactly_within_its_bound(op: str) -> None:
    draw = random.Random(op)  # noqa: S311
    for x in [draw.gauss(0, 2) for _ in range(8)] + [-600.0, 1e-9]:
        x = abs(x) if op == "log" else x
        line = check.Line("y", op, ("x",), (0.75,) if op == "elu" else ())
        with localcontext(Context(prec=400)):
            exact = (
                Fraction(function(op, Decimal(x), Decimal("0.75"))) if op not in ("sin", "cos") or abs(x) < 99 else None
            )
        if exact is None:
            continue
        bound = (6 if op in ("sigmoid", "elu", "softplus") else 4) * abs(exact) / 2**52 + Fraction(2) ** -1022
        for steps in range(-14, 15):
            r = float(exact) + steps * math.ulp(float(exact))
            assert accepted(line, [[x]], r) == (abs(Fraction(r) - exact) <= bound), (x, steps)


@pytest.mark.parametrize(
    ("op", "dtype", "u"), [("sum", "float64", 2**-53), ("mean", "float32", 2**-24), ("matvec", "float64", 2**-53)]
)
def test_a_sum_is_accepted_exactly_within_its_bound(op: str, dtype: str, u: float) -> None:
    draw = random.Random(op)  # noqa: S311
    for n in (1, 2, 5):
        a, b = ([check.nearest(Fraction(draw.randint(-(10**9), 10**9), 10**9), dtype) for _ in range(n)] for _ in "ab")
        terms = [Fraction(x) * Fraction(y) for x, y in zip(a, b if op == "matvec" else [1.0] * n, strict=True)]
        divisor, k = (n if op == "mean" else 1), n - (op == "sum")
        exact, size = sum(terms) / divisor, sum(map(abs, terms)) / divisor
        bound = k * Fraction(u) / (1 - k * Fraction(u)) * size + k * Fraction(2) ** (
            -1074 if dtype == "float64" else -149
        )
        line = check.Line("y", op, ("a", "b") if op == "matvec" else ("a",), ())
        for quarter in range(-48, 49):
            r = float(exact + quarter * Fraction(u) * size / 4)
            right = abs(Fraction(r) - exact) <= bound
            assert accepted(line, [a, b] if op == "matvec" else [a], r, dtype) == right, (n, quarter)


def test_zeros_and_constants() -> None:
    product, clip = check.Line("y", "*", ("a", "b"), ()), check.Line("y", "clip", ("a",), (-0.1, 0.1))
    assert accepted(product, [[1e-160], [1e-150]], 0.0)  # a processor may flush it
    assert not accepted(product, [[1e-150], [1e-150]], 0.0)
    assert accepted(clip, [[0.5]], 0.1)
    assert not accepted(clip, [[0.5]], 0.1, "float32")  # 0.1 is rounded first
    assert accepted(clip, [[0.5]], check.nearest(Fraction(1, 10), "float32"), "float32")
    quotient = check.Line("y", "/", ("a", "b"), ())
    assert accepted(quotient, [[1.0], [-0.0]], -math.inf)
    assert not accepted(quotient, [[1.0], [-0.0]], math.inf)
    assert accepted(quotient, [[-1.0], [0.0]], -math.inf)
    assert accepted(quotient, [[0.0], [0.0]], math.nan)
    assert accepted(check.Line("y", "sum", ("a",), ()), [[0.5]], 0.5)
