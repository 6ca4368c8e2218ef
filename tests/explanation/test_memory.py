"""The memory ledger adds up to the carried value; half-lives and gate statistics by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.explanation.memory import ledger
from lstm_trace.explanation.saturation import behaviour

from ..verification.test_verify import traced


@pytest.mark.parametrize(
    "options", [{}, {"peephole": True}, {"coupled": True}, {"cell_clip": 0.5}, {"kind": "slstm"}], ids=str
)
@pytest.mark.parametrize("lengths", [None, [4, 2]])
def test_the_ledger_adds_up(options: dict[str, Any], lengths: list[int] | None) -> None:
    trace = traced(options, lengths=lengths)
    for scope in ("0/forward", "1/reverse"):
        for t in range(4):
            for b in range(2):
                for j in range(5):
                    account = ledger(trace, f"{scope}/{t}/{b}/c_t[{j}]")
                    parts = [abs(row.part) for row in account.rows]
                    assert abs(account.residual) <= 20 * np.finfo(float).eps * sum(parts)
                    assert account.value == trace.lines[scope]["c_t"][t, b, j]


def test_rows_by_hand() -> None:
    given = {"f_t": [[0.5], [0.25], [1.0]], "i_t": [[1.0], [0.5], [0.25]], "c_tilde": [[2.0], [4.0], [-1.0]]}
    trace = lt.run({}, given=given, c0=[8.0], ask="c_t")
    account = ledger(trace, "2/c_t[0]")
    assert account.rows == (
        (None, "c0", 8.0, 8.0 * 0.5 * 0.25, 1 / 3.75, 1.0),
        (0, "i_t * c_tilde", 2.0, 2.0 * 0.25, 0.5 / 3.75, 1.5),
        (1, "i_t * c_tilde", 2.0, 2.0, 2 / 3.75, 3.5),
        (2, "i_t * c_tilde", -0.25, -0.25, 0.25 / 3.75, 3.25),
    )
    assert account.value == 3.25
    assert account.half_life == 2  # 1.0, then 1.0 * 0.25
    assert ledger(trace, "0/c_t[0]").half_life == 1
    slow = lt.run({}, given={**given, "f_t": [[0.9], [0.9], [0.9]]}, c0=[8.0], ask="c_t")
    assert ledger(slow, "2/c_t[0]").half_life is None


def test_a_gru_has_a_ledger_and_a_plain_rnn_has_none() -> None:
    gru = """
    z_t = sigmoid(W_z @ x_t + U_z @ h_prev)
    h_t = (1 - z_t) * tanh(W_h @ x_t) + z_t * h_prev
    carry: h_prev <- h_t
    """
    rng = np.random.default_rng(3)
    weights = {"W_z": rng.normal(size=(2, 3)), "U_z": rng.normal(size=(2, 2)), "W_h": rng.normal(size=(2, 3))}
    trace = lt.run(weights, rng.normal(size=(4, 3)), cell={"equations": gru}, h0=[0.5, -0.5])
    account = ledger(trace, "3/h_t[1]")
    assert [row.source for row in account.rows[:2]] == ["h0", "(1 - z_t) * tanh(W_h @ x_t)"]
    assert abs(account.residual) < 1e-15
    rnn = lt.run({"W": [[0.5]]}, [[1.0]], cell={"equations": "h_t = tanh(W @ x_t + h_prev)\ncarry: h_prev <- h_t"})
    with pytest.raises(OptionError, match="is not a sum of"):
        ledger(rnn, "h_t[0]")


@pytest.mark.parametrize("gate", ["a", "mean(x_t)", "0.5"])
def test_a_gate_that_all_units_share(gate: str) -> None:
    """One number for all units: a parameter, a line of width 1, a constant."""
    cell = {"equations": f"c_t = {gate} * c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t"}
    x = np.array([[0.25, 0.75, 0.5], [2.0, -1.0, 0.5]])
    trace = lt.run({"a": [0.5]} if gate == "a" else {}, x, cell=cell, initial={"c_prev": [4.0, 8.0, 16.0]})
    for j, c0 in enumerate((4.0, 8.0, 16.0)):
        account = ledger(trace, f"1/c_t[{j}]")
        assert [row[:4] for row in account.rows] == [
            (None, "c0", c0, c0 * 0.25),
            (0, "x_t", x[0, j], x[0, j] * 0.5),
            (1, "x_t", x[1, j], x[1, j]),
        ]
        assert account.residual == 0


def test_faults() -> None:
    trace = traced({}, layers=1, both=False)
    with pytest.raises(OptionError, match="i_t is not carried to the next step, so it has no memory; carried lines"):
        ledger(trace, "0/0/i_t[0]")
    with pytest.raises(MissingError, match="say which of the 5 units"):
        ledger(trace, "0/0/c_t")
    with pytest.raises(OptionError, match="thresholds"):
        behaviour(trace, 0.9, 0.1)


def test_gate_statistics_by_hand() -> None:
    f = np.array([[0.95, 0.02], [0.99, 0.05], [0.5, 0.01]])
    z = np.log(f / (1 - f))
    cell = {"equations": "f_t = sigmoid(z_t + x_t)\nc_t = f_t * c_prev\ncarry: c_prev <- c_t\noutput: c_t"}
    trace = lt.run({"z_t": [0.0, 0.0]}, z, cell=cell, initial={"c_prev": [1.0, 1.0]})
    first, second = behaviour(trace).units
    assert (first.left, first.right, first.state) == (0.0, pytest.approx(2 / 3), "")
    assert (second.left, second.right, second.state) == (1.0, 0.0, "dead")
    assert first.memory == pytest.approx(-1 / np.mean(np.log(f[:, 0])))


def test_the_first_value_that_is_not_finite() -> None:
    weights = {f"W_{a}{g}": np.full((2, 2), 1e200) for a in "xh" for g in "ifco"}
    found = behaviour(lt.run(weights, [[1.0, 0.0], [1e200, 1e200]])).not_finite
    assert found is not None
    assert str(found.address) == "0/forward/1/0/W_xi @ x_t[0]"
    assert found.operands == (("W_xi", 1e200), ("x_t", 1e200))
    assert not found.premise
    assert behaviour(traced({})).not_finite is None
