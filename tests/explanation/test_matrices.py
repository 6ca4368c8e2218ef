"""Explanations of cells whose memory is a matrix: every state counts, and entries are named."""

from __future__ import annotations

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.explanation.ablation import ablation
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


def test_columns_of_pictures() -> None:
    states = MLSTM.plot.states().data
    assert np.array_equal(states["C_t[2,1]"], MLSTM["C_t"][:, 0, 5])
    unit = MLSTM.plot.unit().data
    assert {"C_t[2,1]", "n_t[0]", "h_tilde[0]"} <= {*unit.columns}


def test_what_is_subtracted_has_its_sign() -> None:
    cell = {"equations": "C_t = 0.5 * C_prev - outer(x_t, x_t) + x_t\ncarry: C_prev <- C_t\noutput: C_t"}
    trace = lt.run({}, [[1.0], [2.0]], cell=cell)
    assert "each step keeps 0.5 of C_prev and adds -outer(x_t, x_t), x_t" in str(lt.explain.memory(trace, "1/C_t[0,0]"))
