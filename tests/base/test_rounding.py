"""The bound of sums against exact fractions: no order of adding goes beyond it, and a value that does is found."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.base.rounding import of_sum

DTYPES = ("float32", "float64")


def left(terms: list[Any]) -> Any:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def pairwise(terms: list[Any]) -> Any:
    half = len(terms) // 2
    return terms[0] if len(terms) == 1 else pairwise(terms[:half]) + pairwise(terms[half:])


def lanes(terms: list[Any]) -> Any:
    """As vector units of four numbers do."""
    return pairwise([left(terms[k::4]) for k in range(4) if terms[k::4]])


def fused(w: np.ndarray, x: np.ndarray) -> Any:
    """Each product added without being rounded by itself."""
    total = w.dtype.type(0)
    for a, b in zip(w, x, strict=True):
        total = nearest(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(total)), w.dtype)
    return total


def nearest(value: Fraction, dtype: np.dtype[Any]) -> Any:
    """The number of a dtype that is nearest to an exact one."""
    near = dtype.type(float(value))
    around = (np.nextafter(near, dtype.type(-np.inf)), near, np.nextafter(near, dtype.type(np.inf)))
    return min(around, key=lambda one: abs(Fraction(float(one)) - value))


ORDERS: list[Callable[[list[Any]], Any]] = [left, lambda t: left(t[::-1]), lambda t: left(sorted(t)), pairwise, lanes]


@pytest.mark.few(1)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 17, 200])
def test_no_order_of_a_product_goes_beyond_the_bound(n: int, dtype: str) -> None:
    rng = np.random.default_rng(n)
    for scale in (1.0, np.finfo(dtype).tiny ** 0.5, np.finfo(dtype).smallest_subnormal ** 0.5):
        for _ in range(20):
            w, x = (rng.normal(size=n).astype(dtype) * np.dtype(dtype).type(scale) for _ in range(2))
            found = [order(list(w * x)) for order in ORDERS] + [np.dot(w, x), fused(w, x)]
            computed = np.abs(w) @ np.abs(x)
            most = of_sum(computed, n, dtype)
            assert most.dtype == dtype
            apart = np.subtract.outer(found, found)
            assert np.abs(apart).max() <= most, (scale, found)


@pytest.mark.parametrize("dtype", DTYPES)
def test_two_orders_come_near_to_the_bound(dtype: str) -> None:
    """One and many numbers that vanish beside it, but not together: twice the bound would be twice too much."""
    n, number = 1000, np.dtype(dtype).type
    terms = [number(1), *[number(np.finfo(dtype).eps / 2)] * (n - 1)]
    apart = abs(float(left(terms)) - float(left(terms[::-1])))
    assert 0.49 < apart / of_sum(float(sum(map(Fraction, map(float, terms)))), n, dtype) < 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_bound_is_that_of_the_theory(dtype: str) -> None:
    """2 n u / (1 - n u) of the exact sizes at least, and little above it: the sizes' own rounding and a few ulp."""
    u = Fraction(float(np.finfo(dtype).eps)) / 2
    for n in (1, 2, 10, 1000, 100_000):
        theory = 2 * n * u / (1 - n * u)
        found = Fraction(of_sum(1.0, n, dtype))
        assert theory < found < theory * (1 + 2 * (n + 8) * u)


def moved(dtype: str, times: float, what: str) -> lt.Verification:
    """A value off by so many n ε (|W| |x|), as `verify` judges it, where all that reads it is absent."""
    n, rng = 6, np.random.default_rng(4)
    if what == "product":
        values: dict[str, Any] = {"W": rng.normal(size=(1, n))}
        x, cell = rng.normal(size=(1, n)), "h_t = W @ x_t"
        size, terms = float((np.abs(values["W"]) @ np.abs(x[0]))[0]), n
    else:
        values, x, cell = {}, rng.normal(size=(1, n)), f"h_t = {what}(x_t)"
        size = float(np.abs(x).sum()) / (n if what == "mean" else 1)
        terms = n - (what == "sum")
    trace = lt.run(values, x, cell={"equations": cell}, dtype=dtype, plan="lines")
    h = trace.lines["0/forward"]["h_t"]
    off = times * terms * float(np.finfo(dtype).eps) * size
    h[...] = h.astype(np.float64) + off
    return lt.verify(trace)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("what", ["product", "sum", "mean"])
def test_what_is_off_by_more_than_two_orders_can_be_is_found(what: str, dtype: str) -> None:
    """Up to twice as much was verified once."""
    for sign in (-1, 1):
        assert moved(dtype, sign * 0.75, what).verdict == "verified"
        for times in (1.3, 1.6, 1.9, 2.5):
            assert moved(dtype, sign * times, what).verdict == "failed"


@pytest.mark.parametrize("name", ["d_W", "d_b"])
def test_a_gradient_that_is_off_by_more_than_two_orders_is_found(name: str) -> None:
    """Of a parameter, a sum over 5 steps of 2 rows: of 10 products, or of 10 terms in 9 sums."""
    rng = np.random.default_rng(8)
    cell = {"equations": "h_t = W @ x_t + b"}
    trace = lt.run({"W": rng.normal(size=(1, 1)), "b": [0.5]}, rng.normal(size=(5, 2, 1)), cell=cell)
    seeds = rng.normal(size=(5, 2, 1))
    back = lt.backward(trace, output=seeds)
    sums = back.sums["0/adjoint-forward"]
    (key,) = [key for key in sums if key == name]
    size = float(np.abs(seeds * trace.x).sum() if name == "d_W" else np.abs(seeds).sum())
    right = sums[key].copy()
    for times, status in ((0.6, "verified"), (-0.6, "verified"), (1.4, "failed"), (1.9, "failed"), (-1.9, "failed")):
        sums[key][...] = right + times * (10 - (name == "d_b")) * 2.0**-52 * size
        assert lt.verify(back).verdict == status


@pytest.mark.few(0)
def test_so_long_a_sum_that_its_bound_is_as_large_is_inconclusive() -> None:
    assert of_sum(1.0, 2**22 - 2, "float32") < 1.000001
    assert of_sum(1.0, 2**22 - 1, "float32") == np.inf
    trace = lt.run({}, np.ones((1, 2**22), "float32"), cell={"equations": "h_t = sum(x_t)"}, dtype="float32")
    assert lt.verify(trace).verdict == "inconclusive"
