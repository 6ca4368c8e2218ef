"""Premises that are matrices: initial states, weights that no @ multiplies, and both in problem files and edits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, ShapeError
from lstm_trace.model.problem import problem, problem_text

#: A matrix with 3 rows and 2 columns that decays by a weight for each entry.
CELL = """C_t = decay * C_prev + outer(W @ x_t, x_t)
y_t = C_t @ x_t
carry: C_prev <- C_t
output: y_t"""
WEIGHTS = {"W": [[1.0, 0.5], [0.0, -1.0], [2.0, 0.25]], "decay": [[0.5, 0.25], [1.0, 0.125], [0.0, 0.75]]}
FIRST = np.arange(6.0).reshape(3, 2)
X = np.array([[1.0, -1.0], [0.5, 2.0]])


def run(**arguments: Any) -> lt.Trace:
    return lt.run(WEIGHTS, arguments.pop("x", X), cell={"equations": CELL}, **arguments)


def expected(first: Any = FIRST) -> np.ndarray:
    """C_t at every step."""
    matrix, found = np.array(first), []
    for x in X:
        matrix = WEIGHTS["decay"] * matrix + np.outer(np.array(WEIGHTS["W"]) @ x, x)
        found.append(matrix)
    return np.array(found)


@pytest.mark.parametrize("first", [FIRST, FIRST.tolist(), FIRST[None], FIRST.ravel(), FIRST.reshape(1, 6)])
def test_an_initial_matrix_has_rows_and_columns(first: Any) -> None:
    trace = run(initial={"C_prev": first})
    np.testing.assert_array_equal(trace["C_t"].reshape(2, 3, 2), expected())
    assert trace.initial["0/forward"]["C_prev"].tolist() == [FIRST.ravel().tolist()]
    assert trace.grid("0/forward", "C_t") == trace.grid("0/forward", "decay") == (3, 2)
    assert trace.grid("0/forward", "C_prev") == trace.grid("0/forward", "outer(W @ x_t, x_t)") == (3, 2)
    assert [trace.grid("0/forward", name) for name in ("W", "x_t", "y_t", "nothing")] == [None] * 4
    assert trace.grid("1/forward", "C_t") is None
    assert not lt.verify(trace).failures


def test_every_sequence_has_an_initial_matrix() -> None:
    both = np.stack([FIRST, -FIRST])
    trace = run(x=np.stack([X, X], axis=1), initial={"C_prev": both})
    for b, first in enumerate(both):
        np.testing.assert_array_equal(trace["C_t"][:, b].reshape(2, 3, 2), expected(first))


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (FIRST.T, r"C_prev has shape (2, 3); expected (rows, columns) = (3, 2). It looks transposed."),
        (FIRST.reshape(6, 1), r"C_prev has shape (6, 1); expected (rows, columns) = (3, 2)."),
        (np.zeros((3, 3)), r"C_prev has width 9; line `decay * C_prev` needs (3, 2) = 6."),
    ],
)
def test_an_initial_matrix_of_another_shape_is_refused(first: Any, message: str) -> None:
    with pytest.raises(ShapeError) as error:
        run(initial={"C_prev": first})
    assert message in error.value.problems[0]


def test_a_weight_beside_a_matrix_keeps_its_shape(tmp_path: Path) -> None:
    trace = run(initial={"C_prev": FIRST})
    assert trace.parameters["0/forward"]["decay"].tolist() == WEIGHTS["decay"]
    trace.save(tmp_path / "trace.json")
    assert lt.load(tmp_path / "trace.json").equals(trace)
    number = lt.run({**WEIGHTS, "decay": 0.5}, X, cell={"equations": CELL})
    assert number.parameters["0/forward"]["decay"].tolist() == [0.5]
    assert number.grid("0/forward", "decay") is None
    with pytest.raises(ShapeError, match=r"decay \* C_prev has 2 rows and 3 columns, outer\(") as error:
        lt.run({**WEIGHTS, "decay": np.ones((2, 3))}, X, cell={"equations": CELL})
    assert len(error.value.problems) == 1


def test_a_declared_number_is_a_matrix_of_one_entry() -> None:
    text = "A = -exp(B)\nC_t = outer(x_t, x_t) * A\nmatrix: B"
    trace = lt.run({"B": 0.0}, [[2.0]], cell={"equations": text})
    assert (trace["C_t"].item(), trace.grid("0/forward", "A")) == (-4.0, (1, 1))
    with pytest.raises(LstmTraceError, match="2 rows and 2 columns, A has 1 row and 1 column"):
        lt.run({"B": 0.0}, [[2.0, 1.0]], cell={"equations": text})


def test_a_problem_file_holds_matrices_as_matrices(tmp_path: Path) -> None:
    trace = run(initial={"C_prev": FIRST})
    path = tmp_path / "problem.yaml"
    data = problem(trace)
    assert (data["initial"], data["weights"]["decay"]) == ({"C_prev": FIRST.tolist()}, WEIGHTS["decay"])
    path.write_text(problem_text(data), encoding="utf-8")
    again = lt.run(path)
    np.testing.assert_array_equal(again["C_t"], trace["C_t"])


def test_an_edit_may_give_the_whole_matrix() -> None:
    trace = run(initial={"C_prev": FIRST})
    edited = lt.edit(trace, {"C_prev": 2 * FIRST, "decay": np.ones((3, 2)).tolist()})
    again = lt.run({**WEIGHTS, "decay": np.ones((3, 2))}, X, cell={"equations": CELL}, initial={"C_prev": 2 * FIRST})
    np.testing.assert_array_equal(edited["C_t"], again["C_t"])


def test_one_step_reads_a_state_that_is_a_matrix() -> None:
    trace = run(initial={"C_prev": FIRST}, ask=["0/y_t"])
    assert trace.steps == 1
    assert "C_prev" in trace.stages[0].active.matrices
    np.testing.assert_array_equal(trace["C_t"][0].reshape(3, 2), expected()[0])


def test_a_matrix_that_is_supplied_need_not_be_declared() -> None:
    given = np.stack([expected()[t].ravel() for t in range(2)])
    trace = run(initial={"C_prev": FIRST}, given={"C_t": given})
    assert trace.stages[0].cell.declared == ("C_t",)
    np.testing.assert_array_equal(trace["y_t"], run(initial={"C_prev": FIRST})["y_t"])


def test_a_trace_without_a_premise_may_have_a_weight_beside_a_matrix(tmp_path: Path) -> None:
    trace = run(initial={"C_prev": FIRST})
    part = replace(trace, x=None)
    part.save(tmp_path / "part.json")
    assert lt.load(tmp_path / "part.json").parameters["0/forward"]["decay"].shape == (3, 2)


#: Two layers whose matrices differ in size: 3 x 2 and 4 x 3, each for both of two sequences.
LAYERS = {"0/forward/W": WEIGHTS["W"], "1/forward/W": np.arange(12.0).reshape(4, 3) / 8}
STARTS = [np.arange(12.0).reshape(2, 3, 2), np.arange(24.0).reshape(2, 4, 3)]


def layers(x: Any = None, **initial: Any) -> lt.Trace:
    text = CELL.replace("decay", "0.5")
    return lt.run(LAYERS, np.stack([X, 2 * X], 1) if x is None else x, cell={"equations": text}, **initial)


@pytest.mark.parametrize("starts", [STARTS, [S.tolist() for S in STARTS], [S.reshape(2, -1) for S in STARTS], None])
def test_layers_whose_matrices_differ_in_size(starts: Any) -> None:
    trace = layers(**({} if starts is None else {"initial": {"C_prev": starts}}))
    for layer, first in enumerate(STARTS):
        flat = first.reshape(2, -1) * (starts is not None)
        np.testing.assert_array_equal(trace.initial[f"{layer}/forward"]["C_prev"], flat)
    assert lt.run(problem(trace)).equals(trace)
    longer = lt.edit(trace, {"x": np.ones((5, 2, 2))})
    np.testing.assert_array_equal(longer.initial["1/forward"]["C_prev"], trace.initial["1/forward"]["C_prev"])


def test_layers_whose_matrices_differ_in_size_and_one_sequence() -> None:
    first = [S[0] for S in STARTS]
    trace = layers(X, initial={"C_prev": first})
    assert [trace.initial[f"{n}/forward"]["C_prev"][0].tolist() for n in (0, 1)] == [S.ravel().tolist() for S in first]
    with pytest.raises(ShapeError, match=r"^C_prev\[1\] has shape \(3, 4\); expected .* = \(4, 3\). It looks transp"):
        layers(X, initial={"C_prev": [first[0], first[1].T]})


def test_forms_of_initial_matrices_are_told_by_rows_and_columns() -> None:
    with pytest.raises(ShapeError) as error:
        run(x=np.stack([X, X], axis=1), initial={"C_prev": FIRST})
    forms = "L·D = 1, B = 2: (2, rows, columns) or (1, 2, rows, columns)"
    assert str(error.value) == f"C_prev has shape (3, 2); expected (L·D, B, rows, columns) with {forms}"
    with pytest.raises(ShapeError, match=r"expected \(L·D, B, rows, columns\) .* B = 1: \(rows, columns\) or \(1, row"):
        run(initial={"C_prev": np.ones((1, 1, 1, 3, 2))})
    with pytest.raises(ShapeError, match=r"\(T, rows·columns\) or \(T, B, rows·columns\) with T = 2, B = 1"):
        run(initial={"C_prev": FIRST}, given={"C_t": expected()})


def test_values_of_another_program_may_have_rows_and_columns() -> None:
    model = lt.prepare(WEIGHTS, cell={"equations": CELL})
    lt.testing.assert_matches({"C_t": expected()}, model, X, initial={"C_prev": FIRST})
    with pytest.raises(AssertionError, match=r"C_t: expected the shape \(2, 6\), .* found \(2, 2, 3\)"):
        lt.testing.assert_matches({"C_t": expected().swapaxes(1, 2)}, model, X, initial={"C_prev": FIRST})


def test_the_problem_of_a_trace_in_which_one_layer_needs_no_initial_matrix() -> None:
    both = np.stack([X, 2 * X], 1)
    trace = lt.run(LAYERS, both, cell={"equations": CELL.replace("decay", "0.5")}, ask="1/forward/0/W @ x_t")
    first = problem(trace)["initial"]["C_prev"]
    assert [np.shape(matrices) for matrices in first] == [(2, 3, 2), (2, 4, 3)]
    assert lt.run(problem(trace)).equals(trace)
