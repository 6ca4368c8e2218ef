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


#: What else is written: the right side of h_t, and what is to be typed.
ADVICE = {
    "Tanh(W_x @ x_t)": "tanh(W_x @ x_t)",
    "ReLU(x_t)": "relu(x_t)",
    "Softmax(x_t)": "softmax(x_t)",
    "Sigmoid(x_t)": "sigmoid(x_t)",
    "SIGMOID(W_x x_t)": "sigmoid(W_x @ x_t)",
    "SquaredError(x_t, h_prev)": "squared_error(x_t, h_prev)",
    "LeakyReLU(x_t)": "leaky_relu(x_t)",
    "logistic(x_t)": "sigmoid(x_t)",
    "tanh W @ x_t": "tanh(W @ x_t)",
    "tanh x_t": "tanh(x_t)",
    "tanh W x_t": "tanh(W @ x_t)",
    "σ x_t": "sigmoid(x_t)",
    "σ x_t ⊙ tanh h_prev": "sigmoid(x_t) * tanh(h_prev)",
    r"\tanh x_t": "tanh(x_t)",
    "tanh W x_t + b": "",  # of the product, or of the sum
    "W^T x_t": "x_t @ W",
    "W^{T} @ x_t": "x_t @ W",
    "Wᵀ h_{t-1} + b": "h_prev @ W + b",
    "x_t ⊙ W^T x_t": "x_t * (x_t @ W)",
    "Σ x_t": "sum(x_t)",
    "∑ x_t": "sum(x_t)",
    r"\sum x_t": "sum(x_t)",
    "tanh(W\u00b7x_t)": "tanh(W@x_t)",
    "tanh(W\u0387x_t)": "tanh(W@x_t)",
    "tanh(W\u22c5x_t)": "tanh(W@x_t)",
    "tanh(W \u2219 x_t)": "tanh(W @ x_t)",
    "U·h_prev": "U@h_prev",
    "U × h_prev": "U @ h_prev",
    r"U \cdot h_{t-1}": "U @ h_prev",
    "x_t·h_prev": "x_t*h_prev",
    "W_x · x_t + U · h_{t-1}": "W_x @ x_t + U @ h_prev",
    "W h_(t-1)": "W @ h_prev",
    "Uh_{t−1}": "U @ h_prev",
    "W_hh_{t-1} + W_xx_t": "W_h @ h_prev + W_xx_t",
    "Wx_{t}": "W @ x_t",
    "W @ hₜ₋₁": "W @ h_prev",
    "W @ xₜ": "W @ x_t",
    "W_xᵢ x_t": "W_xi @ x_t",
    "x_t W": "x_t @ W",
    "(1 - x_t) W": "(1 - x_t) @ W",
    r"x_t \odot W x_t": "x_t * (W @ x_t)",
    "x_t * W (x_t + h_prev)": "x_t * (W @ (x_t + h_prev))",
    "2 W x_t": "2 * (W @ x_t)",
    "W U x_t": "",  # two products that need a name
    "W @ [h_{t-1}, x_t]": "W @ concat(h_prev, x_t)",
    "W · [h_{t-1}, x_t]": "W @ concat(h_prev, x_t)",
    "W [h_prev; x_t]": "W @ concat(h_prev, x_t)",
    "[h_prev; x_t]": "concat(h_prev, x_t)",
    "(1 - x_t)(W @ x_t)": "(1 - x_t) * (W @ x_t)",
    "|x_t|": "max(x_t, -x_t)",
    "|x_t - h_{t-1}|": "max(x_t - h_prev, -(x_t - h_prev))",
    "0,5 * x_t": "0.5 * x_t",
    "h_prev * (0,5 + x_t)": "h_prev * (0.5 + x_t)",
    "X_t x_t": "X_t * x_t",
    r"\frac{1}{2} x_t": "",
    r"\sum_i x_t": "",
    "∑_i x_t": "",
    "||x_t||": "",
}


@pytest.mark.few(35)
@pytest.mark.parametrize("right", ADVICE)
def test_what_is_advised_can_be_read(right: str) -> None:
    with pytest.raises(CellError) as refused:
        parse(f"h_t = {right}\ncarry: h_prev <- h_t\noutput: h_t")
    (message,) = refused.value.problems
    _, mark, typed = message.splitlines()[0].partition("; type `")
    assert typed.rstrip("`") == ADVICE[right], message
    assert not mark or parse(f"h_t = {typed[:-1]}\ncarry: h_prev <- h_t\noutput: h_t").output == "h_t"


@pytest.mark.parametrize(
    ("right", "said"),
    [
        ("Tanh(W @ x_t)", "Tanh is typed tanh: functions are written in lower case"),
        ("tanh W @ x_t", "a function is written with parentheses: `tanh(…)`"),
        ("W^T x_t", "the product with the transpose is written `x_t @ W`"),
        ("W·x_t", "· is typed @ between a matrix and a vector"),
        ("x_t W", "a vector times a matrix is written `x_t @ W`"),
        ("[h_prev; x_t]", "vectors one after the other are written `concat(h_prev, x_t)`"),
        ("0,5 * x_t", "a decimal comma is typed ."),
        ("|x_t|", "an absolute value is written `max(x_t, -x_t)`"),
        ("(1 - x_t)(W @ x_t)", "a product is written `(…) * (…)`"),
        ("f(x_t)", "unknown function 'f'"),
        ("φ(x_t)", "unknown function 'φ'"),
        ("Foo(x_t)", "unknown function 'Foo'"),
        ("z_t Foo", "a product is written"),
    ],
)
def test_what_is_said(right: str, said: str) -> None:
    with pytest.raises(CellError) as refused:
        parse(f"h_t = {right}\ncarry: h_prev <- h_t\noutput: h_t")
    assert said in refused.value.problems[0]


@pytest.mark.parametrize(
    ("row", "typed"),
    [
        ("h_{t} = W @ x_{t}", "h_t = W @ x_t"),
        ("hₜ = tanh(W·xₜ)", "h_t = tanh(W@x_t)"),
        ("h_{t} = tanh(W @ x_t)", "h_t = tanh(W @ x_t)"),
    ],
)
def test_the_whole_equation_is_advised(row: str, typed: str) -> None:
    with pytest.raises(CellError) as refused:
        parse(f"{row}\ncarry: h_prev <- h_t\noutput: h_t")
    (message,) = refused.value.problems
    assert message.splitlines()[0].endswith(f"; type `{typed}`")
    assert message.splitlines()[2] == "    ^"


def test_a_value_at_a_step_that_reads_as_a_definition() -> None:
    with pytest.raises(CellError, match="if its value at step t is meant, it is written h_t"):
        parse("h(t) = W @ x_t\noutput: h_t")


@pytest.mark.parametrize("arrow", ["←", "=", ":=", "⟵"])
def test_another_arrow_in_carry(arrow: str) -> None:
    with pytest.raises(CellError) as refused:
        parse(f"c_t = c_prev + x_t\nh_t = tanh(c_t + h_prev)\ncarry: h_prev {arrow} h_t, c_prev <- c_t\noutput: h_t")
    (message,) = refused.value.problems
    assert "the arrow is typed `<-`" in message
    assert message.splitlines()[2].index("^") - 4 == len("carry: h_prev")


def test_a_name_in_other_letters_is_the_nearest() -> None:
    with pytest.raises(lt.LstmTraceError, match="did you mean 'x_t'"):
        lt.run({"W": np.eye(2)}, [[1.0, 2.0]], cell={"equations": "h_t = W @ X_t"})


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
    assert f"({left} is typed h_t); type `h_t = tanh(x_t)`" in message


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
    from lstm_trace.cell.named_cells import KINDS
    from lstm_trace.cell.variants import named

    for kind in KINDS:
        for row in named(kind, {"bias": "one"})[0].text.splitlines():
            if "=" in row:
                assert slips(row.partition("= ")[2])[0] == []
