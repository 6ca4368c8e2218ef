"""Messages on shapes show the equation as its author wrote it, with a caret under the symbol or the operator."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import lstm_trace as lt
from lstm_trace.cell.parse import parse
from lstm_trace.errors import LstmTraceError, MissingError, ShapeError

from ..support.texts import texts


def shown(
    equations: str, weights: dict[str, Any], inputs: int = 3, kind: type[LstmTraceError] = ShapeError, **arguments: Any
) -> list[list[str]]:
    """The rows of each message on a run of two steps."""
    with pytest.raises(kind) as error:
        lt.run(weights, np.ones((2, 1, inputs)), cell={"equations": equations}, **arguments)
    return [problem.splitlines() for problem in error.value.problems]


@pytest.mark.parametrize(
    ("equations", "weights", "caret"),
    [
        # the symbol of an array of another shape
        ("h=W*x_t+b", {"W": (3, 3), "b": (3,)}, "  ^"),
        ("h = b + W @ x_t", {"W": (3,), "b": (3,)}, "        ^"),
        ("h = x_t  @  W + x_t", {"W": (4, 3)}, "            ^"),
        ("h = tanh( W@x_t ) + ( 2*b )", {"W": (3, 2), "b": (3,)}, "          ^"),
        ("größe = µ_1 * x_t  # 4 of 3", {"μ_1": (4,)}, "        ^"),
        # the operand that does not fit those before it
        ("h = x_t[0:2] * x_t[0:3]", {}, "               ^"),
        ("h = x_t + 1 - x_t[0:2] + x_t", {}, "              ^"),
        # the operator of two that are as guilty, the bracket, the function, the call
        ("h = (x_t[0:2]) [1:3] + 1", {}, "               ^"),
        ("u = (x_t[0:2]) - - mish(x_t[0:3])", {}, "                   ^"),
        ("double(z) = z[0:4] + z[0:4]\nh = 1 + double(x_t)", {}, "        ^"),
    ],
)
def test_the_caret_points_at_what_does_not_fit(equations: str, weights: dict[str, Any], caret: str) -> None:
    [[message, row, below]] = shown(equations, {name: np.ones(shape) for name, shape in weights.items()})
    rows = equations.splitlines()
    assert message.startswith(f"equation {len(rows)}: ")
    assert row == f"    {rows[-1].partition('#')[0].rstrip()}"
    assert below == f"    {caret}"


STAR = "* multiplies unit by unit; a matrix times a vector is written"


def test_a_matrix_that_is_multiplied_like_a_vector_is_shown_where_it_stands() -> None:
    assert shown("a = 1\nz = W_xi * x_t\nh = tanh(z)", {"W_xi": np.ones((2, 3))}) == [
        [
            f"equation 2: W_xi has shape (2, 3): {STAR} `W_xi @ x_t`",
            "    z = W_xi * x_t",
            "        ^",
        ]
    ]


def test_a_state_is_shown_where_it_is_read_and_where_it_is_carried() -> None:
    equations = "s = W @ s_prev + x_t\ncarry: s_prev <- s"
    [[message, row, below]] = shown(equations, {"W": np.eye(3)}, initial={"s_prev": [1.0, 2.0]})
    assert message.startswith("equation 1: s_prev has width 2; line `W @ s_prev` needs I = 3.")
    assert (row, below) == ("    s = W @ s_prev + x_t", "            ^")
    equations = "h = x_t * s_prev\ns = mean(x_t)\ncarry: s_prev <- s"
    [[message, row, below]] = shown(equations, {}, initial={"s_prev": [1.0, 2.0, 3.0]})
    assert message == "equation 3: line `s` has width 1, and is carried as s_prev, which has width 3"
    assert (row, below) == ("    carry: s_prev <- s", "                     ^")


def test_a_weight_that_is_not_there_is_shown_where_it_is_read() -> None:
    [[message, row, below]] = shown("h = tanh(W_xh @ x_t)", {}, kind=MissingError)
    assert message == "equation 1: line `W_xh @ x_t` needs W_xh, which the weights do not have"
    assert (row, below) == ("    h = tanh(W_xh @ x_t)", "             ^")


def test_a_long_row_is_cut_round_the_caret() -> None:
    equations = "h = " + " + ".join(f"a{k} * x_t" for k in range(30))
    [[_, row, below]] = shown(equations, {f"a{k}": np.ones(2 if k == 20 else 3) for k in range(30)})
    assert len(row) < 110
    assert row.startswith("    …")
    assert row[len(below) - 1 :].startswith("a20 ")


def test_the_rows_of_an_author_are_shown_in_what_is_derived_from_them() -> None:
    """Padding writes the cell anew, and `extra` adds equations of their own numbers."""
    equations = "s = tanh(V*x_t) + s_prev\ncarry: s_prev <- s"
    padded = shown(equations, {"V": np.ones((3, 3))}, lengths=[1])
    assert padded == [[f"equation 1: V has shape (3, 3): {STAR} `V @ x_t`", "    s = tanh(V*x_t) + s_prev",
                       "             ^"]]  # fmt: skip
    weights = {"W_xh": np.eye(3), "W_hh": np.eye(3), "w": np.ones((3, 3))}
    with pytest.raises(ShapeError) as error:
        lt.run(weights, np.ones((2, 1, 3)), cell={"kind": "rnn", "extra": "q = 2\ny = w*h_t"})
    assert str(error.value) == f"equation 2: w has shape (3, 3): {STAR} `w @ h_t`\n    y = w*h_t\n        ^"


@pytest.mark.parametrize("extra", ["", "y = 2 * h_t"])
def test_equations_that_nobody_wrote_are_not_shown(extra: str) -> None:
    weights = {"W_xh": np.ones((2, 3)), "W_hh": np.eye(3)}
    with pytest.raises(ShapeError) as error:
        lt.run(weights, np.ones((2, 1, 3)), cell={"kind": "rnn", "extra": extra})
    assert "\n" not in str(error.value)


@pytest.mark.few(0)
@given(texts())
@settings(max_examples=150, deadline=None)
def test_every_place_is_that_of_its_operand(text: str) -> None:
    cell = parse(text)
    assert cell.by_name.keys() <= cell.places.keys()
    for place in cell.places.values():
        assert place.row == text.splitlines()[place.number - 1].partition("#")[0].rstrip()
        for name, column in place.operands.items():
            rest = unicodedata.normalize("NFKC", place.row[column:].lstrip("+ \t("))
            if name.isidentifier() and not re.match(r"\w+\s*\(", rest):  # a call may give an operand back as it is
                # equal expressions are one line: after `v = --s_prev` any `--s_prev` is v, and so is any sum
                line = cell.by_name.get(name)
                assert rest.startswith((name, "-", str(line.operands[0])) if line else name)
