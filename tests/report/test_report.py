"""The worked solution: what is printed is what was recorded, and what is printed as equal is equal."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.results.explanation import explanation
from lstm_trace.trace.trace import Trace

from .. import ROOT
from ..support.report_reader import LINES, half_digit, number, rows, value_of
from ..support.table_cases import stacked

GOLDEN = ROOT / "tests" / "golden"


QUESTION_22 = {
    "title": "Question 22",
    "weights": {
        "W_xi": [[-1.0, 0.0, 0.2], [-1.0, 0.0, -0.2]],
        "W_hi": [[0.0, 1.0], [0.0, -1.0]],
        "W_xf": [[1.0, 0.0, 0.1], [1.0, 0.0, -0.1]],
        "W_hf": [[0.0, 1.0], [0.0, -1.0]],
        "W_xc": [[1.0, 0.0, -0.3], [1.0, 0.0, -0.3]],
        "W_hc": [[0.0, 1.0], [0.0, -1.0]],
        "W_xo": [[1.0, 1.0, 0.4], [1.0, -1.0, -0.4]],
        "W_ho": [[0.0, 1.0], [0.0, -1.0]],
    },
    "x": [1.0, 2.0, 3.0],
    "h0": [0.0, 0.0],
    "c0": [0.0, 0.0],
    "ask": ["o_t", "c_t", "tanh(c_t)", "h_t"],
}


def q22() -> Trace:
    return lt.run(QUESTION_22)


def lstm(units: int = 4, inputs: int = 5, steps: int = 3, batch: int = 2, seed: int = 7, **options: Any) -> Trace:
    """Two biases, states that are not zero, numbers with two decimals."""
    draw = np.random.default_rng(seed)

    def some(*shape: int) -> Any:
        return draw.normal(size=shape).round(2)

    weights = {}
    for g in "ifco":
        weights |= {f"W_x{g}": some(units, inputs), f"W_h{g}": some(units, units)}
        weights |= {f"b_x{g}": some(units), f"b_h{g}": some(units)}
    return lt.run(weights, some(steps, batch, inputs), h0=some(1, batch, units), c0=some(1, batch, units), **options)


@pytest.mark.parametrize("format", ["md", "text"])
def test_question_22_reads_as_it_should(format: str) -> None:
    kept = GOLDEN / f"report_q22.{format}"
    assert q22().report(format) == kept.read_text(encoding="utf-8")


@pytest.mark.few(0)
@pytest.mark.parametrize("digits", [2, 4, 8, 12])
def test_every_number_is_the_recorded_one(digits: int) -> None:
    trace = lstm()
    printed = list(rows(trace.report(detail="scalar", digits=digits, everything=True)))
    recorded = trace.lines["0/forward"]
    assert len(printed) == sum(values.size for values in recorded.values())
    assert {p.line for p in printed} == set(recorded) == set(LINES.values())
    for p in printed:
        value = recorded[p.line][p.step, p.row, p.unit]
        assert abs(number(p.value) - Fraction(float(value))) <= half_digit(p.value, digits) * Fraction(1001, 1000), p


@pytest.mark.few(0)
@pytest.mark.parametrize("digits", [3, 8])
def test_every_printed_equality_is_true(digits: int) -> None:
    equal = 0
    for p in rows(lstm().report(detail="scalar", digits=digits, everything=True)):
        found = value_of(p.expression)
        if p.sign == "=":
            assert found == number(p.value), p
            equal += 1
        else:  # as near as numbers with so many digits let it be
            assert abs(float(found) - float(number(p.value))) < 60 * 10.0**-digits, p
    assert equal > (16 if digits == 3 else 130)


@pytest.mark.few(0)
def test_products_of_decimals_are_equal_and_functions_are_not() -> None:
    """Inputs and weights have two decimals, so their products have four: a report with eight shows them exactly."""
    signs: dict[str, set[str]] = {}
    for p in rows(lstm().report(detail="scalar", everything=True)):
        signs.setdefault(p.line, set()).add(p.sign)
    assert {signs[f"W_x{g} @ x_t"] == {"="} for g in "ifco"} == {True}
    assert {signs[name] == {r"\approx"} for name in ("i_t", "f_t", "o_t", "c_tilde", "tanh(c_t)", "h_t")} == {True}


def test_details() -> None:
    trace = q22()
    scalar, vector, summary = (trace.report("text", detail=d) for d in ("scalar", "vector", "summary"))
    assert "    unit 0: (-1)(1) + (0)(2) + (0.2)(3) = -0.4000\n" in scalar
    assert "z_i = W_xi x_t + W_hi h_{t-1}\n      = [-0.4000, -1.6000] + [0.0000, 0.0000]\n" in vector
    assert "  i_t = σ(z_i) = σ([-0.4000, -1.6000]) ≈ [0.4013, 0.1680]\n" in vector
    assert "  i_t ≈ [0.4013, 0.1680]\n  f_t ≈ [0.7858, 0.6682]\n" in summary
    assert "unit 0:" not in vector + summary
    assert trace.report("text") == scalar


def test_premises_equations_answers_and_words() -> None:
    text = q22().report("text")
    order = ["Given", "x_t = [1, 2, 3]", "W_xi = [ -1  0   0.2 ]", "Wanted: o_t, c_t, tanh(c_t) and h_t.",
             "Equations", "c_t = f_t ⊙ c_{t-1} + i_t ⊙ c̃_t", "Solution", "Input gate i_t", "Hidden state h_t",
             "Answers", "h_t ≈ [0.0394, 0.0017]", "In words",
             "Of the candidate, the input gate lets in 40\u00a0% in unit 0 (0.0997 becomes"]  # fmt: skip
    places = [text.index(part) for part in order]
    assert places == sorted(places)


SOME: dict[str, Any] = {
    "stack": lambda: stacked(4, 2, 2, 2, lengths=[4, 2]),
    "reverse": lambda: stacked(3, 1, 1, 2, directions=("reverse",)),
    "one": lambda: lstm(1, 1, 1, 1),
    "wide": lambda: lstm(20, 30, 2, 1),
}


@pytest.mark.few(1)
@pytest.mark.parametrize("detail", ["scalar", "vector", "summary"])
@pytest.mark.parametrize("case", SOME)
def test_fits_and_is_well_formed(case: str, detail: str) -> None:
    trace = SOME[case]()
    for width in (60, 80):
        for line in trace.report("text", detail=detail, width=width).splitlines():
            assert len(line.replace("\u0303", "")) <= width, line
    markdown = trace.report(detail=detail)
    shown = markdown.count("```math\n")
    assert shown == markdown.count("\n```\n")
    assert shown > 3 if detail != "summary" or trace.steps == 1 else shown == 0  # a table over steps has no formulas
    inside = "".join(re.findall(r"```math\n(.*?)\n```", markdown, re.DOTALL))
    outside = re.sub(r"```math\n.*?\n```", "", markdown, flags=re.DOTALL)
    assert "$" not in re.sub(r"\$`[^`]*`\$", "", outside)
    assert "$" not in inside
    assert r"\operatorname" not in markdown  # GitHub refuses it
    for left, right in ((r"\begin{", r"\end{"), ("{", "}")):
        assert inside.count(left) == inside.count(right)


@pytest.mark.few(0)
def test_all_leaves_nothing_out() -> None:
    trace = lstm(12, 14, 2, 1)
    short, whole = (list(rows(trace.report(detail="scalar", everything=e))) for e in (False, True))
    assert len(short) < len(whole) == sum(values.size for values in trace.lines["0/forward"].values())
    assert r"\cdots" not in trace.report(detail="scalar", everything=True)
    assert len(whole[0].expression.split(" + ")) == 14


def test_selection() -> None:
    trace = lstm()
    found = list(rows(trace.report(only=["c_t", "h_t"], steps=slice(1, 3), batch=1, unit=2)))
    assert [p[:4] for p in found] == [(t, 1, name, 2) for t in (1, 2) for name in ("c_t", "h_t")]
    with pytest.raises(lt.errors.MissingError, match="did you mean 'c_t'"):
        trace.report(only="c_tt")
    with pytest.raises(lt.errors.MissingError, match="'W_xi' is a premise"):
        trace.report(only="W_xi")
    with pytest.raises(lt.errors.OptionError, match="no detail 'scalars'; did you mean 'scalar'"):
        trace.report(detail="scalars")
    with pytest.raises(lt.errors.OptionError, match="no format 'docx'"):
        trace.report("docx")


def test_labels() -> None:
    names = {"x": ["hours", "pages", "coffee"], "h": ["tired", "awake"]}
    weights = {"W_xi": [[-1, 0, 0.2], [-1, 0, -0.2]], "W_hi": [[0, 1], [0, -1]]}
    trace = lt.run({"weights": weights, "x": [1, 2, 3], "h0": [0, 0], "ask": ["i_t"], "names": names})
    text = trace.report("text")
    assert "  hours  pages  coffee\n      1      2       3\n" in text
    assert "    unit 1 (awake): σ(-1.6000) ≈ 0.1680\n" in text


def test_text_of_the_author_is_not_markup() -> None:
    weights = {"W_xi": [[1.0]], "W_hi": [[1.0]]}
    problem = {"title": "a_b *c* <script> \\$x\\$ `d`", "weights": weights, "x": [1.0], "h0": [0.0], "ask": ["i_t"]}
    first = lt.run(problem).report().splitlines()[0]
    assert first == r"# a\_b \*c\* &lt;script&gt; \$x\$ \`d\`"
    cell = {"equations": "my_gate = sigmoid(W @ x_t)\nother_t = my_gate * x_t\noutput: other_t"}
    own = {"weights": {"W": [[2.0]]}, "cell": cell, "x": [1.0], "symbols": {"other_t": "\\psi_t```"}}
    report = lt.run(own).report()
    assert r"\mathrm{my\_gate} = \sigma(W\,x_t)" in report
    assert r"\psi_t^{\prime \prime \prime} = \mathrm{my\_gate} \odot x_t" in report
    assert "- Of $`x_t`$, the gate $`\\mathrm{my\\_gate}`$ lets through 88\u00a0%.\n" in report


def test_gates_of_any_cell() -> None:
    gru = (
        "r_t = sigmoid(W_xr @ x_t + W_hr @ h_prev)\nu_t = sigmoid(W_xu @ x_t + W_hu @ h_prev)\n"
        "k_t = tanh(W_xk @ x_t + W_hk @ (r_t * h_prev))\nh_t = u_t * h_prev + (1 - u_t) * k_t\n"
        "carry: h_prev <- h_t\noutput: h_t"
    )
    draw = np.random.default_rng(3)
    weights = {f"W_{s}{g}": draw.normal(size=(2, 2)).round(1) for s in "xh" for g in "ruk"}
    text = lt.run(weights, [[1.0, -1.0]], cell={"equations": gru}, initial={"h_prev": [0.5, 0.0]}).report("text")
    for heading in ("Gate r_t", "Gate u_t", "State h_t"):
        assert f"── {heading} ──" in text
    assert "- Of h_{t-1}, the gate r_t lets through" in text
    assert "- Of h_{t-1}, the gate u_t takes" in text
    assert "k_t makes up the rest." in " ".join(text.split())


def test_coupled_gate_is_a_gate() -> None:
    weights = {f"W_{s}{g}": [[0.5]] for s in "xh" for g in "ico"}
    text = lt.run(weights, [[1.0]], cell={"kind": "lstm", "coupled": True}, c0=[2.0]).report("text")
    assert "── Forget gate f_t ──\n\n  f_t = 1 - i_t = 1 - 0.62246 = 0.37754\n" in text
    assert "- Of the old cell state, the forget gate keeps 38\u00a0%." in text


def test_what_was_not_recorded_is_not_made_up() -> None:
    from dataclasses import replace

    trace = q22()
    some = {name: trace.lines["0/forward"][name] for name in ("z_i", "i_t", "c_t")}
    text = replace(trace, lines={"0/forward": some}).report("text")
    assert "  z_i = W_xi x_t + W_hi h_{t-1}\n    unit 0 ≈ -0.4000\n" in text
    assert "    unit 0: σ(-0.4000) ≈ 0.4013\n" in text
    assert "Some operands were not recorded" in text
    assert "Wanted: c_t." in text


def test_steps_past_the_length_are_short() -> None:
    trace = stacked(4, 2, 1, 2, directions=("forward",), lengths=[4, 2])
    text = trace.report("text", detail="scalar")
    past = text.partition("── Step t = 3, sequence 1 ──")[2].partition("Answers")[0]
    assert "Step beyond the length of sequence 1: its states are kept." in past
    assert "Input gate" not in past
    assert "  h_{t-1} ← where(valid, h_t, h_{t-1})" in text


@pytest.mark.few(0)
def test_equations_stand_once_with_all_the_layers_that_have_them() -> None:
    rng = np.random.default_rng(3)
    trace = stacked(3, 1, 2, 2, directions=("forward", "reverse"))
    said = {
        "en": "Further equations of layers 0 and 1, joined:",
        "de": "Weitere Gleichungen (Schichten 0 und 1, zusammengeführt):",
        "fr": "Autres équations (couches 0 et 1, sens réunis)\u00a0:",
        "es": "Más ecuaciones (capas 0 y 1, ambas direcciones unidas):",
        "zh": "其他公式（第 0 和 1 层，合并）：",
    }
    for language, sentence in said.items():
        assert trace.report("md", language=language).count(sentence) == 1
    seed = rng.normal(size=trace.output.shape)
    backward = explanation(trace, None, "gradient", seed=seed).report("text")
    assert backward.count(said["en"]) == 1
    one = trace.at(layer=1).report("text")
    assert "Further equations of layer 1, joined:" in one
