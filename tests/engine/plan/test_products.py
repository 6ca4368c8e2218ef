"""Plans of cells with `v @ W`, slices and comparisons: a cell in Keras's notation, and the adjoint of an LSTM."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.parse import parse

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
