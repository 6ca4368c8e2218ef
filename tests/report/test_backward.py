"""Back-propagation as a worked solution: its numbers are the gradients, and what is printed adds up as printed."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.backpropagation.gradients import walked
from lstm_trace.backpropagation.run import line_gradients
from lstm_trace.backpropagation.target import one_value
from lstm_trace.cell.ops import OPS
from lstm_trace.cell.rules import DERIVATIVE
from lstm_trace.cli import main
from lstm_trace.results.gradient import gradient
from lstm_trace.trace.trace import Trace

from .. import ROOT
from ..support.backward_reader import evaluated, matrices, number, rows
from ..support.seeds import add_value
from ..support.table_cases import stacked
from ..support.tiers import some
from ..verification.test_verify import CELLS, traced
from .test_report import lstm, q22

GOLDEN = ROOT / "tests" / "golden" / "backward_q22.md"

D = r"\frac{\partial L}{\partial %s}"
SYMBOLS = {
    **{f"z_{g}": f"z_{g}" for g in "ifco"},
    **{f"{g}_t": f"{g}_t" for g in "ifoch"},
    "c_tilde": r"\tilde{c}_t",
    "tanh(c_t)": r"\tanh(c_t)",
}

#: Equations that have every operation, each with numbers at which it is smooth.
EVERY = """
a_t = W @ x_t + V @ h_prev - b
s_t = sigmoid(a_t) + -tanh(a_t) * exp(a_t) + sin(a_t) * cos(3 * a_t) - floor(a_t)
p_t = softplus(a_t) + 1.5
q_t = log(p_t) + sqrt(p_t)
e_t = s_t / p_t
r_t = relu(a_t) + affine(a_t, 2, 1) + leaky_relu(a_t, 0.1) + thresholded_relu(a_t, 0.2)
k_t = scaled_tanh(a_t, 1.5, 0.5) + hard_sigmoid(a_t) + elu(a_t, 0.5) + softsign(a_t)
m_t = max(r_t, k_t) + clip(s_t, -0.5, 0.5) + where(x_t, e_t, q_t)
n_t = m_t
u_t = exp(n_t - max(n_t))
v_t = sum(u_t)
w_t = u_t / v_t
g_t = concat(w_t, mean(n_t))
o_t = outer(w_t[1:3], g_t)
l_t = U @ (g_t + w_t[0:2] @ o_t)
h_t = l_t[1:3] + (g_t @ K) * (q_t > 1.5)[0:2] + o_t @ concat(w_t, w_t[0:1])
carry: h_prev <- h_t
output: h_t
"""


def worked(trace: Trace, of: str | None = None, seed: Any = None, form: str = "md", **options: Any) -> str:
    return gradient(trace, of, seed, **{"digits": 8, "trim": True, **options}).report(form)


def every(seed: int = 0) -> Trace:
    draw = np.random.default_rng(seed)
    weights = {
        n: draw.normal(size=s) for n, s in {"W": (3, 3), "V": (3, 2), "b": (3,), "U": (3, 4), "K": (4, 2)}.items()
    }
    x = draw.normal(size=(3, 3))
    x[1, 1] = 0
    return lt.run(weights, x, cell={"equations": EVERY}, h0=draw.normal(size=2))


def check(text: str, least: int) -> None:
    """What is printed before a sign comes to what is printed after it."""
    exact = shown = 0
    for row in rows(text):
        if not row.expression:
            continue
        found, value = evaluated(row.expression), number(row.value)
        shown += 1
        if row.sign == "=":
            assert found == value, row
            exact += 1
        else:
            size = max(1.0, *(abs(float(n)) for n in _numbers(row.expression)))
            assert abs(float(found) - float(value)) < 60e-8 * size**2, row
    assert shown > least, shown


def _numbers(expression: str) -> list[Fraction]:
    import re

    return [Fraction(n) for n in re.findall(r"\d+\.\d+", expression)]


def test_question_22_reads_as_it_should() -> None:
    assert worked(q22(), "h_t[0]") == GOLDEN.read_text(encoding="utf-8")


def test_the_table_covers_the_operations() -> None:
    assert set(DERIVATIVE) | {"add", "concat", "slice"} == set(OPS)


@pytest.mark.few(0)
@pytest.mark.parametrize("of", ["2/0/h_t[1]", "1/1/c_t[0]", "0/0/z_f[2]"])
def test_every_gradient_is_that_of_the_walk(of: str) -> None:
    trace = lstm()
    seeds: dict[str, dict[str, np.ndarray]] = {}
    value = one_value(trace, of)
    add_value(trace, seeds, value)
    found = line_gradients(walked(trace, seeds, record=True))["0/forward"]
    names = {D % symbol: name for name, symbol in SYMBOLS.items()}
    met = set()
    for row in rows(worked(trace, of, detail="scalar", everything=True)):
        if row.place.startswith("Step t") and row.symbol in names:
            t = int(row.place.split("=")[1].split(",")[0])
            right = found[names[row.symbol]][t, value.b, row.unit]
            assert abs(float(number(row.value)) - right) <= 0.5001e-8, row
            met.add((names[row.symbol], t, row.unit))
    last = "h_t" if of.startswith("2") else "c_t" if of.startswith("1") else "z_f"
    assert (last, value.t, *(value.unit or ())) in met
    assert len(met) >= (len(SYMBOLS) * 4 * value.t if value.t else 4)


@pytest.mark.few(0)
def test_the_sums_are_the_gradients_of_the_parameters() -> None:
    trace = lstm()
    found = lt.gradients(trace, of="2/0/h_t[1]")
    met = 0
    for row in rows(worked(trace, "2/0/h_t[1]", detail="scalar", everything=True)):
        for gate in "ifco":
            for side in "xh":
                if row.place == "Gradients" and row.symbol == D % f"b_{{{side}{gate}}}":
                    assert abs(float(number(row.value)) - found[f"0/forward/b_{side}{gate}"][row.unit]) < 0.5001e-8
                    met += 1
    assert met == 8 * 4


def test_every_matrix_is_the_sum_of_its_columns_times_rows() -> None:
    trace = lstm(2, 3, 3, 1)
    found = lt.gradients(trace, of="2/h_t[1]")
    met = set()
    for block in matrices(worked(trace, "2/h_t[1]", detail="scalar", everything=True).split("\n## Gradients\n")[1]):
        name, parts = block
        *factors, result = parts
        assert len(factors) == 6
        total = sum(np.outer(factors[k], factors[k + 1]) for k in range(0, 6, 2))
        np.testing.assert_allclose(total, result, rtol=0, atol=1e-7)
        np.testing.assert_allclose(result, found[f"0/forward/{name}"], rtol=0, atol=0.5001e-8)
        met.add(name)
    assert met == {f"W_{side}{gate}" for side in "xh" for gate in "ifco"}


@pytest.mark.few(0)
@pytest.mark.parametrize("options", some(CELLS, 2), ids=str)
def test_every_cell(options: dict[str, Any]) -> None:
    trace = traced(options, layers=1, both=False, lengths=[4, 2])
    check(worked(trace, "3/0/h_t[1]", detail="scalar", everything=True), 200)
    for detail in ("vector", "summary"):
        assert "Gradients" in worked(trace, "3/0/h_t[1]", detail=detail, form="text")


@pytest.mark.few(0)
def test_every_operation() -> None:
    trace = every()
    assert {line.op for line in trace.stages[0].lines} == set(OPS)
    check(worked(trace, "2/h_t[0]", detail="scalar", everything=True), 130)
    worked(trace, "2/h_t[0]", detail="vector")


def test_what_nothing_comes_back_to_is_said_and_not_shown() -> None:
    text = worked(stacked(3, 1, 1, 2), "0/joined/1/y_t[0]")
    assert "Nothing comes back to layer 0, reverse: all its gradients are zero." in text
    assert "### Layer 0, reverse" not in text
    assert "step t = 2" not in text


def test_two_steps_of_a_plain_cell_by_hand() -> None:
    w, u, h0, x = 0.5, -0.25, 0.2, (1.0, 3.0)
    trace = lt.run(
        {"w": [w], "u": [u]}, [[x[0]], [x[1]]], h0=[h0],
        cell={"equations": "h_t = tanh(w * h_prev + u * x_t)\ncarry: h_prev <- h_t"},
    )  # fmt: skip
    h1 = math.tanh(w * h0 + u * x[0])
    h2 = math.tanh(w * h1 + u * x[1])
    second = 1 - h2 * h2
    first = second * w * (1 - h1 * h1)
    text = worked(trace, "1/h_t[0]", form="text")
    for value in (
        second,
        second * w,
        first,
        first * w,
        second * u,
        second * h1 + first * h0,
        second * x[1] + first * x[0],
    ):
        assert f"≈ {value:.8f}".rstrip("0") in text, value
    assert f"  ∂L/∂h_t = ∂L/∂h_t|next ≈ {second * w:.8f}".rstrip("0") in text
    assert "  ∂L/∂w = Σ_t (∂L/∂(w ⊙ h_{t-1} + u ⊙ x_t) ⊙ h_{t-1})\n" in text


def test_equal_only_where_the_shown_digits_are_all() -> None:
    trace = lt.run(
        {"w": [0.25]}, [[1.0], [2.0], [4.0]], h0=[1.0],
        cell={"equations": "h_t = w * h_prev + x_t\ncarry: h_prev <- h_t"},
    )  # fmt: skip
    text = worked(trace, "2/h_t[0]", form="text", digits=2)
    assert "= (1.0)(0.25) = 0.25\n" in text
    assert "= (0.25)(0.25) ≈ 0.06\n" in text
    assert "= (0.06)(0.25) ≈ 0.02\n" in text
    text = worked(trace, "2/h_t[0]", form="text")
    assert "= (0.0625)(0.25) = 0.015625\n" in text


def test_formulas_in_symbols() -> None:
    text = worked(lstm(2, 2, 2, 1), "1/h_t[0]", form="text", width=200)
    for formula in (
        "∂L/∂c_t = ∂L/∂tanh(c_t) ⊙ (1 - tanh(c_t)²) + ∂L/∂c_t|next",
        "∂L/∂h_{t-1} = W_hiᵀ ∂L/∂z_i + W_hfᵀ ∂L/∂z_f + W_hcᵀ ∂L/∂z_c + W_hoᵀ ∂L/∂z_o",
        "∂L/∂c_{t-1} = ∂L/∂c_t ⊙ f_t",
        "∂L/∂z_i = ∂L/∂i_t ⊙ i_t ⊙ (1 - i_t)",
        "∂L/∂W_xi = Σ_t ∂L/∂z_i x_tᵀ",
        "∂L/∂b_xi = Σ_t ∂L/∂z_i",
    ):
        assert f"  {formula}" in text, formula


def test_on_the_command_line(tmp_path: Path) -> None:
    problem = tmp_path / "q22.yaml"
    problem.write_text(CliRunner().invoke(main, ["example", "q22"]).output)
    words = ["explain", "gradient", str(problem), "--of", "h_t[0]"]
    run = CliRunner().invoke(main, [*words, "--digits", "3", "--only", "z_c"])
    assert run.exit_code == 0, run.output
    assert r"\frac{\partial L}{\partial z_c}" in run.output
    assert r"\approx 0.391" in run.output
    assert CliRunner().invoke(main, [*words, "-o", str(tmp_path / "g.txt")]).exit_code == 0
    assert "── Forget gate f_t ──" in (tmp_path / "g.txt").read_text(encoding="utf-8")
    run = CliRunner().invoke(main, ["explain", "memory", str(problem), "--of", "c_t[0]", "--digits", "3"])
    assert run.exit_code == 2
    assert "--digits belongs to explain gradient" in run.stderr
