"""Tables of traces with matrices: an entry has a row and a column beside its unit."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.frames.terminal import ValueTable, printed, table
from lstm_trace.trace.rows import Selection
from tests.support.matrix_cells import problem

MLSTM = lt.run(problem("mlstm"))  # C_t has 3 rows and 2 columns, n_t 2 units
MAMBA = lt.run(problem("mamba"))  # H_t and A_log, a weight used elementwise, have 3 rows and 2 columns
VECTORS = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0]], ask="i_t")
ENTRIES = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]


@pytest.mark.parametrize("trace", [MLSTM, MAMBA])
def test_the_long_shape(trace: lt.Trace) -> None:
    line = "C_t" if trace is MLSTM else "H_t"
    frame = trace.to_frame(only=line, steps=1)
    assert list(frame.columns[5:]) == ["op", "unit", "row", "column", "value"]
    assert list(zip(frame["row"], frame["column"], strict=True)) == ENTRIES
    assert frame["unit"].tolist() == [0, 1, 2, 3, 4, 5]
    assert frame["value"].tolist() == trace[line][1, 0].tolist()


def test_vectors_have_neither_row_nor_column() -> None:
    assert "row" not in VECTORS.to_frame().columns
    frame = MLSTM.to_frame(only="n_t")
    assert frame["row"].isna().all()
    assert frame["column"].isna().all()
    assert MLSTM.to_frame("worked", only="C_t", steps=0)[["unit", "row", "column"]].iloc[5].tolist() == [5, 2, 1]


def test_csv_and_json_rows(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(MLSTM.to_csv(only="C_t,n_t", steps=2))))
    assert [(row["row"], row["column"]) for row in rows] == [
        *((str(r), str(c)) for r, c in ENTRIES),
        ("", ""),
        ("", ""),
    ]
    path = tmp_path / "x.jsonl"
    export(ExportJob.selected(MLSTM, only="C_t,n_t", steps=2), path)
    found = [json.loads(row) for row in path.read_text().splitlines()]
    assert [(row["unit"], row["row"], row["column"]) for row in found[5:7]] == [(5, 2, 1), (0, None, None)]


def test_premises_have_rows_and_columns_too() -> None:
    frame = MAMBA.to_frame(only="H_prev", with_inputs=True)
    assert list(zip(frame["row"], frame["column"], strict=True)) == ENTRIES
    assert list(frame["value"]) == MAMBA.initial["0/forward"]["H_prev"].ravel().tolist()


def test_arrow() -> None:
    pytest.importorskip("pyarrow")
    found = MLSTM.to_arrow(only="C_t,n_t", steps=0)
    assert found.column("row").to_pylist() == [0, 0, 1, 1, 2, 2, None, None]
    assert found.column("column").to_pylist() == [0, 1, 0, 1, 0, 1, None, None]


def test_the_wide_shape() -> None:
    assert list(MLSTM.to_frame("wide", only="C_t,n_t").columns[[0, 5, 6]]) == ["C_t[0,0]", "C_t[2,1]", "n_t[0]"]
    safe = MLSTM.to_frame("wide", only="C_t,n_t", names="safe")
    assert list(safe.columns[[0, 5, 6]]) == ["C_t_r0c0", "C_t_r2c1", "n_t_0"]
    inputs = MAMBA.to_frame("wide", with_inputs=True)
    assert inputs["A_log[2,1]"].tolist() == [problem("mamba")["weights"]["A_log"][2][1]] * 3
    assert inputs["H_prev[2,1]"].iloc[0] == problem("mamba")["initial"]["H_prev"][2][1]


def test_gradients_name_entries() -> None:
    back = lt.backward(MAMBA, of="2/H_t[2,1]")
    assert back.to_frame("wide", only="d_H_t")["d_H_t[2,1]"].tolist() == back["d_H_t"][::-1, 0, 5].tolist()
    found = lt.gradients(MAMBA, of="2/H_t[2,1]")
    assert found["0/forward/H_prev"].shape == found["0/forward/A_log"].shape == (3, 2)
    rows = lt.explain.gradient(MAMBA, "2/H_t[2,1]").to_frame()["address"].tolist()
    assert {"0/forward/1/0/H_t[2,1]", "0/forward/H_prev[2,1]", "0/forward/A_log[2,1]"} <= {*rows}
    assert not any("H_t[0]" in row for row in rows)


def test_a_split_names_entries() -> None:
    other = lt.edit(MAMBA, {"H_prev[2,1]": 1.0, "A_log[2,1]": 0.3})
    frame = lt.attribute(MAMBA, other, of="2/y_t[2]").to_frame()
    moved = frame[frame["contribution"] != 0]
    assert moved["address"].tolist() == ["0/forward/A_log[2,1]", "0/forward/0/H_prev[2,1]"]
    assert moved[["unit", "input"]].values.tolist() == [[2, 1], [2, 1]]
    assert abs(frame.attrs["residual"]) < 1e-14
    wrong = lt.attribute(MAMBA, MAMBA.with_values({"1/H_t[2,1]": 3.0}), of="2/y_t[2]").to_frame()
    assert "0/forward/1/0/H_t[2,1]" in wrong[wrong["kind"] == "local"]["address"].tolist()


def test_the_terminal_has_a_row_for_each_row() -> None:
    lines = printed(table(MLSTM, Selection(only="C_t,n_t", steps=2)), 80, False).splitlines()
    assert [line.split()[0] for line in lines[3:7]] == ["C_t[0,:]", "C_t[1,:]", "C_t[2,:]", "n_t"]
    assert np.allclose([*map(float, lines[5].split()[1:])], MLSTM["C_t"][2, 0, 4:], atol=1e-6)
    alone = printed(table(MLSTM, Selection(only="C_t", steps=2, unit=5)), 80, False).splitlines()
    assert alone[1].split() == ["line", "[1]"]
    assert alone[3].split()[0] == "C_t[2,:]"
    assert float(alone[3].split()[1]) == pytest.approx(MLSTM["C_t"][2, 0, 5], abs=1e-6)


def test_json_of_the_terminal_has_a_row_for_each_row() -> None:
    rows = json.loads(ValueTable(MLSTM, Selection(only="C_t", steps=2)).as_json())["rows"]
    assert [row["unit"] for row in rows] == [0, 2, 4]
    assert np.array_equal([row["values"] for row in rows], MLSTM["C_t"][2, 0].reshape(3, 2))


def test_xarray_has_two_dimensions() -> None:
    pytest.importorskip("xarray")
    found = MLSTM.to_xarray()
    assert found["C_t"].dims == ("t", "batch", "C_t_row", "C_t_column")
    assert float(found["C_t"].sel(t=2, batch=0, C_t_row=2, C_t_column=1)) == MLSTM["C_t"][2, 0, 5]
    assert found["n_t"].dims == ("t", "batch", "unit_2")
    assert MLSTM.to_xarray(only="C_t", unit=5)["C_t"].dims == ("t", "batch", "unit")


def test_a_difference_is_named_by_its_entry() -> None:
    other = lt.edit(MLSTM, {"C_prev[2,1]": 0.0})
    found = lt.diff(MLSTM, other)
    text = str(found.report("text"))
    assert "0/forward/0/C_prev[2,1]" in text
    assert re.search(r"0/forward/C_t\[2,1\] +C_t", text)
    frame = found.to_frame()
    moved = frame[(frame["line"] == "f_t * C_prev") & (frame["t"] == 0) & (frame["difference"] != 0)]
    assert moved[["row", "column"]].values.tolist() == [[2, 1]]
