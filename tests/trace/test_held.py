"""What is held in a trace, read back from its arrays; and trace files that say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.engine.run import with_holds
from lstm_trace.errors import FileError, MissingError, ShapeError
from lstm_trace.trace.held import as_hold, entries, plain
from lstm_trace.trace.window import rows

RNG = np.random.default_rng(3)
CELL = {"equations": "u_t = V @ x_t\ns_t = 0.5 * s_prev + u_t\ncarry: s_prev <- s_t\noutput: s_t"}
WEIGHTS = {"V": RNG.normal(size=(3, 2))}
X = RNG.normal(size=(4, 2, 2))


def run(hold: Any) -> lt.Trace:
    return lt.run(WEIGHTS, X, cell=CELL, hold=hold)


@st.composite
def held(draw: Any) -> dict[str, Any]:
    """Single values of a line at few different numbers, held or scaled."""
    kind = st.sampled_from([0.0, -1.5, "*2", "*0.25"])
    where = st.tuples(st.integers(0, 3), st.integers(0, 1), st.sampled_from(["u_t", "s_t"]), st.integers(0, 2))
    found = draw(st.dictionaries(where, kind, max_size=20))
    return {f"{t}/{b}/{line}[{j}]": value for (t, b, line, j), value in found.items()}


@given(held())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_entries_of_a_trace_hold_the_same_again(hold: dict[str, Any]) -> None:
    trace = run(hold)
    said = as_hold(trace)
    again = run(said)
    assert again.stages == trace.stages
    for scope, here in trace.given.items():
        for name, values in here.items():
            assert np.array_equal(again.given[scope][name], values), name
    assert len(said) <= max(len(hold), 0)
    assert lt.run(lt.problem(trace)).stages == trace.stages


@pytest.mark.parametrize(
    ("hold", "addresses"),
    [
        ({"s_t": 0}, ["0/forward/s_t"]),
        ({"s_t[0..1]": 0}, ["0/forward/s_t[0..1]"]),
        ({"1..2/s_t": 0}, ["0/forward/1..2/0..1/s_t"]),
        ({"1/0/s_t[0]": 0, "1/0/s_t[2]": 0}, ["0/forward/1/0/s_t[0,2]"]),
        ({"0/1/s_t": 0, "2/1/s_t": 0}, ["0/forward/0/1/s_t", "0/forward/2/1/s_t"]),
        ({"s_t[0]": "*0.5", "s_t[1]": 2}, ["0/forward/s_t[1]", "0/forward/s_t[0]"]),
        ({"s_t": np.arange(24.0).reshape(4, 2, 3)}, ["0/forward/s_t"]),
    ],
)  # fmt: skip
def test_what_is_alike_is_said_in_one_address(hold: Any, addresses: list[str]) -> None:
    assert [entry.address for entry in entries(run(hold))] == addresses


def test_of_what_is_held_and_scaled_at_once_the_hold_counts() -> None:
    trace = run({"s_t[0]": 1.0, "1/s_t[1]": "*2"})
    trace.given["0/forward"]["scale_s_t"][2, 0, 0] = 1.0  # as nobody asks for it, but a file may have it
    assert as_hold(trace) == {"0/forward/s_t[0]": 1.0, "0/forward/1/0..1/s_t[1]": "*2"}


def test_parts_of_a_trace_keep_what_is_held_there() -> None:
    trace = run({"1..2/1/s_t[0]": 5.0})
    assert [*as_hold(trace.at(steps=slice(2, 4)))] == ["0/forward/2/1/s_t[0]"]
    assert [*as_hold(rows(trace, slice(1, 2)))] == ["0/forward/1..2/0/s_t[0]"]
    assert not as_hold(rows(trace, slice(0, 1)))
    assert plain(trace).stages == run(None).stages
    assert plain(trace)["s_t"][1, 1, 0] == 5.0


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_a_file_keeps_it_whole(tmp_path: Path, suffix: str) -> None:
    trace = run({"s_t[1]": 0.1, "1/u_t": "*3"})
    path = tmp_path / f"t.{suffix}"
    trace.save(path)
    again = lt.load(path)
    assert again.stages == trace.stages
    assert as_hold(again) == as_hold(trace) == {
        "0/forward/1/0..1/u_t": "*3", "0/forward/s_t[1]": 0.1,
    }  # fmt: skip
    assert lt.verify(again).verdict == "verified"


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    run({"s_t[1]": 0.1, "1/u_t": "*3"}).save(path)
    data = json.loads(path.read_text())
    arrays = ("hold_s_t", "to_s_t", "scale_u_t", "by_u_t")
    equations = data["stages"][0]["equations"]
    for change, told in (
        ({"hold_s_t": [[[0.5] * 3] * 2] * 4}, "where s_t is held: expected 0 or 1 everywhere, found 0.5 at .0,0,0"),
        ({"to_s_t": [[["NaN"] * 3] * 2] * 4}, "to_s_t says at what s_t is held: expected finite numbers, found nan at"),
        ({"hold_s_t": [[[1.0] * 2] * 2] * 4}, "given 0/forward/hold_s_t has width 2; s_t, which is held, has 3"),
        *(({name: [[[1.0]] * 2] * 4}, f"{name} has width 1; {name[-3:]}, which is held, has 3") for name in arrays),
        *(({name: None}, f"given 0/forward/{name} is missing; {name[-3:]} is held") for name in arrays),
    ):
        given = {**data["inputs"]["given"]["0/forward"], **change}
        given = {name: value for name, value in given.items() if value is not None}
        path.write_text(json.dumps({**data, "inputs": {**data["inputs"], "given": {"0/forward": given}}}))
        with pytest.raises(FileError, match=told):
            lt.load(path)
    data["stages"][0]["equations"] = equations.replace("hold: s_t", "hold: q_t")
    path.write_text(json.dumps(data))
    with pytest.raises(FileError, match="hold: 'q_t' is not a line"):
        lt.load(path)


def test_a_wrong_record_of_a_held_value_is_found() -> None:
    trace = run({"s_t[1]": 0.1})
    trace.lines["0/forward"]["s_t"][2, 0, 1] = 0.2
    found = lt.verify(trace)
    assert found.verdict == "failed"
    assert str(found.failures[0].address) == "0/forward/2/0/s_t[1]"
    assert "0/forward/hold_s_t (given)" in found.premises


def test_holds_are_added_to_those_of_a_trace() -> None:
    trace = run({"s_t[0]": 1.0})
    both = with_holds(trace, {"u_t": "*0", "0/forward/s_t[0]": 2.0})
    whole = run({"s_t[0]": 2.0, "u_t": "*0"})
    assert both.stages == whole.stages
    assert np.array_equal(both["s_t"], whole["s_t"])
    assert np.array_equal(trace["s_t"][:, :, 0], np.ones((4, 2))), "the trace itself stays as it was"


def test_an_edit_does_not_make_half_a_hold() -> None:
    trace = run({"s_t[1]": 0.1, "1/u_t": "*3"})
    for name in ("hold_s_t", "scale_u_t"):
        with pytest.raises(ShapeError, match=f"given 0/forward/{name} says where {name[-3:]} is held: expected 0 or 1"):
            lt.edit(trace, {f"0/forward/0/0/{name}[0]": 0.5})
    for name in ("to_s_t", "by_u_t"):
        with pytest.raises(ShapeError, match=rf"{name} says at what ._t is held: .*, found nan at \[0,0,1\]"):
            lt.edit(trace, {f"0/forward/0/0/{name}[1]": float("nan")})
    assert lt.edit(trace, {"0/forward/0/0/hold_s_t[0]": 1.0})["s_t"][0, 0, 0] == 0


def test_without_the_hold_of_an_output_that_padding_carries_the_state_is_a_line_of_its_own() -> None:
    chosen: dict[str, Any] = {"cell": CELL, "lengths": [4, 2], "options": {"padding": "carry"}}
    free = lt.run(WEIGHTS, X, **chosen)
    found = plain(lt.run(WEIGHTS, X, hold={"1/y_t": 5.0}, **chosen))
    carried = dict(found.stages[0].cell.carry)["s_prev"]
    assert carried == "where(valid, s_t, s_prev)"
    assert np.array_equal(found[carried], free["y_t"])
    assert np.array_equal(found["s_prev"], free["s_prev"])
    assert (found["y_t"][1] == 5).all()
    assert found.stages[0].carried == ("s_t",)


@pytest.mark.parametrize("padding", ["zero", "repeat", "carry"])
def test_what_to_hold_instead_of_a_state_at_padding(padding: str) -> None:
    with pytest.raises(MissingError, match="hold 's_prev': s_prev is a carried state; hold s_t, or"):
        lt.run(WEIGHTS, X, cell=CELL, lengths=[4, 2], options={"padding": padding}, hold={"s_prev": 0})
