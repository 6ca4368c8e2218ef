"""Addresses of entries: `C_t[2,1]` is row 2, column 1 where a value is a matrix."""

from __future__ import annotations

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.trace.trace import Trace
from tests.support.matrix_cells import problem

MLSTM = problem("mlstm")  # C_t has 3 rows and 2 columns
TRACE = lt.run(MLSTM)
STATES = {"C_prev": np.ones((2, 3, 2)), "n_prev": np.ones((2, 2)), "m_prev": np.ones((2, 1))}
TWO = lt.run(MLSTM, x=np.array([MLSTM["x"], MLSTM["x"]]).swapaxes(0, 1), initial=STATES)
MAMBA = lt.run(problem("mamba"))  # A_log, a weight used elementwise, has 3 rows and 2 columns
OF_C = "there is no C_t[{}]; C_t is a matrix, C_t[row,column], with rows 0 to 2 and columns 0 to 1"


def test_an_entry_is_found_and_written_as_row_and_column() -> None:
    found = TRACE.locate("2/C_t[2,1]")
    assert str(found) == "0/forward/2/0/C_t[2,1]"
    assert TRACE["C_t"][found.t, found.b, found.unit[0]] == TRACE["C_t"][2, 0].reshape(3, 2)[2, 1]  # type: ignore
    assert str(TRACE.locate("C_prev[0,1]")) == "0/forward/0/C_prev[0,1]"
    assert str(TRACE.locate("1/h_t[2]")) == "0/forward/1/0/h_t[2]"


@pytest.mark.parametrize("index", ["5", "3,0", "0,2"])
def test_an_index_that_is_no_entry_is_refused_with_the_rows_and_columns(index: str) -> None:
    said = OF_C.format(index)
    for refused in (
        lambda at: TRACE.locate(f"2/{at}"),
        lambda at: lt.gradients(TRACE, of=f"2/{at}"),
        lambda at: lt.gradients(TRACE, of=f"sum(2/{at})"),
        lambda at: lt.run(MLSTM, hold={at: 0.0}),
        lambda at: lt.run(MLSTM, ask=[at]),
        lambda at: lt.run(MLSTM | {"ask": [f"1/{at}"]}),
        lambda at: TRACE.with_values({f"1/{at}": 0.0}),
        lambda at: lt.explain.memory(TRACE, f"2/{at}"),
    ):
        with pytest.raises(lt.errors.MissingError) as error:
            refused(f"C_t[{index}]")
        assert said in str(error.value)


HELD = [
    ("C_t[2,1]", ["C_t[2,1]"], [(2, 1)]),
    ("1..2/C_t[0..2,1]", ["1..2/0/C_t[0..2,1]"], [(0, 1), (1, 1), (2, 1)]),
    ("C_t[0..1,0..1]", ["C_t[0..1,0..1]"], [(0, 0), (0, 1), (1, 0), (1, 1)]),
]


@pytest.mark.parametrize(("text", "addresses", "places"), HELD)
def test_a_hold_of_entries(text: str, addresses: list[str], places: list[tuple[int, int]]) -> None:
    trace = lt.run(MLSTM, hold={text: 0.25})
    first, last = (trace["C_t"][t, 0].reshape(3, 2) for t in (0, 2))
    assert [tuple(at) for at in np.argwhere(last == 0.25).tolist()] == places
    assert text[0] == "C" or not (first == 0.25).any()
    assert list(lt.problem(trace)["hold"]) == [f"0/forward/{at}" for at in addresses]
    assert lt.run(lt.problem(trace)).equals(trace)
    assert lt.verify(trace)


def test_holds_that_are_no_rectangle_are_written_as_several() -> None:
    trace = lt.run(MLSTM, hold={"C_t[0,0..1]": 0.5, "C_t[2,1]": 0.5, "C_t[1,1]": "*2"})
    assert lt.problem(trace)["hold"] == {
        "0/forward/C_t[0,0..1]": 0.5,
        "0/forward/C_t[2,1]": 0.5,
        "0/forward/C_t[1,1]": "*2",
    }
    assert lt.run(lt.problem(trace)).equals(trace)


def test_a_matrix_is_held_at_a_matrix() -> None:
    at = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(lt.run(MLSTM, hold={"C_t": at})["C_t"][1, 0], at.ravel())
    assert np.array_equal(lt.run(MLSTM, hold={"C_t[1..2,0]": at[1:, :1]})["C_t"][1, 0, [2, 4]], at[1:, 0])


def test_two_holds_of_one_entry_are_refused() -> None:
    with pytest.raises(lt.errors.OptionError, match=r"both hold 0/forward/0/0/C_t\[1,1\]; hold each value once"):
        lt.run(MLSTM, hold={"C_t[1,1]": 0.0, "C_t[0..2,1]": 1.0})


def test_asking_for_an_entry() -> None:
    trace = lt.run(MLSTM | {"ask": ["1/C_t[2,1]"]})
    assert list(map(str, trace.asked())) == ["0/forward/1/0/C_t[2,1]"]
    assert trace.steps == 2
    assert lt.problem(trace)["ask"] == ["1/C_t[2,1]"]


def test_gradients_of_entries() -> None:
    one = lt.gradients(TRACE, of="2/C_t[2,1]")
    changed = lt.edit(TRACE, {"W_k[1,0]": TRACE.parameters["0/forward"]["W_k"][1, 0] + 1e-6})
    slope = (changed["C_t"][2, 0, 5] - TRACE["C_t"][2, 0, 5]) / 1e-6
    assert one["0/forward/W_k"][1, 0] == pytest.approx(slope, rel=1e-4)
    assert one["0/forward/C_prev"].shape == (3, 2)
    rows, both = (lt.gradients(TRACE, of=of) for of in ("sum(2/C_t[0..1,1])", "2/C_t[0,1] + 2/C_t[1,1]"))
    assert all(np.allclose(rows[name], both[name], rtol=1e-12) for name in rows)


def test_edits_of_entries() -> None:
    edited = lt.edit(TWO, {"1/C_prev[2,1]": 9.0})
    assert edited.initial["0/forward"]["C_prev"].tolist() == [[1.0] * 6, [1.0] * 5 + [9.0]]
    assert TRACE.with_values({"1/C_t[2,1]": 9.0})["C_t"][1, 0, 5] == 9.0
    assert TRACE.with_values({"1/C_t": np.zeros((3, 2))})["C_t"][1, 0].tolist() == [0.0] * 6
    weight = lt.edit(MAMBA, {"A_log[2,1]": 0.25}).parameters["0/forward"]["A_log"]
    assert weight.shape == (3, 2)
    assert weight[2, 1] == 0.25
    assert lt.problem(MAMBA)["weights"]["A_log"] == problem("mamba")["weights"]["A_log"]
    assert lt.problem(MAMBA)["initial"]["H_prev"] == problem("mamba")["initial"]["H_prev"]


def test_what_is_wrong_is_named_by_its_entry() -> None:
    wrong = TRACE.with_values({"1/C_t[2,1]": 9.0})
    assert str(lt.verify(wrong).failures[0].address) == "0/forward/1/0/C_t[2,1]"
    assert "different: first at 0/forward/1/0/C_t[2,1]" in lt.diff(TRACE, wrong).report()
    infinite = lt.edit(TRACE, {"C_prev[2,1]": np.inf})
    assert str(infinite.not_finite.address) == "0/forward/0/0/f_t * C_prev[2,1]"  # type: ignore[union-attr]
    assert dict(infinite.not_finite.operands)["C_prev[2,1]"] == np.inf  # type: ignore[union-attr]


def test_a_part_of_a_trace_has_the_same_entries() -> None:
    part: Trace = TWO.at(steps=slice(1, 3))
    assert str(part.locate("1/1/C_t[2,1]")) == "0/forward/1/1/C_t[2,1]"
