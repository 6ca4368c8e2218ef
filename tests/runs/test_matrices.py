"""Runs of cells with a matrix: entries in what is asked of a run."""

from __future__ import annotations

import lstm_trace as lt
from lstm_trace.runs.describing import HeldLine, holding_of

from ..support.kept_runs import Kept

EQUATIONS = "o_t = outer(x_t, x_t)\nC_t = C_prev + o_t\ny_t = sum(C_t)\ncarry: C_prev <- C_t\noutput: y_t"
PROBLEM = {
    "cell": {"equations": EQUATIONS},
    "weights": {},
    "x": [[1.0, 2.0], [0.5, -1.0], [0.25, 3.0]],
    "initial": {"C_prev": [[1.0, 2.0], [3.0, 4.0]]},
    "ask": ["1/C_t[1,0]", "C_t"],
}


def test_entries_are_held_asked_for_and_edited(kept: Kept) -> None:
    run = kept.make(problem=PROBLEM, hold={"C_t[1,0]": 0.25})
    assert run["held"][0]["address"] == "0/forward/C_t[1,0]"
    assert run["asked"] == ["0/forward/1/0/C_t[1,0]", "0/forward/0/C_t"]
    assert run["target"] == "0/forward/1/0/C_t[1,0]"
    assert (lt.load(kept.path(run))["C_t"][:, 0, 2] == 0.25).all()
    edited = lt.load(kept.path(kept.edit(run, {"0/C_prev[1,1]": 9.0})))
    assert edited.initial["0/forward"]["C_prev"].tolist() == [[1.0, 2.0, 3.0, 9.0]]
    held = holding_of(lt.load(kept.path(run)), "0/forward/2/0/C_t[1,0]")
    assert held == HeldLine("0/forward/C_t[1,0]", 0.25)


def test_the_columns_of_matrices_are_described(kept: Kept) -> None:
    assert kept.make(problem=PROBLEM)["columns"] == {"0/forward": {"C_prev": 2, "o_t": 2, "C_t": 2}}
    other = {"cell": {"equations": EQUATIONS.replace("C_", "c_")}, "ask": ["y_t"]}
    found = kept.make(problem=PROBLEM | other | {"initial": {"c_prev": [[1.0, 2.0], [3.0, 4.0]]}})
    assert found["columns"]["0/forward"]["c0"] == 2
    assert "columns" not in kept.make(example="q22")  # of vectors alone


def test_a_run_that_asks_for_a_matrix_has_the_gradient_of_its_first_entry(kept: Kept) -> None:
    assert kept.make(problem=PROBLEM | {"ask": ["C_t"]})["target"] == "0/forward/2/0/C_t[0,0]"
