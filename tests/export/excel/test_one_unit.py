"""The sheet of one unit: which cells its formulas read, what they show at first, and what its chart covers."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import lstm_trace as lt
from lstm_trace.examples import text
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.trace.rows import Selection
from lstm_trace.trace.trace import Trace

from ...support.table_cases import stacked

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("xlsxwriter")


def written(folder: Path, trace: Trace, **job: Any) -> Path:
    export(ExportJob(trace, **job), folder / "x.xlsx")
    return folder / "x.xlsx"


@pytest.mark.few(0)
@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("padded", [{}, {"lengths": [5, 3]}, {"mask": np.array([[0, 1, 1, 0, 1], [1, 1, 1, 1, 0]]).T}])
def test_it_shows_the_unit_that_is_chosen(tmp_path: Path, direction: str, padded: dict[str, Any]) -> None:
    trace = stacked(5, 2, 1, 9, (direction,), **padded)
    path = written(tmp_path, trace)
    values, formulas = openpyxl.load_workbook(path, data_only=True), openpyxl.load_workbook(path)
    sheet, layer = values[f"Unit 0 {direction}"], formulas[f"Layer 0 {direction}"]
    valid = trace.valid[:, :, 0] != 0
    unit = int(np.abs(np.where(valid[:, :, None], trace["c_t"], 0)).max(axis=(0, 1)).argmax())
    head = [cell.value for cell in sheet[5] if cell.value]
    assert head == ["row", "t", "i_t", "f_t", "o_t", "h_t", "c_t"]
    assert (sheet["I1"].value, sheet["J1"].value) == ("unit", unit)
    at = {cell.value: cell.column for cell in layer[3] if cell.value}
    for row in sheet.iter_rows(min_row=6, max_col=7):
        b, t, *found = (cell.value for cell in row)
        wanted = [trace[name][t, b, unit] for name in head[2:]]
        assert found == (pytest.approx(wanted) if valid[t, b] else ["#N/A"] * 5)
        for name, cell in zip(head[2:], row[2:], strict=True):
            formula = formulas[sheet.title][cell.coordinate].value
            first, last = re.findall(r"INDEX\('Layer 0 \w+'!([A-Z]+)\d+:([A-Z]+)\d+,1,\$J\$1\+1\)", formula)[0]
            columns = [openpyxl.utils.column_index_from_string(letters) for letters in (first, last)]
            assert columns == [at[name], at[name] + 8]
            assert f"{first}{cell.row}:{last}{cell.row}" in formula
            assert formula.startswith("=IF(") == bool(padded)
    (rule,) = formulas[sheet.title].data_validations.dataValidation
    assert (rule.type, rule.formula1, rule.formula2, str(rule.sqref)) == ("whole", "0", "8", "J1")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("padded", "rows", "row"),
    [({}, (6, 10), 0), ({"lengths": [3, 5]}, (6, 8), 0), ({"lengths": [0, 5]}, (11, 15), 1),
     ({"mask": np.array([[0, 1, 0, 1, 0], [1, 1, 1, 1, 1]]).T}, (7, 9), 0)],
)  # fmt: skip
def test_the_chart_has_one_sequence_without_its_padding(
    tmp_path: Path, padded: dict[str, Any], rows: tuple[int, int], row: int
) -> None:
    path = written(tmp_path, stacked(5, 2, 1, 9, ("forward",), **padded))
    with zipfile.ZipFile(path) as archive:
        (name,) = [name for name in archive.namelist() if name.startswith("xl/charts/")]
        chart = archive.read(name).decode()
    begin, end = rows
    places = re.findall(r"<c:f>'Unit 0 forward'!\$([A-Z])\$(\d+):\$[A-Z]\$(\d+)</c:f>", chart)
    assert {place[1:] for place in places} == {(str(begin), str(end))}
    assert [column for column, *_ in places] == ["B", "C", "B", "D", "B", "E", "B", "F", "B", "G"]
    assert f">t, row {row}<" in chart


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("trace", "job"),
    [
        (lt.run(yaml.safe_load(text("three-steps"))), {}),  # it has the sheet By hand
        (stacked(12, 1, 1, 8, ("forward",)), {}),
        (stacked(4, 1, 1, 9, ("forward",)), {"values": True}),
        (stacked(1, 1, 1, 9, ("forward",)), {}),
        (stacked(4, 1, 1, 9, ("forward",)), {"selection": Selection(only=["z_i"])}),
    ],
)
def test_where_there_is_none(tmp_path: Path, trace: Trace, job: dict[str, Any]) -> None:
    names = openpyxl.load_workbook(written(tmp_path, trace, **job)).sheetnames
    assert not [name for name in names if name.startswith("Unit")]


def test_many_steps_of_few_units_have_one(tmp_path: Path) -> None:
    assert "Unit 0 forward" in openpyxl.load_workbook(written(tmp_path, stacked(13, 1, 1, 2, ("forward",)))).sheetnames


@pytest.mark.few(0)
def test_each_layer_and_direction_has_its_own(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(written(tmp_path, stacked(4, 1, 2, 9)))
    units = [name for name in book.sheetnames if name.startswith("Unit")]
    assert units == [f"Unit {layer} {direction}" for layer in (0, 1) for direction in ("forward", "reverse")]
    read_me = {cell.value for row in book["Read me"].iter_rows() for cell in row}
    assert set(units) <= read_me
