"""What a run is fed: how many steps and rows arrays of every shape mean, with and without x, against scalar loops."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, MissingError, ShapeError

#: A cell that is fed by a supplied line alone.
FED = {"equations": "input: u_t\nh_t = 0.5 * h_prev + u_t\ncarry: h_prev <- h_t"}
#: The same with two.
TWICE = {"equations": "input: u_t, v_t\nh_t = 0.5 * h_prev + u_t * v_t\ncarry: h_prev <- h_t"}
RNG = np.random.default_rng(21)


def values(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def loop(u: np.ndarray, h: np.ndarray) -> np.ndarray:
    """h_t = 0.5 h_{t-1} + u_t for u (T, B, 2) and h (B, 2)."""
    found = []
    for step in u:
        h = 0.5 * h + step
        found.append(h)
    return np.array(found)


@pytest.mark.parametrize("listed", [True, False], ids=["lists", "arrays"])
@pytest.mark.parametrize(
    ("shape", "start", "major", "steps", "rows"),
    [
        ((2,), None, False, 1, 1),
        ((3, 2), None, False, 3, 1),
        ((3, 2), (2,), False, 3, 1),
        ((3, 4, 2), None, False, 3, 4),
        ((3, 4, 2), (4, 2), False, 3, 4),
        ((3, 4, 2), (1, 4, 2), False, 3, 4),
        ((4, 3, 2), (4, 2), True, 3, 4),
        ((1, 4, 2), None, False, 1, 4),
        ((3, 1, 2), (1, 2), False, 3, 1),
        ((2,), (4, 2), False, 1, 4),
        ((2,), (1, 4, 2), False, 1, 4),
        ((), (4, 2), False, 1, 4),
    ],
)
def test_steps_and_rows_where_there_is_no_x(
    shape: tuple[int, ...], start: tuple[int, ...] | None, major: bool, steps: int, rows: int, listed: bool
) -> None:
    u = values(*shape)
    h0 = None if start is None else values(*start)
    given, first = (u.tolist(), None if h0 is None else h0.tolist()) if listed else (u, h0)
    trace = lt.run({}, cell=FED, given={"u_t": given}, h0=first, batch_first=major)
    assert (trace.steps, trace.batch) == (steps, rows)
    fed = np.swapaxes(u, 0, 1) if major else u.reshape(steps, rows, 2) if u.size == steps * rows * 2 else u
    fed = np.broadcast_to(fed, (steps, rows, 2))
    h = np.zeros((rows, 2)) if h0 is None else h0.reshape(rows, 2)
    np.testing.assert_array_equal(trace["h_t"], loop(fed, h))
    np.testing.assert_array_equal(trace.given["0/forward"]["u_t"], fed if u.ndim else fed[..., :1])
    if rows > 1:
        assert trace.output.shape == ((rows, steps, 2) if major else (steps, rows, 2))
    else:
        assert trace.output.shape == (steps, 2), "rows were not spoken of"


@pytest.mark.parametrize("order", [("u_t", "v_t"), ("v_t", "u_t")])
def test_one_value_for_every_step_does_not_say_how_many_there_are(order: tuple[str, str]) -> None:
    arrays = {"u_t": values(3, 2), "v_t": values(2)}
    trace = lt.run({}, cell=TWICE, given={name: arrays[name] for name in order})
    np.testing.assert_array_equal(trace["h_t"], loop((arrays["u_t"] * arrays["v_t"])[:, None], np.zeros((1, 2))))
    arrays = {"u_t": values(3, 4, 2), "v_t": np.array(0.75)}
    trace = lt.run({}, cell=TWICE, given={name: arrays[name] for name in order})
    np.testing.assert_array_equal(trace["h_t"], loop(arrays["u_t"] * 0.75, np.zeros((4, 2))))


def lstm(layers: int) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    shapes = {(layer, f"W_{s}{g}"): (2, 3 if (layer, s) == (0, "x") else 2)
              for layer in range(layers) for g in "ifco" for s in "xh"}  # fmt: skip
    return {f"{layer}/forward/{name}": rng.normal(size=shape) for (layer, name), shape in shapes.items()}


def test_states_of_several_layers_are_not_rows() -> None:
    """Two layers and h0 (2, H): one row, and each layer begins with its own."""
    h0, c0 = values(2, 2), values(2, 2)
    given = {f"0/forward/z_{g}": values(2) for g in "ifco"}
    trace = lt.run(lstm(2), given=given, h0=h0, c0=c0)
    assert (trace.steps, trace.batch) == (1, 1)
    np.testing.assert_array_equal(trace.initial["1/forward"]["h_prev"], h0[1:])
    np.testing.assert_array_equal(trace.initial["0/forward"]["c_prev"], c0[:1])
    many = lt.run(lstm(2), given=given, h0=values(2, 5, 2), c0=values(2, 5, 2))
    assert (many.steps, many.batch) == (1, 5)
    assert lt.run(lstm(1), given={f"z_{g}": values(2) for g in "ifco"}, h0=values(5, 2), ask="h_t").batch == 5


def test_the_first_array_that_says_it_says_it() -> None:
    """The number of rows comes from the first state that has an axis for them; the other must agree."""
    given = {f"z_{g}": values(2) for g in "ifco"}
    trace = lt.run(lstm(1), given=given, h0=[[1.0, 2.0]] * 3, c0=values(3, 2))
    assert trace.batch == 3
    with pytest.raises(
        ShapeError, match=r"h0 has shape \(2,\); expected \(L·D, B, width\) with L·D = 1, B = 3: \(3, w"
    ):
        lt.run(lstm(1), given=given, h0=[1.0, 2.0], c0=values(3, 2))


@pytest.mark.parametrize(
    ("x", "given", "major"),
    [
        ((3, 3), (3, 2), False),  # (T, width), as x is (T, I)
        ((3, 4, 3), (3, 4, 2), False),
        ((4, 3, 3), (4, 3, 2), True),
        ((1, 4, 3), (4, 2), False),  # one step: (B, width)
        ((1, 3), (2,), False),
        ((3, 4, 3), (2,), False),
    ],
)
def test_supplied_lines_beside_x(x: tuple[int, ...], given: tuple[int, ...], major: bool) -> None:
    f = np.abs(values(*given))
    trace = lt.run(lstm(1), values(*x), given={"f_t": f}, batch_first=major)
    steps, rows = trace["c_t"].shape[:2]
    whole = np.swapaxes(f, 0, 1) if major else f.reshape(steps, rows, 2) if f.size == steps * rows * 2 else f
    whole = np.broadcast_to(whole, (steps, rows, 2))
    c = np.zeros((rows, 2))
    for t in range(steps):
        c = whole[t] * c + trace["i_t"][t] * trace["c_tilde"][t]
        np.testing.assert_allclose(trace["c_t"][t], c, rtol=1e-13)


@pytest.mark.parametrize(
    ("x", "given"), [((3, 4, 3), (3, 2)), ((3, 4, 3), (4, 2)), ((3, 3), (4, 2)), ((3, 3), (3, 2, 2))]
)
def test_a_supplied_line_of_another_shape_is_refused(x: tuple[int, ...], given: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError) as error:
        lt.run(lstm(1), values(*x), given={"f_t": values(*given)})
    text = str(error.value)
    assert text.startswith(f"given f_t has shape {given}; expected (width,), (T, width) or (T, B, width) with T = 3")


@pytest.mark.parametrize("plan", ["lines", "planned", "compiled"])
def test_a_supplied_line_that_is_carried_is_as_wide_as_its_state(plan: str) -> None:
    model = lt.prepare({"W_xi": [[4.0], [-4.0]], "W_hi": [[1.0, 2.0], [3.0, 4.0]]})
    text = "line `h_t` has width 1, and is carried as h_prev, which has width 2"
    with pytest.raises(ShapeError, match=re.escape(text)):
        model.run([[1.0], [2.0]], ask="i_t", given={"h_t": [5.0]}, plan=plan)
    trace = model.run([[1.0], [2.0]], ask="i_t", given={"h_t": [5.0, 6.0]}, plan=plan)
    assert trace["W_hi @ h_prev"].tolist() == [[[0.0, 0.0]], [[17.0, 39.0]]]


@pytest.mark.parametrize(
    ("layers", "x", "h0", "forms"),
    [
        (1, (3, 3), (3,), None),  # a width that does not fit is reported by the equations
        (1, (3, 3), (2, 2), "L·D = 1, B = 1: (width,) or (1, width) or (1, 1, width)"),
        (1, (3, 4, 3), (3, 2), "L·D = 1, B = 4: (4, width) or (1, 4, width)"),
        (2, (3, 3), (3, 2), "L·D = 2, B = 1: (2, width) or (2, 1, width)"),
        (2, (3, 4, 3), (4, 2), "L·D = 2, B = 4: (2, 4, width)"),
        (2, (3, 4, 3), (2, 2), "L·D = 2, B = 4: (2, 4, width)"),
        (2, (3, 4, 3), (1, 4, 2), "L·D = 2, B = 4: (2, 4, width)"),
        (2, (3, 4, 3), (4, 2, 2), "L·D = 2, B = 4: (2, 4, width)"),
        (2, (3, 3), (2,), "L·D = 2, B = 1: (2, width) or (2, 1, width)"),
        (1, (3, 4, 3), (4, 0), "L·D = 1, B = 4: (4, width) or (1, 4, width)"),
    ],
)
def test_an_initial_state_of_another_shape_is_refused(
    layers: int, x: tuple[int, ...], h0: tuple[int, ...], forms: str | None
) -> None:
    with pytest.raises(ShapeError) as error:
        lt.run(lstm(layers), values(*x), h0=values(*h0))
    text = str(error.value)
    if forms is None:
        assert "h0 has width 3" in text
    else:
        assert text == f"h0 has shape {h0}; expected (L·D, B, width) with {forms}"


@pytest.mark.parametrize(("layers", "h0"), [(1, (4, 2)), (1, (1, 4, 2)), (2, (2, 4, 2))])
def test_initial_states_stand_with_their_layer_and_row(layers: int, h0: tuple[int, ...]) -> None:
    start = values(*h0)
    trace = lt.run(lstm(layers), values(3, 4, 3), h0=start)
    for layer in range(layers):
        np.testing.assert_array_equal(trace.initial[f"{layer}/forward"]["h_prev"], start.reshape(layers, 4, 2)[layer])


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([3, 0, 2, 1], None),
        ([3, 3, 3, 3], None),
        ([2, 3, 4, 1], "lengths has 4; expected 0 to T = 3"),
        ([2, -1, 3, 1], "lengths has -1; expected 0 to T = 3"),
        ([2, 1.5, 3, 1], "lengths must be whole numbers; found [2.0, 1.5, 3.0, 1.0]"),
        ([2, 1, 3], "lengths has shape (3,); expected one for each of the B = 4 rows"),
        (2, "lengths is the single number 2; expected one for each of the B = 4 rows"),
    ],
)
def test_lengths(lengths: Any, message: str | None) -> None:
    if message is None:
        trace = lt.run(lstm(1), values(3, 4, 3), lengths=lengths)
        np.testing.assert_array_equal(trace.valid[:, :, 0], [[t < n for n in lengths] for t in range(3)])
        return
    with pytest.raises(ShapeError) as error:
        lt.run(lstm(1), values(3, 4, 3), lengths=lengths)
    assert str(error.value) == message


def test_lengths_that_are_wrong_are_lengths_all_the_same() -> None:
    """`y_t` is there because there is padding: it is not told as missing beside the fault in the lengths."""
    with pytest.raises(ShapeError) as error:
        lt.run(lstm(1), values(3, 4, 3), lengths=[2, 3, 4, 1], ask=["y_t"])
    assert str(error.value) == "lengths has 4; expected 0 to T = 3"


def test_numbers_in_one_list_are_one_step_and_the_message_offers_more() -> None:
    one = {f"W_{s}{g}": [[0.5]] for g in "ifco" for s in "xh"}
    for x, offer in (([1, 2], "[[1], [2]]"), ([1, 2, 3], "[[1], [2], [3]]"), ([1, 2, 3, 4], "[[1], [2], [3], …]")):
        with pytest.raises(ShapeError) as error:
            lt.run(one, x)
        assert str(error.value) == (
            f"x has {len(x)} numbers in one list, which is one step of {len(x)} inputs, but the weights take I = 1 "
            f"input; for {len(x)} steps write {offer}"
        )
    assert lt.run(one, [2.0]).steps == 1
    assert lt.run(one, 2.0)["i_t"].shape == (1, 1, 1)
    assert lt.run(lstm(1), [1, 2, 3])["i_t"].shape == (1, 1, 2)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([], "the sequence is empty: x needs at least one step of numbers"),
        (np.zeros((0, 3)), "the sequence is empty"),
        (np.zeros((3, 0)), "x has shape (3, 0), which is empty"),
        (np.zeros((2, 3, 4, 3)), "x has shape (2, 3, 4, 3); expected (T, I) or (T, B, I)"),
        ([["a"]], "x: expected a number at [0,0], found the text 'a'"),
        (np.array([[1j, 2, 3]]), "x: expected numbers, found the dtype complex128"),
    ],
)
def test_an_x_that_is_none(x: Any, message: str) -> None:
    with pytest.raises(ShapeError) as error:
        lt.run(lstm(1), x)
    assert message in str(error.value)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """A fault of one array does not hide those of the others, and what is right beside it is no fault."""
    with pytest.raises(LstmTraceError) as error:
        lt.run(
            lstm(1), values(3, 4, 3), lengths=[9, 1, 1, 1], h0=values(3, 2), initial={"m_prev": [0.0]},
            given={"f_t": values(5, 2), "o_t": values(3, 4, 2), "q_t": [0.0], "i_t": [["a"]]},
        )  # fmt: skip
    assert [problem[:23] for problem in error.value.problems] == [
        "lengths has 9; expected", "the cell carries no sta", "h0 has shape (3, 2); ex", "given f_t has shape (5,",
        "given: there is no line", "given i_t: expected a n",
    ]  # fmt: skip


def test_supplied_lines_are_found_by_name_or_address() -> None:
    x, f = values(3, 3), np.abs(values(3, 2))
    assert (
        lt.run(lstm(1), x, given={"0/forward/f_t": f})["c_t"].tolist()
        == lt.run(lstm(1), x, given={"f_t": f})["c_t"].tolist()
    )
    with pytest.raises(MissingError, match="given 'f_t' is in 0/forward, 1/forward: write 0/forward/f_t"):
        lt.run(lstm(2), x, given={"f_t": f})
    with pytest.raises(MissingError, match="given '2/forward/f_t': there is no '2/forward'"):
        lt.run(lstm(2), x, given={"2/forward/f_t": f})
    one = lt.run(lstm(2), x, given={"1/forward/f_t": f})
    assert "f_t" in one.lines["0/forward"]
    assert "f_t" not in one.lines["1/forward"]


def test_a_trace_has_arrays_of_its_own() -> None:
    u, h0 = values(3, 4, 2), values(4, 2)
    trace = lt.run({}, cell=FED, given={"u_t": u}, h0=h0)
    before = trace["h_t"].copy()
    u[:] = 7
    h0[:] = 7
    assert lt.verify(trace).verdict == "verified"
    np.testing.assert_array_equal(trace["h_t"], before)
    assert not np.shares_memory(trace.given["0/forward"]["u_t"], u)


def test_an_x_that_nothing_reads_is_not_kept() -> None:
    u = values(3, 4, 2)
    trace = lt.run({}, values(3, 4, 3), cell=FED, given={"u_t": u})
    assert trace.x is None
    np.testing.assert_array_equal(trace["h_t"], loop(u, np.zeros((4, 2))))
    assert lt.run(lstm(1), values(3, 4, 3), ask="i_t").x is not None


@pytest.mark.parametrize("kind", ["int8", "int32", "int64", "uint16", "bool"])
def test_whole_numbers_are_computed_in_float64(kind: str) -> None:
    weights = {
        name: np.ones((2, 3 if name[2] == "x" else 2), kind) for name in (f"W_{s}{g}" for s in "xh" for g in "ifco")
    }
    trace = lt.run(weights, np.ones((4, 3), kind))
    assert trace.header.dtype == "float64"
    assert trace["i_t"].dtype == np.float64
    assert trace["i_t"][0, 0, 0] == pytest.approx(1 / (1 + np.exp(-3.0)), rel=1e-15)


@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_half_and_single_are_computed_in_float32(kind: str) -> None:
    weights = {
        name: np.ones((2, 3 if name[2] == "x" else 2), kind) for name in (f"W_{s}{g}" for s in "xh" for g in "ifco")
    }
    assert lt.run(weights, np.ones((4, 3), kind))["i_t"].dtype == np.float32
    assert lt.run(weights, np.ones((4, 3)))["i_t"].dtype == np.float64
