"""Lines that are matrices are derived again within the bounds of their operations, and what was changed is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

import lstm_trace as lt
from lstm_trace.base.rounding import of_sum
from lstm_trace.cell.lines import Line
from lstm_trace.cell.ops import OPS
from lstm_trace.verification.propagation import Derived, Known
from lstm_trace.verification.rounding import bound

from ..engine.test_matrices import PLANS, agree, small
from ..support.matrix_loops import MATRIX_CELLS, Weights, matrix_cells


def tampered(trace: lt.Trace, rng: np.random.Generator) -> None:
    """A random entry of a random line that is a matrix is changed by 1e-9, and found at its address."""
    names = [name for name in trace if trace.grid("0/forward", name)]
    name = names[rng.integers(len(names))]
    values, grid = trace[name].copy(), trace.grid("0/forward", name)
    at = tuple(int(rng.integers(size)) for size in values.shape)
    values[at] += 1e-9
    changed = replace(trace, lines={"0/forward": {**trace.lines["0/forward"], name: values}})
    found = lt.verify(changed)
    assert grid is not None
    assert found.verdict == "failed"
    row, column = divmod(at[2], grid[1])
    expected = f"0/forward/{at[0]}/{at[1]}/{name}[{row},{column}]"
    assert expected in [str(failure.address) for failure in found.failures]


@pytest.mark.parametrize("name", MATRIX_CELLS)
def test_a_change_by_a_billionth_is_found(name: str) -> None:
    weights, x = small(name)
    trace = lt.run(weights, x, cell=MATRIX_CELLS[name].cell)
    rng = np.random.default_rng(0)
    for _ in range(5):
        tampered(trace, rng)


@pytest.mark.few(5)
@given(matrix_cells(), st.integers(0, 1 << 32))
def test_a_change_of_a_random_cell_is_found(case: tuple[str, Weights, np.ndarray], seed: int) -> None:
    tampered(agree(*case, PLANS[1:2]), np.random.default_rng(seed))


CASES = {
    "outer": ((3,), (4,), 0),
    "memvec": ((12,), (4,), 4),
    "vecmem": ((3,), (12,), 3),
}


@pytest.mark.parametrize("op", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bounds(op: str, dtype: str) -> None:
    """An outer product is rounded once, correctly; the others are sums of as many products as the vector has units."""
    left, right, terms = CASES[op]
    rng = np.random.default_rng(3)
    operands = [rng.normal(size=(50, *shape)).astype(dtype) for shape in (left, right)]
    value = OPS[op].array(operands, ())
    allowed = bound(Line("y", op, ("a", "b")), operands, value)
    assert np.array_equal(
        allowed, of_sum(OPS[op].array(list(map(np.abs, operands)), ()), terms, dtype) if terms else 0.0
    )
    exact = OPS[op].array([operand.astype(np.longdouble) for operand in operands], ())
    assert (np.abs(value - exact) <= (allowed if terms else np.spacing(np.abs(value)))).all()


@pytest.mark.parametrize("op", CASES)
def test_errors_of_both_operands_are_carried(op: str) -> None:
    """The largest deviation at any corner of the operands' errors is within the limit, and close to it."""
    left, right, _ = CASES[op]
    rng = np.random.default_rng(4)
    values = [rng.normal(size=(1, 1, *shape)) for shape in (left, right)]
    limits = [np.abs(rng.normal(size=value.shape)) * 1e-3 for value in values]
    line = Derived(Line("y", op, ("a", "b")), list(map(Known, values, limits)), "float64", np.float64)
    worst = np.zeros(line.value.shape)
    for _ in range(300):
        near = [v + e * rng.choice([-1, 1], size=v.shape) for v, e in zip(values, limits, strict=True)]
        worst = np.maximum(worst, np.abs(OPS[op].array(near, ()) - line.value))
    assert (worst <= line.limit).all()
    assert (worst > 0.4 * line.limit).all()


def test_the_first_value_that_is_not_finite_has_its_row_and_column() -> None:
    weights, x = small()
    trace = lt.run(weights, x * 1e200, cell=MATRIX_CELLS["mlstm"].cell)
    found = lt.verify(trace).not_finite
    assert found is not None
    assert found.cause == "overflow"
    assert str(found.address).endswith("outer(v_t, k_t)[0,0]")
    assert [name for name, _ in found.operands] == [
        "v_t[0]",
        "k_t[0]",
    ]
    held = lt.run(weights, x, cell=MATRIX_CELLS["mlstm"].cell)
    values = held["C_t"].copy()
    values[3, 1, 7] = np.inf
    lines = {**held.lines["0/forward"], "C_t": values}
    broken = lt.verify(replace(held, lines={"0/forward": lines})).not_finite
    assert broken is not None
    assert str(broken.address) == "0/forward/3/1/C_t[1,2]"
    assert broken.cause == "foreign"
    later = lt.verify(replace(held, lines={"0/forward": {"C_t": lines["C_t"], "q_t": lines["q_t"]}})).not_finite
    assert later is not None
    assert later.cause == "unrecorded"


def test_a_product_with_a_matrix_that_is_not_finite_names_the_entry() -> None:
    cell = {"equations": "input: A, b\nr = A @ b\nl = b @ A\noutput: r\nmatrix: A"}
    A, b = np.ones((2, 1, 4)), np.ones((2, 1, 2))
    A[1, 0, 1] = np.inf
    found = lt.verify(lt.run({}, given={"A": A, "b": b}, cell=cell)).not_finite
    assert found is not None
    assert found.operands[0] == ("A[0,1]", np.inf)
    assert found.cause == "given"


def of_shape(rows: int, columns: int) -> lt.Trace:
    """A memory of so many rows and columns, from a given one, and its sum."""
    text = "C_t = 0.5 * C_prev + outer(W_v @ x_t, W_k @ x_t)\ny_t = sum(C_t)\ncarry: C_prev <- C_t\noutput: y_t"
    sides = {"W_v": np.arange(1.0, rows + 1)[:, None], "W_k": np.arange(1.0, columns + 1)[:, None] ** 2}
    start = {"C_prev": np.ones((rows, columns))}
    return lt.run(sides, [[1.0], [2.0]], cell={"equations": text}, initial=start)


def test_matrices_with_equally_many_numbers_in_other_columns_are_not_compared() -> None:
    a, b = of_shape(4, 3), of_shape(3, 4)
    found = lt.diff(a, b)
    assert [line.line for line in found.lines] == ["y_t"]
    assert "0/forward/C_t: a has width 4 × 3, b has width 3 × 4" in found.notes
    assert "0/forward/C_prev: a has shape (1, 4, 3), b has shape (1, 3, 4)" in found.premises
    assert "its operands have other shapes in b (C_t (4, 3) and (3, 4))" in found.report("text").replace("\n  ", " ")
    assert [change.line for change in lt.changes(a, b)] == ["y_t"]
    with pytest.raises(lt.ShapeError, match="in common, with 0 units"):
        lt.gap(a, b, "C_t")
    for of in ("1/C_t[1,0]", "1/y_t[0]"):
        with pytest.raises(lt.ShapeError, match=r"C_prev has the shape \(4, 3\) in a and \(3, 4\) in b"):
            lt.attribute(a, b, of=of)
    with pytest.raises(lt.ShapeError, match=r"width 3 × 4 there and .*, width 4 × 3 here"):
        lt.run(lt.problem(a), hold={"0/C_t[1,0]": b})
    assert lt.diff(a, of_shape(4, 3)).same
