"""Plans of cells with `v @ W`, slices and comparisons: a cell in Keras's notation, and the adjoint of an LSTM."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.parse import parse
from lstm_trace.cell.variants import named
from lstm_trace.engine.jit import installed

from ...support.tiers import ALL, some
from .test_plan import Case, calls, check

KERAS = parse("""
z = x_t @ W + h_prev @ U + b
i_t = sigmoid(z[0:4])
f_t = sigmoid(z[4:8])
c_tilde = tanh(z[8:12])
o_t = sigmoid(z[12:16])
c_t = f_t * c_prev + i_t * c_tilde
h_t = o_t * tanh(c_t) * (c_t[2:3] > c_t)
y_t = (h_t @ V)[1:3]
carry: h_prev <- h_t, c_prev <- c_t
output: h_t
""")
ADJOINT = parse("""
input: x_t, i_t, f_t, c_tilde, o_t, m, c_prev
d_h_t = x_t + d_h_next
d_o = d_h_t * m
d_c_t = d_h_t * o_t * (1 - m * m) + d_c_next
d_z_i = d_c_t * c_tilde * (i_t * (1 - i_t))
d_z_f = d_c_t * c_prev * (f_t * (1 - f_t))
d_z_c = d_c_t * i_t * (1 - c_tilde * c_tilde)
d_z_o = d_o * (o_t * (1 - o_t))
d_hprev = d_z_i @ W_hi + d_z_f @ W_hf + d_z_c @ W_hc + d_z_o @ W_ho
d_x = d_z_i @ W_xi + d_z_f @ W_xf + d_z_c @ W_xc + d_z_o @ W_xo
d_cprev = d_c_t * f_t
carry: d_h_next <- d_hprev, d_c_next <- d_cprev
output: d_hprev
""")


def keras(B: int, dtype: str, direction: str, T: int = 11) -> Case:
    """Four units, three inputs, five units of a readout."""
    rng = np.random.default_rng(5)
    shapes = {"W": (3, 16), "U": (4, 16), "b": (16,), "V": (4, 5)}
    weights = {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    states = {name: rng.normal(size=(B, 4)).astype(dtype) for name in ("h_prev", "c_prev")}
    return Case(KERAS, direction, weights, {"x_t": rng.normal(size=(T, B, 3)).astype(dtype)}, states)


def adjoint(B: int, dtype: str, direction: str, H: int = 6, I: int = 5, T: int = 11) -> Case:  # noqa: E741
    """The adjoint of an LSTM with I inputs; its seed is called x_t, as a case has it."""
    rng = np.random.default_rng(6)
    weights = {f"W_{a}{g}": rng.normal(size=(H, n)).astype(dtype) / 4 for a, n in (("x", I), ("h", H)) for g in "ifco"}
    inputs = {name: rng.uniform(size=(T, B, H)).astype(dtype) for name in ADJOINT.inputs}
    states = {name: rng.normal(size=(B, H)).astype(dtype) for name in ("d_h_next", "d_c_next")}
    return Case(ADJOINT, direction, weights, inputs, states)


def agree(case: Case, values: Any) -> None:
    """Each line by its definition, and all of them with the line-by-line run."""
    check(case, values)
    most = 1e-12 if case.dtype == np.float64 else 1e-4
    for line, expected in case.by_lines().items():  # over so few steps the two may not drift apart
        assert np.abs(values[line] - expected).max() < most * max(1.0, np.abs(expected).max()), line


@pytest.mark.few(14)
@pytest.mark.parametrize("cell", [keras, adjoint])
@pytest.mark.parametrize("B", [1, 3])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("direction", "small"), [("forward", True), ("reverse", True), ("reverse", False)])
def test_every_line(cell: Any, B: int, dtype: str, direction: str, small: bool) -> None:
    case = cell(B, dtype, direction)
    agree(case, case.by_plan(small, 4))


@pytest.mark.parametrize("B", [1, 2])
def test_long_vectors(B: int) -> None:
    case = adjoint(B, "float64", "reverse", H=300, I=7, T=3)
    agree(case, case.by_plan(False, 2))


def test_products_of_different_vectors_are_one_call() -> None:
    plan = adjoint(1, "float64", "reverse").plan()
    products = {
        part: [c.lines for c in getattr(plan, part) if c.op == "vecmat"] for part in ("before", "loop", "after")
    }
    assert [len(lines) for lines in products["loop"]] == [4]
    assert [len(lines) for lines in products["after"]] == [4]
    assert products["before"] == []
    assert len(plan.loop) <= 12


def test_products_of_one_vector_come_first() -> None:
    """Both could be joined with a product of the other vector too; either side may hold the matrix."""
    rows = "a = u_prev @ A\nb = u_prev @ B\nc = v_prev @ C\nd = v_prev @ D\ns_t = a + b\nt_t = c * d"
    found = calls(f"{rows}\ncarry: u_prev <- s_t, v_prev <- t_t")["loop"]
    assert {frozenset(lines) for lines in found[:2]} == {frozenset("ab"), frozenset("cd")}
    for right in (True, False):
        rows = "\n".join(
            f"{n} = " + (f"{v}_prev @ {n.upper()}" if right else f"{n.upper()} @ {v}_prev") for n, v in ("au", "bu")
        )
        assert len(calls(f"{rows}\nu_t = a * b\ncarry: u_prev <- u_t")["loop"]) == 2


def test_both_sides_are_two_calls() -> None:
    found = calls("a = W @ h_prev\nb = h_prev @ W\nh_t = a * b\ncarry: h_prev <- h_t")["loop"]
    assert found == [("a",), ("b",), ("h_t",)]


def test_slices_of_parameters_of_different_widths_are_calls_of_their_own() -> None:
    cell = {"equations": "p = a[2:4] * x_t\nq = b[2:4] * x_t\nh_t = p + q"}
    weights = {"a": [1.0, 2.0, 3.0, 4.0], "b": [5.0, 6.0, 7.0, 8.0, 9.0]}
    trace = lt.run(weights, [[1.0, 10.0]], cell=cell, plan="planned")
    assert trace["h_t"].ravel().tolist() == [10.0, 120.0]


SMALL = """
z = W @ h_prev + V @ h_prev
r = R @ x_t + z + h_prev @ K
h_t = tanh(r)
u_t = W @ h_t - R @ h_t
carry: h_prev <- h_t
output: u_t
"""


def by_hand(weights: dict[str, Any], x: Any) -> list[tuple[list[float], list[float]]]:
    """h_t and u_t at each step, from a state of zeros, without numpy."""

    def times(matrix: Any, vector: list[float]) -> list[float]:
        return [sum(w * v for w, v in zip(row, vector, strict=True)) for row in matrix.tolist()]

    h, found = [0.0] * len(weights["W"]), []
    for row in x.tolist():
        parts = times(weights["R"], row), *(times(m, h) for m in (weights["W"], weights["V"], weights["K"].T))
        h = [math.tanh(sum(terms)) for terms in zip(*parts, strict=True)]
        u = [a - b for a, b in zip(times(weights["W"], h), times(weights["R"], h), strict=True)]
        found.append((h, u))
    return found


@pytest.mark.parametrize("plan", ["planned", "lines", *(["compiled"] if ALL and installed() else [])])
@pytest.mark.parametrize("B", some([1, 2, 3], 2))
@pytest.mark.parametrize("H", [1, 2, 3, 4, 5, 8, 9] if ALL else [1, 2])
def test_zero_times_a_weight_that_is_not_finite_is_nan(H: int, B: int, plan: Any) -> None:
    """numpy and BLAS may leave out a product with 0; a state of zeros is a usual one."""
    rng = np.random.default_rng(8)
    for steps, which, value in product(some([1, 2, 3, 40], 1), "WVKR", (np.nan, -np.inf)):
        weights = {name: rng.normal(size=(H, H)) for name in "WVKR"}
        weights[which][rng.integers(H), rng.integers(H)] = value
        x = rng.normal(size=(steps, B, H))
        x[0] = 0
        trace = lt.run(weights, x, cell={"equations": SMALL}, allow_nonfinite=True, plan=plan)
        for b in range(B):
            for t, (h, u) in enumerate(by_hand(weights, x[:, b])):
                np.testing.assert_allclose(trace["h_t"][t, b], h, atol=1e-9, err_msg=f"{which}, {value}, step {t}")
                np.testing.assert_allclose(trace["u_t"][t, b], u, atol=1e-9, err_msg=f"{which}, {value}, step {t}")


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_every_plan_of_a_single_unit_has_the_nan_of_its_weight(cell: str) -> None:
    weights = {name: [[0.5]] for name in named(cell, {"bias": "none"})[0].parameters}
    weights[{"lstm": "W_hi", "gru": "W_hr", "rnn": "W_hh"}[cell]] = [[np.nan]]
    for plan in ("lines", "planned", "auto"):
        assert np.isnan(lt.run(weights, [[1.0]], cell=cell, plan=plan, allow_nonfinite=True)["h_t"]).all(), plan
