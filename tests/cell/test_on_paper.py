"""Equations as they are written on paper: each cause is said once, with what to type, and a caret under it."""

from __future__ import annotations

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.on_paper import slips
from lstm_trace.cell.parse import parse
from lstm_trace.errors import CellError, ShapeError
from lstm_trace.formulas.plain import Plain
from lstm_trace.formulas.tree import formula

AT, PREV = "a matrix times a vector is written `W_x @ x_t`", "the previous step's state is written h_prev"

#: The right side of h_t: what is said of it, what is to be typed, and where the caret stands.
WRITTEN = {
    "tanh(W_x x_t)": (AT, "tanh(W_x @ x_t)", "W_x x_t"),
    "σ(W_x x_t + W_h h_{t-1} + b)": (
        f"(σ is typed sigmoid; {AT}; {PREV})",
        "sigmoid(W_x @ x_t + W_h @ h_prev + b)",
        "σ",
    ),
    "W_x x_t + W_h h_{t−1} + b": (f"({AT}; {PREV})", "W_x @ x_t + W_h @ h_prev + b", "W_x x"),
    "W_h @ h_{t-1}": (f"({PREV})", "W_h @ h_prev", "h_{"),
    "W_h @ h_{t - 1}": (f"({PREV})", "W_h @ h_prev", "h_{"),
    "W_h @ h(t-1)": (f"({PREV})", "W_h @ h_prev", "h(t"),
    "W_h @ h[t-1]": (f"({PREV})", "W_h @ h_prev", "h[t"),
    "W_h @ h_t-1": (PREV, "", "h_t-1"),
    "W_h @ h_t - 1": (PREV, "", "h_t - 1"),
    "W_x @ x(t)": ("(x(t) is typed x_t)", "W_x @ x_t", "x(t)"),
    "W_x @ x[t]": ("(x[t] is typed x_t)", "W_x @ x_t", "x[t]"),
    "W_x @ x_{t}": ("(x_{t} is typed x_t)", "W_x @ x_t", "x_{t}"),
    "W_{xi} @ x_t": ("(W_{xi} is typed W_xi)", "W_xi @ x_t", "W_{xi}"),
    "W_{x,i} x_t": ("a matrix times a vector is written `W_xi @ x_t`", "W_xi @ x_t", "W_{x,i}"),
    "W_h (h_prev * x_t)": ("a matrix times a vector is written `W_h @ (…)`", "W_h @ (h_prev * x_t)", "W_h ("),
    "x_t h_prev": ("a product is written `x_t * h_prev`", "x_t * h_prev", "x_t h"),
    "2 x_t": ("a product is written `2 * x_t`", "2 * x_t", "2 x"),
    "(1 - x_t) h_prev": ("a product is written `(…) * h_prev`", "(1 - x_t) * h_prev", ") h_prev"),
    "x_t ⊙ h_prev": ("(⊙ is typed *)", "x_t * h_prev", "⊙"),
    "x_t · h_prev": ("(· is typed *)", "x_t * h_prev", "·"),
    "1 − x_t": ("(− is typed -)", "1 - x_t", "−"),
    r"\sigma(x_t) \odot \tanh(x_t)": (r"(\sigma is typed sigmoid", "sigmoid(x_t) * tanh(x_t)", r"\sigma"),
    "tanh(W_x x_t": (f"({AT})", "", "W_x x_t"),
}


@pytest.mark.parametrize("right", WRITTEN)
def test_what_to_type_is_said_once(right: str) -> None:
    said, typed, place = WRITTEN[right]
    row = f"h_t = {right}"
    with pytest.raises(CellError) as refused:
        parse(f"{row}\ncarry: h_prev <- h_t\noutput: h_t")
    (message,) = refused.value.problems
    head, shown, caret = message.split("\n")
    assert said in head
    assert ("type `" in head) == bool(typed)
    assert not typed or head.endswith(f"; type `{typed}`")
    assert shown[4:] == row
    assert caret.index("^") - 4 == row.index(place)
    if typed:
        assert parse(f"h_t = {typed}\ncarry: h_prev <- h_t\noutput: h_t").output == "h_t"


def test_each_equation_is_told_once() -> None:
    gates = "\n".join(f"{g}_t = σ(W_x{g} x_t + W_h{g} h_{{t-1}} + b_{g})" for g in "zr")
    with pytest.raises(CellError) as refused:
        parse(f"{gates}\nh_t = z_t ⊙ r_t\ncarry: h_prev <- h_t\noutput: h_t")
    assert [message.split(":")[0] for message in refused.value.problems] == ["equation 1", "equation 2", "equation 3"]


@pytest.mark.parametrize("left", ["h_{t}", "h[t]"])
def test_an_index_on_the_left_is_no_second_fault(left: str) -> None:
    with pytest.raises(CellError) as refused:
        parse(f"{left} = tanh(x_t)\ncarry: h_prev <- h_t\noutput: h_t")
    (message,) = refused.value.problems
    assert f"({left} is typed h_t); type `h_t`" in message


def test_a_state_as_on_paper_in_carry() -> None:
    with pytest.raises(CellError, match=r"expected `state <- line` \(the previous step's state is written h_prev\)"):
        parse("h_t = tanh(x_t)\ncarry: h_{t-1} <- h_t\noutput: h_t")


def test_a_matrix_beside_a_star() -> None:
    """It parses, as W may be a vector; where its array is a matrix, @ is named, once for the equation."""
    weights = {"W_x": np.eye(2), "W_h": np.eye(2), "b": [0.0, 0.0]}
    cell = {"equations": "h_t = tanh(W_x * x_t + W_h * h_prev + b)\ncarry: h_prev <- h_t\noutput: h_t"}
    with pytest.raises(ShapeError) as refused:
        lt.run(weights, [[1.0, 2.0]], cell=cell)
    (message,) = refused.value.problems
    assert "a matrix times a vector is written `W_x @ x_t`, `W_h @ h_prev`" in message
    assert message.endswith("\n    " + " " * len("h_t = tanh(") + "^")


@pytest.mark.parametrize("kind", ["lstm", "gru", "slstm", "rnn"])
def test_what_the_pictures_write_is_typed_as_it_was(kind: str) -> None:
    """Each equation as the picture of its cell has it, typed back, is the equation."""
    from lstm_trace.cell.variants import named

    cell = named(kind, {"bias": "one"})[0]
    for line in cell.lines:
        if line.assigned and line.op == "add":
            _, typed = slips(Plain({})(formula(line, cell)))
            rest = "\n".join(row for row in cell.text.splitlines() if not row.startswith(f"{line.name} ="))
            for row in cell.text.splitlines():
                if row.startswith(f"{line.name} ="):
                    assert typed.replace("c̃_t", "c_tilde").replace("h̃_t", "h_tilde") == row.partition("= ")[2], rest


def test_what_is_typed_well_has_no_slips() -> None:
    from lstm_trace.cell.kinds import KINDS
    from lstm_trace.cell.variants import named

    for kind in KINDS:
        for row in named(kind, {"bias": "one"})[0].text.splitlines():
            if "=" in row:
                assert slips(row.partition("= ")[2])[0] == []
