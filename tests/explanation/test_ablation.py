"""Ablation against a loop of single runs, to the last bit; and memory where values are held."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.engine import plan_choice
from lstm_trace.engine.jit import installed
from lstm_trace.errors import LstmTraceError, MissingError, OptionError, ShapeError, TooLargeError
from lstm_trace.explanation import trials
from lstm_trace.explanation.ablation import Effect, ablation
from lstm_trace.explanation.account import account
from lstm_trace.explanation.memory import ledger
from lstm_trace.results.explanation import explanation
from lstm_trace.trace.labels import step_labels
from lstm_trace.trace.trace import Trace

from ..support.held_lstm import random_network
from ..support.said import sentences_of
from ..support.tiers import some

PLANS = ["lines", "planned", *(["compiled"] if installed() else [])]
WEIGHTS = random_network(8)
X = np.random.default_rng(9).normal(size=(5, 2, 3))
LENGTHS = [5, 4]
OF, B = "1/forward/2/1/h_t[3]", 1


def address(effect: Effect) -> str:
    step = "" if effect.t is None else f"{effect.t}/0/"
    return f"{effect.scope}/{step}{effect.line}" + ("" if effect.unit is None else f"[{effect.unit}]")


def alone(plan: Any, hold: dict[str, Any] | None) -> float:
    """The value in a run of its own."""
    trace = lt.run(WEIGHTS, X[:, B : B + 1], lengths=LENGTHS[B:], hold=hold, plan=plan)
    return float(trace.lines["1/forward"]["h_t"][2, 0, 3])


@pytest.mark.few(0)
@pytest.mark.parametrize("plan", some(PLANS, 2))
@pytest.mark.parametrize("to", [0.0, "*0.5"])
@pytest.mark.parametrize("over", some(["units", "steps", "lines"], 2))
def test_it_is_a_loop_of_runs_to_the_last_bit(over: Any, to: Any, plan: Any) -> None:
    trace = lt.run(WEIGHTS, X, lengths=LENGTHS, plan=plan)
    found = ablation(trace, OF, over, to=to)
    base = alone(plan, None)
    assert found.value == base
    for effect in found.effects:
        assert effect.value == alone(plan, {address(effect): to}), address(effect)
        assert effect.effect == effect.value - base
    sizes = [abs(effect.effect) for effect in found.effects]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0.01
    scopes = {"0/forward", "0/reverse", "1/forward"}  # what the value depends on
    assert {effect.scope for effect in found.effects} >= scopes
    if over == "lines":
        own = ("z_i", "z_f", "z_c", "z_o", "i_t", "f_t", "c_tilde", "o_t", "c_t", "h_t", "y_t")
        wanted = {f"{scope}/{name}" for scope in scopes for name in own} | {"0/joined/y_t"}
        assert sorted(map(address, found.effects)) == sorted(wanted)
    else:
        assert len(found.effects) == 12, "padding has no rows"


@pytest.mark.few(1)
@pytest.mark.parametrize("rows", [1, 8])
def test_it_does_not_hang_on_how_many_run_at_once(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    trace = lt.run(WEIGHTS, X, lengths=LENGTHS, plan=PLANS[-1])
    whole = ablation(trace, OF)
    monkeypatch.setattr(trials, "MOST_ROWS", rows)
    assert ablation(trace, OF) == whole


def test_chosen_lines_units_and_steps() -> None:
    trace = lt.run(WEIGHTS, X, lengths=LENGTHS)
    units = ablation(trace, OF, lines=["0/forward/h_t[1..2]", "1/f_t[0]"], to=0.25)
    assert {address(e) for e in units.effects} == {"0/forward/h_t[1]", "0/forward/h_t[2]", "1/forward/f_t[0]"}
    steps = ablation(trace, OF, "steps", "1/forward/1..2/tanh(c_t)[3]")
    assert {(e.line, e.t) for e in steps.effects} == {("tanh(c_t)", 1), ("tanh(c_t)", 2)}
    assert next(e for e in steps.effects if e.t == 2).value == 0.0
    joined = ablation(trace, OF, "units", "0/joined/y_t")
    assert len(joined.effects) == 8


@pytest.mark.few(1)
@pytest.mark.parametrize("plan", PLANS)
def test_a_sum_is_that_of_single_runs_to_the_last_bit(plan: Any) -> None:
    trace = lt.run(WEIGHTS, X, lengths=LENGTHS, plan=plan)
    of = "sum(1/forward/0..2/1/h_t[1..3]) - 1/reverse/2/1/c_t[0] + 0/joined/2/1/y_t[5]"
    found = ablation(trace, of, lines=["0/forward/c_t", "1/reverse/f_t[0..1]"], to="*0.5")
    assert str(found.of) == "sum(1/forward/0..2/1/h_t[1..3]) - 1/reverse/2/1/c_t[0] + 0/joined/2/1/y_t[5]"

    def value(hold: dict[str, Any] | None) -> float:
        lines = lt.run(WEIGHTS, X[:, B : B + 1], lengths=LENGTHS[B:], hold=hold, plan=plan).lines
        inside = np.ascontiguousarray(lines["1/forward"]["h_t"][:3, 0, 1:])
        rest = lines["1/reverse"]["c_t"][2, 0, 0], lines["0/joined"]["y_t"][2, 0, 5]
        return math.fsum([inside.sum(), -rest[0], rest[1]])

    assert found.value == value(None)
    assert len(found.effects) == 6
    for effect in found.effects:
        assert effect.value == value({address(effect): "*0.5"}), address(effect)
    assert {e.unit for e in found.effects if e.effect and e.line == "c_t"} == {0, 1, 2, 3}


def test_where_a_state_was_made_and_what_is_no_value_of_a_run() -> None:
    """c_prev is c_t of the step before; c0 is a premise."""
    trace = lt.run(WEIGHTS, X, lengths=LENGTHS)
    before, carried = (ablation(trace, f"1/forward/{at}[2]").effects for at in ("2/1/c_prev", "1/1/c_t"))
    assert before == carried
    with pytest.raises(OptionError, match=r"1/forward/0/1/c_prev\[2\]: c_prev is a premise.*name a line"):
        ablation(trace, "1/forward/0/1/c_prev[2]")


def test_values_of_another_trace() -> None:
    trace = lt.run(WEIGHTS, X, lengths=LENGTHS, plan="lines")
    other = lt.run(WEIGHTS, X[::-1].copy(), lengths=LENGTHS, plan="lines")
    row = lt.run(WEIGHTS, X[::-1, B : B + 1].copy(), lengths=LENGTHS[B:], plan="lines")
    for effect in ablation(trace, OF, "steps", "0/forward/c_t", to=other).effects:
        assert abs(effect.value - alone("lines", {address(effect): row})) < 1e-15
    assert not any(e.effect for e in ablation(row, "1/forward/2/h_t[3]", to=row).effects), (
        "its own values change nothing"
    )


@pytest.mark.few(0)
def test_what_the_trace_holds_already_stays_held() -> None:
    hold: dict[str, Any] = {"0/reverse/3/c_t[1]": 2.0, "1/forward/f_t[0]": "*0.1"}
    trace = lt.run(WEIGHTS, X[:, 1:], lengths=LENGTHS[1:], hold=hold, plan="lines")
    for to in (0.0, "*0.5"):
        for effect in ablation(trace, "1/forward/2/h_t[3]", lines=["0/reverse/c_t", "1/forward/f_t"], to=to).effects:
            mine = {a: v for a, v in hold.items() if a.split("/")[-1] != address(effect).split("/")[-1]}
            if (effect.line, effect.unit) == ("f_t", 0) and to == 0.0:
                mine = {a: v for a, v in hold.items() if "f_t" not in a}
            run = lt.run(WEIGHTS, X[:, 1:], lengths=LENGTHS[1:], hold={**mine, address(effect): to}, plan="lines")
            assert effect.value == run.lines["1/forward"]["h_t"][2, 0, 3], address(effect)


def test_a_cell_without_a_state_and_one_with_a_readout() -> None:
    plain = lt.run({"V": np.eye(2) * 2}, [[1.0, 3.0]], cell={"equations": "q_t = V @ x_t\ns_t = sum(q_t)\noutput: s_t"})
    assert [(e.line, e.effect) for e in ablation(plain, "s_t").effects] == [("s_t", -8.0)]
    assert [(e.unit, e.effect) for e in ablation(plain, "s_t", lines="q_t").effects] == [(1, -6.0), (0, -2.0)]


@pytest.mark.parametrize("lengths", [None, [3]])
def test_a_choice_of_the_author_is_no_padding(lengths: Any) -> None:
    """c = 1, 1/4, 1/4 + 4: by default what is carried is held, and not one of the two that it is chosen from."""
    equations = "g_t = x_t > 0\na_t = c_prev + x_t\nb_t = 0.25 * c_prev\nc_t = where(g_t, a_t, b_t)"
    x = [[1.0], [-2.0], [4.0]]
    trace = lt.run({}, x, cell={"equations": f"{equations}\ncarry: c_prev <- c_t\noutput: c_t"}, lengths=lengths)
    found = ablation(trace, "2/0/c_t", "steps")
    assert [(e.line, e.t, e.value) for e in found.effects] == [("c_t", 2, 0.0), ("c_t", 0, 4.0), ("c_t", 1, 4.0)]


def test_a_unit_that_two_addresses_name_is_held_once() -> None:
    trace = lt.run(WEIGHTS, X)
    found = ablation(trace, OF, lines=["1/forward/c_t[0]", "1/forward/c_t"])
    assert sorted(effect.unit or 0 for effect in found.effects) == [0, 1, 2, 3]


def test_where_padding_repeats_the_output_the_cell_state_is_held() -> None:
    trace = lt.run(WEIGHTS, X, lengths=LENGTHS, options={"padding": "repeat"})
    assert {effect.line for effect in ablation(trace, OF).effects} == {"c_t"}


@pytest.mark.parametrize("padding", ["zero", "repeat", "carry"])
def test_what_a_layer_gives_out_changes_nothing_in_it(padding: str) -> None:
    trace = lt.run(WEIGHTS, X, lengths=LENGTHS, options={"padding": padding})
    found = ablation(trace, OF, "lines", ["1/forward/y_t", "0/joined/y_t"])
    assert [(e.scope, e.effect == 0) for e in found.effects] == [("0/joined", False), ("1/forward", True)]


@pytest.mark.parametrize(
    ("kind", "told", "arguments"),
    [
        (OptionError, "over must be one of units, steps, lines; found the text 'rows'", {"over": "rows"}),
        (MissingError, "there is no line 'q_t'", {"lines": "q_t"}),
        (MissingError, "there is no c_t[4]", {"lines": "0/c_t[4]"}),
        (MissingError, "there is no line 'h_q'", {"lines": ["h_t", "h_q"]}),
        (OptionError, "to: expected a finite number", {"to": "nan"}),
        (ShapeError, "to has a value of shape (2,)", {"to": [1.0, 2.0]}),
        (MissingError, "name one unit", {"of": "1/forward/2/1/h_t"}),
    ],
)  # fmt: skip
def test_errors(kind: type[LstmTraceError], told: str, arguments: dict[str, Any]) -> None:
    trace = lt.run(WEIGHTS, X, lengths=LENGTHS)
    with pytest.raises(kind) as error:
        ablation(trace, **{"of": OF, **arguments})
    assert told in str(error.value)


def test_too_many_are_refused_before_they_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_choice, "MOST_SECONDS", 1e-5)
    with pytest.raises(TooLargeError, match=r"12 runs of 5 steps would take some 0 s.*--line"):
        ablation(lt.run(WEIGHTS, X, lengths=LENGTHS), OF, lines="c_t")


@pytest.mark.few(1)
@pytest.mark.parametrize("over", ["units", "steps"])
def test_of_too_many_the_largest_are_held(over: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = lt.run(WEIGHTS, X, lengths=LENGTHS)
    every = ablation(trace, OF, over)
    assert not every.left
    monkeypatch.setattr(trials, "run_seconds", lambda _: 1.0)
    monkeypatch.setattr(plan_choice, "USUAL_SECONDS", 3.5)
    few = ablation(trace, OF, over)
    assert (len(few.effects), few.left) == (3, len(every.effects) - 3)
    assert set(few.effects) <= set(every.effects), "each is the run that it was"

    back = lt.backward(trace, of=OF).lines

    def size(effect: Any) -> float:
        """To first order, what holding at 0 changes: the gradient of every value times it."""
        slopes = back[effect.scope.replace("/", "/adjoint-")][f"d_{effect.line}"]
        values = trace.lines[effect.scope][effect.line] * slopes
        here = np.abs(values[: LENGTHS[few.of.b], few.of.b])
        return float(here[:, effect.unit].sum() if over == "units" else here[effect.t].sum())

    left = set(every.effects) - set(few.effects)
    assert min(map(size, few.effects)) >= max(map(size, left))
    (told,) = (s for s in sentences_of(explanation(trace, OF, how="ablation", over=over)) if "too long" in s)
    assert told.startswith(f"to hold each of {len(every.effects)} {over} would take too long: the 3 that change the")


def test_names_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(trace: Trace, b: int = 0) -> Any:
        asked.append(b)
        return step_labels(trace, b)

    monkeypatch.setattr("lstm_trace.explanation.ablation.step_labels", counted)
    trace = lt.run(WEIGHTS, X, lengths=LENGTHS, tokens=[list("abcde"), list("vwxyz")])
    frame = lt.explain(trace, OF, "ablation", over="steps").to_frame()
    assert [frame.t.map(dict(enumerate("vwxyz"))).tolist(), asked] == [frame.token.tolist(), [B]]


def test_the_memory_of_a_held_value_begins_where_it_is_held() -> None:
    rng = np.random.default_rng(1)
    shapes = {"W_x": (3, 2), "W_h": (3, 3), "b_": (3,)}
    weights = {f"{n}{g}": rng.normal(size=shape) for n, shape in shapes.items() for g in "ifco"}
    trace = lt.run(weights, rng.normal(size=(5, 2)), hold={"2/c_t[1]": 0.7, "3/c_t[1]": "*0.5", "f_t[1]": 0.9})
    account = ledger(trace, "4/c_t[1]")
    written = {(row.step, row.source): row.part for row in account.rows if row.part}
    assert written[2, "hold of c_t"] == pytest.approx(0.7 * 0.9 * 0.5 * 0.9, rel=1e-15)
    assert not {t for t, _ in written} & {None, 0, 1}
    assert written[3, "i_t * c_tilde, scaled by the hold of c_t"] == pytest.approx(
        float(trace["i_t * c_tilde"][3, 0, 1]) * 0.5 * 0.9, rel=1e-15
    )
    assert abs(account.residual) < 1e-16
    gates = lt.explain(trace, how="gates").to_frame()
    assert "f_t" in set(gates["line"])
    assert not {name for name in gates["line"] if "free" in name}


JOINED = {"W": [[0.5, -0.25], [1.0, 0.75]]}
H = np.tanh(np.array(JOINED["W"]) @ [0.0, 1.0])


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("joined", "values"),
    [
        ("concat(0, h_t)", [0.0, *H]),
        ("concat(1, h_t, 0)", [1.0, *H, 0.0]),
        ("concat(1, 2)", [1.0, 2.0]),
        ("concat(h_t, 0, h_t)", [*H, 0.0, *H]),
        ("concat(sum(x_t), h_t[1:2], h_t)", [1.0, H[1], *H]),
    ],
)
def test_vectors_and_numbers_one_after_the_other(joined: str, values: list[float]) -> None:
    """Each unit of them has its own value and effects; held itself, it is what it is held at."""
    equations = f"h_t = tanh(W @ x_t)\ns_t = {joined}\np_t = softmax(s_t)\ncarry: q_prev <- s_t\noutput: h_t"
    trace = lt.run(JOINED, [[1.0, 2.0], [0.0, 1.0]], cell={"equations": equations})
    for unit, value in enumerate(values):
        of = f"1/s_t[{unit}]"
        assert ablation(trace, of).value == pytest.approx(value, abs=1e-12)
        itself = ablation(trace, of, lines="s_t")
        assert {e.unit: e.effect for e in itself.effects if e.effect} == ({unit: -itself.value} if value else {})
        occluded = account(trace, of, compared=False).occlusion
        lost = 0.0 if occluded is None else float(occluded.steps[1])
        changes = value not in (0.0, 1.0, 2.0) or (joined.startswith("concat(sum(x_t)") and unit == 0)
        assert lost == pytest.approx(value if changes else 0.0, abs=1e-12)


def test_where_directions_meet_what_is_named_is_held_there() -> None:
    trace = lt.run(WEIGHTS, X)
    found = ablation(trace, "1/joined/2/1/y_t[1]", lines="1/joined/y_t")
    assert [(e.unit, e.value) for e in found.effects if e.effect] == [(1, 0.0)]


@pytest.mark.parametrize(
    ("carry", "held"),
    [("h_prev <- h_t, m_prev <- m_t", "h_t"), ("m_prev <- m_t, h_prev <- h_t", "h_t"), ("m_prev <- m_t", "y_t")],
)
@pytest.mark.parametrize("lengths", [None, [2]])
def test_by_default_what_is_held_is_read_for_the_value(carry: str, held: str, lengths: Any) -> None:
    """m_t is carried, and no value of another line depends on it."""
    read = " + h_prev" if "h_prev" in carry else ""
    equations = f"h_t = tanh(W @ x_t{read})\nm_t = m_prev + h_t\ny_t = sum(h_t)\ncarry: {carry}\noutput: y_t"
    trace = lt.run(JOINED, [[1.0, 2.0], [0.0, 1.0]], cell={"equations": equations}, lengths=lengths)
    found = ablation(trace, "1/y_t[0]")
    assert {e.line for e in found.effects} == {held}
    assert found.effects[0].effect
    assert {e.line for e in ablation(trace, "1/m_t[0]").effects} == {carry.rpartition("<- ")[2]}


def test_an_output_that_is_the_input_is_not_held() -> None:
    trace = lt.run(JOINED, [[1.0, 2.0]], cell={"equations": "h_t = tanh(W @ x_t)\noutput: x_t"})
    assert {e.line for e in ablation(trace, "0/h_t[0]").effects} == {"h_t"}
