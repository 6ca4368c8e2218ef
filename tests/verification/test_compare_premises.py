"""diff where premises differ: merged biases are the same model, a weight that is off by 1e-6 is another one.

Some hundred random nets of either kind. Where the first difference must be found follows from the bits of the recorded
values alone: a premise that moves a value moves no line before it.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.engine.jit import installed
from lstm_trace.trace.trace import Trace
from lstm_trace.verification.compare import compare

from ..support.results import verdict
from ..support.tiers import seeds

Weights = dict[str, np.ndarray]
GATES = "ifco"


class Net:
    """A random net with two biases for each gate: sizes, layers, directions, dtype and states drawn with it."""

    def __init__(self, seed: int, layers: int = 1, spread: float = 1.0) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.dtype = (np.float32, np.float64)[seed % 2]
        self.steps, self.rows = int(rng.integers(3, 20)), int(rng.integers(1, 3))
        self.wide, self.units = int(rng.integers(1, 20)), int(rng.integers(1, 20))
        self.scopes = [f"{n}/{d}" for n in range(layers) for d in ("forward", "reverse")[:layers]]
        self.weights: Weights = {}
        for scope in self.scopes:
            wide = self.wide if scope[0] == "0" else layers * self.units
            for g in GATES:
                self.weights[f"{scope}/W_x{g}"] = self.drawn(self.units, wide)
                self.weights[f"{scope}/W_h{g}"] = self.drawn(self.units, self.units)
                self.weights[f"{scope}/b_x{g}"] = spread * self.drawn(self.units)
                self.weights[f"{scope}/b_h{g}"] = self.drawn(self.units) - (
                    self.weights[f"{scope}/b_x{g}"] if spread != 1 else self.dtype(0)
                )
        self.x = self.drawn(self.steps, self.rows, self.wide)
        kept = len(self.scopes), self.rows, self.units
        self.states = {"h0": self.drawn(*kept), "c0": self.drawn(*kept)}

    def drawn(self, *shape: int) -> Any:
        """Normal numbers, those of a matrix scaled so that the gates do not saturate."""
        scale = 1.0 if len(shape) != 2 else shape[1] ** -0.5
        return (scale * self.rng.normal(size=shape)).astype(self.dtype)

    def summed(self, gate: str, scope: str) -> np.ndarray:
        """b_x + b_h, rounded to the net's dtype as every port rounds it."""
        return np.asarray(self.weights[f"{scope}/b_x{gate}"] + self.weights[f"{scope}/b_h{gate}"], self.dtype)

    def merged(self) -> Weights:
        """The same model: b_x := b_x + b_h, b_h := 0."""
        found = dict(self.weights)
        for scope in self.scopes:
            for g in GATES:
                found[f"{scope}/b_x{g}"] = self.summed(g, scope)
                found[f"{scope}/b_h{g}"] = np.zeros_like(found[f"{scope}/b_h{g}"])
        return found

    def single(self, stored_in_bias: float = 0.0) -> Weights:
        """The same model with one bias for each gate, the forget gate's with a number added to it."""
        found = {name: array for name, array in self.weights.items() if "/b_" not in name}
        for scope in self.scopes:
            found |= {f"{scope}/b_{g}": self.summed(g, scope) for g in GATES}
            found[f"{scope}/b_f"] = found[f"{scope}/b_f"] + self.dtype(stored_in_bias)
        return found

    def run(self, weights: Weights | None = None, **changes: Any) -> Trace:
        chosen = {"plan": "planned", **self.states, **changes}
        return lt.run(self.weights if weights is None else weights, chosen.pop("x", self.x), **chosen)


def first_bits(a: Trace, b: Trace) -> str:
    """The address of the first value in computing order of which the two traces hold other bits."""
    for stage in a.stages:
        steps = range(a.steps)[:: -1 if stage.direction == "reverse" else 1]
        for t in steps:
            for line in stage.cell.lines:
                off = a.lines[stage.scope][line.name][t] != b.lines[stage.scope][line.name][t]
                if off.any():
                    row, unit = np.argwhere(off)[0]
                    return f"{stage.scope}/{t}/{row}/{line.name}[{unit}]"
    return ""


def place(found: lt.Comparison, trace: Trace) -> str:
    """The address of the first difference, in full."""
    assert found.first is not None, verdict(found)
    at = found.first.first
    assert at is not None
    return f"{at.layer}/{at.direction}/{at.t}/{at.b}/{at.line}[{at.unit[0]}]"


def is_same(a: Trace, b: Trace) -> None:
    for one, two in ((a, b), (b, a)):
        found = compare(one, two)
        assert found.same, verdict(found)
        assert found.premises


@pytest.mark.few(1)
@pytest.mark.parametrize("seed", seeds(120))
def test_merged_biases_are_the_same_model(seed: int) -> None:
    net = Net(seed, layers=1 + seed % 5 // 4)
    a, b = net.run(), net.run(net.merged())
    assert first_bits(a, b), "nothing was rounded"
    is_same(a, b)


@pytest.mark.few(1)
@pytest.mark.parametrize("seed", seeds(40))
def test_two_biases_and_one_are_the_same_model(seed: int) -> None:
    net = Net(seed, layers=1 + seed % 5 // 4)
    is_same(net.run(), net.run(net.single()))


@pytest.mark.few(2)
@pytest.mark.parametrize("seed", seeds(20, 6))
@pytest.mark.parametrize("spread", [1e2, 1e4])
def test_biases_that_nearly_cancel_are_the_same_model(seed: int, spread: float) -> None:
    net = Net(seed, spread=spread)
    is_same(net.run(), net.run(net.merged() if seed % 4 < 2 else net.single()))


@pytest.mark.few(1)
@pytest.mark.parametrize("seed", seeds(20, 6))
def test_a_forget_bias_stored_or_added_at_run_time_is_the_same_model(seed: int) -> None:
    net = Net(seed)
    a = net.run(net.single(), options={"forget_bias": 1.0})
    is_same(a, net.run(net.single(stored_in_bias=1.0)))
    assert not compare(a, net.run(net.single(stored_in_bias=2.0))).same


@pytest.mark.few(0)
@pytest.mark.parametrize("seed", range(8))
def test_merged_biases_are_the_same_model_to_other_dtypes_plans_and_records(seed: int) -> None:
    net = Net(seed, layers=1 + seed % 5 // 4)
    a = net.run(plan="lines", dtype=("float64", "float32")[seed % 2])
    is_same(a, net.run(net.merged(), record={"lines": ["h_t"]}) if seed % 3 else net.run(net.merged()))


@pytest.mark.few(2)
@pytest.mark.parametrize("seed", range(8))
def test_states_carried_into_a_window_may_differ_by_rounding(seed: int) -> None:
    """The first states of some steps are no premises of the run: two plans compute them with other last digits."""
    net = Net(seed)
    part = {"steps": slice(net.steps // 2, net.steps)}
    a, b = (net.run(plan=plan, record=part) for plan in ("planned", "lines"))
    assert compare(a, b).same, verdict(compare(a, b))
    wrong = net.run(record=part, c0=net.states["c0"] + net.dtype(1))
    found = compare(a, wrong)
    assert found.first is not None
    assert found.first.first is not None
    assert found.first.first.t == net.steps // 2


CHANGES = ("W_x", "W_h", "b_x", "h0", "c0", "x")


@pytest.mark.few(1)
@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("seed", seeds(40))
def test_a_premise_that_is_off_by_a_millionth_is_found_where_it_first_shows(seed: int, what: str) -> None:
    net = Net(seed, layers=1 + seed % 5 // 4)
    weights, changes = dict(net.weights), {}
    if what in ("h0", "c0", "x"):
        premise = changes[what] = (net.x if what == "x" else net.states[what]).copy()
    else:
        name = f"{net.scopes[-1]}/{what}{GATES[seed % 4]}"
        premise = weights[name] = weights[name].copy()
    if what == "W_h" and seed % 2:  # where h_prev is zero the first step cannot be detected it
        changes["h0"] = net.states["h0"] = np.zeros_like(net.states["h0"])
    at = tuple(net.rng.integers(n) for n in premise.shape)
    premise[at] += net.dtype(1e-6)
    a, b = net.run(), net.run(weights, **changes)
    expected = first_bits(a, b)
    found = compare(a, b)
    assert place(found, a) == expected
    assert "(inputs or weights differ)" in verdict(found)[1]
    assert place(compare(b, a), b) == expected


@pytest.mark.few(3)
@pytest.mark.parametrize("seed", seeds(40))
def test_a_weight_that_is_off_is_found_beside_merged_biases(seed: int) -> None:
    net = Net(seed)
    weights = net.merged()
    name = f"0/forward/W_x{GATES[seed % 4]}"
    weights[name] = weights[name].copy()
    j, k = net.rng.integers(net.units), net.rng.integers(net.wide)
    weights[name][j, k] += net.dtype(1e-6)
    a, b = net.run(), net.run(weights)
    line = f"W_x{GATES[seed % 4]} @ x_t"
    t, row, unit = np.argwhere(a[line] != b[line])[0]
    assert place(compare(a, b), a) == f"0/forward/{t}/{row}/{line}[{unit}]"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_changed_bias_is_found_though_its_effect_is_small_beside_the_sum(dtype: str) -> None:
    """Of a wide layer in float32 rounding may explain far more of a pre-activation than a millionth."""
    rng = np.random.default_rng(3)
    wide = 160
    weights = {f"W_{s}{g}": rng.normal(size=(wide, wide)) for s in "xh" for g in GATES}
    weights |= {f"b_{g}": rng.normal(size=wide) for g in GATES}
    x = rng.normal(size=(3, 2, wide))
    other = {**weights, "b_c": weights["b_c"] + 4e-6}
    a, b = (lt.run(w, x, dtype=dtype, plan="planned") for w in (weights, other))
    assert place(compare(a, b), a).startswith("0/forward/0/0/z_c[")


@pytest.mark.few(1)
@pytest.mark.parametrize("seed", range(6))
def test_the_plans_give_one_model_s_values_and_each_is_proven(seed: int) -> None:
    """Their last digits differ: `verify` proves all of them, and `diff` takes them for the same."""
    net = Net(seed, layers=1 + seed % 3 // 2)
    plans = ["lines", "planned", *(["compiled"] if installed() else [])]
    traces = [net.run(plan=plan) for plan in plans]
    assert [trace.header.plan for trace in traces] == plans
    assert all(lt.verify(trace).verdict == "verified" for trace in traces)
    for a, b in permutations(traces, 2):
        found = compare(a, b)
        assert found.same, verdict(found)
        assert not found.premises


def test_the_last_digits_of_two_plans_differ_and_a_named_plan_repeats_them() -> None:
    pytest.importorskip("llvmlite")
    net = Net(71)
    model = lt.prepare(net.weights)
    first, second, again = (model.run(net.x, **net.states, plan=p) for p in ("planned", "compiled", "planned"))
    assert first_bits(first, second), "the last digits are the same"
    assert compare(first, second).same
    assert first_bits(first, again) == ""
