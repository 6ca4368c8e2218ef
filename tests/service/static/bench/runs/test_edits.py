"""Edits of small runs in the page: the traces that the package makes, with its premises, and proven by verify."""

from __future__ import annotations

import json
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.engine.run import in_arithmetic, with_holds
from lstm_trace.examples import text as example
from lstm_trace.trace.files.trace_file import to_json
from tests.support.foreign_names import NAMES, foreign
from tests.support.page_modules import computed

_SCRIPT = """
import { parse } from "LINES/grammar.js";
import { read, written } from "LINES/trace.js";
import { changes, edited } from "LINES/../service/static/bench/runs/edits.js";
export const answer = (all) => all.map(({ file, change }) => {
  try {
    const before = edited(read(file, parse), {}), after = edited(before, change);
    return { file: written(after), changes: changes(before, after) };
  } catch (error) {
    return { problems: error.problems ?? [error.stack] };
  }
});
"""

MGU = "f_t = sigmoid(W_f @ x_t + U_f @ h_prev)\nh_t = f_t * h_prev + (1 - f_t) * tanh(W_h @ x_t)\ncarry: h_prev <- h_t"
GATE = """z_i = W_xi @ x_t + W_hi @ h_prev + b_i
i_t = sigmoid(z_i)
c_tilde = tanh(W_xc @ x_t + W_hc @ h_prev + b_c)
f_t = 1 - i_t
s_t = f_t * s_prev + i_t * c_tilde + v
h_t = tanh(s_t)
carry: h_prev <- h_t, s_prev <- s_t
output: h_t"""
LONGER = [[1.5, -2.0], [0.25, 3.0], [1.0, 1.0], [-4.0, 0.5], [0.0, 2.0]]
NEW = {"0/forward/W_f": [[1.0, 2.0], [3.0, -4.0]], "U_f": [[0.5, 0.0], [0.0, -0.5]], "W_h": [[1.0, 0.0], [2.0, 1.0]]}


def random(layers: int = 2, directions: int = 2, **options: Any) -> lt.Trace:
    draw = np.random.default_rng(7)
    width = 3 * directions
    weights = {
        f"{layer}/{way}/{name}": draw.normal(size=(3, {"x": 4 if layer == 0 else width, "h": 3}[name[2]]))
        if name.startswith("W")
        else draw.normal(size=3)
        for layer in range(layers)
        for way in ("forward", "reverse")[:directions]
        for name in (*(f"W_{s}{g}" for s in "xh" for g in "ifco"), *(f"b_{g}" for g in "ifco"))
    }
    shape = (3, 5, 4) if options.get("batch_first") else (5, 3, 4)
    return lt.run(weights, draw.normal(size=shape), **options)


def held() -> lt.Trace:
    return lt.run(json_of("three-steps"), hold={"0/forward/1/0/f_t[1]": 0.5})


def first() -> lt.Trace:
    return random(1, 1, batch_first=True)


def supplied() -> lt.Trace:
    draw = np.random.default_rng(3)
    weights = {f"W_{s}{g}": draw.normal(size=(3, 4 if s == "x" else 3)) for s in "xh" for g in "co"}
    given = {name: draw.uniform(size=(5, 3)) for name in ("i_t", "f_t")}
    return lt.run(weights, draw.normal(size=(5, 4)), given=given)


def only(ask: str, layers: int = 1, directions: int = 1, kind: str = "gru", **how: Any) -> lt.Trace:
    """A run of which some lines are requested alone, without the weights that these do not need."""
    draw = np.random.default_rng(11)
    gates = {"gru": "ruh", "lstm": "ifco"}[kind]
    weights = {
        f"{layer}/{way}/W_{s}{g}": draw.normal(size=(3, 3 if s == "h" else 2 if layer == 0 else 3 * directions))
        for layer in range(layers)
        for way in ("forward", "reverse")[:directions]
        for s in "xh"
        for g in gates
    }
    return lt.run(weights, draw.normal(size=(how.pop("steps", 3), 2)), cell={"kind": kind}, ask=ask.split(), **how)


def rows(count: int) -> str:
    """Equations that follow from each other."""
    texts = [f"a{k} = tanh({f'a{k - 1}' if k else 'x_t'})" for k in range(count)]
    return "\n".join([*texts, f"h_t = a{count - 1}", "output: h_t"])


#: The trace before, what is changed in it, and what the package calls that.
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "a weight": ("three-steps", {"edits": {"0/forward/W_xi[0,1]": 0.5}}),
    "numbers of every kind": (
        "three-steps",
        {"edits": {"0/forward/b_f[1]": -2.5, "1/0/x_t[0]": 3.25, "0/forward/0/h0[1]": 0.75, "0/forward/0/c0[0]": -1.0}},
    ),
    "names without a place": ("three-steps", {"edits": {"W_ho[2,1]": 2.0, "b_c": [0.5, 0.25], "h0": [0.1, 0.2]}}),
    "more steps": ("three-steps", {"edits": {"x": LONGER}}),
    "fewer steps": ("three-steps", {"edits": {"x": LONGER[:2], "0/forward/b_i[0]": 1.0}}),
    "labels of steps": ("rnn-softmax", {"edits": {"x": np.eye(4)[[0, 1, 2]].tolist()}}),
    "another cell": ("three-steps", {"equations": MGU, "edits": NEW}),
    "another cell, and a number of it": ("three-steps", {"equations": MGU, "edits": NEW | {"b_i": [1.0, 1.0]}}),
    "a new weight": ("three-steps", {"equations": GATE, "edits": {"0/forward/v": [0.0, 0.5], "W_xi[1,1]": 9.0}}),
    **{
        f"names of every object {turn}": (
            partial(foreign, turn),
            {
                "edits": {f"0/forward/{NAMES[turn]}[1]": 2.5, "0/forward/0/h0[1]": 1.0, "1/0/x_t[0]": -2.0},
                "equations": "own" if turn % 2 else None,
                "holds": {f"0/forward/1/0/{NAMES[(turn + 1) % 6]}[0]": 0.5},
            },
        )
        for turn in range(6)
    },
    "two layers and directions": (
        random,
        {"edits": {"1/reverse/W_xi[2,5]": 4.0, "2/1/x_t[3]": -1.0, "0/reverse/2/c0[1]": 0.5}},
    ),
    "equations of layers": (random, {"equations": GATE.replace(" + v", "")}),
    "fewer steps than sequences have": ("batch", {"edits": {"x": [[[1.0], [2.0]], [[-1.0], [0.5]], [[3.0], [0.0]]]}}),
    "padding": ("batch", {"edits": {"1/2/x_t[0]": -3.0}}),
    "equations with padding": ("batch", {"equations": "c_t = tanh(W_xc @ x_t)\nh_t = c_t * c_t\noutput: h_t"}),
    "supplied lines": (supplied, {"edits": {"0/forward/1/0/f_t[2]": 0.75, "0/forward/i_t": [[0.5] * 3] * 5}}),
    "a matrix memory": ("mlstm", {"edits": {"0/0/x_t[0]": 0.25, "0/forward/0/C_prev[1,0]": 0.5}}),
    "a matrix memory of another cell": (
        "mlstm",
        {"equations": "own", "edits": {"0/forward/0/C_prev[1,0]": 0.5}},
    ),
    "one gate of one step": ("q19", {"equations": ("i_t = sigmoid(", "i_t = hard_sigmoid(")}),
    "another gate of one step": ("q20", {"equations": ("o_t = sigmoid(", "o_t = relu(")}),
    "one gate of several steps": ("q19", {"edits": {"b_i": [0.5, -2.0]}, "equations": ("z_i = ", "z_i = b_i + ")}),
    "two directions that need not meet": (
        partial(only, "c_t", directions=2, kind="lstm"),
        {"equations": ("tanh(z_c)", "relu(z_c)"), "holds": {"0/reverse/1..2/*/c_t[0]": 0.5}},
    ),
    "the candidate of three layers": (
        partial(only, "h_tilde", layers=3),
        {"equations": ("tanh(", "softsign("), "edits": {"2/forward/W_xh[1,1]": 3.0}},
    ),
    "the last layer of three": (partial(only, "2/forward/r_t", layers=3), {"equations": ("tanh(", "softsign(")}),
    "one step, requested by its address": (
        partial(only, "1/r_t", steps=4),
        {"equations": ("tanh(", "softsign("), "edits": {"x": LONGER}},
    ),
    "one step that becomes several": (partial(only, "h_t", steps=1), {"edits": {"x": LONGER}}),
    "one step of two directions": (
        partial(only, "r_t", directions=2, steps=1),
        {"equations": ("sigmoid(", "relu(")},
    ),
    "held where two directions meet": (
        partial(only, "", directions=2, steps=4, lengths=[3]),
        {"holds": {"2/y_t[4]": 0.5, "y_t[0]": "*2"}},
    ),
    "several steps that become one": (partial(only, "r_t"), {"edits": {"x": LONGER[:1]}}),
    "what is not requested any more": (partial(only, "r_t h_t"), {"equations": ("r_t", "q_t")}),
    "held by the source, and equations": (
        partial(only, "h_t", hold={"1/h_tilde[0]": 0.5, "u_t": "*2"}),
        {"equations": ("tanh(", "softsign(")},
    ),
    "held by the source at a step, with more steps": (
        partial(only, "h_t", hold={"1/h_tilde[0]": 0.5, "r_t[1]": 0.0}),
        {"edits": {"x": LONGER}},
    ),
    "held in every way to write it": (
        partial(random, batch_first=True),
        {
            "holds": {
                "0/*/1..2/*/o_t[0..1]": 0.5,
                "1/reverse/*/0/i_t[0,2]": "*2",
                "*/*/3/1/f_t[*]": 1.0,
                "0/reverse/h_t": 0.0,
            }
        },
    ),
    "a readout": ("readout", {"edits": {"0/forward/W_hy[0,1]": 1.5}}),
    "held": ("three-steps", {"holds": {"0/forward/f_t[1]": 0.0, "0/forward/1/0/c_t[0]": "*0.5", "tanh(c_t)[1]": 0.25}}),
    "held in one layer, and in both": (random, {"holds": {"1/reverse/2/1/i_t[0]": 0.5, "h_t[2]": "*-1"}}),
    "held and edited": ("three-steps", {"holds": {"0/forward/2..2/0/o_t": 1.0}, "edits": {"W_xo[1,1]": -1.0}}),
    "held, with more steps": ("three-steps", {"holds": {"0/forward/f_t[1]": 0.0}, "edits": {"x": LONGER}}),
    "held at a step, with fewer steps": (held, {"edits": {"x": LONGER[:2]}}),
    "held again, and released": (
        "three-steps",
        {"holds": {"0/forward/f_t[1]": 0.0, "0/forward/1/0/f_t[1]": "*0.5", "0/forward/2/0/f_t[1]": None}},
    ),
    "released, and equations without it": (
        "held",
        {"holds": {"0/forward/1/0/f_t[1]": None}, "equations": ("f_t", "k_t")},
    ),
    "sequences first": (first, {"edits": {"x": np.random.default_rng(2).normal(size=(3, 4, 4)).tolist()}}),
    "by hand": ("three-steps", {"arithmetic": "by-hand-3", "edits": {"W_xi[1,2]": 0.0625}}),
    "half precision": ("q22", {"arithmetic": "float16"}),
    "fixed point": ("gru", {"arithmetic": "q4.12"}),
}  # fmt: skip
#: What is refused, and words of the message.
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a line": ("three-steps", {"edits": {"i_t[0]": 1.0}}, "i_t is computed, and only premises can be edited: W_xi"),
    "no such entry": ("three-steps", {"edits": {"0/forward/W_xi[2,0]": 1.0}}, "W_xi[2,0]"),
    "no such step": ("three-steps", {"edits": {"3/0/x_t[0]": 1.0}}, "the run has steps 0 to 2"),
    "a text": ("three-steps", {"edits": {"W_xi[0,0]": "many"}}, "a weight is a finite number"),
    "a name of two stages": ("random", {"edits": {"W_xi[0,0]": 1.0}}, "write 0/forward/W_xi"),
    "another width": ("three-steps", {"edits": {"x": [[1.0, 2.0, 3.0]]}}, "expected steps of 2 numbers"),
    "no equation": ("three-steps", {"edits": {"v": [1.0, 2.0]}}, "no equation reads v"),
    "equations": ("three-steps", {"equations": "h_t = tanh(W @ x_t"}, "h_t = tanh(W @ x_t"),
    "a matrix that is multiplied unit by unit": (
        "three-steps",
        {"equations": "h_t = tanh(W_xi * x_t)"},
        "equation 1: W_xi has shape (2, 2): * multiplies unit by unit; a matrix times a vector is written `W_xi @ x_t`",
    ),
    "no weight": ("three-steps", {"equations": MGU}, "W_f"),
    "no line": ("three-steps", {"holds": {"0/forward/g_t[0]": 1.0}}, "there is no line 'g_t'"),
    "a held word": ("three-steps", {"holds": {"f_t[0]": "half"}}, "expected a finite number, or '*0.5'"),
    "a step that is not held": ("three-steps", {"holds": {"0/forward/7/0/f_t[0]": 1.0}}, "the run has no such number"),
    "units without an end": ("three-steps", {"holds": {"h_t[0..99999999999]": 0.0}}, "the run has no such number"),
    "steps without an end": (
        "three-steps",
        {"holds": {"0/forward/0..9999999999/0/h_t[0]": 0.0}},
        "the run has no such number",
    ),
    "too many rows": ("three-steps", {"equations": rows(1000)}, "1002 rows; a page computes at most 800"),
    "too many operations": ("three-steps", {"equations": rows(500)}, "501 operations; a page computes at most 400"),
    "too long a name": (
        "three-steps",
        {"equations": f"h_t = {'a' * 60000} * x_t\noutput: h_t"},
        "a name of 60000 letters; a page computes at most 200",
    ),
    "too many inputs": (
        "three-steps",
        {"equations": f"input: {', '.join(f'i{k}' for k in range(9000))}\nh_t = i0\noutput: h_t"},
        "9000 names in a row; a page computes at most 400",
    ),
    "a place that is neither held nor not": (
        "held",
        {"edits": {"0/forward/1/0/hold_f_t[1]": 2.0}},
        "given 0/forward/hold_f_t says where f_t is held: expected 0 or 1 everywhere, found 2",
    ),
    "a line that nothing requested needs": ("q19", {"holds": {"c_t": 0.0}}, "none of the requested lines depends on"),
    "equations without what is held": (
        "held",
        {"equations": "h_t = tanh(W_xi @ x_t)"},
        "hold '0/forward/1/0/f_t[1]': there is no line 'f_t'",
    ),
    "equations without what is held, under another name that can be held": (
        "held",
        {"equations": "k_t = sigmoid(W_xf @ x_t)\nh_t = k_t * h_prev\ncarry: h_prev <- h_t\noutput: h_t\nhold: k_t"},
        "hold '0/forward/1/0/f_t[1]': there is no line 'f_t' in these equations; release what is held first",
    ),
    "equations without what the page holds": (
        "three-steps",
        {"holds": {"f_t[1]": 0.5, "i_t[0]": 1.0}, "equations": ("f_t", "k_t")},
        "hold '0/forward/f_t[0]': there is no line 'f_t' in these equations; release what is held first",
    ),
    "a step that is requested and not there": ("step", {"edits": {"x": LONGER[:1]}}, "ask: '1/r_t' is not an address"),
    "fewer steps of supplied lines": ("supplied", {"edits": {"x": [[1.0] * 4] * 4}}, "given for 5 steps"),
    "steps of supplied lines": ("supplied", {"edits": {"x": [[1.0] * 4] * 6}}, "given for 5 steps"),
}  # fmt: skip


@cache
def before(name: Any) -> lt.Trace:
    known: dict[str, Any] = {"random": random, "supplied": supplied, "held": held, "step": partial(only, "1/r_t")}
    made = known.get(name, name) if isinstance(name, str) else name
    return made() if callable(made) else lt.run(json_of(made))


def json_of(name: str) -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = yaml.safe_load(example(name))
    return found


def own(trace: lt.Trace, change: dict[str, Any]) -> dict[str, Any]:
    """The change, with other equations of the trace's own where it says so: with one text in place of another."""
    how, cell = change.get("equations"), trace.stages[0].cell
    if how is None or (isinstance(how, str) and how != "own"):
        return change
    return change | {"equations": (cell.plain or cell).text.replace(*(("sigmoid(", "tanh(") if how == "own" else how))}


def asked(trace: lt.Trace, change: dict[str, Any]) -> dict[str, Any]:
    change = own(trace, change)
    pairs = {
        key: [{"address": a, "value": v} for a, v in change[key].items()] for key in ("edits", "holds") if key in change
    }
    return {"file": to_json(trace), "change": change | pairs}


def edited_in_page(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the page makes of traces that are edited, see `asked`."""
    found: list[dict[str, Any]] = computed(_SCRIPT, changes)
    return found


@cache
def answers() -> list[dict[str, Any]]:
    every: list[tuple[Any, dict[str, Any]]] = [
        *CASES.values(),
        *((name, change) for name, change, _ in REFUSED.values()),
    ]
    return edited_in_page([asked(before(name), change) for name, change in every])


def expected(trace: lt.Trace, change: dict[str, Any]) -> lt.Trace:
    """What the service made of it until the page did."""
    change = own(trace, change)
    if "arithmetic" in change:
        trace = in_arithmetic(trace, change["arithmetic"])
    if "holds" in change:
        trace = with_holds(trace, [{address: value} for address, value in change["holds"].items()])
    if "edits" in change or "equations" in change:
        edits = {address: np.array(value) for address, value in change.get("edits", {}).items()}
        trace = lt.edit(trace, edits, change.get("equations"))
    return trace


@pytest.mark.parametrize("name", CASES)
def test_an_edit_gives_the_trace_of_the_package(name: str) -> None:
    start, change = CASES[name]
    answer = answers()[list(CASES).index(name)]
    assert "file" in answer, "\n".join(answer["problems"])
    found, own = lt.load(answer["file"].encode()), expected(before(start), change)
    assert lt.verify(found).verdict == "verified"
    assert lt.diff(own, found).verdict in ("identical", "same")
    assert found.steps == own.steps
    assert [stage.cell.text for stage in found.stages] == [stage.cell.text for stage in own.stages]
    assert all({*here} <= {*found.lines[scope]} for scope, here in own.lines.items())
    assert found.header.names == own.header.names
    assert found.header.step_labels == own.header.step_labels
    for part in ("parameters", "initial", "given"):
        one, two = getattr(found, part), getattr(own, part)
        assert {s: {*here} for s, here in one.items() if here} == {s: {*here} for s, here in two.items() if here}, part
        for scope, here in two.items():
            for key, array in here.items():
                assert np.array_equal(one[scope][key], array), (part, scope, key)
    assert (found.x is None) == (own.x is None)
    assert own.x is None or np.array_equal(found.x, own.x)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(name: str) -> None:
    answer = answers()[len(CASES) + list(REFUSED).index(name)]
    assert REFUSED[name][2] in "\n".join(answer.get("problems", ["accepted"]))


def test_what_changed_is_what_the_package_says() -> None:
    for name, (start, change) in list(CASES.items())[:8]:
        found = answers()[list(CASES).index(name)]["changes"]
        own = lt.changes(before(start), expected(before(start), change))
        assert [(one["scope"], one["line"]) for one in found] == [(one.scope, one.line) for one in own], name
        assert [one["largest"] for one in found] == pytest.approx([one.largest for one in own], rel=1e-12), name


@pytest.mark.parametrize("ask", [["c_t", "h_t"], ["1/c_t[0]", "f_t"], ["f_t"], []], ids=str)
def test_what_is_asked_for_stays_where_everything_is_computed(ask: list[str]) -> None:
    trace = lt.run(json_of("three-steps") | {"ask": ask})
    whole = json.loads(to_json(lt.run(json_of("three-steps") | {"ask": []}))) | {"ask": [*trace.header.ask]}
    changes: list[dict[str, Any]] = [
        {"equations": ("f_t", "k_t")},
        {"equations": ("c_t = ", "c_t = 0 * ")},
        {"edits": {"x": LONGER}},
        {"edits": {"b_i": [0.5, -2.0]}},
    ]
    found = edited_in_page([asked(trace, change) | {"file": json.dumps(whole)} for change in changes])
    assert [json.loads(one["file"])["ask"] for one in found] == [
        [*expected(trace, change).header.ask] for change in changes
    ]


def test_states_of_other_equations_begin_at_zero() -> None:
    written = json.loads(answers()[list(CASES).index("a new weight")]["file"])
    assert written["inputs"]["initial"] == {"s_prev": {"0/forward": [[0.0, 0.0]]}}
