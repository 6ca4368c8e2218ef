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
         "s0 has width 4; line `v` needs 3. One number too many: are there decimal commas? Write 0.5, not 0,5."),
        ("v = w * s_prev\ncarry: s_prev <- v", {"w": (3,)}, {"s_prev": (4, "from s_prev")},
         "s_prev has width 4; line `v` needs 3. One number too many: are there decimal commas? Write 0.5, not 0,5."),
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
