"""How active each unit is: counted over the steps that a row has, not over its padding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import MissingError
from lstm_trace.explanation.activity import behaviour

RNG = np.random.default_rng(80)
WEIGHTS: dict[str, Any] = {f"W_x{g}": 3 * RNG.normal(size=(2, 3)) for g in "ifco"}
WEIGHTS |= {f"W_h{g}": RNG.normal(size=(2, 2)) for g in "ifco"}


@pytest.mark.parametrize("lengths", [None, [5, 2, 0], [1, 5, 3]])
def test_activity_is_that_of_the_steps_of_each_row(lengths: list[int] | None) -> None:
    trace = lt.run(WEIGHTS, RNG.normal(size=(5, 3, 3)), lengths=lengths)
    found = {(unit.line, unit.unit): unit for unit in behaviour(trace, 0.25, 0.75).units}
    for name in ("i_t", "f_t", "o_t", "c_tilde"):
        for j in range(2):
            values = [
                float(trace[name][t, b, j]) for b in range(3) for t in range(5 if lengths is None else lengths[b])
            ]
            places = values if name != "c_tilde" else [(v + 1) / 2 for v in values]
            unit = found[name, j]
            assert unit.mean == pytest.approx(sum(values) / len(values))
            assert (unit.least, unit.most) == (min(values), max(values))
            assert unit.left == pytest.approx(sum(v < 0.25 for v in places) / len(places))
            assert unit.right == pytest.approx(sum(v > 0.75 for v in places) / len(places))
            if name == "f_t":
                assert unit.half_life == pytest.approx(len(values) / sum(min(1.0, -math.log2(f)) for f in values))
                assert unit.state == ("shut" if max(values) <= 0.25 else "open" if min(values) >= 0.75 else "")
            else:
                assert unit.half_life is None


def test_values_that_are_not_finite_are_left_out() -> None:
    """And a unit that has no others has no numbers: by a loop over what is left, all units together."""
    x = RNG.normal(size=(9, 2, 3))
    x[6, 0, 1] = np.nan
    trace = lt.run(WEIGHTS, x)
    trace.lines["0/forward"]["i_t"][:, :, 1] = np.nan
    found = {(unit.line, unit.unit): unit for unit in behaviour(trace, 0.25, 0.75).units}
    said = lt.explain(trace, None, "gates").report("text", width=200)
    for name in ("i_t", "f_t", "o_t"):
        finite = [[v for v in trace[name][:, :, j].ravel().tolist() if math.isfinite(v)] for j in range(2)]
        for j, values in enumerate(finite):
            unit = found[name, j]
            if not values:
                assert [math.isnan(v) for v in (unit.mean, unit.least, unit.most)] == [True] * 3
                assert (unit.left, unit.right, unit.state) == (0, 0, "")
                continue
            assert len(values) == 15
            assert unit.mean == pytest.approx(sum(values) / 15)
            assert (unit.least, unit.most) == (min(values), max(values))
            assert unit.left == pytest.approx(sum(v < 0.25 for v in values) / 15)
            if name == "f_t":
                assert unit.half_life == pytest.approx(15 / sum(min(1.0, -math.log2(f)) for f in values))
        every = [value for values in finite for value in values]
        right = round(100 * sum(v > 0.9 for v in every) / len(every))
        assert f"{name}: " in said
        assert f", {right} % right-saturated" in said.partition(f"{name}: ")[2].partition("\n")[0].replace("\xa0", " ")
    assert "Values that are not finite are left out of these numbers." in said


def test_a_unit_that_is_not_there_has_no_ledger() -> None:
    trace = lt.run(WEIGHTS, RNG.normal(size=(5, 3, 3)))
    with pytest.raises(MissingError, match=r"c_t\[2\]: the units are 0 to 1"):
        lt.explain(trace, "4/0/c_t[2]", "memory").to_frame()
    assert len(lt.explain(trace, "4/0/c_t[1]", "memory").to_frame()) == 6
    with pytest.raises(MissingError, match="choose one of the 2 units"):
        lt.explain(trace, "4/0/c_t", "memory").to_frame()


def test_the_factor_of_a_state_is_a_gate_as_the_report_says_whatever_gives_it() -> None:
    text = "a_t = exp(-(W @ x_t))\nh_t = a_t * h_prev + x_t\ncarry: h_prev <- h_t"
    trace = lt.run({"W": np.eye(2)}, np.ones((3, 1, 2)), cell={"equations": text})
    keeps = [(unit.line, unit.mean, unit.half_life) for unit in behaviour(trace).units]
    assert keeps == [("a_t", pytest.approx(math.exp(-1)), 1.0)] * 2
    assert "the gate a_t keeps 37 %" in " ".join(trace.report("text").split())
    assert len(trace.plot.saturation().data) == 2


def test_a_state_that_is_held_is_halved_there() -> None:
    """What is held keeps nothing of its state, however open its gate."""
    w, u, x = np.array([[0.5, -1.0], [0.75, 0.25]]), np.eye(2) / 4, np.linspace(-1, 1, 8).reshape(4, 2)
    trace = lt.run(
        {"W_xi": w, "W_hi": u, "W_xf": -w, "W_hf": u, "W_xc": w, "W_hc": u, "W_xo": w, "W_ho": u},
        x,
        hold={"2/c_t[1]": 0.5},
    )
    found = {unit.unit: unit.half_life for unit in behaviour(trace).units if unit.line == "f_t"}
    for unit, life in found.items():
        gate = trace["f_t"][:, 0, unit].astype(float)
        halved = np.minimum(-np.log2(gate), 1.0)
        halved[2] = 1.0 if unit == 1 else halved[2]
        assert life == pytest.approx(4 / halved.sum())
