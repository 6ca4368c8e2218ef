"""Products of two vectors of one size that are computed side by side: each matrix keeps its own vector."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

TEXTS = {
    "in the loop": (
        "u_t = sigmoid(R @ h_prev)\nv_t = sigmoid(S @ h_prev)\nh_t = tanh(W @ u_t + V @ v_t + Q @ x_t)\n"
        "carry: h_prev <- h_t\noutput: h_t"
    ),
    "two states": (
        "h_t = tanh(W @ h_prev + Q @ x_t)\nm_t = tanh(V @ m_prev + P @ x_t)\n"
        "carry: h_prev <- h_t, m_prev <- m_t\noutput: m_t"
    ),
    "before the loop": "u_t = tanh(R @ x_t)\nv_t = tanh(S @ x_t)\np_t = W @ u_t\nq_t = V @ v_t\nh_t = p_t * q_t",
    "after the loop": (
        "h_t = tanh(Q @ x_t + R @ h_prev)\nu_t = sigmoid(h_t)\nv_t = sigmoid(h_t * b)\np_t = W @ u_t\nq_t = V @ v_t\n"
        "y_t = p_t * q_t\ncarry: h_prev <- h_t\noutput: y_t"
    ),
}  # fmt: skip


@pytest.mark.few(4)
@pytest.mark.parametrize("plan", ["planned", "compiled"])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("name", TEXTS)
def test_each_matrix_keeps_its_vector(name: str, rows: int, plan: Any) -> None:
    if plan == "compiled":
        pytest.importorskip("llvmlite")
    rng = np.random.default_rng(90)
    weights = {n: rng.normal(size=(4, 4)) for n in "PQRSWV"} | {"b": rng.normal(size=4)}
    cell = {"equations": TEXTS[name]}
    used = {n: w for n, w in weights.items() if f"{n} @" in TEXTS[name] or (n == "b" and "* b" in TEXTS[name])}
    x = rng.normal(size=(7, rows, 4))
    found, right = (lt.run(used, x, cell=cell, plan=p) for p in (plan, "lines"))
    for line, values in right.lines["0/forward"].items():
        np.testing.assert_allclose(found[line], values, rtol=1e-12, atol=1e-14, err_msg=line)


@pytest.mark.parametrize("call", ["sum(x_t)", "mean(x_t)", "max(x_t)", "concat(x_t, 1, x_t)"])
def test_what_goes_across_the_units_is_compiled_too(call: str) -> None:
    pytest.importorskip("llvmlite")
    x = np.random.default_rng(91).normal(size=(5, 3, 4))
    cell = {"equations": f"h_t = 0.5 * h_prev + {call}\ncarry: h_prev <- h_t\noutput: h_t"}
    found, right = (lt.run({}, x, cell=cell, plan=p) for p in ("compiled", "lines"))
    assert found.header.plan == "compiled", "not declined"
    np.testing.assert_allclose(found["h_t"], right["h_t"], rtol=1e-12)
