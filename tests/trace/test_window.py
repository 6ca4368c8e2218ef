"""A trace of some steps of the input: the same numbers under the same addresses as in the trace of all of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lstm_trace as lt
from lstm_trace.backpropagation.gradients import walked
from lstm_trace.backpropagation.run import line_gradients
from lstm_trace.backpropagation.target import one_value
from lstm_trace.engine.jit import installed
from lstm_trace.errors import MissingError, OptionError, ShapeError
from lstm_trace.explanation.contribution import contribution

from ..engine.test_out import weights
from ..support.seeds import add_value
from ..support.tiers import some

RNG = np.random.default_rng(11)
STEPS, ROWS, INPUTS, UNITS = 12, 3, 4, 3
X = RNG.normal(size=(STEPS, ROWS, INPUTS))
WINDOWS = [(0, 5), (4, 9), (8, 12), (6, 7)]
BOTH = weights(2, both=True)
PLANS = ["lines", "planned", *(["compiled"] if installed() else [])]


def states(count: int) -> dict[str, Any]:
    return {name: RNG.normal(size=(count, ROWS, UNITS)) for name in ("h0", "c0")}


def equal(a: lt.Trace, b: lt.Trace) -> None:
    """The same steps with the same premises and values, to the last bit."""
    assert (a.first, a.steps, a.batch, a.scopes) == (b.first, b.steps, b.batch, b.scopes)
    np.testing.assert_array_equal(a.x, b.x)
    assert (a.lengths is None) == (b.lengths is None)
    if a.lengths is not None:
        np.testing.assert_array_equal(a.lengths, b.lengths)
    for part in ("parameters", "initial", "given", "lines"):
        one, two = getattr(a, part), getattr(b, part)
        assert {s: set(here) for s, here in one.items()} == {s: set(here) for s, here in two.items()}, part
        for scope, here in two.items():
            for name, values in here.items():
                np.testing.assert_array_equal(one[scope][name], values, f"{part} {scope}/{name}")


@pytest.mark.few(0)
@pytest.mark.parametrize("plan", some(PLANS, 2))
@pytest.mark.parametrize("lengths", some([None, [12, 7, 3], [5, 6, 4]], 2))
@pytest.mark.parametrize("padding", some(["zero", "repeat", "carry"], 2))
def test_a_window_is_cut_out_of_the_whole(padding: str, lengths: list[int] | None, plan: Any, tmp_path: Path) -> None:
    model = lt.prepare(BOTH, options={"padding": padding})
    arguments = {**states(4), "lengths": lengths, "plan": plan}
    whole = model.run(X, **arguments)
    for begin, end in WINDOWS:
        cut = whole.at(steps=slice(begin, end))
        window = model.run(X, **arguments, record={"steps": slice(begin, end)})
        equal(window, cut)
        assert lt.verify(window).verdict == "verified"
        equal(model.run(X, **arguments, record={"steps": range(begin, end)}, out=tmp_path / "t.safetensors"), cut)
        for suffix in ("json", "safetensors"):
            window.save(tmp_path / f"saved.{suffix}")
            equal(lt.load(tmp_path / f"saved.{suffix}"), cut)


@pytest.mark.parametrize("plan", PLANS)
def test_a_layer_reads_all_steps_of_the_one_below(plan: Any) -> None:
    model = lt.prepare(weights(3))
    start = states(3)
    window = model.run(X, **start, plan=plan, record={"lines": "c_t", "layers": 2, "steps": slice(-3, None)})
    assert window.span == range(9, 12)
    assert {scope: list(here) for scope, here in window.lines.items() if here} == {"2/forward": ["c_t"]}
    whole = model.run(X, **start, plan=plan)
    np.testing.assert_array_equal(window["c_t"], whole.at(layer=2, steps=slice(9, 12))["c_t"])


def test_nothing_after_the_window_is_computed() -> None:
    """A forward network need not read what follows; one with a reverse direction must."""
    x = X.copy()
    x[9:] = np.nan
    model = lt.prepare(weights(1))
    assert np.isfinite(model.run(x, record={"steps": slice(5, 9)})["h_t"]).all()
    both = lt.prepare(weights(1, both=True)).run(x, record={"steps": slice(5, 9)})
    assert np.isnan(both.at(direction="reverse")["h_t"]).all()


def test_a_supplied_line_that_is_carried() -> None:
    """Its value in the step before the window is the state that comes in."""
    h = RNG.normal(size=(STEPS, ROWS, UNITS))
    model = lt.prepare(weights(1))
    for plan in PLANS:
        whole = model.run(X, given={"h_t": h}, plan=plan)  # type: ignore[arg-type]
        window = model.run(X, given={"h_t": h}, plan=plan, record={"steps": slice(4, 8)})  # type: ignore[arg-type]
        equal(window, whole.at(steps=slice(4, 8)))
        np.testing.assert_array_equal(window.initial["0/forward"]["h_prev"], h[3])


@pytest.mark.few(0)
@pytest.mark.parametrize("directions", [("forward",), ("forward", "reverse")])
def test_an_input_that_is_carried(directions: tuple[str, ...], tmp_path: Path) -> None:
    """Of the first layer, and of one whose input is the layer below."""
    text = "h_t = tanh(W @ x_t + U @ x_prev + 0.25 * h_prev)\ncarry: x_prev <- x_t, h_prev <- h_t\noutput: h_t"
    names = [f"{layer}/{direction}" for layer in (0, 1) for direction in directions]
    sizes = {"0": INPUTS, "1": UNITS * len(directions)}
    parts = {f"{at}/{n}": RNG.normal(size=(UNITS, sizes[at[0]])) for at in names for n in "WU"}
    model = lt.prepare(parts, cell={"equations": text})
    for plan in PLANS:
        whole = model.run(X, plan=plan)  # type: ignore[arg-type]
        for begin, end in WINDOWS:
            cut = whole.at(steps=slice(begin, end))
            assert lt.verify(cut).verdict == "verified"
            steps = {"steps": slice(begin, end)}
            equal(model.run(X, record=steps, plan=plan), cut)  # type: ignore[arg-type]
            if plan != "lines":
                equal(model.run(X, record=steps, plan=plan, out=tmp_path / "t.safetensors"), cut)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "steps", [1.5, "3", True, [1, 2], slice(0.5, 3), range(0, 8, 2), slice(None, None, -1)], ids=str
)
def test_what_is_no_window_is_told(steps: Any) -> None:
    message = re.escape(f"steps are a number, or a slice or range with step 1; found {steps!r}")
    with pytest.raises(OptionError, match=message):
        WHOLE.at(steps=steps)
    with pytest.raises(OptionError, match="record: " + message):
        lt.prepare(weights(1)).run(X, record={"steps": steps})


def test_numbers_of_numpy_are_numbers() -> None:
    model = lt.prepare(weights(1))
    equal(model.run(X, record={"steps": np.int64(-2)}), model.run(X, record={"steps": -2}))
    equal(WHOLE.at(steps=slice(np.int32(3), np.uint8(5))), WHOLE.at(steps=range(3, 5)))
    assert model.run(X, record={"layers": np.arange(1)}).scopes == ("0/forward",)


def test_what_is_asked_for_must_be_recorded() -> None:
    model = lt.prepare(weights(1))
    window = model.run(X, ask="5/0/c_t[1]", record={"steps": slice(2, 12)})
    assert window.span == range(2, 6)  # nothing after the step that was asked for is computed
    with pytest.raises(MissingError, match="ask: 0/forward/1/0/c_t is at step 1, but only 2 to 11 are recorded"):
        model.run(X, ask="1/0/c_t", record={"steps": slice(2, 12)})
    whole = model.run(X, ask=["3/0/c_t", "h_t"])
    assert whole.at(steps=slice(4, 6)).header.ask == ("h_t",)


# -- views: the steps keep their numbers -------------------------------------------------------------------------------

WHOLE = lt.prepare(BOTH).run(X, **states(4), lengths=[12, 7, 5])
SOME = slice(4, 8)
WINDOW = WHOLE.at(steps=SOME)


@pytest.mark.few(1)
@pytest.mark.parametrize("shape", ["long", "wide", "worked"])
def test_tables(shape: str) -> None:
    expected = WHOLE.to_frame(shape, steps=SOME)
    found = WINDOW.to_frame(shape)
    assert list(found["t"].unique() if "t" in found else found.index.unique("t")) != [0, 1, 2, 3]
    assert found.equals(expected)


@pytest.mark.few(1)
@pytest.mark.parametrize("selection", [{"layer": 1, "steps": 6}, {"direction": "reverse", "batch": 1, "only": "c_t"}])
def test_solution(selection: dict[str, Any]) -> None:
    """The report of a window is that of the whole with the same steps chosen, from the solution on."""
    chosen = {"steps": SOME, **selection}
    for form in ("md", "text"):
        marks = {"md": "## Solution", "text": "Solution"}
        one = WINDOW.report(form, detail="scalar", **chosen).split(marks[form], 1)[1]
        two = WHOLE.report(form, detail="scalar", **chosen).split(marks[form], 1)[1]
        assert one == two
    assert "These are steps 4 to 7 of the input." in WINDOW.report(**chosen)


def test_addresses() -> None:
    assert str(WINDOW.locate("1/reverse/6/0/c_t[2]")) == "1/reverse/6/0/c_t[2]"
    with pytest.raises(MissingError, match=r"t 4\.\.7"):
        WINDOW.locate("1/reverse/3/0/c_t[2]")
    with pytest.raises(MissingError, match="those that were recorded are 4 to 7"):
        WINDOW.at(steps=9)
    assert "steps 4 to 7" in repr(WINDOW)


# -- walks -------------------------------------------------------------------------------------------------------------


def test_a_wrong_value_is_named_by_its_position() -> None:
    window = lt.prepare(BOTH).run(X, record={"steps": SOME})
    window.lines["1/reverse"]["c_t"][2, 1, 0] += 0.5
    assert str(lt.verify(window).failures[0].address) == "1/reverse/6/1/c_t[0]"


def test_difference_of_a_window_and_the_whole() -> None:
    assert lt.diff(WHOLE, WINDOW).first is None
    assert lt.diff(WHOLE, WINDOW).premises == ()
    wrong = lt.prepare(BOTH).run(X, record={"steps": SOME}).at()
    whole = lt.prepare(BOTH).run(X)
    wrong.lines["0/forward"]["o_t"][1, 2, 1] += 1e-3
    found = lt.diff(whole, wrong)
    assert str(found.first.first) == "0/forward/5/2/o_t[1]"  # type: ignore[union-attr]
    assert "4 to 7" in found.notes[0]
    with pytest.raises(ShapeError, match="no step in common"):
        lt.diff(whole.at(steps=slice(0, 3)), wrong)


def test_gradients_stop_at_the_edge() -> None:
    """Of a value in the window, to every line in it: those of the whole; to the states carried in: of these states."""
    whole = lt.prepare(weights(1)).run(X, **states(1))
    window = whole.at(steps=SOME)
    found = [{}, {}]
    for trace, seeds in zip((whole, window), found, strict=True):
        add_value(trace, seeds, one_value(trace, "7/1/c_t[2]"))
    one, two = (
        line_gradients(walked(trace, seeds, True))["0/forward"]
        for trace, seeds in zip((whole, window), found, strict=True)
    )
    for name, values in two.items():
        np.testing.assert_allclose(values, one[name][SOME], rtol=1e-13, atol=1e-16)
    state = lt.gradients(window, of="7/1/c_t[2]")["c0"][0, 1]
    step = 1e-6
    for j in range(UNITS):
        sides = []
        for sign in (1, -1):
            c0 = window.initial["0/forward"]["c_prev"].copy()
            c0[1, j] += sign * step
            again = lt.run(
                whole.parameters["0/forward"], X[SOME], h0=window.initial["0/forward"]["h_prev"][None], c0=c0[None]
            )
            sides.append(again["c_t"][3, 1, 2])
        assert state[j] == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("of", ["0/forward/7/0/c_t[1]", "1/reverse/4/0/c_t[0]"])
def test_memory_is_an_account_of_the_window(of: str) -> None:
    """What each step wrote is the same; what was there before the window stands as the initial value."""
    whole, window = (
        lt.explain(trace, of, how="memory").to_frame().set_index(["step", "source"])["part"]
        for trace in (WHOLE, WINDOW)
    )
    steps = window.drop(index=[key for key in window.index if key[0] not in range(4, 8)])
    assert list(steps.index.get_level_values(0).unique().sort_values()) == [4, 5, 6, 7]
    np.testing.assert_allclose(steps, whole[steps.index], rtol=1e-13)
    assert window.sum() == pytest.approx(whole.sum(), rel=1e-13)


@pytest.mark.few(0)
def test_a_difference_is_split_over_the_steps_of_the_window() -> None:
    other = {name: values + 0.01 for name, values in BOTH.items()}
    a, b = (lt.prepare(w).run(X, record={"steps": SOME}) for w in (BOTH, other))
    table = lt.attribute(a, b, of="1/forward/7/2/h_t[0]").to_frame()
    assert abs(table.attrs["residual"]) < 1e-14
    assert table["contribution"].sum() == pytest.approx(table.attrs["difference"], abs=1e-14)
    inputs = table[table["kind"] == "input"]
    assert set(inputs["t"]) == {4, 5, 6, 7}
    assert inputs["address"].iloc[0] == "4/2/x_t[0]"
    # of a run that has more steps, those that both have: its states before them are premises
    whole = lt.attribute(lt.prepare(BOTH).run(X), b, of="1/forward/7/2/h_t[0]").to_frame()
    pd.testing.assert_frame_equal(whole, table, check_like=True)


@pytest.mark.few(0)
def test_a_window_runs_again_with_a_change() -> None:
    """Against zero input: the window alone is computed again, from the states that were carried into it."""
    found = contribution(WINDOW, "1/forward/7/0/h_t[1]")
    assert abs(found.residual) < 1e-14
    assert found.kinds["x"] == "input"
    assert found.parts["x"].shape == (4, 1, INPUTS)
    assert "0/forward/c0" not in {name for name, part in found.parts.items() if part.any()}  # the same in both
    zero = contribution(WINDOW, "0/forward/7/0/h_t[1]", "zero-state")
    assert zero.baseline == lt.run(dict(WINDOW.parameters["0/forward"]), X[SOME, :1], plan="planned")["h_t"][3, 0, 1]
