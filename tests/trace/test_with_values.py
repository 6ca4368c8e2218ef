"""A copy of a trace with other values at some addresses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import MissingError, OptionError, ShapeError

RNG = np.random.default_rng(41)
X = RNG.normal(size=(5, 2, 2))


def weights(layers: int, *directions: str) -> dict[str, Any]:
    """H = 3, I = 2."""
    found = {}
    for layer in range(layers):
        for direction in directions:
            for gate in "ifco":
                found[f"{layer}/{direction}/W_x{gate}"] = RNG.normal(size=(3, 2 if layer == 0 else 3 * len(directions)))
                found[f"{layer}/{direction}/W_h{gate}"] = RNG.normal(size=(3, 3))
                found[f"{layer}/{direction}/b_{gate}"] = RNG.normal(size=3)
    return found


STACK = lt.run(weights(2, "forward", "reverse"), X, h0=RNG.normal(size=(4, 2, 3)))
ONE = lt.run(weights(1, "forward"), X)


@pytest.mark.few(10)
@pytest.mark.parametrize("k", range(40))
def test_verify_names_the_value_that_was_changed(k: int) -> None:
    rng = np.random.default_rng(k)
    stage = STACK.stages[rng.integers(len(STACK.stages))]
    line = stage.cell.lines[rng.integers(len(stage.cell.lines))].name
    values = STACK.lines[stage.scope][line]
    t, b, j = (int(rng.integers(size)) for size in values.shape)
    address = f"{stage.scope}/{t}/{b}/{line}[{j}]"
    before = values.copy()
    other = STACK.with_values({address: values[t, b, j] + 0.25})
    assert [str(failure.address) for failure in lt.verify(other).failures] == [address]
    np.testing.assert_array_equal(values, before)
    assert lt.verify(STACK).failures == ()
    again = other.with_values({address: values[t, b, j]})
    assert again.equals(STACK)


@pytest.mark.parametrize(
    ("address", "shape", "at"),
    [
        ("c_t", (5, 2, 3), lambda t: t.lines["0/forward"]["c_t"]),
        ("3/c_t", (2, 3), lambda t: t.lines["0/forward"]["c_t"][3]),
        ("3/1/c_t", (3,), lambda t: t.lines["0/forward"]["c_t"][3, 1]),
        ("W_hf", (3, 3), lambda t: t.parameters["0/forward"]["W_hf"]),
        ("W_hf[1,2]", (), lambda t: t.parameters["0/forward"]["W_hf"][1, 2]),
        ("W_hf[1]", (3,), lambda t: t.parameters["0/forward"]["W_hf"][1]),
        ("b_i", (3,), lambda t: t.parameters["0/forward"]["b_i"]),
        ("h0", (2, 3), lambda t: t.initial["0/forward"]["h_prev"]),
        ("1/c0[2]", (), lambda t: t.initial["0/forward"]["c_prev"][1, 2]),
        ("x", (5, 2, 2), lambda t: t.x),
        ("4/1/x_t[1]", (), lambda t: t.x[4, 1, 1]),
    ],
)
def test_every_part_of_an_address(address: str, shape: tuple[int, ...], at: Any) -> None:
    values = RNG.normal(size=shape)
    other = ONE.with_values({address: values})
    np.testing.assert_array_equal(at(other), values)
    assert not (at(ONE) == values).any()
    differing = [key for key, array in {**dict(ONE.items())}.items() if not np.array_equal(array, other[key])]
    assert differing == ([address.split("/")[-1].partition("[")[0]] if "c_t" in address else [])


def test_several_values_and_parts() -> None:
    trace = lt.run(
        {"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0], [2.0]], ask="z_i", h0=[0.0], given={"h_t": [[3.0], [4.0]]}
    )
    other = trace.with_values({"0/h_t[0]": 7, "1/h_t[0]": 8, "z_i": [[[5]], [[6]]], "1/z_i[0]": float("nan")})
    assert other["h_t"].ravel().tolist() == [7, 8]
    np.testing.assert_array_equal(other["z_i"].ravel(), [5, np.nan])
    assert trace["z_i"].ravel().tolist() == [0.5, 1.75]
    part = ONE.at(steps=slice(2, 4)).with_values({"3/0/c_t[0]": 1.0})
    assert part["c_t"][1, 0, 0] == 1.0
    back = lt.backward(ONE, of="4/0/h_t[1]")
    total = back.with_values({"d_W_xi[1,0]": 3.5})
    assert total.sums["0/adjoint-forward"]["d_W_xi"][1, 0] == 3.5
    assert lt.verify(total).failures != ()
    single = lt.run(weights(1, "forward"), X, dtype="float32").with_values({"0/0/h_t[0]": 0.1})
    assert single["h_t"][0, 0, 0] == np.float32(0.1)


def test_the_original_can_be_run_again() -> None:
    model = lt.prepare(weights(1, "forward"))
    trace = model.run(X)
    other = trace.with_values({"c_t": np.zeros((5, 2, 3))})
    assert other.memory is None
    model.run(2 * X, out=trace)
    np.testing.assert_array_equal(other["c_t"], 0)


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ({"c_x": 1.0}, MissingError, "the trace has no 'c_x'; did you mean 'c_t'?"),
        ({"c_t[0]": 1.0}, ShapeError, "c_t[0]: expected an array of shape (5, 2), found a number"),
        ({"9/0/c_t[0]": 1.0}, MissingError, "'9/0/c_t[0]' is not an address here"),
        ({"3/0/c_t[3]": 1.0}, MissingError, "3/0/c_t[3]: c_t has shape (3,); there is no [3]"),
        ({"3/0/c_t": [1.0, 2.0]}, ShapeError, "3/0/c_t: expected an array of shape (3,), found one of shape (2,)"),
        ({"3/0/c_t[0]": "much"}, ShapeError, "3/0/c_t[0]: expected a number, found the text 'much'"),
        ({"c_t": np.zeros((5, 2, 3)) + 5j}, ShapeError, "c_t: expected numbers, found the dtype complex128"),
        ([("c_t", 1.0)], OptionError, "values: expected a mapping, as in {'name': value}"),
    ],
)
def test_what_cannot_be_changed(values: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind) as error:
        ONE.with_values(values)
    assert str(error.value).startswith(said)


def test_a_line_of_several_stages_needs_its_place() -> None:
    with pytest.raises(
        MissingError, match=r"i_t is in 0/forward, 0/reverse, 1/forward, 1/reverse: write 0/forward/i_t"
    ):
        STACK.with_values({"i_t": np.zeros((5, 2, 3))})
    changed = STACK.with_values({"1/reverse/i_t": np.zeros((5, 2, 3))})
    assert not changed["1/reverse/i_t"].any()
    assert changed["0/reverse/i_t"].all()
    few = lt.run(weights(1, "forward"), X, record=["h_t"])
    with pytest.raises(MissingError, match="the trace has no 'c_t'"):
        few.with_values({"c_t": np.zeros((5, 2, 3))})
