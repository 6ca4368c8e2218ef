"""The run: random cells equation by equation against scalar loops, LSTMs against the oracle, closures, memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import lstm_trace as lt
from lstm_trace.cell.ops import OPS
from lstm_trace.errors import LstmTraceError, TooLargeError

from ..support import oracle
from ..support.rounding import agrees, near, numbers, within
from ..support.strategies import Case, cells, networks

PLANS = ["lines", "planned"]  # line by line, which is the definition, and as it is planned
EPS = np.finfo(np.float64).eps


def traced(case: Case, **arguments: Any) -> lt.Trace:
    return lt.run(case.weights, case.x, cell={"equations": case.text}, initial=case.initial, **arguments)


@pytest.mark.few(1)
@pytest.mark.parametrize("plan", PLANS)
@given(case=cells())
@settings(max_examples=60)
def test_every_equation_of_a_random_cell_agrees_with_scalar_loops(plan: Any, case: Case) -> None:
    """Each named line is derived again by the oracle from the values that the run recorded before it."""
    trace = traced(case, plan=plan)
    for t in range(trace.steps):
        for b in range(trace.batch):
            values = {name: a.tolist() if a.ndim == 2 else numbers(a) for name, a in case.weights.items()}
            values["x_t"] = numbers(case.x[t, b])
            for state, line in case.carry.items():
                values[state] = numbers((case.initial[state] if t == 0 else trace[line][t - 1])[b])
            for name, tree in case.trees.items():
                recorded = trace[name][t, b]
                values[name] = numbers(recorded)
                try:
                    expected = oracle.evaluate(tree, values)
                except (OverflowError, ZeroDivisionError):
                    continue
                for unit, value in zip(recorded, expected, strict=True):
                    if np.isfinite([near(value).value, near(value).off]).all():
                        within(unit, value, name)


@given(cells())
@settings(max_examples=40)
def test_asking_for_one_line_gives_what_the_full_run_has(case: Case) -> None:
    full = traced(case, plan="lines")
    for name in full.lines["0/forward"]:
        part = traced(case, ask=[name], plan="lines")
        np.testing.assert_array_equal(part[name], full[name][: part.steps])
        assert lt.verify(traced(case, ask=[name], plan="planned")).verdict != "failed"  # another order of adding
        closure = full.stages[0].cell.closure([name], carried=full.steps > 1)
        assert set(part.lines["0/forward"]) == closure


# -- the LSTM against the scalar oracle ------------------------------------------------------------------------------


def random_lstm(seed: int = 3, steps: int = 3, rows: int = 2, inputs: int = 5, units: int = 4) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    shapes = {f"W_x{g}": (units, inputs) for g in "ifco"} | {f"W_h{g}": (units, units) for g in "ifco"}
    shapes |= {f"b_{side}{g}": (units,) for g in "ifco" for side in "xh"}
    return {
        "weights": {name: rng.normal(size=shape) for name, shape in shapes.items()},
        "x": rng.normal(size=(steps, rows, inputs)),
        "h0": rng.normal(size=(rows, units)),
        "c0": rng.normal(size=(rows, units)),
    }


def ran(case: dict[str, Any], **arguments: Any) -> lt.Trace:
    return lt.run(case["weights"], case["x"], h0=case["h0"], c0=case["c0"], **arguments)


def disagreements(trace: lt.Trace, case: dict[str, Any]) -> set[str]:
    """Lines of a trace that the scalar oracle does not get from the recorded operands, within the rounding bound.

    Sums of products within n eps (|W| |x|); sigmoid 6 ulp, tanh 4; products and sums of two exactly.
    """
    w, found = case["weights"], set()
    lists = {name: array.tolist() for name, array in w.items()}
    for t in range(trace.steps):
        for b in range(trace.batch):
            x = case["x"][t, b]
            h, c = (case["h0"][b], case["c0"][b]) if t == 0 else (trace["h_t"][t - 1, b], trace["c_t"][t - 1, b])
            expected = oracle.step(lists, x.tolist(), h.tolist(), c.tolist())
            now = {name: trace[name][t, b] for name in expected}
            for gate, name in (("i", "i_t"), ("f", "f_t"), ("c", "c_tilde"), ("o", "o_t")):
                size = np.abs(w[f"W_x{gate}"]) @ np.abs(x) + np.abs(w[f"W_h{gate}"]) @ np.abs(h)
                size += np.abs(w[f"b_x{gate}"]) + np.abs(w[f"b_h{gate}"])
                terms = len(x) + len(h) + 2
                if (np.abs(now[f"z_{gate}"] - expected[f"z_{gate}"]) > terms * EPS * size).any():
                    found.add(f"z_{gate}")
                squash, ulp = (np.tanh, 4) if gate == "c" else (np.vectorize(oracle.sigmoid), 6)
                right = squash(now[f"z_{gate}"])
                if (np.abs(now[name] - right) > ulp * np.spacing(np.abs(right))).any():
                    found.add(name)
            if (now["c_t"] != now["f_t"] * c + now["i_t"] * now["c_tilde"]).any():
                found.add("c_t")
            right = now["o_t"] * np.tanh(now["c_t"])
            if (np.abs(now["h_t"] - right) > 5 * np.spacing(np.abs(right))).any():
                found.add("h_t")
    return found


def test_a_random_lstm_agrees_with_the_scalar_oracle() -> None:
    case = random_lstm()
    trace = ran(case)
    assert (trace.steps, trace.batch) == (3, 2)
    assert disagreements(trace, case) == set()


def test_every_gate_order_but_the_right_one_fails_that_comparison() -> None:
    case = random_lstm()
    failing = {}
    for order in permutations("ifco"):
        swapped = {name[:-1] + order["ifco".index(name[-1])]: array for name, array in case["weights"].items()}
        failing["".join(order)] = disagreements(ran({**case, "weights": swapped}), case)
    assert len(failing) == 24
    assert [order for order, found in failing.items() if not found] == ["ifco"]


@pytest.mark.few(0)
@pytest.mark.parametrize("plan", PLANS)
@given(case=networks())
@settings(max_examples=40)
def test_stacks_agree_with_the_scalar_oracle(plan: Any, case: dict[str, Any]) -> None:
    options = {k: v for k, v in case["options"].items() if v}
    trace = lt.run(
        case["weights"], case["x"], h0=case["h0"], c0=case["c0"], lengths=case["lengths"],
        cell={"kind": "lstm", "projection": case["projection"], **options}, plan=plan,
    )  # fmt: skip
    recorded = {s: {n: a.tolist() for n, a in lines.items()} for s, lines in trace.lines.items()}
    lists = {name: array.tolist() for name, array in case["weights"].items()}
    states = case["h0"].tolist(), case["c0"].tolist()
    expected = oracle.network(lists, case["x"].tolist(), *states, recorded, case["lengths"], **case["options"])
    for scope, lines in expected.items():
        for name, values in lines.items():
            if name in trace.lines[scope]:
                within(trace.lines[scope][name], values, f"{scope}/{name}")
        assert {"z_i", "i_t", "f_t", "c_tilde", "o_t", "c_t", "h_t"} <= set(trace.lines[scope])
    np.testing.assert_array_equal(trace.output, oracle.joined(recorded, trace.stages[-1].layer))


#: What a port gets wrong, done to the oracle's weights.
WRONG: dict[str, Any] = {
    "two gates swapped": lambda w: w | {f"{n}{g}": w[f"{n}{o}"] for n in ("W_x", "W_h") for g, o in ("if", "fi")},
    "a bias dropped": lambda w: {name: array for name, array in w.items() if name != "b_ho"},
    "W_hc transposed": lambda w: w | {"W_hc": w["W_hc"].T},
    "one weight off by 1e-13": lambda w: w | {"W_xc": w["W_xc"] * (1 + 1e-13 * (np.arange(20).reshape(4, 5) == 7))},
}


@pytest.mark.parametrize("wrong", [None, *WRONG])
def test_a_wrong_reading_is_farther_off_than_rounding_explains(wrong: str | None) -> None:
    case = random_lstm()
    lines = {name: array.tolist() for name, array in ran(case).lines["0/forward"].items()}
    weights = case["weights"] if wrong is None else WRONG[wrong](case["weights"])
    lists = {name: array.tolist() for name, array in weights.items()}
    expected = oracle.layer(lists, case["x"].tolist(), case["h0"].tolist(), case["c0"].tolist(), lines)
    off = {name for name, values in expected.items() if name in lines and not agrees(lines[name], values).all()}
    assert bool(off) == (wrong is not None)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [1e3, -1e3, 1e30])
def test_saturated_gates_compute_without_warnings(dtype: str, size: float) -> None:
    case = random_lstm()
    signs = {name: np.sign(array) for name, array in case["weights"].items()}  # five of them never add up to zero
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace = ran({**case, "weights": signs, "x": np.full((3, 2, 5), size)}, dtype=dtype)
    for name in ("i_t", "f_t", "o_t"):
        assert set(np.unique(trace[name])) <= {0.0, 1.0}, name
    assert np.isfinite(trace["h_t"]).all()


def test_sigmoid_is_right_to_a_few_ulp_everywhere() -> None:
    for dtype, low in ((np.float64, -700), (np.float32, -80)):
        z = np.concatenate([np.linspace(low, 40, 4001), np.linspace(-1, 1, 401)]).astype(dtype)
        with np.errstate(all="ignore"):
            found = OPS["sigmoid"].array([z], ())
        right = np.array([oracle.sigmoid(float(v)) for v in z])
        assert found.dtype == dtype
        assert (np.abs(found - right) <= 6 * np.spacing(right.astype(dtype)).astype(float)).all()


# -- asking for less -------------------------------------------------------------------------------------------------


def test_one_step_needs_only_the_asked_gate() -> None:
    case = random_lstm()
    part = {name: array for name, array in case["weights"].items() if name[-1] == "i"}
    trace = lt.run(part, case["x"][:1], h0=case["h0"], ask="i_t")
    assert list(trace.lines["0/forward"]) == ["W_xi @ x_t", "W_hi @ h_prev", "z_i", "i_t"]
    np.testing.assert_array_equal(trace["i_t"], ran(case)["i_t"][:1])
    assert trace.initial.keys() == {"0/forward"}
    assert list(trace.initial["0/forward"]) == ["h_prev"]


def test_one_step_of_both_directions_needs_only_the_asked_gate() -> None:
    case = random_lstm()
    part = {name: array for name, array in case["weights"].items() if name[-1] == "i"}
    both = {f"0/{direction}/{name}": array for direction in ("forward", "reverse") for name, array in part.items()}
    trace = lt.run(both, case["x"][:1], ask="i_t")
    for scope in ("0/forward", "0/reverse"):
        assert list(trace.lines[scope]) == ["W_xi @ x_t", "W_hi @ h_prev", "z_i", "i_t"]
        np.testing.assert_array_equal(trace.lines[scope]["i_t"], lt.run(part, case["x"][:1], ask="i_t")["i_t"])


def test_more_steps_need_what_is_carried_and_say_so() -> None:
    case = random_lstm()
    part = {name: array for name, array in case["weights"].items() if name[-1] == "i"}
    with pytest.raises(LstmTraceError) as error:
        lt.run(part, case["x"], ask="i_t")
    assert "line `W_xf @ x_t` needs W_xf, which the weights do not have" in str(error.value)
    first = lt.run(part, case["x"], h0=case["h0"], ask="0/1/i_t")  # of step 0 nothing is carried
    assert first.steps == 1
    with pytest.raises(LstmTraceError):
        lt.run(part, case["x"], ask="1/1/i_t")


def test_an_address_computes_no_later_step_and_no_other_layer() -> None:
    case = random_lstm(units=4, inputs=4)
    weights = {f"{layer}/forward/{n}": a for layer in (0, 1, 2) for n, a in case["weights"].items()}
    full = lt.run(weights, case["x"])
    trace = lt.run(weights, case["x"], ask="1/forward/1/0/c_t")
    assert trace.steps == 2
    assert trace.scopes == ("0/forward", "1/forward")
    assert "h_t" in trace.lines["1/forward"]  # carried from step 0 to step 1
    np.testing.assert_array_equal(trace.at(layer=1)["c_t"], full.at(layer=1)["c_t"][:2])
    assert [str(address) for address in trace.asked()] == ["1/forward/1/0/c_t"]
    bare = lt.run(weights, case["x"], ask="c_t")
    assert [address.scope for address in bare.asked()] == ["0/forward", "1/forward", "2/forward"]
    lengths = lt.run(weights, case["x"], lengths=[3, 2], ask="0/forward/0/0/i_t")
    assert lengths.lengths is not None
    assert lengths.lengths.tolist() == [1, 1]


def test_the_reverse_direction_needs_all_later_steps() -> None:
    case = random_lstm()
    full = lt.run(case["weights"], case["x"], cell={"kind": "lstm", "direction": "reverse"})
    trace = lt.run(case["weights"], case["x"], cell={"kind": "lstm", "direction": "reverse"}, ask="0/0/i_t")
    assert trace.steps == 3
    np.testing.assert_array_equal(trace["i_t"], full["i_t"])


def test_supplied_lines_are_not_computed_and_what_only_they_needed_is_not_needed() -> None:
    case = random_lstm()
    full = ran(case)
    given = {name: full[name] for name in ("f_t", "i_t", "c_tilde", "o_t")}
    trace = lt.run({}, case["x"], c0=case["c0"], given=given)
    np.testing.assert_array_equal(trace["h_t"], full["h_t"])
    assert list(trace.lines["0/forward"]) == ["f_t * c_prev", "i_t * c_tilde", "c_t", "tanh(c_t)", "h_t"]
    assert trace.x is None or "x_t" not in trace.lines["0/forward"]
    one = ran(case, given={"f_t": [1.0, 0.0, 0.5, 0.25]})
    np.testing.assert_array_equal(one["f_t"], np.broadcast_to([1.0, 0.0, 0.5, 0.25], (3, 2, 4)))
    assert "z_f" not in one.lines["0/forward"]


# -- layouts, types and memory ---------------------------------------------------------------------------------------


def test_batch_first_is_the_same_run_with_axes_swapped() -> None:
    case = random_lstm()
    plain = ran(case)
    other = ran({**case, "x": case["x"].swapaxes(0, 1)}, batch_first=True)
    np.testing.assert_array_equal(other["h_t"], plain["h_t"])
    np.testing.assert_array_equal(other.output, plain.output.swapaxes(0, 1))
    given = plain["f_t"].swapaxes(0, 1)
    swapped = ran({**case, "x": case["x"].swapaxes(0, 1)}, given={"f_t": given}, batch_first=True)
    np.testing.assert_array_equal(swapped["h_t"], plain["h_t"])


@pytest.mark.parametrize("plan", PLANS)
def test_x_without_a_batch_axis_gives_results_without_one(plan: str) -> None:
    case = random_lstm(rows=1)
    whole = ran(case, plan=plan)
    flat = lt.run(case["weights"], case["x"][:, 0], h0=case["h0"][0], c0=case["c0"][0], plan=plan)
    np.testing.assert_array_equal(flat["h_t"], whole["h_t"])
    assert flat.output.shape == (3, 4)
    assert flat.h_n.shape == (1, 4)
    np.testing.assert_array_equal(flat.h_n[0], whole["h_t"][-1, 0])
    np.testing.assert_array_equal(flat.c_n[0], whole["c_t"][-1, 0])
    one = lt.run(case["weights"], case["x"][0, 0], h0=case["h0"], c0=case["c0"][None], plan=plan)
    # one step is a product of another shape, which the plan's BLAS may add in another order: 8 ulp of 1
    np.testing.assert_allclose(one["h_t"], whole["h_t"][:1], rtol=0, atol=0 if plan == "lines" else 8 * EPS)


def test_results_without_x_keep_their_rows() -> None:
    rng = np.random.default_rng(0)
    trace = lt.run({}, given={"o_t": rng.random((2, 3, 4)), "c_t": rng.random((2, 3, 4))}, ask="h_t")
    assert trace.output.shape == (2, 3, 4)
    first = lt.run({}, given={"o_t": rng.random((3, 2, 4)), "c_t": rng.random((3, 2, 4))}, ask="h_t", batch_first=True)
    assert (first.steps, first.batch, first.output.shape) == (2, 3, (3, 2, 4))


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        ({}, "float64"),
        ({"weights": "float32", "x": "float32"}, "float32"),
        ({"weights": "float32"}, "float64"),
        ({"x": "float32"}, "float64"),
        ({"weights": "float16", "x": "float16"}, "float32"),
        ({"weights": "float32", "x": "float16"}, "float32"),
        ({"weights": "int64", "x": "int32"}, "float64"),
        ({"weights": "int8", "x": "int8", "dtype": "float32"}, "float32"),
        ({"dtype": "float32"}, "float32"),
        ({"dtype": "float16"}, "float32"),
        ({"weights": "list", "x": "list"}, "float64"),
        ({"weights": "float32", "x": "list"}, "float32"),
    ],
    ids=str,
)
def test_the_dtype_is_the_result_type_of_weights_and_input(kinds: dict[str, str], found: str) -> None:
    case = random_lstm()

    def typed(array: Any, kind: str | None) -> Any:
        if kind == "list":
            return array.tolist()
        return array if kind is None else (array * 4).astype(kind)

    weights = {name: typed(array, kinds.get("weights")) for name, array in case["weights"].items()}
    trace = lt.run(weights, typed(case["x"], kinds.get("x")), h0=case["h0"], c0=case["c0"], dtype=kinds.get("dtype"))
    assert trace.header.dtype == found
    assert {array.dtype.name for array in trace.lines["0/forward"].values()} == {found}
    assert {trace.x.dtype.name, trace.initial["0/forward"]["h_prev"].dtype.name} == {found}


def test_float32_is_computed_in_float32() -> None:
    case = random_lstm()
    exact, short = ran(case), ran(case, dtype="float32")
    assert 1e-9 < np.abs(exact["h_t"] - short["h_t"]).max() < 1e-5


def test_a_trace_shares_memory_with_no_other_and_not_with_the_caller() -> None:
    case = random_lstm()
    given = {"f_t": np.full((3, 2, 4), 0.5)}
    lengths = np.array([3, 2])
    model = lt.prepare(case["weights"])
    first = model.run(case["x"], h0=case["h0"], c0=case["c0"], given=given, lengths=lengths)
    again = model.run(case["x"], h0=case["h0"], c0=case["c0"], given=given, lengths=lengths)

    def arrays(trace: lt.Trace) -> dict[str, Any]:
        found = {"x": trace.x, "lengths": trace.lengths}
        for part in ("initial", "given", "lines"):
            found |= {f"{part}/{n}": a for n, a in getattr(trace, part)["0/forward"].items()}
        return found

    before = {name: array.copy() for name, array in arrays(first).items()}
    for array in (*case["weights"].values(), case["x"], case["h0"], case["c0"], given["f_t"], lengths):
        array[...] = 0
    for array in arrays(again).values():
        array[...] = 7
    for name, array in arrays(first).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    weight = first.parameters["0/forward"]["W_xi"]
    assert weight.any()
    with pytest.raises(ValueError, match="read-only"):
        weight[0, 0] = 1.0


def test_a_run_that_does_not_fit_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstm_trace.base.resources.available", lambda: 3 * 1024**2)
    case = random_lstm(steps=20_000, rows=1)
    with pytest.raises(TooLargeError) as error:
        ran(case)
    assert "the trace would need" in str(error.value)
    assert "3.0 MiB of memory are free; ask for fewer lines, or trace fewer steps or rows" in str(error.value)
    size = float(str(error.value).split("need ")[1].split(" MiB")[0])
    assert size == pytest.approx(20_000 * 4 * 8 * 21 / 1024**2, abs=0.06)  # the plain cell has 21 lines


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("h_t = -0.1 + x_t", lambda x: -np.float32(0.1) + x),
        ("h_t = 0.1 + 0.2 + x_t", lambda x: np.float32(0.1) + np.float32(0.2) + x),
        ("h_t = 0.1 * 0.3 * x_t", lambda x: np.float32(0.1) * np.float32(0.3) * x),
        ("h_t = sum(0.1) - x_t", lambda x: np.float32(0.1) - x),
    ],
)
@pytest.mark.parametrize("plan", PLANS)
def test_a_number_is_one_of_the_runs_dtype(text: str, value: Callable[[Any], Any], plan: Any) -> None:
    """Numbers by themselves made a sum of float64 in the run line by line, which `verify` then refused."""
    x = np.random.default_rng(0).normal(size=(9, 1, 5)).astype(np.float32)
    model = lt.prepare({}, cell={"equations": f"{text}\noutput: h_t"}, dtype="float32")
    trace = model.run(x, plan=plan)
    assert lt.verify(trace).verdict == "verified"
    assert trace["h_t"].tolist() == [[[value(one) for one in row] for row in step] for step in x]
