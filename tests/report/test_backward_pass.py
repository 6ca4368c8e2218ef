"""The way back in an ordinary report: its formats, its equations, by hand, and what is left out of it."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.backpropagation.gradients import backward
from lstm_trace.documents.result import content_of
from lstm_trace.errors import OptionError
from lstm_trace.report.report import FORMATS as PRINTERS
from lstm_trace.results.gradient import gradient
from lstm_trace.trace.trace import Trace

from .. import ROOT
from ..formulas.test_formulas import visible
from ..support.page_reader import Page
from ..support.tiers import some
from .test_report import q22

W, U, H0, X = "0.53", "-0.27", "0.2", ("1.1", "-0.7", "3.2")
CELL = {"equations": "z_t = w * h_prev + u * x_t\nh_t = tanh(z_t)\ncarry: h_prev <- h_t\noutput: h_t"}


def plain_cell() -> Trace:
    return lt.run({"w": [float(W)], "u": [float(U)]}, [[float(x)] for x in X], h0=[float(H0)], cell=CELL)


def three() -> Trace:
    trace = lt.run(ROOT / "lstm_trace" / "examples" / "three-steps.yaml")
    return replace(trace, header=replace(trace.header, count_from=0))


# -- what L is --------------------------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize(("of", "said", "weights"), [
    ("sum(1..2/h_t[0]) - 2/c_t[1]", "sum(0/forward/1..2/0/h_t[0]) - 0/forward/2/0/c_t[1]", {"h_t", "c_t"}),
    ("- sum(0..1/c_t)", "-sum(0/forward/0..1/0/c_t)", {"c_t"}),
    ("2/h_t[1] + 0/i_t[0]", "0/forward/2/0/h_t[1] + 0/forward/0/0/i_t[0]", {"h_t", "i_t"}),
])  # fmt: skip
def test_a_sum_is_named_and_its_weights_are_introduced(of: str, said: str, weights: set[str]) -> None:
    trace = three()
    text = gradient(trace, of, digits=6).report("text")
    assert text.splitlines()[0] == f"Gradient of {said}"
    opening = " ".join(text.partition("Equations")[0].split())
    terms = {
        "sum(1..2/h_t[0]) - 2/c_t[1]": trace["h_t"][1:, 0, 0].sum() - trace["c_t"][2, 0, 1],
        "- sum(0..1/c_t)": -trace["c_t"][:2].sum(),
        "2/h_t[1] + 0/i_t[0]": trace["h_t"][2, 0, 1] + trace["i_t"][0, 0, 0],
    }
    assert f"L is {said}: L ≈ {terms[of]:.6f}." in opening
    assert set(re.findall(r"holds the weights of (\w+) at step t", opening)) == weights
    assert "outputs" not in opening
    again = gradient(trace, said, digits=6).report("text")
    assert again == text, "what is said can be given as --of"


@pytest.mark.few(0)
def test_a_weighted_sum_of_lines_is_none_of_outputs() -> None:
    seeds = {"h_t": np.full((3, 1, 2), 0.5), "c_t": np.ones((3, 1, 2))}
    text = " ".join(str(lt.backward(three(), seeds=seeds).report("text", alone="back")).split())
    assert text.startswith("Gradient of a weighted sum ")
    assert "L is a sum of values, each times its weight. The vector w_" in text
    assert "the weights of h_t at step t and the vector w_" in text
    output = lt.backward(three(), output=np.full((3, 2), 0.5)).report("text", alone="back")
    assert str(output).startswith("Gradient of the weighted output\n")


# -- one report for both ways -----------------------------------------------------------------------------------------


def test_forward_pass_and_way_back_are_one_solution() -> None:
    text = backward(three(), of="2/h_t[0]").report("md")
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert headings[:4] == ["Given", "Equations", "Solution", "Answers"]
    assert headings[-3:] == ["Backward pass", "Gradients", "By size"]
    steps = re.findall(r"^### Step t = (\d)$", text, re.M)
    assert steps == ["0", "1", "2", "2", "1", "0"]
    assert "An LSTM cell with 2 units reads 3 steps of 2 numbers." in text


@pytest.mark.few(1)
@pytest.mark.parametrize("format", PRINTERS)
def test_every_format_has_the_symbols_and_the_numbers(format: str) -> None:
    found = gradient(three(), "2/h_t[0]", digits=8)
    text = re.sub("<script.*?</script>", "", found.report(format), flags=re.S)  # the equations of its trace
    assert "seed" not in text
    assert "d_c_t" not in text
    shown = visible(text) if format == "html" else text
    for value in ("0.4260426", "0.23538903", "0.11363403", "0.02763067", "0.05315491"):
        assert value in shown
    partial = {"md": r"\frac{\partial L}{\partial c_t}", "tex": r"\frac{\partial L}{\partial c_t}"}
    partial |= {
        "text": "∂L/∂c_t|next",
        "typ": "frac(∂ L, ∂ c_t)",
        "html": "<mo>∂</mo><msub><mi>c</mi><mi>t</mi></msub>",
    }
    assert partial[format] in text


@pytest.mark.few(0)
def test_the_page_folds_the_steps_and_begins_with_the_last() -> None:
    text = gradient(three(), "2/h_t[0]").report("html")
    Page(text)
    assert re.findall(r'<details class="step" data-t="(\d)"', text) == ["2", "1", "0"]
    assert 'max="2" value="2"></label> <output>2</output>' in text
    whole = backward(three(), of="2/h_t[0]").report("html")
    Page(whole)
    assert re.findall(r'<details class="step" data-t="(\d)"', whole) == ["0", "1", "2", "2", "1", "0"]
    assert whole.count('class="no-step"') == text.count('class="no-step"') == 1
    # a gradient that another line reads is a link to where it was made
    made = re.search(r'id="(n\w+)" data-a="∂L/∂ 0/forward/2/0/z_i\[0\]"', text)
    assert made
    assert text.count(f'href="#{made[1]}"') >= 6


def test_a_pdf() -> None:
    pytest.importorskip("typst")
    assert content_of(gradient(q22(), "h_t[0]"), "pdf").startswith(b"%PDF")


def test_equations_in_the_notation_of_the_report() -> None:
    text = gradient(three(), "2/h_t[0]", equations=True, width=200).report("text")
    for equation in (
        "∂L/∂h_t = w_t + ∂L/∂h_t|next",
        "∂L/∂c_t = ∂L/∂tanh(c_t) ⊙ (1 - tanh(c_t)²) + ∂L/∂c_t|next",
        "∂L/∂z_o = ∂L/∂o_t ⊙ o_t ⊙ (1 - o_t)",
        "∂L/∂h_t|next ← ∂L/∂h_{t-1}",
        "∂L/∂W_xi = Σ_t ∂L/∂z_i x_tᵀ",
        "∂L/∂b_i = Σ_t ∂L/∂z_i",
    ):
        assert f"  {equation}\n" in text
    assert "w_t is 1 for h_t[0], the value that L denotes, and 0 elsewhere." in text
    assert "unit 0" not in text


# -- by hand ----------------------------------------------------------------------------------------------------------


def by_hand(places: int, last: int) -> dict[str, list[Decimal]]:
    """The plain cell forward and back, every result rounded half away from zero, in the order of its equations."""
    step = Decimal(1).scaleb(-places)

    def r(value: Any) -> Decimal:
        return Decimal(str(value)).quantize(step, ROUND_HALF_UP)

    w, u, h = Decimal(W), Decimal(U), Decimal(H0)
    before, after = [], []
    for x in X:
        before.append(h)
        h = r(np.tanh(float(r(r(w * h) + r(u * Decimal(x))))))
        after.append(h)
    found: dict[str, list[Decimal]] = {"z_t": [], "x_t": [], "h_prev": []}
    d = Decimal(1)
    for t in reversed(range(last + 1)):
        slope = r(1 - r(after[t] * after[t]))
        d_z = r(d * slope)
        found["z_t"].append(d_z)
        found["x_t"].append(r(d_z * u))
        d = r(d_z * w)
        found["h_prev"].append(d)
    return found


@pytest.mark.parametrize("places", [1, 2, 4])
def test_by_hand_every_gradient_is_what_a_person_notes(places: int) -> None:
    wanted = by_hand(places, 2)
    found = gradient(plain_cell(), "2/h_t[0]", arithmetic=f"by-hand-{places}")
    assert found.back is not None
    lines = {name: found.back[f"d_{name.replace('_prev', '_before')}"].ravel()[::-1] for name in wanted}
    assert {name: [Decimal(str(v)) for v in values] for name, values in lines.items()} == wanted
    text = found.report("text")
    for value in wanted["z_t"]:
        assert f"≈ {float(value)}" in text or f"= {float(value)}" in text
    assert found.back.header.arithmetic == f"by-hand-{places}"


# -- what is left out -------------------------------------------------------------------------------------------------


def test_what_l_does_not_depend_on_is_not_printed() -> None:
    text = gradient(three(), "1/c_t[1]").report("text")
    assert "── Step t = 2 ──" not in text
    first = text.split("── Step t = 1 ──")[1].split("── Step t = 0 ──")[0]
    assert "∂L/∂o_t" not in first  # c_t does not read the output gate of its own step
    assert "∂L/∂c_t\n" in first
    assert "∂L/∂o_t" in text.split("── Step t = 0 ──")[1]


@pytest.mark.few(0)
def test_the_rows_and_terms_of_padding_are_not_printed() -> None:
    trace = lt.run(ROOT / "lstm_trace" / "examples" / "batch.yaml")
    assert "[valid ≠ 0]" in gradient(trace, "1/0/h_t[0]").report("text")
    assert "[valid = 0]" not in gradient(trace, "1/0/h_t[0]").report("text")
    assert "[valid = 0]" in gradient(trace, "1/0/h_t[0]", everything=True).report("text")


def test_joined_is_refused() -> None:
    with pytest.raises(OptionError, match="the backward pass does not"):
        gradient(q22(), "h_t[0]", notation="joined").report("md")
    assert r"\partial g_t" in gradient(q22(), "h_t[0]", notation="pytorch").report("md")


def test_an_alias_of_the_gradient_of_a_state_has_a_row() -> None:
    cell = {"equations": "s_t = s_prev + x_t * w\ncarry: s_prev <- s_t\noutput: s_t"}
    text = gradient(lt.run({"w": [0.5]}, [[1.0], [2.0], [4.0]], cell=cell), "2/s_t[0]", digits=1).report("text")
    assert text.count("  ∂L/∂s_{t-1} = ∂L/∂s_t = 1.0\n") == 3
    assert text.count("  ∂L/∂s_t = ∂L/∂s_t|next = 1.0\n") == 2
    assert "  ∂L/∂w = Σ_t (∂L/∂s_t ⊙ x_t) = " in text


@pytest.mark.few(0)
@pytest.mark.parametrize("name", ["d_c_before", "d_z_o", "d_x_t"])
@pytest.mark.parametrize("format", ["md", "html", "tex"])
def test_a_gradient_that_was_not_recorded_has_no_row(format: str, name: str) -> None:
    back = lt.backward(three(), of="2/h_t[0]")
    scope = "0/adjoint-forward"
    lines = back.lines | {scope: {n: v for n, v in back.lines[scope].items() if n != name}}
    for detail in some(("scalar", "vector", "summary"), 1):
        assert replace(back, lines=lines).report(format, detail=detail) != back.report(format, detail=detail)
