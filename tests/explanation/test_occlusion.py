"""Occlusion: the value less the value without a step, against loops of single runs and a network written out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.backpropagation.target import target
from lstm_trace.engine import plan_choice
from lstm_trace.engine.jit import installed
from lstm_trace.engine.run import run_seconds
from lstm_trace.errors import OptionError
from lstm_trace.explanation import trials
from lstm_trace.explanation.account import BINS, Account, account
from lstm_trace.results.explanation import explanation
from lstm_trace.trace.derived import one_row

from ..support import plain_lstm
from ..support.held_lstm import random_network
from ..support.tiers import some
from ..support.walk_cases import CELLS, case

OF = "1/joined/2/1/y_t[1]"
Taken = dict[str, np.ndarray]


def traced(seed: int, plan: str = "auto", **how: Any) -> tuple[dict[str, Any], lt.Trace]:
    """Two bidirectional layers, T = 5, B = 2."""
    told, _ = case("plain", seed, steps=5)
    told |= how
    model = lt.prepare(told.pop("source"), cell=told.pop("cell"))
    return told, model.run(**told, plan=plan)


def written_out(trace: lt.Trace, x: np.ndarray, initial: dict[str, np.ndarray]) -> np.ndarray:
    """The top layer's output for row 1 with other premises."""
    weights = {f"{scope}/{name}": value for scope, here in trace.parameters.items() for name, value in here.items()}
    return plain_lstm.outputs(weights, x, initial, trace.valid[:, 1, 0] != 0)


def states(trace: lt.Trace, b: int) -> dict[str, np.ndarray]:
    return {
        f"{scope}/{short}": here[name][b]
        for scope, here in trace.initial.items()
        for name, short in (("h_prev", "h0"), ("c_prev", "c0"))
    }


@pytest.mark.few(0)
@pytest.mark.parametrize("padding", [{}, {"lengths": [5, 4]}, {"mask": [[1, 0], [1, 1], [0, 1], [1, 1], [1, 1]]}])
@pytest.mark.parametrize("baseline", ["zero-input", "zero-state", 0])
def test_against_a_network_that_is_written_out(baseline: Any, padding: dict[str, Any]) -> None:
    _, trace = traced(31, **padding)
    found = account(trace, OF, baseline)
    x, own = trace.x[:, 1], states(trace, 1)
    base = {"zero-input": (x * 0, own), "zero-state": (x, {k: v * 0 for k, v in own.items()})}.get(
        baseline, (trace.x[:, 0], states(trace, 0))
    )
    value = written_out(trace, x, own)[2, 1]
    assert value == pytest.approx(trace.output[2, 1, 1], rel=1e-13)
    expected: list[float | None] = []
    for t in range(5):
        other = x.copy()
        other[t] = base[0][t]
        expected.append(value - written_out(trace, other, own)[2, 1] if trace.valid[t, 1] else None)
    told = [step.occlusion for step in found.steps]
    assert [step is None for step in told] == [step is None for step in expected]
    np.testing.assert_allclose(np.array(told, float), np.array(expected, float), rtol=1e-9, atol=1e-15)
    assert found.occlusion is not None
    if baseline == "zero-input":
        assert found.occlusion.states == {}
        return
    lost = {place: value - written_out(trace, x, own | {place: base[1][place]})[2, 1] for place in own}
    assert {**dict.fromkeys(own, 0.0), **found.occlusion.states} == pytest.approx(lost, rel=1e-9, abs=1e-15)
    assert {place for place, value in lost.items() if not value} == {"1/reverse/h0", "1/reverse/c0"}
    assert found.occlusion.possible == (6 if baseline == "zero-state" else 6 + int(trace.valid[:, 1].sum()))


PLANS = ["lines", "planned", *(["compiled"] if installed() else [])]
SCOPES = ["0/forward", "0/reverse", "1/forward", "1/reverse"]
MASK = np.array([[1, 1], [1, 1], [1, 0], [0, 1], [1, 1], [1, 0], [1, 1]])


@pytest.mark.few(0)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("padding", some([{}, {"lengths": [7, 6]}, {"mask": MASK}], 2))
@pytest.mark.parametrize("plan", some(PLANS, 2))
def test_it_is_a_loop_of_runs_to_the_last_bit(plan: Any, padding: dict[str, Any], dtype: str) -> None:
    """Steps, initial states and the orders of faithfulness, of one value; row 0 is the baseline of row 1."""
    rng = np.random.default_rng(32)
    weights = {name: value.astype(dtype) for name, value in random_network(33).items()}
    x, h0, c0 = (rng.normal(size=size).astype(dtype) for size in ((7, 2, 3), (4, 2, 4), (4, 2, 4)))
    own = {name: np.array(values)[..., 1:] for name, values in padding.items()}
    trace = lt.run(weights, x, h0=h0, c0=c0, plan=plan, **padding)
    found = account(trace, "1/forward/4/1/h_t[3]", 0)
    steps = [t for t in range(7) if trace.valid[t, 1]]
    places = [f"{scope}/{name}" for scope in SCOPES for name in ("h0", "c0")]

    def value(replaced: set[Any]) -> float:
        one = {"x": x[:, 1:].copy(), "h0": h0[:, 1:].copy(), "c0": c0[:, 1:].copy()}
        for what in replaced:
            if isinstance(what, int):
                one["x"][what] = x[what, :1]
            else:
                scope, name = what.rsplit("/", 1)
                one[name][SCOPES.index(scope)] = {"h0": h0, "c0": c0}[name][SCOPES.index(scope), :1]
        run = lt.run(weights, **one, plan=plan, **own)
        assert (run.header.plan, run.header.dtype) == (plan, dtype)
        return float(run.lines["1/forward"]["h_t"][4, 0, 3])

    whole, without = value(set()), found.occlusion
    assert without is not None
    assert without.value == whole
    assert {step.t: step.occlusion for step in found.steps if step.occlusion is not None} == {
        t: whole - value({t}) for t in steps
    }
    there = [place for place in places if not place.startswith("1/reverse")]  # this value does not depend on it
    assert without.states == {place: whole - value({place}) for place in there}
    assert all(without.states.values())
    faith = found.faithfulness
    assert faith is not None
    assert faith.value - faith.baseline == whole - value({*steps, *there})
    every = [*(t for t in steps if without.steps[t] or t <= 4), *there]
    lost = {**dict(enumerate(without.steps)), **without.states}
    order = sorted(every, key=lambda what: -lost[what] * faith.side)
    first = [max(math.ceil(percent * faith.count / 100), 1) for percent in BINS]
    moved = [faith.side * (whole - value(set(order[:count]))) for count in first]
    assert faith.orders["occlusion"].comprehensiveness == np.mean(moved)


@pytest.mark.few(1)
@pytest.mark.parametrize("plan", PLANS)
def test_a_sum_is_that_of_single_runs_to_the_last_bit(plan: Any) -> None:
    """Each part in float64, as the explanation reads it of a trace."""
    x = np.random.default_rng(34).normal(size=(6, 2, 3))
    weights, of = random_network(35), "sum(1/forward/1..4/0/h_t[1..3]) - 1/reverse/2/0/c_t[0]"
    for b in (0, 1):
        trace = lt.run(weights, x, plan=plan)
        found = account(trace, of.replace("/0/", f"/{b}/"))
        assert found.occlusion is not None
        for t in range(6):
            one = x[:, b : b + 1].copy()
            one[t] = 0
            run = lt.run(weights, one, plan=plan)
            assert found.occlusion.steps[t] == found.split.value - target(run, of).read(run)


@pytest.mark.few(0)
def test_batches_of_any_size_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("llvmlite", reason="the extra jit is not installed")
    told, _ = case("plain", 34, layers=1, both=False)
    model = lt.prepare(told.pop("source"), cell=told.pop("cell"))
    trace = model.run(**told, plan="compiled")
    of = "2/1/h_t[0]"
    whole = account(trace, of, 0)
    for place, name, value in ((trials, "MOST_ROWS", 3), (plan_choice, "BATCH_BYTES", 1)):
        monkeypatch.setattr(place, name, value)
        found = account(trace, of, 0)
        assert (found.steps, found.occlusion.states) == (whole.steps, whole.occlusion.states)  # type: ignore[union-attr]


@pytest.mark.few(0)
def test_what_comes_too_late_for_the_value_is_exactly_nothing() -> None:
    _, trace = case("plain", 35, steps=6, both=False)
    found = account(trace, "1/forward/3/0/c_t[2]")
    assert [bool(step.occlusion) for step in found.steps] == [True] * 4 + [False] * 2
    assert [step.occlusion for step in found.steps[4:]] == [0.0, 0.0]
    assert found.occlusion is not None
    assert found.occlusion.possible == 4
    _, both = case("plain", 35, steps=6)
    reverse = account(both, "0/reverse/3/0/c_t[2]")
    assert [bool(step.occlusion) for step in reverse.steps] == [False] * 3 + [True] * 3


def test_a_part_of_a_trace_counts_its_own_steps() -> None:
    told, _ = case("plain", 36, steps=6, both=False)
    model = lt.prepare(told.pop("source"), cell=told.pop("cell"))
    whole = model.run(**told)
    part = whole.at(steps=range(2, 6))
    one, all_steps = account(part, "1/forward/4/1/h_t[0]"), account(whole, "1/forward/4/1/h_t[0]")
    assert [step.t for step in one.steps] == [2, 3, 4, 5]
    for mine, theirs in zip(one.steps, all_steps.steps[2:], strict=True):
        assert mine.occlusion == pytest.approx(theirs.occlusion, rel=1e-12, abs=1e-16)


@pytest.mark.few(0)
def test_a_state_a_premise_and_supplied_lines() -> None:
    """c_prev at step 2 is c_t of step 1; c0 itself is no value of a run; a supplied line is a step's input."""
    _, trace = case("plain", 37, steps=4, both=False)
    before = account(trace, "1/forward/2/1/c_prev[1]", 0)
    carried = account(trace, "1/forward/1/1/c_t[1]", 0)
    assert [s.occlusion for s in before.steps] == [s.occlusion for s in carried.steps]
    assert account(trace, "1/forward/0/1/c_prev[1]", 0).occlusion is None
    gates = {"f_t": [[0.5], [0.25], [0.75]], "i_t": [[1.0], [0.5], [2.0]], "c_tilde": [[2.0], [-1.0], [0.5]]}
    other = {**gates, "f_t": [[0.5], [1.0], [0.75]], "c_tilde": [[2.0], [3.0], [1.5]]}
    one, base = (lt.run({}, given=given, c0=[4.0], ask="c_t") for given in (gates, other))
    found = account(one, "2/c_t[0]", base)
    value = ((4 * 0.5 + 2) * 0.25 - 0.5) * 0.75 + 1
    assert found.split.value == value
    without_1 = ((4 * 0.5 + 2) * 1.0 + 0.5 * 3) * 0.75 + 1
    without_2 = ((4 * 0.5 + 2) * 0.25 - 0.5) * 0.75 + 2 * 1.5
    assert [step.occlusion for step in found.steps] == [0.0, value - without_1, value - without_2]


def test_a_cell_of_which_one_gate_alone_is_there() -> None:
    """What was asked for needs neither the other gates nor c_prev, so the trace has neither."""
    trace = lt.run({"W_xo": [[1.0, -2.0]], "W_ho": [[0.5]]}, [[0.3, 0.2]], h0=[0.7], ask="o_t")
    found = account(trace, "0/o_t[0]", "zero-input")
    with_x, without = (1 / (1 + math.exp(-z)) for z in (0.3 - 0.4 + 0.35, 0.35))
    assert [step.occlusion for step in found.steps] == [pytest.approx(with_x - without)]


@pytest.mark.few(0)
@pytest.mark.parametrize(("runs", "made"), [(1, 1), (4, 4), (5, 5), ("all", 11), (99, 11)])
def test_fewer_runs_are_of_the_largest_shares_and_drawn_ones(runs: Any, made: int) -> None:
    _, trace = traced(38)
    whole, found = account(trace, OF, 0, runs="all"), account(trace, OF, 0, runs=runs)
    assert found.occlusion is not None
    assert (found.occlusion.made, found.occlusion.possible) == (made, 11)
    there = [step for step in found.steps if step.occlusion is not None]
    lost = {**{step.t: step.occlusion for step in there}, **found.occlusion.states}
    assert sum(not np.isnan(value) for value in lost.values()) == made
    assert whole.occlusion is not None
    everything = {**{step.t: step.occlusion for step in whole.steps}, **whole.occlusion.states}
    for place, value in lost.items():
        assert np.isnan(value) or value == pytest.approx(everything[place], rel=1e-12, abs=1e-16)
    for largest in sorted(sizes(found), key=lambda place: -abs(sizes(found)[place]))[: -(-made // 2)]:
        assert not np.isnan(lost.get(largest, np.nan)), "the largest shares are always among them"


def sizes(found: Account) -> dict[Any, float]:
    shares: dict[Any, float] = {step.t: step.inputs for step in found.steps}
    return shares | {p: float(a.sum()) for p, a in found.split.parts.items() if found.split.kinds[p] == "state"}


@pytest.mark.few(0)
def test_a_large_trace_has_fewer_runs_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    _, trace = traced(39)
    monkeypatch.setattr(plan_choice, "EXTRA_SECONDS", 3.5 * run_seconds(one_row(trace, 1)))
    found = account(trace, OF)
    assert found.occlusion is not None
    assert 3 <= found.occlusion.made < found.occlusion.possible == 5
    assert account(trace, OF, runs="none").occlusion is None
    largest = max(found.steps, key=lambda step: abs(step.occlusion or 0.0))
    text = explanation(trace, OF, "contribution").report()
    made = found.occlusion.made
    assert f"without step t = {largest.t}, of the {made} that were measured: {largest.occlusion:+.6g}" in text
    assert f"occlusion was measured for {made} of 5 steps and states only: those with the 2 largest" in text
    assert "--occlusion all measures every one (about 1 s), --occlusion N as many as you name" in text


@pytest.mark.parametrize("runs", ["some", 0, -1, 2.5, True, None])
def test_what_is_no_number_of_runs_is_refused(runs: Any) -> None:
    _, trace = traced(40)
    with pytest.raises(OptionError, match="occlusion must be auto, all, none, or how many steps, at least 1; found"):
        lt.explain(trace, OF, occlusion=runs).to_frame()


@pytest.mark.few(0)
def test_the_frame_has_the_step_in_each_of_its_entries() -> None:
    """Empty for padding and for parameters."""
    told, trace = traced(41, lengths=[5, 4])
    other = lt.run(case("plain", 42)[0]["source"], told["x"] * 0.5, initial=told["initial"], lengths=[5, 4],
                   cell=CELLS["plain"])  # fmt: skip
    found = account(trace, OF, other)
    frame = lt.explain(trace, OF, baseline=other).to_frame()
    inputs = frame[frame.kind == "input"]
    assert len(inputs) == 4 * 3
    expected = [found.steps[int(t)].occlusion for t in inputs.t]
    assert inputs.occlusion.tolist() == expected
    assert frame[frame.kind == "parameter"].occlusion.isna().all()
    assert "occlusion" not in lt.explain(trace, OF, occlusion="none").to_frame()
