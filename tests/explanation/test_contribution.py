"""A value against a baseline: exact split, gradient x input, integrated gradients; runs with other premises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.engine import plan_choice
from lstm_trace.engine.run import rerun, run_seconds
from lstm_trace.errors import MissingError, OptionError, ShapeError
from lstm_trace.explanation.contribution import contribution, gradient_times_input, integrated_gradients
from lstm_trace.results.explanation import explanation

from ..support.tiers import some
from ..support.walk_cases import CELLS, case

OF = "1/joined/4/1/y_t[1]"


def changed(told: dict[str, Any], **how: Any) -> lt.Trace:
    return lt.run(**{**told, **how})


@pytest.mark.few(0)
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", some(CELLS, 5))
def test_against_zero_input_and_zero_state(name: str) -> None:
    told, trace = case(name, 51, steps=8)
    for baseline, other in (
        ("zero-input", {"x": told["x"] * 0}),
        ("zero-state", {"initial": {k: v * 0 for k, v in told["initial"].items()}}),
    ):
        found = contribution(trace, OF, baseline)  # type: ignore[arg-type]
        value = changed(told, **other).output[4, 1, 1]
        assert found.baseline == pytest.approx(value, rel=1e-12)
        assert found.value == trace.output[4, 1, 1]
        assert abs(found.residual) <= 1e-12 * max(1, found.size)
        active = {kind for place, kind in found.kinds.items() if found.parts[place].any()}
        assert active == {"input" if baseline == "zero-input" else "state"}


@pytest.mark.few(0)
def test_against_another_row_and_another_trace() -> None:
    _, trace = case("peephole", 52, steps=8, batch=3)
    row = contribution(trace, OF, 2)
    assert row.difference == trace.output[4, 1, 1] - trace.output[4, 2, 1]
    assert abs(row.residual) <= 1e-14
    _, other = case("peephole", 53, steps=8, batch=3)
    whole = contribution(trace, OF, other)
    assert whole.difference == trace.output[4, 1, 1] - other.output[4, 1, 1]
    assert abs(whole.residual) <= 1e-12 * whole.size
    assert whole.parts["1/forward/w_cf"].any()


def test_an_input_that_comes_later_brings_nothing() -> None:
    _, trace = case("plain", 54, steps=8, layers=1, both=False)
    found = contribution(trace, "4/1/h_t[1]")
    assert not found.parts["x"][5:].any()
    assert found.parts["x"][:5].all()


def test_linear_cells_need_no_path() -> None:
    """h = 0.5 h_prev + x: all three ways agree, and the gradient is the answer."""
    cell = {"equations": "h_t = W @ h_prev + x_t\ncarry: h_prev <- h_t"}
    trace = lt.run({"W": [[0.5]]}, [[1.0], [2.0], [4.0]], cell=cell)
    for found in (contribution(trace, "2/h_t[0]"), gradient_times_input(trace, "2/h_t[0]"),
                  integrated_gradients(trace, "2/h_t[0]", points=1)):  # fmt: skip
        np.testing.assert_allclose(found.parts["x"].ravel(), [0.25, 1, 4], rtol=1e-14)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["plain", "peephole", "coupled", "projection", "two biases"])
def test_integrated_gradients_are_complete(name: str) -> None:
    _, trace = case(name, 55, steps=6, lengths=[6, 5])
    found = integrated_gradients(trace, OF, points=64)
    assert abs(found.gap) < 1e-9
    assert abs(integrated_gradients(trace, OF, points=2).gap) > abs(found.gap)
    assert abs(gradient_times_input(trace, OF).gap) > 1e-4, "a gradient at one end adds up to nothing in particular"


def test_integrated_gradients_by_hand() -> None:
    """One step of tanh(w x): the mean of w (1 - tanh^2(s w x)) over s in (0, 1), times x, is tanh(w x)."""
    trace = lt.run({"w": [0.75]}, [[2.0]], cell={"equations": "h_t = tanh(w * x_t)"})
    found = integrated_gradients(trace, "h_t[0]", points=40)
    assert found.parts["x"].item() == pytest.approx(np.tanh(1.5), rel=1e-13)
    assert gradient_times_input(trace, "h_t[0]").parts["x"].item() == pytest.approx(1.5 * (1 - np.tanh(1.5) ** 2))


@pytest.mark.few(0)
@pytest.mark.parametrize(("w", "points"), [(1, 50), (20, 100), (60, 200), (100, 400), (3000, 400)])
def test_points_are_doubled_until_the_parts_add_up(w: float, points: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """tanh(w x) from x = -1 to 1.2 is steep within 1/w of 0. The limit of the points: tanh(1.2 w) - tanh(-w)."""
    cell = {"equations": "h_t = tanh(w * x_t)"}
    trace, base = (lt.run({"w": [w]}, [[x]], cell=cell) for x in (1.2, -1.0))
    difference = np.tanh(1.2 * w) + np.tanh(w)

    def told(**options: Any) -> tuple[float, str]:
        found = explanation(trace, "h_t[0]", "contribution", baseline=base, **options)
        return found.to_frame()["integrated_gradients"].item(), found.report()

    value, text = told()
    gap = difference - value
    hint = "; more may leave less, --points" if w == 3000 else ""
    sentence = "integrated gradients leave {:.3g} of the difference unexplained ({} points of the path{})"
    assert f"({points} points of the path{hint})" in text
    assert (abs(gap) < 0.01 * difference) == (w != 3000)
    if w == 3000:
        assert sentence.format(gap, points, hint) in text
    assert told(points=points)[0] == value
    value, text = told(points=30)
    more = "" if w == 1 else "; more may leave less, --points"
    assert f"(30 points of the path{more})" in text, "a number that is asked for is obeyed"
    seconds = 2 * run_seconds(trace)
    monkeypatch.setattr(plan_choice, "EXTRA_SECONDS", 150.5 * seconds)  # for 50 and 100
    assert f"({min(points, 100)} points of the path" in told()[1]


def test_where_nothing_differs_rounding_asks_for_no_more_points() -> None:
    """x_0 - x_1 of equal inputs: the difference is 0, and the parts are not."""
    cell = {"equations": "c_t = tanh(w * x_t) - 1.5 * c_prev\ncarry: c_prev <- c_t\noutput: c_t"}
    t = np.tanh(0.7)
    trace = lt.run({"w": [1.0]}, [[0.7], [np.arctanh(1.5 * t)]], cell=cell)
    found = explanation(trace, "1/c_t[0]", "contribution").report()
    assert " (50 points of the path)" in found


def test_integrated_gradients_without_an_input() -> None:
    """c = f c0 + i g of supplied lines: a product is shared half and half, whatever lies between its ends."""
    ours, theirs = {"f_t": 0.5, "i_t": 0.75, "c_tilde": -2.0}, {"f_t": 0.25, "i_t": 1.0, "c_tilde": 3.0}
    one, base = (
        lt.run({}, given={name: [[value]] for name, value in given.items()}, c0=[c0], ask="c_t")
        for given, c0 in ((ours, 4.0), (theirs, -1.0))
    )
    found = integrated_gradients(one, "c_t[0]", baseline=base, points=3)
    assert (found.value, found.baseline) == (0.5, 2.75)
    parts = {place: part.item() for place, part in found.parts.items()}
    assert parts == pytest.approx({
        "0/forward/f_t": 0.25 * (4.0 - 1.0) / 2, "0/forward/c0": 5.0 * (0.5 + 0.25) / 2,
        "0/forward/i_t": -0.25 * (-2.0 + 3.0) / 2, "0/forward/c_tilde": -5.0 * (0.75 + 1.0) / 2,
    })  # fmt: skip
    assert abs(found.gap) < 1e-14


def test_a_path_in_pieces_is_the_same_path(monkeypatch: pytest.MonkeyPatch) -> None:
    _, trace = case("plain", 56)
    of = "1/joined/2/1/y_t[1]"
    whole = integrated_gradients(trace, of, "zero-state", points=7)
    monkeypatch.setattr(plan_choice, "BATCH_BYTES", 1)
    pieces = integrated_gradients(trace, of, "zero-state", points=7)
    for place, part in whole.parts.items():
        np.testing.assert_allclose(pieces.parts[place], part, rtol=1e-11, atol=1e-15)
    assert whole.parts["0/forward/c0"].any()
    assert not whole.parts["x"].any()


def test_refusals() -> None:
    _, trace = case("plain", 57)
    of = "1/joined/2/1/y_t[1]"
    with pytest.raises(
        OptionError, match=r"no baseline 'zero'; expected zero-input, zero-state, a batch element \(0 to 1\)"
    ):
        contribution(trace, of, "zero")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="no baseline 2"):
        contribution(trace, of, 2)
    with pytest.raises(OptionError, match="integrated gradients need equal parameters; 0/forward/W_xi differs"):
        integrated_gradients(trace, of, case("plain", 58)[1])
    with pytest.raises(OptionError, match="points must be at least 1"):
        integrated_gradients(trace, of, points=0)


@pytest.mark.few(2)
@pytest.mark.parametrize("name", CELLS)
def test_rerun_is_the_same_run(name: str) -> None:
    """Other premises give the trace that a run with them gives, to the last bit; the first trace stays as it was."""
    told, trace = case(name, 59, lengths=[4, 3])
    before = trace.output.copy()
    other, expected = case(name, 60, lengths=[4, 3])
    initial = {
        scope: {state: expected.initial[scope][state] for state in states} for scope, states in trace.initial.items()
    }
    found = rerun(trace, x=other["x"], initial=initial, parameters=expected.parameters)
    for scope, lines in expected.lines.items():
        for line, values in lines.items():
            np.testing.assert_allclose(found.lines[scope][line], values, rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(trace.output, before)
    shorter = rerun(trace, x=told["x"][:, :1], initial={s: {n: v[:1] for n, v in h.items()} for s, h in
                    trace.initial.items()}, lengths=np.array([4]))  # fmt: skip
    np.testing.assert_allclose(shorter.output, trace.output[:, :1], rtol=1e-13, atol=1e-15)


def test_rerun_refuses_what_does_not_fit() -> None:
    _, trace = case("plain", 61)
    with pytest.raises(ShapeError, match=r"x has shape \(4, 2, 5\); expected \(T, B, I\) with T, I = \(4, 3\)"):
        rerun(trace, x=np.zeros((4, 2, 5)))
    with pytest.raises(ShapeError, match=r"the initial state 0/forward/h_prev has shape \(2, 4\); expected \(3, 4\)"):
        rerun(trace, x=np.zeros((4, 3, 3)))
    with pytest.raises(MissingError, match="the trace has no parameter 0/forward/W_xq"):
        rerun(trace, parameters={"0/forward": {"W_xq": np.zeros(2)}})
    _, padded = case("plain", 61, lengths=[4, 3])
    with pytest.raises(ShapeError, match=r"lengths has shape \(3,\); expected one for each of the B = 2 rows"):
        rerun(padded, lengths=np.array([4, 3, 2]))
    with pytest.raises(ShapeError, match=r"lengths has shape \(2,\); expected one for each of the B = 1 rows"):
        rerun(padded, x=np.zeros((4, 1, 3)), initial={s: {n: v[:1] for n, v in here.items()} for s, here in
              padded.initial.items()})  # fmt: skip


@pytest.mark.parametrize("points", [0, "50", 2.5, True, None])
def test_points_that_are_no_whole_number_are_refused(points: Any) -> None:
    _, trace = case("plain", 57)
    with pytest.raises(OptionError, match="points must be at least 1, a whole number; found"):
        lt.explain(trace, "1/joined/2/1/y_t[1]", points=points).to_frame()
