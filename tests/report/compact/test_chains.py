"""Compact solutions: what is printed, and whether a reader who computes from the page gets what is printed."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.ops import OPS
from lstm_trace.examples import examples, text
from lstm_trace.report.compact.stages import REDUCED
from lstm_trace.trace.trace import Trace

from ...support.chain_reader import Printed, chains, value

#: So far a printed value may be from what the printed numbers before it give, in units of the last decimal.
OFF = 6


def compact(trace: Trace, **options: Any) -> str:
    """A compact report as text, its formulas unbroken; steps are counted from 1 where there are several."""
    return trace.report("text", **{"width": 1000, "count_from": int(trace.steps > 1), **options}, detail="compact")


def read(trace: Trace, **options: Any) -> dict[tuple[str, str], Printed]:
    """The chains of a compact report by step and symbol."""
    return {(found.step, found.symbol): found for found in chains(compact(trace, **options))}


def rows(found: Printed) -> list[str]:
    return [f"{sign} {formula}" for sign, formula in found.stages]


def example(name: str) -> Trace:
    """A problem that `lstm-trace example` prints."""
    import yaml

    return lt.run(yaml.safe_load(text(name)))


def given_kind(kind: str) -> Trace:
    """Two steps of a cell with weights of one decimal."""
    draw = np.random.default_rng(3)

    def some(*shape: int) -> Any:
        return np.round(draw.normal(size=shape), 1)

    cells = {
        "peephole": {"kind": "lstm", "peephole": True},
        "coupled": {"kind": "lstm", "coupled": True},
        "projection": {"kind": "lstm", "projection": True},
        "norm": {"kind": "lstm", "layer_norm": True},
        "slstm": {"kind": "slstm"},
    }
    units = 3 if kind == "projection" else 2
    weights = {f"{w}_{g}": 0 for w in () for g in ()}
    for gate in "ico" if kind == "coupled" else "ifco":
        weights |= {f"W_x{gate}": some(units, 2), f"W_h{gate}": some(units, 2), f"b_{gate}": some(units)}
        if kind == "peephole" and gate != "c":
            weights[f"w_c{gate}"] = some(units)
        if kind == "norm":
            weights |= {f"gamma_{gate}": some(units), f"beta_{gate}": some(units)}
    if kind == "projection":
        weights["W_hr"] = some(2, 3)
    return lt.run(weights, [[1.0, -0.5], [0.5, 2.0]], cell=cells[kind])


# -- what is printed --------------------------------------------------------------------------------------------------


def test_a_gate_is_one_chain_with_its_matrices_filled_in() -> None:
    weights = {"W_xi": [[0.5, -0.2], [0.1, 0.3]], "W_hi": [[0.1, 0.0], [-0.3, 0.2]], "b_i": [0.0, 0.1]}
    trace = lt.run(weights, [0.5, -1.0], h0=[0.2748, -0.2142], ask="i_t")
    assert rows(read(trace)["", "i_t"]) == [
        "= σ([0.5 -0.2; 0.1 0.3] [0.5; -1] + [0.1 0; -0.3 0.2] [0.2748; -0.2142] + [0; 0.1])",
        "≈ σ([0.4500; -0.2500] + [0.0275; -0.1253] + [0; 0.1])",
        "= σ([0.4775; -0.2753])",
        "≈ [0.6172; 0.4316]",
    ]


def test_question_22() -> None:
    found = read(example("q22"))
    assert [f"{c.name}: {c.symbol} {' '.join(rows(c))}" for c in found.values()] == [
        "Input gate: i_t = σ([-1 0 0.2; -1 0 -0.2] [1; 2; 3]) = σ([-0.4000; -1.6000]) ≈ [0.4013; 0.1680]",
        "Forget gate: f_t = σ([1 0 0.1; 1 0 -0.1] [1; 2; 3]) = σ([1.3000; 0.7000]) ≈ [0.7858; 0.6682]",
        "Candidate: c̃_t = tanh([1 0 -0.3; 1 0 -0.3] [1; 2; 3]) = tanh([0.1000; 0.1000]) ≈ [0.0997; 0.0997]",
        "Output gate: o_t = σ([1 1 0.4; 1 -1 -0.4] [1; 2; 3]) = σ([4.2000; -2.2000]) ≈ [0.9852; 0.0998]",
        "Cell state: c_t = [0.4013; 0.1680] ⊙ [0.0997; 0.0997] ≈ [0.0400; 0.0167]",
        "Hidden state: h_t = [0.9852; 0.0998] ⊙ tanh([0.0400; 0.0167]) "
        "≈ [0.9852; 0.0998] ⊙ [0.0400; 0.0167] ≈ [0.0394; 0.0017]",
    ]


def test_equations_are_those_of_the_chains() -> None:
    found = compact(example("q22")).partition("Equations")[2].partition("Solution")[0]
    assert "  i_t = σ(W_xi x_t + W_hi h_{t-1})\n" in found
    assert "z_i" not in found


def test_the_terms_of_a_sum_are_evaluated_at_once() -> None:
    found = rows(read(example("gru"))["Step t = 1", "h̃_1"])
    assert "([0.77730; 0.43782] ⊙ [0.5; -0.5])" in found[0]
    assert found[1].startswith("≈ tanh([1 -0.5; -0.5 1] [1; 0] + [1 0.5; -0.5 1] [0.3886") or "[1; 0] +" in found[1]
    assert found[2].count("[") == 2


def test_softmax_is_one_step_and_a_loss_says_how() -> None:
    found = read(example("cross-entropy"))
    assert len(found["Step t = 1", "p_1"].stages) == 2
    loss = rows(found["Step t = 1", "L"])
    assert loss[0].startswith("= CrossEntropy([")
    assert loss[1].startswith("= -sum([0; 1; 0] ⊙ LogSoftmax([") or "LogSoftmax" in loss[1]


def test_one_unit_and_one_input_are_numbers() -> None:
    found = read(example("batch"))["Step t = 2, sequence 1", "i_2"]
    assert rows(found)[0] == "= σ((1)(0.5) + (0.5)(0.3696))"


# -- zero -------------------------------------------------------------------------------------------------------------


def test_products_with_zero_are_said_once() -> None:
    report = compact(example("three-steps"))
    assert report.count("h_0 = 0 and c_0 = 0, so every product with them is 0.") == 1
    assert report.count("b_i, b_c and W_ho are zero and are left out.") == 1
    assert report.count("x_3 = 0, so every product with it is 0.") == 1
    found = read(example("three-steps"))
    assert rows(found["Step t = 1", "c_1"])[0] == "= [0.8808; 0.1192] ⊙ [0.9640; 0.0000]"
    assert rows(found["Step t = 3", "o_3"])[0] == "= σ([0; 0.5])"


def test_a_gate_of_zeros_alone_is_shown() -> None:
    trace = lt.run({"W_xi": [[1.0], [2.0]], "W_hi": np.eye(2)}, [0.0], ask="i_t")
    assert rows(read(trace)["", "i_t"]) == ["= σ([0.0000; 0.0000])", "= [0.5000; 0.5000]"]


def test_a_state_that_is_nothing_but_zero() -> None:
    own = {"equations": "f_t = sigmoid(W @ x_t)\nc_t = f_t * c_prev\ncarry: c_prev <- c_t\noutput: c_t"}
    found = read(lt.run({"W": np.eye(2)}, [1.0, 2.0], cell=own))
    assert rows(found["", "c_t"]) == ["= [0.0000; 0.0000]"]


def test_infinity_times_zero_is_not_left_out() -> None:
    trace = lt.run({"W_xi": [[np.inf]], "W_hi": [[1.0]]}, [0.0], ask="i_t", allow_nonfinite=True)
    assert "(∞)(0)" in compact(trace)


# -- what is chosen ---------------------------------------------------------------------------------------------------


def test_a_chosen_line_stands_with_what_it_needs() -> None:
    found = read(example("three-steps"), only=["i_t"])
    assert {symbol for _, symbol in found} == {"i_1", "i_2", "i_3"}
    assert rows(found["Step t = 1", "i_1"])[0] == "= σ([1 -1; -1 1] [2; 0])"
    apart = read(example("three-steps"), only=["z_i", "i_t"])
    assert rows(apart["Step t = 1", "i_1"])[0] == "= σ([2.0000; -2.0000])"


def test_a_unit_has_its_numbers() -> None:
    found = read(example("three-steps"), unit=1)
    assert rows(found["Step t = 1", "i_1"])[0] == "= σ((-1)(2) + (1)(0) + (0)(0) + (0.5)(0) + 0)"
    assert rows(found["Step t = 3", "h_3"])[-1] == "≈ 0.3379"


def test_padding_is_what_is_held() -> None:
    report = compact(example("batch"))
    step = report.partition("Step t = 2, sequence 3")[2].partition("──\n")[2].partition("──")[0]
    assert "its states are kept" in step
    assert "h_1 ≈ -0.1010   c_1 ≈ -0.2048" in step
    assert "where" not in report.partition("Solution")[2]


def test_large_matrices_stand_by_their_names() -> None:
    draw = np.random.default_rng(0)
    weights = {f"W_{s}{g}": draw.normal(size=(7, 7)) for s in "xh" for g in "ifco"}
    report = compact(lt.run(weights, np.ones((1, 7))))
    assert "The matrices are too large to be filled in: the formulas use their names." in report
    assert "i_t = σ(W_xi [1; 1; 1; 1; 1; 1; 1]) ≈ σ([" in report


def test_a_sum_that_is_too_wide_is_a_chain_of_its_own() -> None:
    draw = np.random.default_rng(0)
    weights = {f"W_{s}{g}": draw.normal(size=(4, 4)) for s in "xh" for g in "ifco"}
    trace = lt.run(weights, draw.normal(size=(2, 4)))
    found = [printed.symbol for printed in chains(compact(trace)) if printed.step == "Step t = 1"]
    assert found[:2] == ["z_i", "i_1"]
    assert "z_i = W_xi x_t + W_hi h_{t-1}" in compact(trace)


# -- computed from the page -------------------------------------------------------------------------------------------


def check(report: str, digits: int) -> int:
    """Hold each formula against the one before it; how many were."""
    held = 0
    for found in chains(report):
        for before, after in zip(found.stages, found.stages[1:], strict=False):
            try:
                left, right = value(before.text), value(after.text)
            except ValueError:
                continue  # a symbol, or a function that the reader does not know
            pairs = [(a, b) for x, y in zip(left, right, strict=True) for a, b in zip(x, y, strict=True)]
            equal = all(a == b for a, b in pairs)
            where = f"{found.step} {found.symbol}: {before.text} {after.sign} {after.text}"
            assert after.sign == "≈" or equal, where
            exact = all(isinstance(number, Fraction) for pair in pairs for number in pair)
            assert after.sign == "=" or not (equal and exact), where
            assert all(abs(float(a) - float(b)) <= OFF * 10.0**-digits for a, b in pairs), where
            held += 1
    return held


@pytest.mark.few(0)
@pytest.mark.parametrize("name", examples())
def test_a_reader_gets_what_is_printed(name: str) -> None:
    for digits in (4, 6):
        assert check(compact(example(name), digits=digits), digits) > 0


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", ["peephole", "coupled", "projection", "norm", "slstm"])
def test_a_reader_gets_what_is_printed_of_every_kind(kind: str) -> None:
    assert check(compact(given_kind(kind), digits=6), 6) > 20


def test_narrow_text_says_the_same() -> None:
    trace = given_kind("peephole")
    narrow = list(chains(compact(trace, width=60)))
    assert [(c.symbol, c.stages) for c in narrow] == [(c.symbol, c.stages) for c in chains(compact(trace))]
    assert max(map(len, compact(trace, width=60).splitlines())) <= 61  # a tilde over a letter is a character


@pytest.mark.few(0)
def test_a_chain_alone_in_its_display_is_aligned() -> None:
    """A sign of alignment that belongs to no matrix stands in an environment that has columns."""
    for name in ("q19", "q22", "gru", "custom-cell"):
        for math, display in (("github", r"```math\n(.*?)\n```"), ("dollars", r"\$\$\n?(.*?)\n?\$\$")):
            found = re.findall(display, example(name).report(detail="compact", math=math), re.S)
            assert found
            for formula in found:
                rest = re.sub(r"\\begin\{bmatrix\}.*?\\end\{bmatrix\}", "", formula, flags=re.S)
                assert "&" not in rest or rest.startswith((r"\begin{aligned}", "\\boxed{\n\\begin{aligned}")), formula


def test_every_reduction_is_written_out() -> None:
    assert set(REDUCED) == {name for name, op in OPS.items() if op.reduces}


@pytest.mark.few(0)
def test_a_number_for_all_units_serves_a_chosen_one() -> None:
    cell, draw = {"kind": "lstm", "layer_norm": True}, np.random.default_rng(0)
    weights: dict[str, Any] = {}
    for g in "ifco":
        weights |= {f"W_x{g}": draw.normal(size=(2, 1)), f"W_h{g}": draw.normal(size=(2, 2))}
        weights |= {f"gamma_{g}": np.ones(2), f"beta_{g}": np.zeros(2)}
    trace = lt.run(weights, [[1.0], [2.0]], cell=cell)
    for format in ("tex", "typ", "text"):
        last = trace["h_t"][-1, 0, 1]
        assert f"{last:.3f}" in trace.report(format, detail="compact", unit=1, digits=3)
