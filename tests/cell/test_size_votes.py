"""Which array is blamed where two disagree and no third one decides: a weight against x, a state against a weight."""

from __future__ import annotations

from typing import Any

import pytest

import lstm_trace as lt
from lstm_trace.cell.parse import parse
from lstm_trace.cell.shapes import infer
from lstm_trace.errors import ShapeError

from ..support.equations import without_equation


@pytest.mark.parametrize(
    ("text", "shapes", "known", "message"),
    [
        ("v = W @ x_t", {"W": (2, 3)}, {"x_t": (4, "from x")},
         "W has shape (2, 3); line `v` needs (2, I) = (2, 4). Or is x wrong? Known sizes: I=4 (from x)."),
        ("v = W @ s_prev\nu = V @ v\ncarry: s_prev <- u", {"W": (2, 3), "V": (3, 2)}, {"s_prev": (4, "from s0")},
         "s0 has width 4; line `v` needs 3. One number too many; is there a decimal comma? 0,5 is two numbers."),
        ("v = w * s_prev\ncarry: s_prev <- v", {"w": (3,)}, {"s_prev": (4, "from s_prev")},
         "s_prev has width 4; line `v` needs 3. One number too many; is there a decimal comma? 0,5 is two numbers."),
        ("input: q_t\nv = w * q_t", {"w": (3,)}, {"q_t": (4, "as given in 0/forward/h_t")},
         "w has shape (3,); line `v` needs (4,)."),
    ],
)  # fmt: skip
def test_of_two_that_disagree_one_is_blamed(text: str, shapes: Any, known: Any, message: str) -> None:
    cell = parse(text)
    with pytest.raises(ShapeError) as error:
        infer(cell, cell.by_name, shapes, known)
    assert without_equation(str(error.value)) == message


def test_a_state_of_unknown_width_is_not_taken_for_one_number() -> None:
    """Its line is not asked for, and V, which would say how wide it is, is not given."""
    text = "g = concat(s_prev, x_t)\ns_t = V @ x_t\ncarry: s_prev <- s_t\noutput: g"
    with pytest.raises(ShapeError, match="line `g`: the widths of its operands do not fit"):
        lt.run({}, [[1.0, 2.0, 3.0]], cell={"equations": text}, ask="g")
    wide = lt.run({}, [[1.0, 2.0, 3.0]], cell={"equations": text}, ask="g", initial={"s_prev": [4.0, 5.0]})
    assert wide["g"].ravel().tolist() == [4, 5, 1, 2, 3]


#: An LSTM of two units and three inputs.
WHOLE = {f"W_x{g}": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]] for g in "ifco"}
WHOLE |= {f"W_h{g}": [[1.0, 2.0], [3.0, 4.0]] for g in "ifco"} | {f"b_{g}": [0.1, 0.2] for g in "ifco"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"b_i": [0.1]}, r"b_i has shape \(1,\); line `z_i` needs \(H,\) = \(2,\)"),
        ({"b_i": 0.1}, r"b_i has shape \(1,\); line `z_i` needs \(H,\) = \(2,\)"),
        ({name: rows[:1] for name, rows in WHOLE.items() if name[0] == "W"}, r"W_xi has shape \(1, 3\); .*\(2, 3\)"),
        ({"W_hf": [[1.0, 2.0]]}, r"W_hf has shape \(1, 2\); line `W_hf @ h_prev` needs \(H, H\) = \(2, 2\)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("extra", ["", "y_t = s * h_t"])
def test_a_weight_of_a_named_cell_does_not_broadcast(changes: Any, message: str, extra: str) -> None:
    """One of the equations added to it does."""
    more = {"cell": {"kind": "lstm", "extra": extra}} if extra else {}
    problem = {"x": [[1.0, 2.0, 3.0]], "h0": [0.1, 0.2], **more}
    scale: dict[str, Any] = {"s": [2.0]} if extra else {}
    with pytest.raises(ShapeError, match=message):
        lt.run({**problem, "weights": WHOLE | scale | changes})
    assert lt.run({**problem, "weights": WHOLE | scale})["h_t"].shape == (1, 1, 2)


@pytest.mark.parametrize(("kind", "gates"), [("lstm", "ifco"), ("slstm", "ifco"), ("gru", "ruh"), ("rnn", "h")])
def test_decimal_commas_in_a_cell_of_one_unit_are_not_two_units(kind: str, gates: str) -> None:
    weights: dict[str, Any] = {f"{name}{g}": rows for g in gates for name, rows in
                               (("W_x", [[0, 5]]), ("W_h", [[0, 2]]), ("b_", [0, 1]))}  # fmt: skip
    with pytest.raises(ShapeError, match="each row has twice the numbers that fit; are there decimal commas"):
        lt.run({"cell": kind, "weights": weights, "x_t": [0, 5], "h_prev": [0, 3]})
    with pytest.raises(ShapeError, match="decimal commas"):
        lt.run({"cell": kind, "weights": weights, "x_t": [0, 5]})


def test_an_x_written_as_a_column_is_blamed_for_the_weights_of_further_steps() -> None:
    weights = {"W_xi": [[-1.0, 0.0, 0.2], [-1.0, 0.0, -0.2]], "W_hi": [[0.0, 1.0], [0.0, -1.0]]}
    with pytest.raises(ShapeError) as error:
        lt.run({"cell": "lstm", "weights": weights, "x_t": [[1.0], [2.0], [3.0]], "ask": ["i_t"]})
    assert error.value.problems == (
        "the problem: x has width 1; line `W_xi @ x_t` needs I = 3. "
        "It has 3 rows of 1 number: 1 step of 3 numbers would be [[1, 2, 3]].",
    )
