"""The memory ledger adds up to the carried value; half-lives and gate statistics by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.explanation.activity import behaviour
from lstm_trace.explanation.memory import Ledger, ledger, recurrence, recurrences
from lstm_trace.results.explanation import explanation

from ..support.said import sentences_of
from ..verification.test_verify import traced


@pytest.mark.few(2)
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
    assert account.halved == 2  # 1.0, then 1.0 * 0.25
    assert ledger(trace, "0/c_t[0]").halved == 1
    slow = lt.run({}, given={**given, "f_t": [[0.9], [0.9], [0.9]]}, c0=[8.0], ask="c_t")
    assert ledger(slow, "2/c_t[0]").halved is None


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
    for unit, there in ((0, "1/forward/2/1/c_t[0]"), (3, "1/forward/2/1/c_t[3]"), (7, "1/reverse/2/1/c_t[2]")):
        with pytest.raises(OptionError) as told:
            ledger(traced({}), f"1/joined/2/1/y_t[{unit}]")
        assert str(told.value) == (
            f"y_t of 1/joined is not carried to the next step, so it has no memory; what is carried has one: {there}"
        )
    with pytest.raises(MissingError, match="choose one of the 5 units"):
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
    assert (second.left, second.right, second.state) == (1.0, 0.0, "shut")
    assert first.half_life == pytest.approx(3 / (-math.log2(0.95 * 0.99) + 1))
    assert second.half_life == 1


def test_the_first_value_that_is_not_finite() -> None:
    weights = {f"W_{a}{g}": np.full((2, 2), 1e200) for a in "xh" for g in "ifco"}
    found = lt.run(weights, [[1.0, 0.0], [1e200, 1e200]]).not_finite
    assert found is not None
    assert str(found.address) == "0/forward/1/0/W_xi @ x_t[0]"
    assert found.operands == (("W_xi[0,0]", 1e200), ("x_t[0]", 1e200))
    assert found.cause == "overflow"
    assert traced({}).not_finite is None


#: Row 0: padding in front and a gap; row 1: no valid step.
MASK = np.array([[0, 0], [1, 0], [0, 0], [1, 0], [0, 0]], bool)


def parts(account: Ledger) -> tuple[tuple[int | None, str, float], ...]:
    return tuple((row.step, row.source, row.part) for row in account.rows)


def test_padding_keeps_everything_and_is_no_step() -> None:
    """By hand, with f = 1/2 and i·c̃ = 1 at the valid steps: c goes 8 → 5 → 3.5."""
    ones = np.ones((5, 2, 1))
    given = {"f_t": 0.5 * ones, "i_t": ones, "c_tilde": ones}
    trace = lt.run({}, given=given, c0=[[8.0], [6.0]], ask="c_t", mask=MASK)
    held = "where(valid, c_t, c_prev)"
    whole = ((None, "c0", 2.0), (1, "i_t * c_tilde", 0.5), (3, "i_t * c_tilde", 1.0))
    for t in (3, 4):  # the last valid step, and the state that is held after it
        account = ledger(trace, f"{t}/0/{held}[0]")
        assert (parts(account), account.value, account.residual) == (whole, 3.5, 0.0)
        assert (account.halved, account.steps) == (1, 2)
    assert parts(ledger(trace, "3/0/c_t[0]")) == whole
    assert parts(ledger(trace, f"2/0/{held}[0]")) == ((None, "c0", 4.0), (1, "i_t * c_tilde", 1.0))
    empty = ledger(trace, f"4/1/{held}[0]")
    assert (parts(empty), empty.halved, empty.steps) == (((None, "c0", 6.0),), None, 0)
    # what a line computes at padding has an account too: of itself and what was held
    assert parts(ledger(trace, "2/0/c_t[0]")) == (
        (None, "c0", 2.0),
        (1, "i_t * c_tilde", 0.5),
        (2, "i_t * c_tilde", 1.0),
    )


def test_half_lives_count_valid_steps() -> None:
    ones = np.ones((5, 2, 1))
    trace = lt.run({}, given={"f_t": 0.8 * ones, "i_t": ones, "c_tilde": ones}, c0=[[8.0], [6.0]], ask="c_t", mask=MASK)
    account = ledger(trace, "3/0/c_t[0]")
    assert (account.halved, account.steps) == (None, 2)  # 0.8² > 1/2, over five steps of the input


def test_padding_is_said() -> None:
    ones = np.ones((5, 2, 1))
    trace = lt.run({}, given={"f_t": ones, "i_t": ones, "c_tilde": ones}, c0=[[8.0], [6.0]], ask="c_t", mask=MASK)
    said = "step 2 is padding in sequence 0: the states are kept there"
    for of, there in (("2/0/c_t[0]", True), ("3/0/c_t[0]", False)):
        assert (said in explanation(trace, of, how="memory").report()) == there
    nothing = explanation(trace, "4/1/where(valid, c_t, c_prev)[0]", how="memory").report()
    assert "no step before it is valid: it is the initial value" in nothing


# -- what is held ------------------------------------------------------------------------------------------------------

HALF = {"equations": "c_t = 0.5 * c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t"}
GAP = np.array([[1], [0], [1], [1]], bool)


@pytest.mark.parametrize("to", [5.0, "*0.5"])
def test_a_hold_at_padding_changes_nothing(to: Any) -> None:
    """c goes 1, 1, 4.5, 10.25, held or not."""
    x = np.array([1.0, 2.0, 4.0, 8.0]).reshape(4, 1, 1)
    trace = lt.run({}, x, cell=HALF, mask=GAP, hold={"1/c_t": to})
    free = lt.run({}, x, cell=HALF, mask=GAP)
    account = ledger(trace, "3/c_t")
    assert (account.value, account.residual) == (10.25, 0.0)
    assert [row[:4] for row in account.rows if row.part] == [row[:4] for row in ledger(free, "3/c_t").rows if row.part]
    there = ledger(trace, "1/c_t")  # the line itself is held there
    assert (there.value, there.residual) == ({5.0: 5.0, "*0.5": 1.25}[to], 0.0)


@pytest.mark.parametrize("to", [5.0, "*0.5"])
@pytest.mark.parametrize("t", [1, 2])
def test_what_is_carried_can_be_held(t: int, to: Any) -> None:
    """The line of padding has no name, and can be held too: also at a step of padding."""
    x = np.array([1.0, 2.0, 4.0, 8.0]).reshape(4, 1, 1)
    line = "where(valid, c_t, c_prev)"
    trace = lt.run({}, x, cell=HALF, mask=GAP, hold={f"{t}/{line}": to})
    for of in ("c_t", line):
        for at in range(4):
            account = ledger(trace, f"{at}/{of}")
            assert account.value == trace.lines["0/forward"][of][at, 0, 0]
            assert account.residual == 0, (of, at)


@pytest.mark.parametrize("hold", [{"c_t": "*0.5"}, {"1/c_t": 0.25}, {"2/c_t": "*-3"}])
def test_a_hold_of_what_is_clipped(hold: dict[str, Any]) -> None:
    cell = {"equations": "c_t = clip(0.5 * c_prev + x_t, -1, 1)\ncarry: c_prev <- c_t\noutput: c_t"}
    trace = lt.run({}, np.array([[0.75], [2.0], [-0.5], [-4.0]]), cell=cell, hold=hold)
    for t in range(4):
        assert ledger(trace, f"{t}/c_t").residual == 0


def test_the_output_that_padding_repeats_is_no_memory() -> None:
    """The state of a GRU is carried for the next step, and once more to be repeated."""
    draw = np.random.default_rng(4)
    weights = {f"W_{side}{g}": draw.normal(size=(3, 3 if side == "h" else 2)) for side in "xh" for g in "ruh"}
    x = draw.normal(size=(5, 2, 2))
    trace = lt.run(weights, x, cell={"kind": "gru"}, mask=MASK, options={"padding": "repeat"})
    plain = lt.run(weights, x, cell={"kind": "gru"}, mask=MASK)
    assert ledger(trace, "3/0/h_t[1]").rows == ledger(plain, "3/0/h_t[1]").rows


@pytest.mark.parametrize("hold", [{"1/y_t": 5.0}, {"2/0/y_t": 5.0}, {"y_t": "*2"}], ids=str)
def test_the_output_that_padding_carries_is_no_memory_where_it_is_held(hold: dict[str, Any]) -> None:
    draw = np.random.default_rng(4)
    weights = {f"W_{side}{g}": draw.normal(size=(3, 3 if side == "h" else 2)) for side in "xh" for g in "ruh"}
    chosen: dict[str, Any] = {"cell": {"kind": "gru"}, "mask": MASK, "options": {"padding": "carry"}}
    x = draw.normal(size=(5, 2, 2))
    plain, trace = (lt.run(weights, x, hold=h, **chosen) for h in (None, hold))
    assert ledger(trace, "3/0/h_t[1]").rows == ledger(plain, "3/0/h_t[1]").rows
    told = [sentences_of(explanation(one, "3/0/h_t[1]", "memory")) for one in (trace, plain)]
    assert [one for one in told[0] if not one.startswith("Held: ")] == [*told[1]]
    with pytest.raises(OptionError, match=r"y_t is not carried to the next step, .* carried lines: h_t"):
        ledger(trace, "3/0/y_t[1]")


def test_a_state_that_each_unit_keeps_by_itself() -> None:
    """c = where(x > 0, c/2 + x, c): unit 0 goes 1, 1, 4.5 and unit 1 stays 2, goes 3, stays."""
    cell = "a_t = 0.5 * c_prev + x_t\ng_t = x_t > 0\nc_t = where(g_t, a_t, c_prev)\ncarry: c_prev <- c_t\noutput: c_t"
    x = np.array([[1.0, -1.0], [-1.0, 2.0], [4.0, -3.0]])
    trace = lt.run({}, x, cell={"equations": cell}, initial={"c_prev": [0.0, 2.0]})
    for j, (value, wanted) in enumerate([(4.5, {0: 0.5, 2: 4.0}), (3.0, {None: 1.0, 1: 2.0})]):
        account = ledger(trace, f"2/c_t[{j}]")
        assert (account.value, account.residual, account.steps) == (value, 0.0, 3)
        assert {row.step: row.part for row in account.rows if row.part} == wanted
    assert [ledger(trace, f"2/c_t[{j}]").halved for j in (0, 1)] == [1, 2]
    assert ledger(trace, "2/a_t[1]").residual == 0
    units = lt.profile(trace).units
    assert units.half_life.tolist() == [1.5, 3.0]
    assert units.kept.tolist() == pytest.approx([2 / 3, 5 / 6])


@pytest.mark.filterwarnings("error")
def test_what_overflows_is_no_warning() -> None:
    x = np.array([[1e308], [1e308], [1.0]])
    trace = lt.run({"f": [1e200]}, x, cell={"equations": "c_t = f * c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t"})
    assert np.isinf(ledger(trace, "2/c_t").value)
    cell = {"equations": trace.stages[0].cell.text}
    still = lt.run({"f": [np.inf]}, x, cell=cell, initial={"c_prev": [0.0]}, allow_nonfinite=True)
    assert np.isnan(ledger(still, "0/c_t").rows[0].part)
    assert lt.profile(still).units.half_life.isna().all()


@pytest.mark.parametrize("to", [5.0, "*0.5"])
def test_what_is_kept_can_be_held(to: Any) -> None:
    trace = lt.run({}, [[1.0], [2.0], [4.0]], cell=HALF, hold={"1/0.5 * c_prev": to})
    for t in range(3):
        assert ledger(trace, f"{t}/c_t").residual == 0


@pytest.mark.few(3)
@pytest.mark.parametrize("options", [{}, {"cell_clip": 0.4}], ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_the_ledger_adds_up_whatever_is_held(seed: int, options: dict[str, Any]) -> None:
    draw = np.random.default_rng(seed)
    weights = {f"W_{side}{g}": draw.normal(size=(2, 2 if side == "h" else 3)) for side in "xh" for g in "ifco"}
    arguments: dict[str, Any] = {"cell": {"kind": "lstm", **options}, "mask": MASK, "c0": draw.normal(size=(2, 2))}
    x = draw.normal(size=(5, 2, 3))
    names = list(lt.run(weights, x, **arguments).lines["0/forward"])
    at = {(int(draw.integers(5)), str(draw.choice(names))): draw.choice(["*-2", "*0.5", "0", "1.5"]) for _ in range(12)}
    hold = {f"{t}/0/{name}": value if "*" in value else float(value) for (t, name), value in at.items()}
    trace = lt.run(weights, x, **arguments, hold=hold)
    for name in ("c_t", "where(valid, c_t, c_prev)"):
        for t in range(5):
            account = ledger(trace, f"{t}/0/{name}[1]")
            parts = [abs(row.part) for row in account.rows]
            assert abs(account.residual) <= 20 * np.finfo(float).eps * sum(parts), (hold, t, name)


@pytest.mark.parametrize(
    ("written", "rewrites"),
    [
        ("g_t * (x_t - h_prev)", True),
        ("sum(h_prev) * x_t", True),
        ("concat(h_prev[1:2], h_prev[0:1])", True),
        ("g_t * x_t", False),
        ("g_t * tanh(x_t - h_prev)", False),
        ("clip(h_prev, 0, 1) * x_t", False),
        ("g_t * softsign(h_prev)", False),
        ("s_prev", False),
        ("where(h_prev > 1, x_t, 0)", False),
    ],
)
def test_what_is_written_may_be_formed_from_the_state(written: str, rewrites: bool) -> None:
    """Inside a function, as in a gate or a candidate, the state is no term or factor."""
    text = f"g_t = sigmoid(x_t + h_prev)\nh_t = 0.5 * h_prev + {written}\ns_t = s_prev + h_t\n"
    cell = {"equations": f"{text}carry: h_prev <- h_t, s_prev <- s_t\noutput: h_t"}
    initial = {"h_prev": [1.0, 2.0], "s_prev": [0.0, 0.0]}
    trace = lt.run({}, [[1.0, 3.0], [2.0, 4.0]], cell=cell, initial=initial)
    assert recurrence(trace.stages[0], "h_t").rewrites is rewrites
    told = "".join(sentences_of(lt.explain.memory(trace, "1/h_t[0]")))
    assert ("what is added is itself formed from h_prev" in told) is rewrites


@pytest.mark.parametrize(
    "options",
    [{"peephole": True}, {"peephole": True, "gate_activation": "hard_sigmoid"}, {"kind": "gru"}, {"kind": "slstm"}],
    ids=str,
)
def test_gates_and_candidates_of_named_cells_rewrite_nothing(options: dict[str, Any]) -> None:
    stage = traced(options).stages[0]
    found = dict(recurrences(stage, stage.carried))
    assert found
    assert not any(rule.rewrites for rule in found.values())


@pytest.mark.parametrize("other", ["0", "b", "s_prev"])
def test_a_choice_between_a_state_and_what_no_line_makes_is_no_sum(other: str) -> None:
    text = f"n_t = where(c, {other}, h_prev)\nm_t = 2 * s_prev\ncarry: h_prev <- n_t, s_prev <- m_t\noutput: n_t"
    weights = {"c": [1.0, 0.0], "b": [2.0, 3.0]} if other == "b" else {"c": [1.0, 0.0]}
    trace = lt.run(weights, [[1.0], [2.0]], cell={"equations": text}, h0=[5.0, 6.0], initial={"s_prev": [7.0, 8.0]})
    with pytest.raises(OptionError, match=r"n_t = where\(.*\) is not a sum of"):
        lt.explain(trace, "1/n_t[1]", "memory").to_frame()
    assert lt.derivation(trace, "1/n_t[1]").value == 6.0
    assert "6" in trace.report("text")
