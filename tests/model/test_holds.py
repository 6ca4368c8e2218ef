"""Holds in problem files, and a trace with holds back to its problem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import lstm_trace as lt
from lstm_trace.errors import FileError, LstmTraceError, MissingError, OptionError
from lstm_trace.model.sources import open_source

RNG = np.random.default_rng(6)
SHAPES = {"W_x": (2, 2), "W_h": (2, 2), "b_": (2,)}
PROBLEM: dict[str, Any] = {
    "weights": {f"{n}{g}": RNG.normal(size=shape).tolist() for n, shape in SHAPES.items() for g in "ifco"},
    "x": RNG.normal(size=(4, 2)).tolist(),
}


def written(folder: Path, hold: Any, name: str = "q.yaml", **more: Any) -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump({**PROBLEM, "hold": hold, **more}))
    return path


def test_a_problem_holds(tmp_path: Path) -> None:
    path = written(tmp_path, {"c_t[1]": 0, "1..2/f_t": "*0.5", "3/h_t": [0.25, -0.5]})
    trace = lt.run(path)
    assert not trace["c_t"][..., 1].any()
    assert np.array_equal(trace["f_t"][1:3], 0.5 * trace["free_f_t"][1:3])
    assert trace["h_t"][3, 0].tolist() == [0.25, -0.5]
    more = lt.run(path, hold={"c_t[1]": 1.0, "0/o_t": 0.5})
    assert more["c_t"][0, 0, 1] == 1.0, "the same address from Python takes its place"
    assert np.array_equal(more["f_t"][1:3], 0.5 * more["free_f_t"][1:3])


def test_a_hold_takes_the_place_of_what_the_problem_holds_value_by_value(tmp_path: Path) -> None:
    path = written(tmp_path, {"c_t[1]": 0, "1..2/f_t": "*0.5", "3/h_t": [0.25, -0.5]})
    over = {"2/c_t": 0.3, "1/f_t[0]": None, "2/f_t[1]": 0.7, "3/h_t": None}
    alone = {"0..1/c_t[1]": 0, "2/c_t": 0.3, "3/c_t[1]": 0, "1/f_t[1]": "*0.5", "2/f_t[0]": "*0.5", "2/f_t[1]": 0.7}
    expected = lt.run(PROBLEM, hold=alone)
    for found in (lt.run(path, hold=over), open_source(path, hold=over)):
        assert found.stages == expected.stages, "no line of which nothing is held any more can be held"
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
        given = expected.given["0/forward"]
        assert all(np.array_equal(found.given["0/forward"][name], given[name]) for name in given)
    lt.run(path).save(tmp_path / "t.json")
    again = open_source(tmp_path / "t.json", hold=over)
    assert again.stages == expected.stages
    assert np.array_equal(again["h_t"], expected["h_t"])
    free = lt.run(path, hold=dict.fromkeys(("c_t", "f_t", "h_t")))
    assert free.stages == lt.run(PROBLEM).stages
    unread = lt.run({**PROBLEM, "hold": {"c_t": "none.json"}}, hold={"c_t": None})
    assert np.array_equal(unread["h_t"], free["h_t"])
    with pytest.raises(OptionError, match="both hold 0/forward/2/0/c_t"):
        lt.run(path, hold={"2/c_t": 0.3, "c_t[0]": None})


def test_a_path_begins_at_the_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    other = lt.run({**PROBLEM, "x": RNG.normal(size=(4, 2)).tolist()})
    other.save(tmp_path / "sub" / "other.json")
    path = written(tmp_path / "sub", {"c_t": "other.json", "f_t": "other.json"})
    monkeypatch.chdir(tmp_path)
    for trace in (lt.run("sub/q.yaml"), open_source(path)):
        assert np.array_equal(trace["c_t"], other["c_t"])
        assert np.array_equal(trace["f_t"], other["f_t"])
    assert np.array_equal(open_source(written(tmp_path, {}), hold={"c_t": "sub/other.json"})["c_t"], other["c_t"])
    again = lt.run(lt.problem(trace))
    assert np.array_equal(again["h_t"], trace["h_t"]), "its problem has the values themselves"


@pytest.mark.parametrize(
    ("hold", "kind", "told"),
    [
        ({"c_t": "none.json"}, OptionError, "a multiple such as *0.5, or an existing file: there is no /"),
        ({"c_t": "."}, OptionError, "or an existing file: /"),
        ({"c_t": "/dev/null"}, OptionError, "or an existing file: /dev/null is not a file; save a trace there"),
        ({"c_t": "1" * 400}, OptionError, "is not a finite number"),
        ({"c_t": "q.yaml"}, FileError, "q.yaml"),
        ({"c_t": True}, FileError, "hold.c_t: expected a number, '*0.5' for a multiple, or an array"),
        ({"c_t": {"a": 1}}, FileError, "or an array; found a mapping"),
        ({"c_t": ""}, FileError, "hold.c_t: expected a number, '*0.5' for a multiple, or an array"),
        ({"c_t": ".nan"}, OptionError, "not a finite number"),
        ([1], FileError, "hold: expected a mapping"),
        ({"7/c_t": 0}, MissingError, "t 0 to 3"),
        ({"W_xi": 0}, MissingError, "W_xi is a weight"),
    ],
)  # fmt: skip
def test_errors_name_the_file(tmp_path: Path, hold: Any, kind: type[LstmTraceError], told: str) -> None:
    path = written(tmp_path, hold)
    with pytest.raises(kind) as error:
        open_source(path)
    (problem,) = error.value.problems
    assert told in problem
    assert str(path) in problem


def test_a_mapping_opens_no_file(tmp_path: Path) -> None:
    lt.run(PROBLEM).save(tmp_path / "t.json")
    with pytest.raises(OptionError, match="in Python a trace; found the text"):
        lt.run({**PROBLEM, "hold": {"c_t": str(tmp_path / "t.json")}})


@pytest.mark.parametrize(
    "equations", ["c_t = x_t * 2\noutput: c_t\nhold: c_t", "c_t = x_t * 2\noutput: c_t\nscale: c_t"]
)
def test_equations_hold_nothing_themselves(equations: str) -> None:
    with pytest.raises(OptionError, match=r"holds are given separately: hold: \{c_t: 0\}"):
        lt.run({}, [[1.0]], cell={"equations": equations})


def test_a_trace_has_a_problem_with_its_holds(tmp_path: Path) -> None:
    trace = lt.run({**PROBLEM, "hold": {"c_t[1]": 0.1, "1..2/f_t": "*0.5"}})
    found = lt.problem(trace)
    assert found["hold"] == {"0/forward/1..2/0/f_t": "*0.5", "0/forward/c_t[1]": 0.1}
    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump(found))
    again = lt.run(path)
    assert again.stages == trace.stages
    assert all(np.array_equal(again[name], trace[name]) for name in trace)


def test_an_edit_keeps_what_is_held() -> None:
    trace = lt.run({**PROBLEM, "hold": {"c_t[1]": 0.1}})
    edited = lt.edit(trace, {"0/0/x_t[0]": 9.0})
    assert (edited["c_t"][..., 1] == 0.1).all()
    assert not np.array_equal(edited["c_t"][..., 0], trace["c_t"][..., 0])
    longer = lt.edit(trace, {"x": RNG.normal(size=(6, 2))})
    assert (longer["c_t"][:, 0, 1] == [0.1] * 6).all()
    other = lt.edit(trace, {}, equations=trace.stages[0].cell.text.replace("o_t * tanh(c_t)", "o_t * c_t"))
    assert (other["c_t"][..., 1] == 0.1).all()
    assert np.allclose(other["h_t"], other["o_t"] * other["c_t"])


@pytest.mark.parametrize("padding", ["zero", "repeat", "carry"])
def test_a_trace_with_a_held_output_is_a_problem(padding: str) -> None:
    """Where padding carries the output, the state that is carried is a line of its own in the trace alone."""
    rng = np.random.default_rng(4)
    weights = {f"W_{s}{g}": rng.normal(size=(2, n)) for s, n in (("x", 3), ("h", 2)) for g in "ifco"}
    cell = {"kind": "lstm", "padding": padding}
    trace = lt.run(weights, rng.normal(size=(4, 2, 3)), cell=cell, lengths=[4, 2], hold={"1/0/y_t": 0.5})
    again = lt.run(lt.problem(trace))
    assert np.array_equal(again.output, trace.output)
    assert lt.diff(trace, again).verdict == "same"
