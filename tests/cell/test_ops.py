"""Every operation against scalar mathematics, in float64 and float32, with the rounding that its table entry claims."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lstm_trace.cell.ops import FUNCTIONS, OPS

from ..support import oracle
from ..support.rounding import numbers, total, within

#: Scalar truth of each function of one operand, computed in float64 from the float that is given.
ONE: dict[str, Any] = {name: f for name, f in oracle.FUNCTIONS.items() if name in FUNCTIONS}
ONE |= {"softplus": lambda z: max(z, 0.0) + math.log1p(math.exp(-abs(z)))}
ONE |= {"elu": lambda z, alpha=1.0: z if z >= 0 else alpha * math.expm1(z)}
CONSTANTS: dict[str, tuple[float, ...]] = {"clip": (-0.5, 1.25), "elu": (0.7,)}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", sorted(ONE))
def test_functions_of_one_operand(name: str, dtype: Any) -> None:
    op = next(op for op in OPS.values() if op.function == name)
    wide = np.concatenate([np.linspace(-30, 30, 601), np.linspace(-1e-3, 1e-3, 11), [1e-30, -1e-30, 0.0]])
    z = (np.abs(wide) + 1e-6 if name in ("log", "sqrt") else wide).astype(dtype)
    constants = CONSTANTS.get(name, ())
    found = op.array([z], constants)
    right = np.array([ONE[name](float(v), *constants) for v in z])
    assert found.dtype == dtype
    assert op.ulp is not None
    # the truth is itself rounded once, and its constants are not those of float32
    allowed = (op.ulp + 1.5) * np.spacing(np.abs(right).astype(dtype)).astype(float)
    assert (np.abs(found.astype(float) - right) <= allowed).all(), z[np.abs(found - right) > allowed]


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softplus", "elu", "relu"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_ends_are_right(name: str, dtype: Any) -> None:
    op = OPS[name]
    constants = tuple(float(default) for _, default in op.constants if default is not None)
    with np.errstate(all="ignore"):
        low, high = op.array([np.array([-np.inf, np.inf], dtype)], constants)
        far = op.array([np.array([-1e4, 1e4], dtype)], constants)
    ends = {"sigmoid": (0, 1), "tanh": (-1, 1), "softplus": (0, np.inf), "elu": (-1, np.inf)}
    ends |= {"relu": (0, np.inf)}
    np.testing.assert_array_equal((low, high), ends[name])
    assert np.isfinite(far).all()


def test_a_sum_is_added_from_left_to_right() -> None:
    a, b, c = np.array([1e16]), np.array([1.0]), np.array([1e16])
    assert OPS["add"].array([a, b, c], (1.0, 1.0, -1.0))[0] == 0.0  # (1e16 + 1) - 1e16
    assert OPS["add"].array([a, c, b], (1.0, -1.0, 1.0))[0] == 1.0
    assert OPS["add"].array([a, b], (-1.0, 1.0))[0] == -1e16 + 1.0
    assert OPS["add"].array([b, 0.25, b], (1.0, -1.0, -1.0))[0] == -0.25


def test_a_matrix_multiplies_from_the_left() -> None:
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(3, 4)), rng.normal(size=(5, 2, 4))
    found = OPS["matvec"].array([w, x], ())
    assert found.shape == (5, 2, 3)
    for t in range(5):
        for b in range(2):
            within(found[t, b], oracle.matvec(w.tolist(), numbers(x[t, b])))
    square = rng.normal(size=(4, 4))
    assert not np.allclose(OPS["matvec"].array([square, x], ()), OPS["matvec"].array([square.T, x], ()))


def test_a_matrix_multiplies_from_the_right() -> None:
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(4, 3)), rng.normal(size=(5, 2, 4))
    found = OPS["vecmat"].array([x, w], ())
    assert found.shape == (5, 2, 3)
    for t in range(5):
        for b in range(2):
            within(found[t, b], oracle.vecmat(numbers(x[t, b]), w.tolist()))
    within(OPS["vecmat"].array([x[0, 0], w], ()), oracle.vecmat(numbers(x[0, 0]), w.tolist()))  # of a parameter too


def test_a_matrix_that_is_a_value_lies_row_by_row() -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 2, 4)), rng.normal(size=(5, 2, 12))
    outer, right, left = (OPS[n].array(o, ()) for n, o in (("outer", [a, b]), ("memvec", [c, b]), ("vecmem", [a, c])))
    for t in range(5):
        for row in range(2):
            one, two, grid = a[t, row].tolist(), b[t, row].tolist(), c[t, row].reshape(3, 4).tolist()
            assert outer[t, row].tolist() == [p * q for p in one for q in two]
            within(right[t, row], oracle.matvec(grid, numbers(b[t, row])))
            within(left[t, row], oracle.vecmat(numbers(a[t, row]), grid))
    np.testing.assert_array_equal(OPS["outer"].array([a[0, 0], b], ())[1, 1], np.outer(a[0, 0], b[1, 1]).ravel())


def test_a_reduction_makes_one_number_of_its_units() -> None:
    assert [name for name, op in OPS.items() if op.reduces] == ["max", "sum", "mean"]
    for name, right in {"max": 4.0, "sum": 6.0, "mean": 1.5}.items():
        assert OPS[name].array([np.array([[2.0, 4.0, -1.0, 1.0]])], ()).tolist() == [[right]]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_comparison_is_one_or_nothing(dtype: Any) -> None:
    a = np.array([0.5, 0.5, -0.0, np.nextafter(dtype(1), dtype(2)), np.nan, np.inf, -np.inf], dtype)
    b = np.array([0.25, 0.5, 0.0, 1.0, 0.0, np.inf, 0.0], dtype)
    found = OPS["greater"].array([a, b], ())
    assert found.dtype == dtype
    assert found.tolist() == [1, 0, 0, 1, 0, 0, 0]
    assert OPS["greater"].array([b, a], ()).tolist() == [0, 0, 0, 0, 0, 0, 1]
    number = OPS["greater"].array([a, 0.0], ())
    assert number.dtype == dtype
    assert number.tolist() == [1, 1, 0, 1, 0, 1, 0]


#: The other operations on (2, 3) operands: the function of three rows of scalars that each must equal.
OTHERS: dict[str, Any] = {
    "mul": lambda a, b, c: [p * q for p, q in zip(a, b, strict=True)],
    "div": lambda a, b, c: [p / q for p, q in zip(a, b, strict=True)],
    "neg": lambda a, b, c: [-p for p in a],
    "copy": lambda a, b, c: a,
    "where": lambda a, b, c: [q if p != 0 else r for p, q, r in zip(a, b, c, strict=True)],
    "maximum": lambda a, b, c: [max(p, q) for p, q in zip(a, b, strict=True)],
    "max": lambda a, b, c: [max(a)],
    "sum": lambda a, b, c: [total(numbers(a))],
    "mean": lambda a, b, c: [total(numbers(a)) / len(a)],
    "concat": lambda a, b, c: a + b,
    "slice": lambda a, b, c: a[1:3],
    "greater": lambda a, b, c: [1.0 if p > q else 0.0 for p, q in zip(a, b, strict=True)],
}


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_operations_row_by_row(name: str) -> None:
    rng = np.random.default_rng(5)
    operands = [rng.normal(size=(2, 3)) for _ in range(3)]
    operands[0][0, 1] = operands[0][1, 2] = 0.0  # for where
    count = OPS[name].arity or 2
    found = OPS[name].array(operands[:count], (1.0, 3.0) if name == "slice" else ())
    for row in range(2):
        within(found[row], OTHERS[name](*(o[row].tolist() for o in operands)))  # sums aside exactly


def test_values_of_width_one_and_numbers_broadcast() -> None:
    wide, one = np.arange(6.0).reshape(2, 3), np.array([[10.0], [20.0]])
    np.testing.assert_array_equal(OPS["mul"].array([one, wide], ()), [[0, 10, 20], [60, 80, 100]])
    np.testing.assert_array_equal(OPS["add"].array([wide, one, 1.0], (1.0, -1.0, 1.0)), [[-9, -8, -7], [-16, -15, -14]])
    np.testing.assert_array_equal(OPS["where"].array([one - 10, 1.0, wide], ()), [[0, 1, 2], [1, 1, 1]])
    np.testing.assert_array_equal(OPS["maximum"].array([wide, 2.5], ()), np.maximum(wide, 2.5))
    np.testing.assert_array_equal(OPS["concat"].array([wide, 1.0], ()), [[0, 1, 2, 1], [3, 4, 5, 1]])
    np.testing.assert_array_equal(OPS["concat"].array([np.ones(2), one], ()), [[1, 1, 10], [1, 1, 20]])


def test_the_table_is_closed_and_says_all_that_is_needed() -> None:
    assert set(ONE) | set(OTHERS) | {"add", "matvec", "vecmat", "outer", "memvec", "vecmem"} == {
        op.function if op.function in ONE else op.name for op in OPS.values()
    }
    for name, op in OPS.items():
        assert name == op.name
        assert op.width in ("same", "one", "concat", "slice", "matvec", "vecmat", "outer", "memvec", "vecmem")
        assert (op.ulp is None) == (op.width in ("matvec", "vecmat", "memvec", "vecmem") or name in ("sum", "mean"))
        assert all(isinstance(key, str) for key, _ in op.constants)
