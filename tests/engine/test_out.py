"""`out=` and `record=`: memory that is written again, what is stored and what is not."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, MissingError, OptionError, ShapeError

RNG = np.random.default_rng(5)
GATES = "ifco"


def weights(layers: int = 1, both: bool = False, units: int = 3, inputs: int = 4) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for layer in range(layers):
        width = inputs if layer == 0 else units * (2 if both else 1)
        for direction in ("forward", "reverse")[: 2 if both else 1]:
            at = f"{layer}/{direction}/"
            found |= {f"{at}W_x{g}": RNG.normal(size=(units, width)) for g in GATES}
            found |= {f"{at}W_h{g}": RNG.normal(size=(units, units)) for g in GATES}
            found |= {f"{at}b_{g}": RNG.normal(size=units) for g in GATES}
    return found


def same(a: lt.Trace, b: lt.Trace) -> None:
    """Equal premises; lines equal but for the order in which products add."""
    assert a.header == b.header
    assert [s.scope for s in a.stages] == [s.scope for s in b.stages]
    for part in ("parameters", "initial", "given"):
        for scope, here in getattr(b, part).items():
            for name, array in here.items():
                np.testing.assert_array_equal(getattr(a, part)[scope][name], array)
    np.testing.assert_array_equal(a.x, b.x)
    for scope, here in b.lines.items():
        assert list(a.lines.get(scope, {})) == list(here)
        for name, array in here.items():
            np.testing.assert_allclose(a.lines[scope][name], array, rtol=1e-10, atol=1e-13)


MODEL = lt.prepare(weights(2, both=True))
X = RNG.normal(size=(9, 2, 4))


# -- out= --------------------------------------------------------------------------------------------------------------


def test_memory_is_written_again() -> None:
    trace = MODEL.run(X, plan="planned")
    kept = {scope: dict(here) for scope, here in trace.lines.items()}
    other = RNG.normal(size=X.shape)
    again = MODEL.run(other, out=trace, plan="planned")
    assert again is trace
    for scope, here in kept.items():
        for name, array in here.items():
            assert again.lines[scope][name] is array
    same(again, MODEL.run(other, plan="planned"))


def test_states_lengths_and_supplied_lines_are_taken_too() -> None:
    h0, c0 = RNG.normal(size=(4, 2, 3)), RNG.normal(size=(4, 2, 3))
    for arguments in (
        {"h0": h0, "c0": c0},
        {"lengths": [9, 4]},
        {"given": {"1/forward/f_t": RNG.random((9, 2, 3))}},
        {"ask": ["0/reverse/3/0/c_t"]},
    ):
        trace = MODEL.run(X, plan="planned", **arguments)
        fresh = RNG.normal(size=X.shape)
        changed = {k: v if k in ("ask", "given") else v[::-1] for k, v in arguments.items()}
        again = MODEL.run(fresh, out=trace, plan="planned", **changed)
        same(again, MODEL.run(fresh, plan="planned", **changed))
        assert again.lines["0/reverse"]["c_t"] is trace.lines["0/reverse"]["c_t"]


def test_states_do_not_stay_from_the_run_before() -> None:
    model = lt.prepare(weights())
    trace = model.run(X, plan="planned")
    trace.initial["0/forward"]["h_prev"][...] = 7.0
    again = model.run(X, out=trace, plan="planned")
    same(again, model.run(X, plan="planned"))


@pytest.mark.parametrize("batch_first", [False, True])
def test_an_input_in_another_layout(batch_first: bool) -> None:
    model = lt.prepare(weights())
    x = RNG.normal(size=(2, 9, 4) if batch_first else (9, 4))
    trace = model.run(x, batch_first=batch_first, plan="planned")
    other = RNG.normal(size=x.shape)
    again = model.run(other, out=trace, batch_first=batch_first, plan="planned")
    assert again is trace
    same(again, model.run(other, batch_first=batch_first, plan="planned"))
    assert again.output.shape[: x.ndim - 1] == x.shape[:-1]


def test_float32_input_into_a_float64_trace_and_back() -> None:
    model = lt.prepare(weights())
    trace = model.run(X, plan="planned")
    again = model.run(X.astype(np.float32), out=trace, plan="planned")
    assert again["h_t"].dtype == np.float64
    np.testing.assert_array_equal(again.x, X.astype(np.float32))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])  # noqa: S301 - our own
def test_a_copy_is_written_into_line_by_line(copied: Any) -> None:
    model = lt.prepare(weights())
    trace = copied(model.run(X, plan="planned"))
    other = RNG.normal(size=X.shape)
    array = trace.lines["0/forward"]["h_t"]
    again = model.run(other, out=trace, plan="planned")
    assert again.lines["0/forward"]["h_t"] is array
    same(again, model.run(other, plan="planned"))


def test_a_line_that_was_replaced_is_written_into() -> None:
    model = lt.prepare(weights())
    trace = model.run(X, plan="planned")
    trace.lines["0/forward"]["h_t"] = mine = np.zeros((9, 2, 3))
    again = model.run(X, out=trace, plan="planned")
    assert again.lines["0/forward"]["h_t"] is mine
    same(again, model.run(X, plan="planned"))


def test_another_model_with_the_same_sizes() -> None:
    first, second = lt.prepare(weights()), lt.prepare(weights())
    again = second.run(X, out=first.run(X, plan="planned"), plan="planned")
    same(again, second.run(X, plan="planned"))


def test_what_does_not_fit_is_told() -> None:
    model = lt.prepare(weights())
    with pytest.raises(ShapeError) as error:
        model.run(X[:5], out=model.run(X))
    assert "out: 0/forward/W_xi @ x_t is float64[9, 2, 3]; this run needs float64[5, 2, 3]" in str(error.value)
    with pytest.raises(ShapeError, match="out: 1/joined is not recorded by this run"):
        model.run(X, out=MODEL.run(X))
    with pytest.raises(ShapeError, match="out has no line 0/forward/i_t"):
        model.run(X, out=model.run(X, record="h_t"))
    frozen = model.run(X, plan="lines")
    frozen.lines["0/forward"]["i_t"].flags.writeable = False
    with pytest.raises(ShapeError, match="which cannot be written"):
        model.run(X, out=frozen)


def test_two_runs_at_once_do_not_meet() -> None:
    from concurrent.futures import ThreadPoolExecutor

    model = lt.prepare(weights())
    inputs = [RNG.normal(size=(200, 2, 4)) for _ in range(8)]
    expected = [model.run(x, plan="planned")["h_t"].copy() for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: model.run(x, plan="planned")["h_t"], inputs * 4))
    for a, b in zip(found, expected * 4, strict=True):
        np.testing.assert_array_equal(a, b)


def test_traces_share_no_memory() -> None:
    model = lt.prepare(weights())
    first, second = model.run(X, plan="planned"), model.run(X, plan="planned")
    for name, array in first.lines["0/forward"].items():
        assert not np.shares_memory(array, second["c_t"]), name
        assert not np.shares_memory(array, X)


# -- record= -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", ["planned", "lines"])
@pytest.mark.parametrize(
    ("record", "stored"),
    [
        ("h_t", {s: ["h_t"] for s in ("0/forward", "0/reverse", "1/forward", "1/reverse")}),
        (["h_t", "c_t"], {s: ["c_t", "h_t"] for s in ("0/forward", "0/reverse", "1/forward", "1/reverse")}),
        ({"lines": ["y_t"]}, {"0/joined": ["y_t"], "1/joined": ["y_t"]}),
        ({"lines": "i_t", "layers": [1]}, {"1/forward": ["i_t"], "1/reverse": ["i_t"]}),
        (["1/reverse/o_t", "0/forward/W_xi @ x_t"], {"0/forward": ["W_xi @ x_t"], "1/reverse": ["o_t"]}),
    ],
)
def test_only_what_is_chosen_is_stored(plan: Any, record: Any, stored: dict[str, list[str]]) -> None:
    trace = MODEL.run(X, record=record, plan=plan)
    assert {scope: list(here) for scope, here in trace.lines.items() if here} == stored
    full = MODEL.run(X, plan=plan)
    for scope, names in stored.items():
        for name in names:
            np.testing.assert_allclose(trace.lines[scope][name], full.lines[scope][name], rtol=1e-10, atol=1e-13)
    assert {s.scope: s.lines for s in trace.stages} == {s.scope: s.lines for s in full.stages}  # what was computed


def test_a_partial_trace_says_what_it_lacks() -> None:
    trace = MODEL.run(X, record=["c_t", "h_t"])
    assert lt.verify(trace).verdict == "inconclusive"
    assert "f_t * c_prev" in lt.verify(trace).unknown[0].reason
    assert trace.h_n.shape == (4, 2, 3)
    with pytest.raises(MissingError, match="the output y_t of 1/joined was not recorded"):
        _ = trace.output
    with pytest.raises(MissingError, match="i_t was not recorded"):
        _ = trace["i_t"]
    assert trace.header.ask == ()


def test_what_is_asked_for_is_stored_in_any_case() -> None:
    trace = MODEL.run(X, ask=["1/forward/f_t"], record="c_t")
    assert list(trace.lines["1/forward"]) == ["f_t", "c_t"]


def test_a_partial_trace_is_written_again() -> None:
    trace = MODEL.run(X, record="c_t", plan="planned")
    other = RNG.normal(size=X.shape)
    again = MODEL.run(other, record="c_t", out=trace, plan="planned")
    assert again.lines["0/forward"]["c_t"] is trace.lines["0/forward"]["c_t"]
    same(again, MODEL.run(other, record="c_t", plan="planned"))


@pytest.mark.parametrize(
    ("record", "kind", "message"),
    [
        ("h_x", MissingError, "record: this run computes no line 'h_x'; did you mean 'h_t'?"),
        ("7/forward/h_t", MissingError, "record: there is no '7/forward'"),
        ({"layers": 4}, MissingError, "record: there is no layer 4; there are 0, 1"),
        ({"lines": "y_t", "layers": 2}, MissingError, "record: there is no layer 2"),
        ({"lines": "1/forward/h_t", "layers": 0}, MissingError, "record: none of the chosen lines is in the chosen"),
        ({"line": "y_t"}, OptionError, "record has no part 'line'; did you mean 'lines'?"),
        ({"steps": 3.5}, OptionError, "record: steps are a number, or a slice or range with step 1; found 3.5"),
        ({"steps": slice(0, 9, 2)}, OptionError, "record: steps are a number, or a slice or range with step 1"),
        ({"steps": slice(9, 12)}, MissingError, "record: steps 9:12 is not in the trace: T = 9, so 0 to 8"),
        ({"layers": "0"}, OptionError, "record: layers are whole numbers"),
        ([1], OptionError, "record: lines are names"),
    ],
)
def test_a_choice_that_cannot_be_is_told(record: Any, kind: type[LstmTraceError], message: str) -> None:
    with pytest.raises(kind) as error:
        MODEL.run(X, record=record)
    assert message in str(error.value)
