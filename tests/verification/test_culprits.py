"""Several wrong values in one trace: each is reported with what it should be; differences are split over them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.backpropagation.attribution import split

RNG = np.random.default_rng(51)
WEIGHTS: dict[str, Any] = {f"W_x{g}": RNG.normal(size=(2, 3)) for g in "ifco"}
WEIGHTS |= {f"W_h{g}": RNG.normal(size=(2, 2)) for g in "ifco"}
X = RNG.normal(size=(5, 2, 3))


def traced() -> lt.Trace:
    return lt.run(WEIGHTS, X, h0=[[0.5, -0.25]] * 2, c0=[[0.75, 1.0]] * 2, plan="lines")


def test_a_reader_that_is_wrong_by_itself_is_derived_from_the_value_put_right() -> None:
    trace, whole = traced(), traced()
    trace.lines["0/forward"]["h_t"][1, 0, 1] += 0.5
    trace.lines["0/forward"]["W_hf @ h_prev"][2, 0, 0] += 0.125
    found = lt.verify(trace).failures
    assert [str(f.address) for f in found] == ["0/forward/1/0/h_t[1]", "0/forward/2/0/W_hf @ h_prev[0]"]
    for failure, name, at in zip(found, ("h_t", "W_hf @ h_prev"), ((1, 0, 1), (2, 0, 0)), strict=True):
        assert failure.derived == pytest.approx(float(whole[name][at]), rel=1e-14)
        assert failure.recorded == float(trace[name][at])
    assert set(found[0].consequences) == {f"0/forward/2/W_h{g} @ h_prev" for g in "ifco"}, "of one, the other unit"


def test_what_was_computed_from_a_wrong_value_is_judged_by_that_value() -> None:
    """c_t was wrong when h_t was computed from it: it stays as it is, and the line after it is derived from it."""
    trace = traced()
    lines = trace.lines["0/forward"]
    lines["c_t"][4, 0, 1] += 0.5
    lines["tanh(c_t)"][4] = np.tanh(lines["c_t"][4])
    lines["h_t"][4] = lines["o_t"][4] * lines["tanh(c_t)"][4]
    lines["h_t"][4, 0, 1] += 0.25
    found = lt.verify(trace).failures
    assert [str(f.address) for f in found] == ["0/forward/4/0/c_t[1]", "0/forward/4/0/h_t[1]"]
    assert found[0].consequences == ()
    assert found[1].derived == float(lines["o_t"][4, 0, 1] * lines["tanh(c_t)"][4, 0, 1])


@pytest.mark.parametrize("change", [1.0, -1.0, 0.5, 2.0])
def test_a_value_that_its_operands_do_not_explain_has_its_own_share(change: float) -> None:
    a, b = traced(), traced()
    b.lines["0/forward"]["c_t"][1, 0, 1] += change
    lines = b.lines["0/forward"]
    for t in range(1, 5):  # what follows was computed from it, through the cell state alone
        if t > 1:
            lines["f_t * c_prev"][t] = lines["f_t"][t] * lines["c_t"][t - 1]
            lines["c_t"][t] = lines["f_t * c_prev"][t] + lines["i_t * c_tilde"][t]
    found = split(a, b, "4/0/c_t[1]")
    assert found.difference == pytest.approx(float(b["c_t"][4, 0, 1] - a["c_t"][4, 0, 1]), rel=1e-14)
    share = found.local["0/forward/c_t"]
    assert np.argwhere(share).tolist() == [[1, 0, 1]]
    assert sum(part.sum() for part in found.local.values()) == pytest.approx(found.difference, rel=1e-12)
    assert found.difference == pytest.approx(change * np.prod(a["f_t"][2:, 0, 1]), rel=1e-12)
    assert abs(found.residual) < 1e-14
