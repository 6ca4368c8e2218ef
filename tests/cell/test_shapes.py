"""Sizes from equations and arrays: what is inferred, and what is said about each array that does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.cell.named_cells import LSTM
from lstm_trace.cell.ops import OPS
from lstm_trace.cell.parse import parse
from lstm_trace.cell.shapes import RULES, fitted, infer
from lstm_trace.errors import LstmTraceError, ShapeError

from ..support.equations import without_equation
from ..support.strategies import Case, cells


def lstm(units: int = 3, inputs: int = 2, **options: Any) -> tuple[Any, dict[str, tuple[int, ...]]]:
    """The cell and the shapes of its weights."""
    cell = parse(LSTM(**options).equations())
    shapes: dict[str, tuple[int, ...]] = {}
    for name in cell.parameters:
        if name[0] == "W":
            shapes[name] = (units, inputs if name[2] == "x" else units)
        else:
            shapes[name] = (units,)
    return cell, shapes


def faults(cell: Any, shapes: Any, width: int = 2, asked: Any = None, **states: int) -> list[str]:
    """The messages on these shapes, without the words on what bound the sizes."""
    known = {"x_t": (width, "from x")} | {state: (n, f"from {state[0]}0") for state, n in states.items()}
    try:
        infer(cell, cell.by_name if asked is None else cell.closure([asked], False), shapes, known, "T=1 B=1")
    except ShapeError as error:
        return [without_equation(problem).split(" Known sizes")[0] for problem in error.problems]
    return []


def test_every_line_gets_its_width() -> None:
    cell, shapes = lstm(bias="two", peephole=True)
    found = infer(cell, cell.by_name, shapes, {"x_t": (2, "from x")})
    assert set(found) == {*cell.by_name, "h_prev", "c_prev"}
    assert set(found.values()) == {3}


def test_every_width_rule_has_its_row() -> None:
    assert set(RULES) == {op.width for op in OPS.values()}


@pytest.mark.parametrize(
    ("text", "reads", "width", "fits"),
    [
        ("W @ x_t", [None, 3], 2, True), ("W @ x_t", [None, None], 2, True), ("W @ x_t", [None, 2], 2, False),
        ("x_t @ W", [2, None], 3, True), ("x_t @ W", [3, None], 3, False), ("V @ x_t", [None, 3], None, True),
        ("x_t * v", [3, 1], 3, True), ("x_t * v", [3, 2], 3, False), ("x_t * v", [3, None], 3, True),
        ("x_t * v", [1, None], None, True), ("x_t * v", [1, 1], 1, True), ("sum(x_t)", [None], 1, True),
        ("concat(x_t, v)", [3, 2], 5, True), ("concat(x_t, v)", [3, None], None, True), ("x_t[1:3]", [None], 2, True),
    ],
)  # fmt: skip
def test_a_line_is_as_wide_as_what_it_reads_says(text: str, reads: list[Any], width: int | None, fits: bool) -> None:
    line = parse(f"h_t = {text}").lines[-1]
    assert fitted(line, reads, {"W": (2, 3)}) == (width, fits)


def test_projection_has_two_widths() -> None:
    cell, shapes = lstm(projection=True)
    shapes = {n: (s[0], 2) if n[:3] == "W_h" and n != "W_hr" else s for n, s in shapes.items()} | {"W_hr": (2, 3)}
    found = infer(cell, cell.by_name, shapes, {"x_t": (2, "from x")})
    assert (found["h_t"], found["h_prev"], found["c_t"], found["c_prev"]) == (2, 2, 3, 3)


#: A weight of the cell (3 units, 2 inputs, one bias) with a wrong shape, and what is said.
MISFITS = {
    ("W_xf", (2, 3)): "W_xf has shape (2, 3); line `W_xf @ x_t` needs (H, I) = (3, 2). It looks transposed. "
    "Others like it are 3 by 2: W_xi, W_xc, W_xo.",
    ("W_xf", (4, 2)): "W_xf has shape (4, 2); line `W_xf @ x_t` needs (H, I) = (3, 2). "
    "Others like it are 3 by 2: W_xi, W_xc, W_xo.",
    ("W_xf", (3, 5)): "W_xf has shape (3, 5); line `W_xf @ x_t` needs (H, I) = (3, 2). "
    "Others like it are 3 by 2: W_xi, W_xc, W_xo.",
    ("W_hi", (3, 1)): "W_hi has shape (3, 1); line `W_hi @ h_prev` needs (H, H) = (3, 3). "
    "Others like it are 3 by 3: W_hf, W_hc, W_ho.",
    ("W_hi", (1, 3)): "W_hi has shape (1, 3); line `W_hi @ h_prev` needs (H, H) = (3, 3). "
    "Others like it are 3 by 3: W_hf, W_hc, W_ho.",
    ("W_xi", (3,)): "W_xi has shape (3,); line `W_xi @ x_t` needs a matrix (rows, columns)",
    ("b_o", (4,)): "b_o has shape (4,); line `z_o` needs (H,) = (3,). One number too many; is there a decimal comma? "
    "0,5 is two numbers. Others like it have 3 numbers: b_i, b_f, b_c.",
    ("b_o", (3, 1)): "b_o has shape (3, 1); line `z_o` needs a vector; write its 3 numbers in one list: [1, 2, 3]",
}


@pytest.mark.parametrize(("name", "shape"), MISFITS)
def test_one_wrong_array_is_named_and_no_other(name: str, shape: tuple[int, ...]) -> None:
    cell, shapes = lstm(bias="one")
    assert faults(cell, shapes | {name: shape}) == [MISFITS[name, shape]]


def test_the_message_says_what_bound_the_sizes() -> None:
    cell, shapes = lstm(bias="one")
    with pytest.raises(ShapeError) as error:
        infer(cell, cell.by_name, shapes | {"W_hc": (3, 4)}, {"x_t": (2, "from x")}, "T=50 B=1")
    assert without_equation(str(error.value)) == (
        "W_hc has shape (3, 4); line `W_hc @ h_prev` needs (H, H) = (3, 3). "
        "Others like it are 3 by 3: W_hi, W_hf, W_ho. Known sizes: T=50 B=1, I=2 (from x), H=3 (from W_xi)."
    )


def test_several_wrong_arrays_are_all_named() -> None:
    cell, shapes = lstm(bias="one")
    found = faults(cell, shapes | {"W_xf": (2, 3), "b_o": (4,), "W_hc": (4, 3)})
    assert [message.split()[0] for message in found] == ["W_xf", "W_hc", "b_o"]


def test_the_input_and_the_states_are_blamed_where_the_weights_agree() -> None:
    cell, shapes = lstm()
    assert faults(cell, shapes, width=5) == ["x has width 5; line `W_xi @ x_t` needs I = 2."]
    assert faults(cell, shapes, h_prev=4) == [
        "h0 has width 4; line `W_hi @ h_prev` needs H = 3. One number too many; is there a decimal comma? "
        "0,5 is two numbers. h0 is h_prev at the first step."
    ]
    assert faults(cell, shapes, c_prev=1) == [
        "c0 has width 1; line `f_t * c_prev` needs H = 3. c0 is c_prev at the first step."
    ]


def test_an_asked_gate_knows_that_h_is_one_size() -> None:
    """The lines that tie the two sizes of W_hi together are not computed, and their weights are not given."""
    cell, shapes = lstm()
    some = {"W_xo": (2, 3), "W_ho": (3, 3)}
    assert faults(cell, some, asked="o_t") == [
        "W_xo has shape (2, 3); line `W_xo @ x_t` needs (H, I) = (3, 2). It looks transposed."
    ]
    assert faults(cell, {"W_xo": (3, 2), "W_ho": (3, 4)}, asked="o_t") == [
        "W_ho has shape (3, 4); line `W_ho @ h_prev` needs (H, H) = (3, 3)."
    ]
    assert faults(cell, {"W_xi": shapes["W_xi"], "W_hi": shapes["W_hi"]}, asked="i_t") == []


def test_with_one_unit_and_one_input_everything_has_width_one() -> None:
    cell, shapes = lstm(units=1, inputs=1, bias="two", peephole=True, layer_norm=True)
    assert set(infer(cell, cell.by_name, shapes, {"x_t": (1, "from x")}).values()) == {1}
    assert faults(cell, shapes, width=1, h_prev=2) == [
        "h0 has width 2; line `W_hi @ h_prev` needs H = 1. h0 is h_prev at the first step."
    ]


@pytest.mark.parametrize(
    ("text", "shapes", "widths"),
    [
        ("s = v @ x_t\nh = s * x_t", {"v": (1, 3)}, {"s": 1, "h": 3}),  # a scalar gate
        ("h = b * x_t", {"b": (1,)}, {"h": 3}),
        ("d = x_t - mean(x_t)\nq = d / sqrt(mean(d * d))", {}, {"mean(x_t)": 1, "d": 3, "q": 3}),
        ("q = exp(x_t)\np = q / sum(q)", {}, {"sum(q)": 1, "p": 3}),
        ("h = concat(mean(x_t)) * x_t", {}, {"concat(mean(x_t))": 1, "h": 3}),
        ("h = concat(x_t, 1, W @ x_t)", {"W": (2, 3)}, {"h": 6}),
        ("g = W @ concat(h_prev, x_t)\nh = tanh(g)\ncarry: h_prev <- h", {"W": (4, 7)}, {"h": 4, "h_prev": 4}),
        ("m = 0.9 * m_prev + 0.1 * mean(x_t)\nh = x_t - m\ncarry: m_prev <- m", {}, {"m": 1, "m_prev": 1, "h": 3}),
        ("k = 2\nh = k * x_t", {}, {"k": 1, "h": 3}),
        ("h = W @ mean(x_t)", {"W": (4, 1)}, {"h": 4}),
        ("h = c_prev + 1\ncarry: c_prev <- h", {}, {"h": 1, "c_prev": 1}),
        ("h = x_t @ W", {"W": (3, 5)}, {"h": 5}),
        ("s = x_t @ W\nh = s * x_t", {"W": (3, 1)}, {"s": 1, "h": 3}),
        ("z = h_prev @ U + x_t @ W\nh = z[0:2] * z[2:4]\ncarry: h_prev <- h", {"U": (2, 4), "W": (3, 4)}, {"h": 2}),
        ("h = x_t[1] * x_t", {}, {"x_t[1:2]": 1, "h": 3}),
        ("h = concat(x_t, 1)[2:4]", {}, {"h": 2}),
        ("h = b[1:3]", {"b": (5,)}, {"h": 2}),
        ("h = x_t > mean(x_t)", {}, {"h": 3}),
        ("h = 3 > mean(x_t)", {}, {"h": 1}),
    ],
)
def test_values_of_width_one_broadcast(text: str, shapes: Any, widths: dict[str, int]) -> None:
    cell = parse(text)
    found = infer(cell, cell.by_name, shapes, {"x_t": (3, "from x")})
    assert {name: found[name] for name in widths} == widths


#: Line, what it reads, how wide that is, the units that there are, what may be written, and of what.
BEYOND = "line `{}` reads {}, which has width {}: {}; write a part within {}, or make {} wider"


@pytest.mark.parametrize(
    ("text", "shapes", "message"),
    [
        ("h = W @ mean(x_t)", {"W": (4, 2)}, "W has shape (4, 2); line `h` needs (4, 1)."),
        ("h = (W @ x_t) + x_t", {"W": (4, 3)}, "W has shape (4, 3); line `W @ x_t` needs (I, I) = (3, 3)."),
        ("h = W @ concat(x_t, x_t)", {"W": (4, 5)}, "W has shape (4, 5); line `h` needs (4, 6)."),
        ("h = b * x_t", {"b": (2,)}, "b has shape (2,); line `h` needs (I,) = (3,). Or is x wrong?"),
        ("h = x_t @ W", {"W": (4, 3)}, "W has shape (4, 3); line `h` needs (I, 3) = (3, 3)."),
        ("h = x_t @ W + x_t", {"W": (4, 3)}, "W has shape (4, 3); line `x_t @ W` needs (I, I) = (3, 3)."),
        ("h = x_t @ v", {"v": (3,)}, "v has shape (3,); line `h` needs a matrix (rows, columns)"),
        (
            "h = x_t[0:2] * (x_t @ W)",
            {"W": (3, 4)},
            "W has shape (3, 4); line `x_t @ W` needs (I, 2) = (3, 2). "
            "Twice the numbers: are there decimal commas? Write 0.5, not 0,5.",
        ),
        ("h = x_t > b", {"b": (2,)}, "b has shape (2,); line `h` needs (I,) = (3,). Or is x wrong?"),
        ("h = x_t[1:5]", {}, BEYOND.format("h", "units 1 to 4 of x_t", 3, "units [0] to [2]", "[0:3]", "x_t")),
        ("h = x_t[3]", {}, BEYOND.format("h", "unit 3 of x_t", 3, "units [0] to [2]", "[0:3]", "x_t")),
        ("h = b[0:2]", {"b": (1,)}, BEYOND.format("h", "units 0 to 1 of b", 1, "unit [0] only", "[0:1]", "b")),
        (
            "h = 1 + x_t[0:2][1:3]",
            {},
            BEYOND.format("x_t[0:2][1:3]", "units 1 to 2 of x_t[0:2]", 2, "units [0] to [1]", "[0:2]", "x_t[0:2]"),
        ),
        (
            "h = x_t[0:16777216]",
            {},
            BEYOND.format("h", "units 0 to 16777215 of x_t", 3, "units [0] to [2]", "[0:3]", "x_t"),
        ),
        ("h = x_t[0:2] * x_t[0:3]", {}, "line `h`: the widths of its operands do not fit (x_t[0:2]: 2, x_t[0:3]: 3)"),
        ("h = concat(x_t, 1) * x_t", {}, "x has width 3; line `concat(x_t, 1)` needs I = 4."),
    ],
)
def test_own_cells_with_arrays_that_do_not_fit(text: str, shapes: Any, message: str) -> None:
    cell = parse(text)
    shapes = {name: shape for name, shape in shapes.items() if name in cell.parameters}
    assert "".join(faults(cell, shapes, width=3)) == message


def test_slices_say_which_of_two_sizes_is_wrong() -> None:
    """A cell in Keras's notation with kernels of 3 units, given as another framework has them."""
    cell = parse("z = x_t @ W + h_prev @ U + b\nh_t = z[0:3] * tanh(z[9:12])\ncarry: h_prev <- h_t")
    right = {"W": (2, 12), "U": (3, 12), "b": (12,)}
    assert faults(cell, right) == []
    assert faults(cell, right | {"W": (12, 2), "U": (12, 3)}, h_prev=3) == [
        "W, U look transposed: W is 12 by 2, and 2 by 12 fits; transpose all matrices"
    ]
    assert faults(cell, right | {"U": (12, 3)}, h_prev=3) == [
        "U has shape (12, 3); line `h_prev @ U` needs (H, 12) = (3, 12). It looks transposed."
    ]
    assert faults(cell, {"W": (2, 8), "U": (3, 8), "b": (8,)}) == [
        BEYOND.format("z[9:12]", "units 9 to 11 of z", 8, "units [0] to [7]", "[0:8]", "z")
    ]


@pytest.mark.parametrize("width", [1, 2, 3])
def test_an_initial_state_alone_can_say_how_wide_the_lines_are(width: int) -> None:
    cell = parse("s = h_prev * a\nh = tanh(s)\nm = mean(h) + x_t\ncarry: h_prev <- h\noutput: m")
    found = infer(cell, cell.by_name, {"a": (1,)}, {"x_t": (1, "from x"), "h_prev": (width, "from h0")})
    assert found == {"s": width, "h": width, "mean(h)": 1, "m": 1, "h_prev": width}


def test_a_state_that_its_line_does_not_fit_is_refused() -> None:
    text = "h = x_t * s_prev\ns = mean(x_t)\ncarry: s_prev <- s"
    with pytest.raises(ShapeError) as error:
        lt.run({}, np.ones((2, 1, 3)), cell={"equations": text}, initial={"s_prev": [1.0, 2.0, 3.0]})
    assert without_equation(str(error.value)) == "line `s` has width 1, and is carried as s_prev, which has width 3"


@pytest.mark.few(0)
@given(cells(), st.data())
@settings(max_examples=80)
def test_a_broken_shape_is_a_message_and_never_a_crash(case: Case, data: st.DataObject) -> None:
    """One array of a random cell loses or gains rows or columns: the run is refused, or all shapes agree by chance."""
    if not case.weights:
        return
    name = data.draw(st.sampled_from(sorted(case.weights)))
    array = case.weights[name]
    axis = data.draw(st.integers(0, array.ndim - 1))
    shape = list(array.shape)
    shape[axis] = data.draw(st.sampled_from([n for n in (1, 2, 3, 5) if n != shape[axis]]))
    weights = {**case.weights, name: np.ones(shape)}
    try:
        trace = lt.run(weights, case.x, cell={"equations": case.text}, initial=case.initial)
    except LstmTraceError as error:
        message = str(error)
        assert "has shape" in message or "has width" in message or "do not fit" in message
    else:
        for lines in trace.lines.values():
            assert all(values.shape[:2] == case.x.shape[:2] for values in lines.values())
