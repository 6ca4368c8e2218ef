"""Gradients of every cell against central finite differences of whole runs; layouts; what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.backpropagation.gradients import walked, weighting
from lstm_trace.backpropagation.run import line_gradients
from lstm_trace.engine.plan.numpy_machine import MOST_STEPS
from lstm_trace.errors import MissingError, OptionError, ShapeError
from lstm_trace.trace.address import STATE

from ..support.tiers import some
from ..support.walk_cases import CELLS, case

STEP = 1e-4


def slope(told: dict[str, Any], change: Any, value: Any) -> float:
    """d value / d size of `change`: two central differences, extrapolated, so that the error is of order STEP^4."""

    def at(size: float) -> float:
        return float(value(lt.run(**change(told, size))))

    near = (at(STEP) - at(-STEP)) / (2 * STEP)
    far = (at(2 * STEP) - at(-2 * STEP)) / (4 * STEP)
    return (4 * near - far) / 3


def moved(told: dict[str, Any], key: str, way: np.ndarray, size: float) -> dict[str, Any]:
    """The arguments with the premise `key` of `gradients` moved by size * way."""
    told = {**told}
    if key == "x":
        told["x"] = told["x"] + size * way
    elif key in STATE or key in told["initial"]:
        state = STATE.get(key, key)
        told["initial"] = {**told["initial"], state: told["initial"][state] + size * way}
    else:
        told["source"] = {**told["source"], key: told["source"][key] + size * way}
    return told


def by_premise(found: dict[str, np.ndarray], told: dict[str, Any]) -> dict[str, np.ndarray]:
    """The states that have no short name stacked like h0, so that each array has one key of `told`."""
    joined = {k: v for k, v in found.items() if k in told["source"] or k == "x" or k in STATE}
    for state in told["initial"]:
        if state not in STATE.values():
            joined[state] = np.stack([v for k, v in found.items() if k.endswith(f"/{state}")])
    return joined


@pytest.mark.few(1)
@pytest.mark.parametrize("lengths", [None, [4, 2]])
@pytest.mark.parametrize("name", some(CELLS, 5))
def test_finite_differences(name: str, lengths: list[int] | None) -> None:
    """Two layers in both directions: along a random way for the input, each state, and each parameter of all layers.

    In sorted order, so that the ways are the same in each run: a set of names has another order in every process, and
    of random ways for `W_n` one in eight carries a comparison of the own cell across its jump, where no slope is.
    """
    told, trace = case(name, 5, lengths=lengths)
    rng = np.random.default_rng(6)
    weights = [rng.normal(size=v.shape) for v in (trace.output, trace.h_n)]

    def value(t: lt.Trace) -> float:
        return float((t.output * weights[0]).sum() + (t.h_n * weights[1]).sum())

    found = by_premise(lt.gradients(trace, output=weights[0], h_n=weights[1]), told)
    assert set(found) == {*told["source"], "x", *({"h_prev": "h0", "c_prev": "c0"}.get(s, s) for s in told["initial"])}
    for short in sorted({key.rsplit("/", 1)[-1] for key in found}):
        ways = {k: rng.normal(size=v.shape) for k, v in found.items() if k.rsplit("/", 1)[-1] == short}

        def change(t: dict[str, Any], size: float, ways: dict[str, np.ndarray] = ways) -> dict[str, Any]:
            for key, way in ways.items():
                t = moved(t, key, way, size)
            return t

        total = sum(float((found[key] * way).sum()) for key, way in ways.items())
        assert total == pytest.approx(slope(told, change, value), rel=2e-8, abs=2e-9), short


@pytest.mark.few(0)
def test_every_entry_of_a_small_cell() -> None:
    told, trace = case("plain", 7, steps=3, batch=2, layers=1, both=False)
    of = "2/1/c_t[3]"
    found = lt.gradients(trace, of=of)
    for key in ("0/forward/W_hf", "0/forward/b_o", "x", "c0"):
        for place in np.ndindex(found[key].shape):
            way = np.zeros(found[key].shape)
            way[place] = 1
            expected = slope(told, lambda t, size, k=key, w=way: moved(t, k, w, size), lambda t: t["c_t"][2, 1, 3])
            assert found[key][place] == pytest.approx(expected, rel=1e-8, abs=1e-10), (key, place)
    assert found["0/forward/b_o"].all(), "h of the steps before is in c_t, and the output gate in h"


def test_gradient_of_a_state_and_of_an_inner_line() -> None:
    _, trace = case("plain", 2, layers=1, both=False)
    np.testing.assert_array_equal(lt.gradients(trace, of="0/1/h_prev[2]")["h0"][0, 1], [0, 0, 1, 0])
    first = lt.gradients(trace, of="2/0/h_prev[1]")
    same = lt.gradients(trace, of="1/0/h_t[1]")
    for key, value in same.items():
        np.testing.assert_allclose(first[key], value, rtol=1e-13, atol=1e-16)
    inner = lt.gradients(trace, of="3/1/W_xi @ x_t[2]")
    np.testing.assert_array_equal(inner["x"][3, 1], trace.parameters["0/forward"]["W_xi"][2])
    assert not inner["0/forward/W_hi"].any()


def test_one_value_leaves_other_rows_alone() -> None:
    _, trace = case("peephole", 3)
    found = lt.gradients(trace, of="1/joined/2/1/y_t[0]")
    assert not found["x"][:, 0].any()
    assert not found["h0"][:, 0].any()
    assert found["x"][:, 1].all()
    weights = np.zeros(trace.output.shape)
    weights[2, 1, 0] = 1
    for key, value in lt.gradients(trace, output=weights).items():
        np.testing.assert_allclose(found[key], value, rtol=1e-12, atol=1e-15, err_msg=key)


def test_layouts_are_those_of_the_input() -> None:
    told, trace = case("projection", 4)
    weights = np.random.default_rng(9).normal(size=trace.output.shape)
    plain = lt.gradients(trace, output=weights)
    swapped = lt.run(**{**told, "x": np.swapaxes(told["x"], 0, 1), "batch_first": True})
    other = lt.gradients(swapped, output=np.swapaxes(weights, 0, 1))
    np.testing.assert_allclose(other["x"], np.swapaxes(plain["x"], 0, 1), rtol=1e-12, atol=1e-15)
    alone = lt.run(**{**told, "x": told["x"][:, 0], "initial": {k: v[:, 0] for k, v in told["initial"].items()}})
    single = lt.gradients(alone, output=weights[:, 0], c_n=np.zeros((4, 4)))
    assert single["x"].shape == (4, 3)
    assert single["h0"].shape == (4, 2)
    assert single["c0"].shape == (4, 4)
    np.testing.assert_allclose(single["x"], plain["x"][:, 0], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(single["c0"], plain["c0"][:, 0], rtol=1e-12, atol=1e-15)


def test_float32_stays_float32() -> None:
    told, exact = case("plain", 8, steps=6)
    trace = lt.run(**told, dtype="float32")
    weights = np.random.default_rng(2).normal(size=trace.output.shape)
    found = lt.gradients(trace, output=weights)
    for key, value in lt.gradients(exact, output=weights).items():
        assert found[key].dtype == np.float32
        np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=2e-5, err_msg=key)


def test_supplied_lines_are_premises() -> None:
    rng = np.random.default_rng(4)
    f, i = rng.uniform(size=(2, 3, 1, 2))
    trace = lt.run({"W_xc": rng.normal(size=(2, 2)), "W_hc": rng.normal(size=(2, 2)), "W_xo": rng.normal(size=(2, 2)),
                    "W_ho": rng.normal(size=(2, 2))}, rng.normal(size=(3, 1, 2)), given={"f_t": f, "i_t": i},
                   initial={"c_prev": rng.normal(size=(1, 1, 2))})  # fmt: skip
    found = lt.gradients(trace, of="0/forward/2/0/c_t[1]")
    assert found["0/forward/f_t"].shape == (3, 1, 2)
    assert found["0/forward/f_t"][2, 0, 1] == pytest.approx(trace["c_t"][1, 0, 1], rel=1e-14)  # d(f c_prev)/df
    assert found["0/forward/i_t"][2, 0, 1] == pytest.approx(trace["c_tilde"][2, 0, 1], rel=1e-14)


def test_line_gradients_are_those_of_the_chain_rule() -> None:
    """Back-propagation through time of the plain cell, step by step as a textbook has it."""
    _, trace = case("plain", 12, layers=1, both=False, steps=5)
    weights = np.random.default_rng(3).normal(size=trace.output.shape)
    found = line_gradients(walked(trace, weighting(trace, output=weights), True))["0/forward"]
    values = {n: trace[n] for n in ("i_t", "f_t", "o_t", "c_tilde", "c_t", "h_t")}
    w = trace.parameters["0/forward"]
    dh_next, dc_next = np.zeros((2, 4)), np.zeros((2, 4))
    for t in range(4, -1, -1):
        v = {n: a[t] for n, a in values.items()}
        c_prev = trace["c_t"][t - 1] if t else trace.initial["0/forward"]["c_prev"]
        dh = weights[t] + dh_next
        dc = dc_next + dh * v["o_t"] * (1 - np.tanh(v["c_t"]) ** 2)
        dz = {
            "o": dh * np.tanh(v["c_t"]) * v["o_t"] * (1 - v["o_t"]),
            "i": dc * v["c_tilde"] * v["i_t"] * (1 - v["i_t"]),
            "f": dc * c_prev * v["f_t"] * (1 - v["f_t"]),
            "c": dc * v["i_t"] * (1 - v["c_tilde"] ** 2),
        }
        for gate, value in dz.items():
            np.testing.assert_allclose(found[f"z_{gate}"][t], value, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(found["h_t"][t], dh, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(found["c_t"][t], dc, rtol=1e-11, atol=1e-14)
        dh_next = sum(dz[g] @ w[f"W_h{g}"] for g in "ifco")
        dc_next = dc * v["f_t"]
    total = lt.gradients(trace, output=weights)
    np.testing.assert_allclose(total["h0"][0], dh_next, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(total["0/forward/b_f"], found["z_f"].sum(axis=(0, 1)), rtol=1e-11, atol=1e-14)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", some(CELLS, 6))
def test_zero_states_and_zero_rows_give_no_nan(name: str) -> None:
    told, _ = case(name, 1)
    zero = {state: np.zeros_like(value) for state, value in told["initial"].items() if state != "n_prev"}
    x = told["x"].copy()
    x[:, 0] = 0
    trace = lt.run(**{**told, "x": x, "initial": {**told["initial"], **zero}})
    for key, value in lt.gradients(trace, output=np.ones(trace.output.shape)).items():
        assert np.isfinite(value).all(), key


def test_a_long_vanishing_gradient_ends_in_zero() -> None:
    """Neither recursion nor, for more than a block of steps, numbers below the normal range, where work is slow."""
    rng = np.random.default_rng(5)
    trace = lt.run({"W": rng.normal(size=(3, 3)) * 0.3, "U": rng.normal(size=(3, 2))}, rng.normal(size=(3000, 2)),
                   cell={"equations": "h_t = tanh(W @ h_prev + U @ x_t)\ncarry: h_prev <- h_t"})  # fmt: skip
    found = lt.gradients(trace, of="2999/h_t[0]")
    assert not found["h0"].any()
    assert not found["x"][:100].any()
    assert found["x"][-5:].all()
    small = (found["x"] != 0) & (np.abs(found["x"]) < np.finfo(np.float64).tiny)
    assert small.any(axis=1).sum() <= MOST_STEPS
    assert lt.verify(lt.backward(trace, of="2999/h_t[0]")).verdict == "verified"


@pytest.mark.few(0)
def test_weightings_add() -> None:
    _, trace = case("coupled", 13)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=trace.output.shape), rng.normal(size=trace.c_n.shape)
    both = lt.gradients(trace, output=a, c_n=b, of="0/reverse/1/0/c_t[1]")
    apart = [lt.gradients(trace, output=a), lt.gradients(trace, c_n=b), lt.gradients(trace, of="0/reverse/1/0/c_t[1]")]
    for key, value in both.items():
        np.testing.assert_allclose(value, sum(g[key] for g in apart), rtol=1e-12, atol=1e-14, err_msg=key)


def test_lines_that_are_not_needed_need_not_be_recorded() -> None:
    _, trace = case("plain", 14, layers=1, both=False)
    expected = lt.gradients(trace, of="3/0/h_t[0]")
    here = trace.lines["0/forward"]
    for name in [n for n in here if " " in n or n.startswith("z_")]:
        del here[name]  # sums and products of the plain cell: their slopes are other lines
    for key, value in lt.gradients(trace, of="3/0/h_t[0]").items():
        np.testing.assert_array_equal(value, expected[key])
    del here["c_tilde"]
    with pytest.raises(
        MissingError, match=r"0/forward/c_tilde was not recorded; the backward pass through line `.*` needs it"
    ):
        lt.gradients(trace, of="3/0/h_t[0]")


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_a_carried_line_that_was_not_recorded_is_named(direction: str) -> None:
    _, trace = case("plain", 14, layers=1, both=True)
    del trace.lines[f"0/{direction}"]["c_t"]
    told = rf"^0/{direction}/c_t was not recorded; the backward pass through line `.*` needs it: trace again"
    for walk in (lt.gradients, lt.backward):
        with pytest.raises(MissingError, match=told):
            walk(trace, of="2/0/y_t[1]")


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({}, OptionError, "nothing to differentiate: give weights as output, h_n, c_n or seeds"),
        ({"output": [1.0]}, ShapeError, r"output has shape \(1,\); expected \(4, 2, 8\), that of trace.output"),
        ({"c_n": np.ones((4, 2, 3))}, ShapeError, r"c_n has shape \(4, 2, 3\); expected \(4, 2, 4\)"),
        ({"output": np.ones((4, 2, 8)) * 1j}, ShapeError, "output: expected numbers, found the dtype complex128"),
        ({"h_n": [[1j, 2]]}, ShapeError, r"h_n: expected a number at \[0,0\], found 1j"),
        ({"seeds": {"1/joined/y_t": "x"}}, ShapeError, "seeds: 1/joined/y_t: expected a number, found the text 'x'"),
        (
            {"of": "0/forward/W_xi[0,0]"},
            MissingError,
            "is a premise, not computed: name a line, for example 1/joined/3/0",
        ),
        ({"of": "2/0/x_t[1]"}, MissingError, "is a premise"),
        ({"of": "0/forward/h0[1]"}, MissingError, "is not an address here|is a premise"),
        ({"of": "0/forward/2/1/c_t"}, MissingError, r"is 4 values: name one unit, from 0/forward/2/1/c_t\[0\] to"),
        ({"of": "0/forward/2/1/c_t[4]"}, MissingError, "has units 0 to 3"),
        ({"of": "2/1/c_t[0]"}, MissingError, "is not an address here; expected layer/direction"),
        ({"of": "0/forward/2/1/c_tt[0]"}, MissingError, "did you mean 'c_t'"),
    ],
)
def test_refusals(arguments: dict[str, Any], kind: type[Exception], text: str) -> None:
    _, trace = case("plain", 15)
    with pytest.raises(kind, match=text):
        lt.gradients(trace, **arguments)


@pytest.mark.parametrize("of", ["valid", "0/0/valid", "0/forward/0/0/valid[0]", "W_xi", "W_xi[0,0]", "h0[0]", "x_t[0]"])
def test_premises_of_a_single_step_are_no_values_to_differentiate(of: str) -> None:
    trace = lt.run({"W_xi": [[0.5, 1.0]], "W_hi": [[1.0]]}, [[[1.0, 2.0]]], ask="i_t", lengths=[1])
    with pytest.raises(MissingError, match="is a premise, not computed: name a line, for example 0/forward/0/0/y_t"):
        lt.gradients(trace, of=of)


def test_walk_without_any_weight_gives_zeros() -> None:
    _, trace = case("plain", 16)
    found = lt.gradients(trace, output=np.zeros(trace.output.shape))
    assert found["x"].shape == trace.x.shape
    assert not any(value.any() for value in found.values())
