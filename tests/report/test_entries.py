"""What a number of a vector is called: a unit, an input, an output; nothing where it is the only one."""

from __future__ import annotations

import re

import lstm_trace as lt
from lstm_trace.results.gradient import gradient

from ..trace.test_labels import example


def test_a_single_number_follows_its_formula() -> None:
    """A sum, a loss and the lines of a cell with one unit are no units."""
    text = lt.run(example(), ask=["L"]).report("text", width=300)
    assert re.search(r"\n  sum\(exp\(s_t - max\(s_t\)\)\) = [^\n]* \+ [^\n]* [=≈] \d", text)
    assert re.search(r"\n  L = CrossEntropy[^\n]* = -\(-\d[\d.]+\) = \d[\d.]+\n", text)
    one = lt.run({"W_xi": [[0.5, -1]], "W_hi": [[0.25]]}, [1, 2], ask="i_t", h0=[0.0]).report("text")
    assert "  W_xi x_t = (0.5)(1) + (-1)(2) = -1.5000\n" in one
    assert "  i_t = σ(z_i) = σ(-1.5000) ≈ 0.1824\n" in one
    assert "unit 0:" not in text.partition("sum(exp")[2].partition("\n\n")[0] + one


def test_entries_are_named_by_what_they_are() -> None:
    cell = "z = concat(h_prev, x_t)\nh_t = tanh(W @ z)\ny_t = V @ h_t\ncarry: h_prev <- h_t\noutput: y_t"
    weights = {"W": [[0.5, 0.25, 1, 0, 0]] * 2, "V": [[1, -1]] * 2}
    trace = lt.run(weights, [[1, 2, 3]], cell={"equations": cell}, initial={"h_prev": [0.5, -0.5]}, ask=["y_t"])
    found = re.findall(r"^ {4}(\w+ \d)", trace.report("text"), re.M)
    units = ["unit 0", "unit 1"]
    assert found == [*units, "input 0", "input 1", "input 2", *units, *units, "output 0", "output 1"]
    assert "y_t (output 1) " in trace.report("text", unit=1).partition("Answers")[2]


def test_a_table_of_one_number_is_headed_by_its_symbol() -> None:
    answers = lt.run(example(), ask=["L"]).report("text").partition("Answers")[2]
    assert answers.split("L:")[1].split()[:2] == ["t", "L"]


def test_gradients_of_outputs_are_called_so() -> None:
    text = gradient(lt.run(example(), ask=["L"]), "1/L").report("text")
    part = text.partition("  ∂L/∂s_t = ")[2].partition("\n\n")[0]
    assert "output 0 (go):" in part
    assert "unit" not in part


def test_a_map_of_outputs_says_so() -> None:
    cell = "h_t = tanh(W @ x_t + U @ h_prev)\ny_t = V @ h_t\ncarry: h_prev <- h_t\noutput: y_t"
    weights = {"W": [[1, 0]] * 3, "U": [[0.5, 0, -0.5]] * 3, "V": [[1, -1, 0.5]] * 4}
    page = lt.run(weights, [[1, 2], [0, 1]], cell={"equations": cell}).report("html")
    said = re.findall(r"<desc>([^<]*)</desc>", page)[-1]
    assert "y_t: 2 steps, 4 outputs, from " in said
    assert "h_t: 2 steps, 3 units, from " in said
    assert '["output 0","output 1","output 2","output 3"]' in page
    assert '["unit 0","unit 1","unit 2"]' in page
