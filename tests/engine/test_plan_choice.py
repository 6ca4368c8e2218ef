"""Which plan `auto` runs: a function of the call, never of history, so that the same call has the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import lstm_trace as lt
from lstm_trace.engine import plan_choice
from lstm_trace.engine.jit import installed
from lstm_trace.engine.run import rerun

from ..support.tiers import some
from .test_out import weights

jit = pytest.mark.skipif(not installed(), reason="the extra jit is not installed")
RNG = np.random.default_rng(12)
WEIGHTS = weights(2, both=True, units=5)
LARGE, SMALL = RNG.normal(size=(200, 3, 4)), RNG.normal(size=(7, 3, 4))
SIZES = {"compiled": LARGE, "planned": SMALL}
STATES = {name: RNG.normal(size=(4, 3, 5)) for name in ("h0", "c0")}


def equal(a: lt.Trace, b: lt.Trace) -> None:
    """The same plan and the same bits of what `b` holds."""
    assert a.header.plan == b.header.plan
    for scope, here in b.lines.items():
        for name, values in here.items():
            np.testing.assert_array_equal(a.lines[scope][name], values, f"{scope}/{name}", strict=True)


@pytest.mark.few(0)
@jit
@pytest.mark.parametrize("plan", SIZES)
def test_the_same_call_has_the_same_plan_and_bits_whatever_ran_before(plan: str) -> None:
    x = SIZES[plan]
    model = lt.prepare(WEIGHTS)
    first = model.run(x, **STATES)
    assert first.header.plan == plan
    equal(model.run(x, **STATES), first)
    for k in some(range(100), 20):  # some of them compile code for the very stages of the small run
        model.run(RNG.normal(size=(3 + 2 * k, 3, 4)), plan=("auto", "planned", "compiled")[k % 3])
    equal(model.run(x, **STATES), first)
    again = lt.prepare(WEIGHTS).run(x, **STATES)
    assert again.header == first.header
    equal(again, first)


@jit
def test_a_hundred_small_runs_stay_with_their_plan() -> None:
    """Together they take far longer than the run that is compiled at once."""
    model = lt.prepare(WEIGHTS)
    trace = model.run(SMALL)
    values = trace.output.copy()
    for _ in range(100):
        trace = model.run(SMALL, out=trace)
        assert trace.header.plan == "planned"
    np.testing.assert_array_equal(trace.output, values)


@pytest.mark.few(1)
@jit
@pytest.mark.parametrize("plan", SIZES)
def test_how_a_run_is_stored_chooses_no_other_plan(plan: str, tmp_path: Path) -> None:
    x, model = SIZES[plan], lt.prepare(WEIGHTS)
    whole = model.run(x, **STATES)
    assert whole.header.plan == plan
    equal(model.run(x, **STATES, out=tmp_path / "t.safetensors"), whole)
    equal(lt.load(tmp_path / "t.safetensors"), whole)
    equal(model.run(x, **STATES, out=model.run(x + 1)), whole)
    equal(model.run(x, **STATES, out=model.run(x, plan="lines")), whole)
    equal(whole, model.run(x, **STATES, record={"lines": ["c_t"], "layers": [1]}))


@pytest.mark.few(1)
@jit
@pytest.mark.parametrize("steps", [200, 7])
def test_a_window_goes_by_the_plan_of_the_whole(steps: int, tmp_path: Path) -> None:
    """In a forward network the steps after it are not computed: five steps, and still the plan of two hundred."""
    model = lt.prepare(weights(2, units=5))
    x = LARGE[:steps]
    whole = model.run(x)
    for begin, end in ((0, 5), (2, 4), (steps - 3, steps)):
        window = {"steps": slice(begin, end)}
        cut = whole.at(steps=slice(begin, end))
        equal(model.run(x, record=window), cut)
        equal(model.run(x, record=window, out=tmp_path / "w.safetensors"), cut)


@jit
def test_a_value_that_is_asked_for_has_the_bits_of_the_whole() -> None:
    model = lt.prepare(weights(2, units=5))
    whole, one = model.run(LARGE), model.run(LARGE, ask="1/forward/3/0/c_t")
    assert one.steps == 4
    assert one.header.plan == whole.header.plan == "compiled"
    np.testing.assert_array_equal(one.at(1)["c_t"], whole.at(1)["c_t"][:4])


@pytest.mark.few(2)
@pytest.mark.parametrize("plan", ["lines", "planned", pytest.param("compiled", marks=jit)])
@pytest.mark.parametrize("x", [SMALL, LARGE], ids=["small", "large"])
def test_a_rerun_goes_by_the_plan_of_its_trace(plan: Any, x: Any) -> None:
    trace = lt.prepare(WEIGHTS).run(x, **STATES, plan=plan)
    equal(rerun(trace), trace)
    row = rerun(
        trace, x=trace.x[:, :1], initial={s: {n: v[:1] for n, v in h.items()} for s, h in trace.initial.items()}
    )
    assert (row.header.plan, row.batch) == (plan, 1)


@pytest.mark.few(0)
@jit
def test_the_limit_is_one_of_size_and_of_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """More steps, rows or units never lead back to the numpy plan; threads do not matter."""

    def chosen(steps: int, batch: int, units: int) -> str:
        return lt.prepare(weights(1, units=units)).run(RNG.normal(size=(steps, batch, 4))).header.plan

    for grown in (
        [(t, 1, 5) for t in (1, 20, 40, 80)],
        [(9, b, 5) for b in (1, 4, 400)],
        [(9, 1, u) for u in (2, 600)],
    ):
        plans = [chosen(*sizes) for sizes in grown]
        assert plans == sorted(plans, reverse=True), grown
        assert (plans[0], plans[-1]) == ("planned", "compiled"), grown
    for count in (1, 2):
        with threadpool_limits(count):
            assert chosen(9, 1, 600) == "compiled"
    monkeypatch.setattr(plan_choice, "installed", lambda: False)
    assert chosen(200, 1, 5) == "planned"
