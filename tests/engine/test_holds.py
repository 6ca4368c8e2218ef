"""Runs with held values against loops in which the values are overwritten, by every plan."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.engine.jit import installed
from lstm_trace.errors import LstmTraceError, MissingError, OptionError, ShapeError

from ..support.held_lstm import network, random_network
from ..support.tiers import some

PLANS = ["lines", "planned", *(["compiled"] if installed() else [])]
LENGTHS = [6, 4]


#: What is held, and the same as a function of scope, line, step, row and value.
CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "a unit": ({"c_t[1]": 0.0}, lambda s, n, t, b, v: np.where(np.arange(len(v)) == 1, 0.0, v) if n == "c_t" else v),
    "steps of one layer": (
        {"1/reverse/2..3/0/f_t": 0.9},
        lambda s, n, t, b, v: v * 0 + 0.9 if (s, n, b) == ("1/reverse", "f_t", 0) and t in (2, 3) else v,
    ),
    "a scale": (
        {"forward/h_t[0,2..3]": "*-0.5"},
        lambda s, n, t, b, v: (
            np.where(np.isin(np.arange(len(v)), [0, 2, 3]), -0.5 * v, v) if n == "h_t" and "forward" in s else v
        ),
    ),
    "without a name": (
        {"W_xi @ x_t": 0.25, "0/forward/f_t * c_prev": "*2", "tanh(c_t)[0]": 1.0},
        lambda s, n, t, b, v: (
            v * 0 + 0.25
            if n == "W_xi @ x_t"
            else 2 * v
            if (s, n) == ("0/forward", "f_t * c_prev")
            else np.where(np.arange(len(v)) == 0, 1.0, v)
            if n == "tanh(c_t)"
            else v
        ),
    ),
    "where directions meet": (
        {"0/joined/1/y_t[2]": 7.0},
        lambda s, n, t, b, v: (
            np.where(np.arange(len(v)) == 2, 7.0, v) if (s, n, t) == ("0/joined", "y_t", 1) else v
        ),
    ),
    "both kinds on one line": (
        {"0..1/z_c": 0.0, "2/z_c[1]": "*3"},
        lambda s, n, t, b, v: (
            v if n != "z_c" or t > 2 else v * 0 if t < 2 else np.where(np.arange(len(v)) == 1, 3 * v, v)
        ),
    ),
}  # fmt: skip


@pytest.mark.few(2)
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("out", [None, 3], ids=["plain", "projected"])
@pytest.mark.parametrize("case", some(CASES, 2))
def test_two_layers_both_ways_with_padding(case: str, out: int | None, plan: Any) -> None:
    hold, hook = CASES[case]
    weights = random_network(5, units=4, out=out)
    if out is not None and case == "a scale":
        hold = {"forward/h_t[0,2]": "*-0.5"}
    x = np.random.default_rng(1).normal(size=(6, 2, 3))
    trace = lt.run(weights, x, lengths=LENGTHS, hold=hold, plan=plan, options={"projection": True} if out else None)
    expected = network(weights, x, LENGTHS, hook)
    plainly = network(weights, x, LENGTHS, lambda s, n, t, b, v: v)
    moved = 0.0
    for address, there in expected.items():
        scope, name = address.rsplit("/", 1)
        for (t, b), value in there.items():
            assert np.allclose(trace.lines[scope][name][t, b], value, rtol=0, atol=1e-12), (address, t, b)
            moved = max(moved, float(np.abs(value - plainly[address][t, b]).max()))
    assert moved > 0.01, "the hold changes something"
    assert lt.verify(trace).verdict == "verified"
    assert np.array_equal(trace.output[4:, 1], np.zeros_like(trace.output[4:, 1]))


def test_a_hold_at_padding_changes_no_state_and_no_output() -> None:
    weights = random_network(5)
    x = np.random.default_rng(1).normal(size=(6, 2, 3))
    without, held = (lt.run(weights, x, lengths=LENGTHS, hold=h) for h in (None, {"4..5/1/c_t": 9.0, "5/1/h_t": 1.0}))
    assert np.array_equal(held.output, without.output)
    assert np.array_equal(held.c_n, without.c_n)
    assert held.lines["0/forward"]["c_t"][4, 1, 0] == 9.0


@pytest.mark.few(6)
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("padding", ["zero", "repeat", "carry"])
@pytest.mark.parametrize("hold", [{"4/1/y_t": 5.0}, {"0/y_t[1]": 5.0}, {"y_t": "*3"}], ids=str)
def test_what_a_layer_gives_out_is_not_what_it_carries(hold: dict[str, Any], padding: str, plan: Any) -> None:
    weights = {name: array for name, array in random_network(5).items() if name.startswith("0/forward")}
    x = np.random.default_rng(1).normal(size=(6, 2, 3))
    chosen: dict[str, Any] = {"lengths": LENGTHS, "options": {"padding": padding}, "plan": plan}
    without, held = (lt.run(weights, x, hold=h, **chosen) for h in (None, hold))
    for line in ("f_t", "c_t", "h_t", "where(valid, c_t, c_prev)"):
        assert np.array_equal(held[line], without[line]), line
    assert np.array_equal(held.h_n, without.h_n)
    assert (held["y_t"] != without["y_t"]).any()
    assert held.output is not None
    assert np.array_equal(held.output, held["y_t"])
    assert lt.verify(held).verdict == "verified"


def test_values_of_another_trace() -> None:
    weights, rng = random_network(5), np.random.default_rng(2)
    one, two = rng.normal(size=(2, 5, 2, 3))
    other = lt.run(weights, two)
    found = lt.run(weights, one, hold={"2..3/c_t[1]": other, "1/forward/tanh(c_t)": other})
    for scope in ("0/forward", "0/reverse", "1/reverse"):
        assert np.array_equal(found.lines[scope]["c_t"][2:4, :, 1], other.lines[scope]["c_t"][2:4, :, 1])
    assert np.array_equal(found.lines["1/forward"]["tanh(c_t)"], other.lines["1/forward"]["tanh(c_t)"])
    whole = lt.run(weights, one, hold={"0/joined/y_t": other, "1/h_t": other})
    assert np.array_equal(whole.output, other.output), "all of it: the output is the other's"


def simple(seed: int = 0, units: int = 3, dtype: Any = np.float64) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    shapes = {"W_x": (units, 2), "W_h": (units, units), "b_": (units,)}
    return {f"{n}{g}": rng.normal(size=shape).astype(dtype) for n, shape in shapes.items() for g in "ifco"}


X = np.random.default_rng(7).normal(size=(6, 2, 2))


@pytest.mark.parametrize("value", [[1.0, 2.0, 3.0], np.arange(9.0).reshape(3, 3), np.arange(18.0).reshape(3, 2, 3)])
def test_arrays(value: Any) -> None:
    trace = lt.run(simple(), X, hold={"1..3/c_t": value})
    expected = np.asarray(value)
    expected = expected[:, None] if expected.ndim == 2 else expected
    assert np.array_equal(trace["c_t"][1:4], np.broadcast_to(expected, (3, 2, 3)))


def test_a_value_that_overflows_can_be_held() -> None:
    weights = {**simple(), "b_i": np.array([np.inf, 0.0, 0.0])}
    weights["W_xc"][0] = 1e308
    trace = lt.run(weights, np.abs(X) * 1e9, hold={"z_c[0]": 0.0, "i_t[0]": 0.0, "c_t[0]": "*0"}, allow_nonfinite=True)
    assert not np.isfinite(trace["free_z_c"]).all()
    assert np.isfinite(trace["h_t"]).all()


def test_float32_and_arithmetic() -> None:
    trace = lt.run(simple(dtype=np.float32), X.astype(np.float32), hold={"c_t[0]": 0.1, "f_t": "*0.3"})
    assert trace["c_t"].dtype == np.float32
    assert trace["c_t"][0, 0, 0] == np.float32(0.1)
    assert np.array_equal(trace["f_t"], np.float32(0.3) * trace["free_f_t"])
    hand = lt.run(simple(), X, hold={"c_t[0]": 0.12345, "f_t": "*0.5"}, arithmetic="by-hand-2")
    assert hand["c_t"][0, 0, 0] == 0.12345, "a held value is taken as it is"
    assert np.array_equal(hand["f_t"], np.round(hand["f_t"], 2)), "a multiple is rounded"
    assert lt.verify(hand).verdict == "verified"


def test_a_stream_a_window_and_an_old_trace(tmp_path: Path) -> None:
    model, hold = lt.prepare(simple()), {"2/c_t[0]": 0.5, "f_t[1]": "*2"}
    whole = model.run(X, hold=hold)
    stream = model.run(X, hold=hold, out=tmp_path / "t.safetensors")
    part = model.run(X, hold=hold, record={"steps": slice(2, 5)})
    again = model.run(X, hold={"1/c_t[0]": 0.5, "f_t[2]": "*2"}, out=model.run(X, hold=hold))
    assert np.array_equal(stream["h_t"], whole["h_t"])
    assert np.array_equal(part["h_t"], whole["h_t"][2:5])
    assert part["c_t"][0, 0, 0] == 0.5
    assert again["c_t"][1, 0, 0] == 0.5
    assert again["c_t"][2, 0, 0] != 0.5
    assert lt.verify(part).verdict == lt.verify(again).verdict == lt.verify(stream).verdict == "verified"
    assert pickle.loads(pickle.dumps(whole)).stages == whole.stages  # noqa: S301
    plain = model.run(X)
    assert np.array_equal(model.run(X, out=plain)["h_t"], lt.run(simple(), X)["h_t"]), "the plain run is plain again"


def test_beside_supplied_lines_and_a_question() -> None:
    gates = {"f_t": [0.5, 0.5, 0.5]}
    held = lt.run(simple(), X, given=gates, hold={"c_t[0]": 0.0})
    assert not held["c_t"][..., 0].any()
    with pytest.raises(MissingError, match="f_t is supplied, not a computed line; change it"):
        lt.run(simple(), X, given=gates, hold={"f_t": 0.0})
    asked = lt.run(simple(), X[:1], ask="c_tilde", hold={"z_c[0]": 0.0})
    assert set(asked) == {"W_xc @ x_t", "W_hc @ h_prev", "free_z_c", "z_c", "c_tilde"}
    with pytest.raises(MissingError, match="none of the requested lines depends on 0/forward/c_t"):
        lt.run(simple(), X[:1], ask="c_tilde", hold={"c_t": 0.0})


@pytest.mark.parametrize(
    ("value", "kind", "told"),
    [
        (float("nan"), OptionError, "expected a finite number"),
        ("inf", OptionError, "expected a finite number"),
        ("*nan", OptionError, "expected a finite number"),
        (True, OptionError, "found true"),
        ("other.json", OptionError, "or in Python a trace; found the text 'other.json'"),
        ([1.0, 2.0], ShapeError, "expected a number, or (units,), (T, units) or (T, B, units)"),
        ([1.0, float("nan"), 2.0], OptionError, "expected finite numbers, found nan at [1]"),
        (np.array([[1.0], [np.inf]]), OptionError, "expected finite numbers, found inf at [1,0]"),
        ([], OptionError, "(units,), (T, units) or (T, B, units) of the held values; found an array of shape (0,)"),
        ([1.0], ShapeError, "has a value of shape (1,); expected a number, or (units,)"),
        ([[[[1.0]]]], ShapeError, "has a value of shape (1, 1, 1, 1); expected a number, or (units,)"),
        ([[1.0], [2.0, 3.0]], OptionError, "the list is ragged"),
        (10**400, OptionError, "expected a finite number"),
        (1e300, OptionError, "1e+300 is too large for float32"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused(value: Any, kind: type[LstmTraceError], told: str) -> None:
    with pytest.raises(kind) as error:
        lt.run(simple(dtype=np.float32), X.astype(np.float32), hold={"c_t": value})
    (problem,) = error.value.problems
    assert problem.startswith("hold 'c_t'")
    assert told in problem


def test_a_trace_gives_finite_numbers() -> None:
    other = lt.run(simple(), X)
    other.lines["0/forward"]["c_t"][2, 0, 1] = np.nan
    assert lt.run(simple(), X, hold={"c_t[0]": other})["c_t"].shape
    with pytest.raises(OptionError, match=r"hold 'c_t': expected finite numbers; .* has nan at 0/forward/2/0/c_t\[1\]"):
        lt.run(simple(), X, hold={"c_t": other})


def test_a_trace_that_does_not_fit_is_refused() -> None:
    other = lt.run(simple(), X)
    with pytest.raises(ShapeError, match=r"c_t has steps 0 to 2, B = 2, width 3 there and steps 0 to 5, B = 2"):
        lt.run(simple(), X, hold={"c_t": other.at(steps=slice(0, 3))})
    with pytest.raises(ShapeError, match="width 4 there"):
        lt.run(simple(), X, hold={"c_t": lt.run(simple(units=4), X)})
    with pytest.raises(MissingError, match="has no 0/forward/c_t"):
        lt.run(simple(), X, hold={"c_t": lt.run(simple(), X, record="h_t")})


def test_two_that_hold_the_same_value_are_both_named() -> None:
    with pytest.raises(OptionError) as error:
        lt.run(simple(), X, hold={"c_t[1]": 0.0, "2..3/c_t": "*0.5", "q_t": 1.0, "f_t": "x"})
    assert error.value.problems == (
        "hold '2..3/c_t' and 'c_t[1]' both hold 0/forward/2/0/c_t[1]; hold each value once",
        "hold 'q_t': there is no line 'q_t'; did you mean 'o_t'? It is q_t in the notation goodfellow",
        "hold 'f_t': expected a finite number, '*0.5' for a multiple of its own value, an array, or in "
        "Python a trace; found the text 'x'",
    )  # all faults at once
