"""Values of another program by row and column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import lstm_trace as lt
from tests.support.matrix_cells import problem

TRACE = lt.run(problem("mlstm"))
MATRICES = TRACE["C_t"][:, 0].reshape(3, 3, 2).tolist()  # by step


def csv(path: Path, head: str = "t,line,row,column,value", more: str = "") -> Path:
    rows = [f"{t},C_t,{r},{c},{MATRICES[t][r][c]!r}" for t in range(3) for r in range(3) for c in range(2)]
    path.write_text("\n".join([head, *rows, *([more] if more else [])]) + "\n")
    return path


def test_rows_and_columns_stand_for_units(tmp_path: Path) -> None:
    found = lt.diff(TRACE, csv(tmp_path / "chunk.csv"))
    assert "same: all 18 common values agree" in str(found)
    MATRICES[1][2][1] += 1e-3
    try:
        assert "first at 0/forward/1/0/C_t[2,1]" in str(lt.diff(TRACE, csv(tmp_path / "chunk.csv")))
    finally:
        MATRICES[1][2][1] -= 1e-3


def test_a_value_of_json_may_be_a_matrix(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(json.dumps({"t": t, "line": "C_t", "value": MATRICES[t]}) for t in range(3)))
    assert "same: all 18 common values agree" in str(lt.diff(TRACE, path))


def test_our_own_table_is_read(tmp_path: Path) -> None:
    TRACE.to_csv(tmp_path / "own.csv", only="C_t,n_t")
    assert "same: all 24 common values agree" in str(lt.diff(TRACE, tmp_path / "own.csv"))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            "0,C_t,3,0,1.0",
            "there is no C_t[3,0]; C_t is a matrix, C_t[row,column], with rows 0 to 2 and",
        ),
        ("0,C_t,-1,0,1.0", "there is no C_t[-1,0]"),
        ("0,C_t,1,0,1.0", "row 4 already has a value for the same 0/forward/0/0/C_t[1,0]"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(lt.errors.FileError) as error:
        lt.diff(TRACE, csv(tmp_path / "x.csv", more=row))
    assert said in str(error.value)


def test_a_row_that_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"t": 0, "line": "C_t", "row": [1], "column": 0, "value": 1.0}))
    with pytest.raises(lt.errors.FileError, match=r"row is \[1\]; expected a whole number"):
        lt.diff(TRACE, path)


def test_a_unit_that_is_not_its_row_and_column(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("t,line,unit,row,column,value\n0,C_t,4,2,1,1.0\n")
    with pytest.raises(lt.errors.FileError, match="unit 4 is not row 2, column 1 of C_t, which has 2 columns"):
        lt.diff(TRACE, path)


@pytest.mark.parametrize("shape", [(2, 3), (1, 6), (6, 1)])
def test_a_matrix_of_json_has_the_rows_and_columns_of_its_line(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"t": 0, "line": "C_t", "value": TRACE["C_t"][0, 0].reshape(shape).tolist()}))
    with pytest.raises(lt.errors.FileError) as error:
        lt.diff(TRACE, path)
    turned = " It looks transposed." if shape == (2, 3) else ""
    assert str(error.value) == f"{path}: row 1: value has (rows, columns) = {shape}; C_t has (3, 2).{turned}"
