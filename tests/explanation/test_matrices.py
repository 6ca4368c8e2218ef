"""Explanations of cells whose memory is a matrix: every state counts, and entries are named."""

from __future__ import annotations

import re

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.explanation.ablation import ablation
from lstm_trace.explanation.contribution import contribution, gradient_times_input
from lstm_trace.explanation.memory import ledger
from tests.support.matrix_cells import problem

MLSTM = lt.run(problem("mlstm") | {"ask": []})


def test_a_row_of_a_matrix_is_held_at_a_time_beside_the_units_of_the_other_states() -> None:
    found = {(one.line, one.unit): one for one in ablation(MLSTM, "2/h_t[1]").effects}
    assert found.keys() == {("C_t", 0), ("C_t", 2), ("C_t", 4), ("n_t", 0), ("n_t", 1), ("m_t", 0)}
    row = found["C_t", 2]
    assert (row.address, row.label) == ("0/forward/C_t[1,0..1]", "[1,:]")
    held = lt.run(problem("mlstm") | {"ask": []}, hold={"C_t[1,0..1]": 0.0})
    assert row.value == held["h_t"][2, 0, 1] != MLSTM["h_t"][2, 0, 1]
    assert found["C_t", 0].effect == found["C_t", 4].effect == 0.0  # h_t[1] reads row 1 alone


def test_entries_of_one_row_are_held_one_by_one() -> None:
    found = ablation(MLSTM, "2/h_t[1]", lines="C_t[1,0..1]").effects
    assert {(one.address, one.label) for one in found} == {
        ("0/forward/C_t[1,0]", "[1,0]"),
        ("0/forward/C_t[1,1]", "[1,1]"),
    }


def test_every_state_is_held_at_each_step() -> None:
    found = ablation(MLSTM, "2/h_t[1]", over="steps").effects
    assert {(one.line, one.t) for one in found} == {(line, t) for line in ("C_t", "n_t", "m_t") for t in range(3)}


@pytest.mark.parametrize(
    ("name", "line"), [("mlstm", "C_t"), ("mamba", "H_t"), ("rwkv7", "S_t"), ("gated-deltanet", "S_t")]
)
def test_the_ledger_of_an_entry(name: str, line: str) -> None:
    trace = lt.run(problem(name) | {"ask": []})
    found = ledger(trace, f"2/{line}[2,1]")
    assert str(found.address) == f"0/forward/2/0/{line}[2,1]"
    columns = trace.grid("0/forward", line)[1]  # type: ignore[index]
    assert found.value == trace[line][2, 0, 2 * columns + 1]
    assert abs(found.residual) <= 1e-15
    with pytest.raises(lt.errors.MissingError, match=rf"{line}\[7\]; {line} is a matrix"):
        ledger(trace, f"2/{line}[7]")
    several = rf"choose one of the {trace[line].shape[2]} entries, for example 2/{line}\[0,0\]$"
    with pytest.raises(lt.errors.MissingError, match=several):
        ledger(trace, f"2/{line}")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("name", "first"), [("rwkv7", "0/forward/1/0/kappa_hat[0]"), ("gated-deltanet", "0/forward/0/0/q_t[0]")]
)
def test_a_baseline_whose_value_is_not_finite_is_refused(name: str, first: str) -> None:
    """A zero input is divided by its norm, 0 / 0; `attribute` refuses the same pair, and so does every measure."""
    trace = lt.run(problem(name) | {"ask": []})
    zeros = lt.run(problem(name) | {"ask": [], "x": np.zeros_like(trace.x[:, 0])})
    cause = re.escape(f": only a difference of finite values can be split; {first} is nan, the first value")
    advice = re.escape("(choose another: zero-input, zero-state, a batch element, or a trace)")
    for asked in (lt.explain.contribution, contribution, gradient_times_input):
        for baseline in ("zero-input", zeros):
            with pytest.raises(lt.errors.OptionError, match=rf"2/0/o_t\[1\] is nan in the baseline {advice}{cause}"):
                asked(trace, "2/o_t[1]", baseline)
    with pytest.raises(lt.errors.OptionError, match=rf"2/0/o_t\[1\] is nan in a{cause}"):
        lt.attribute(zeros, trace, of="2/o_t[1]")
    with pytest.raises(lt.errors.OptionError, match=rf"2/0/o_t\[1\] is nan in b{cause}"):
        lt.attribute(trace, zeros, of="2/o_t[1]")
    assert contribution(trace, "2/o_t[1]", "zero-state").baseline == pytest.approx(
        lt.run(problem(name) | {"ask": [], "initial": {}})["o_t"][2, 0, 1], abs=1e-15
    )


def test_columns_of_pictures() -> None:
    states = MLSTM.plot.states().data
    assert np.array_equal(states["C_t[2,1]"], MLSTM["C_t"][:, 0, 5])
    unit = MLSTM.plot.unit().data
    assert {"C_t[2,1]", "n_t[0]", "h_tilde[0]"} <= {*unit.columns}


def test_what_is_subtracted_has_its_sign() -> None:
    cell = {"equations": "C_t = 0.5 * C_prev - outer(x_t, x_t) + x_t\ncarry: C_prev <- C_t\noutput: C_t"}
    trace = lt.run({}, [[1.0], [2.0]], cell=cell)
    assert "each step keeps 0.5 of C_prev and adds -outer(x_t, x_t), x_t" in str(lt.explain.memory(trace, "1/C_t[0,0]"))
