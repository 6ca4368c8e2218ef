"""Colour scales: which cells of a layer's sheet have one, from which number to which; and labels of the steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_trace.export.excel import charts
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.trace.trace import Trace

from ...support.table_cases import filled, stacked

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("xlsxwriter")

GATE, SIGNED = ["FFFFFFFF", "FF8CC270"], ["FFF4A582", "FFFFFFFF", "FF92C5DE"]
COLOURED = ("i_t", "f_t", "o_t", "c_tilde", "c_t", "h_t")


def written(folder: Path, trace: Trace, **job: Any) -> Any:
    export(ExportJob(trace, **job), folder / "x.xlsx")
    return openpyxl.load_workbook(folder / "x.xlsx", data_only=True)


def coloured(sheet: Any) -> dict[str, tuple[list[float], list[str]]]:
    """The numbers and colours of the scale of each cell that has one, by its address."""
    found = {}
    for area in sheet.conditional_formatting:
        for rule in area.rules:
            if rule.type == "colorScale":
                scale = rule.colorScale
                assert {point.type for point in scale.cfvo} == {"num"}
                told = [point.val for point in scale.cfvo], [colour.rgb for colour in scale.color]
                for part in area.sqref.ranges:
                    for row in sheet[part.coord] if ":" in part.coord else [[sheet[part.coord]]]:
                        found |= {cell.coordinate: told for cell in row}
    return found


def cells(sheet: Any, names: tuple[str, ...], units: int = 3) -> dict[tuple[str, int, int, int], str]:
    """The address of (line, row of the batch, t, unit)."""
    at = {cell.value: cell.column for cell in sheet[3] if cell.value}
    return {
        (name, row[0].value, row[1].value, j): row[at[name] - 1 + j].coordinate
        for row in sheet.iter_rows(min_row=6)
        for name in names
        for j in range(units)
    }


@pytest.mark.few(1)
@pytest.mark.parametrize("job", [{}, {"values": True}, {"values": True, "padding": True}])
@pytest.mark.parametrize("padded", [{}, {"lengths": [4, 2]}, {"mask": np.array([[0, 1], [1, 0], [1, 1], [1, 1]])}])
def test_gates_and_states_are_coloured_where_they_are_valid(
    tmp_path: Path, padded: dict[str, Any], job: dict[str, Any]
) -> None:
    if job.get("padding") and not padded:
        job = {"values": True}
    trace = stacked(layers=1, directions=("reverse",), **padded)
    sheet = written(tmp_path, trace, **job)["Layer 0 reverse"]
    found, valid = coloured(sheet), trace.valid[:, :, 0] != 0
    places = cells(sheet, (*COLOURED, *(["y_t"] if padded else [])))
    assert set(found) == {address for (_, b, t, _), address in places.items() if valid[t, b]}
    for (name, b, t, _), address in places.items():
        if valid[t, b]:
            largest = float(np.abs(trace[name][valid]).max())
            wanted = ([0, 1], GATE) if name in ("i_t", "f_t", "o_t") else ([-largest, 0, largest], SIGNED)
            assert found[address] == (pytest.approx(wanted[0]), wanted[1])


@pytest.mark.few(0)
def test_what_is_no_share_has_a_sign_and_what_is_no_number_does_not_count(tmp_path: Path) -> None:
    trace = filled(stacked(layers=1, directions=("forward",)), np.array([np.nan, np.inf, -3.0, 0.5]))
    found = coloured(written(tmp_path, trace)["Layer 0 forward"])
    assert set(map(str, found.values())) == {str(([-3.0, 0.0, 3.0], SIGNED))}
    zeros = filled(stacked(layers=1, directions=("forward",)), np.zeros(1))
    gates = coloured(written(tmp_path, zeros)["Layer 0 forward"])
    assert not gates


@pytest.mark.few(0)
def test_many_rows_of_padding_have_no_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "MOST", 1)
    trace = stacked(layers=1, directions=("forward",), lengths=[3, 2])
    assert not coloured(written(tmp_path, trace)["Layer 0 forward"])


@pytest.mark.few(0)
def test_the_record_and_other_lines_are_not_coloured(tmp_path: Path) -> None:
    book = written(tmp_path, stacked(layers=1, directions=("forward",)))
    sheets = [sheet.title for sheet in book if coloured(sheet)]
    assert sheets == ["Layer 0 forward"]


# -- labels of the steps -----------------------------------------------------------------------------------------------


@pytest.mark.few(0)
@pytest.mark.parametrize("job", [{}, {"values": True}])
@pytest.mark.parametrize("labels", [(("the", "=1+1", "", "3"), ("x", "y")), (("the", "=1+1", "", "3"),)])
def test_labels_stand_behind_the_step(tmp_path: Path, labels: Any, job: dict[str, Any]) -> None:
    trace = stacked(layers=1)
    trace = replace(trace, header=replace(trace.header, step_labels=labels))
    book = written(tmp_path, trace, **job)
    steps = [sheet for sheet in book if sheet.title.startswith(("Layer", "Recorded", "Inputs"))]
    assert len(steps) == (3 if job else 7)
    for sheet in steps:
        assert [cell.value for cell in sheet[5][:3]] == ["row", "t", "token"]
        assert sheet.freeze_panes == "D6"
        for row in sheet.iter_rows(min_row=6):
            own = labels[row[0].value if len(labels) > 1 else 0]
            assert (row[2].value or "") == (own[row[1].value] if row[1].value < len(own) else "")
            assert row[2].data_type != "f"
    sheet = book["Layer 0 forward"]
    for (name, b, t, j), address in cells(sheet, COLOURED).items():
        assert sheet[address].value == pytest.approx(trace.lines["0/forward"][name][t, b, j])


@pytest.mark.few(0)
def test_formulas_read_the_cells_of_their_operands(tmp_path: Path) -> None:
    trace = stacked(layers=1, directions=("forward",), lengths=[4, 2])
    trace = replace(trace, header=replace(trace.header, step_labels=(("a", "b", "c", "d"),)))
    export(ExportJob(trace), tmp_path / "x.xlsx")
    book = openpyxl.load_workbook(tmp_path / "x.xlsx")
    sheet = book["Layer 0 forward"]
    at = {cell.value: cell.column_letter for cell in sheet[3] if cell.value}
    assert sheet[f"{at['x_t']}6"].value == "=Inputs!D6"
    assert sheet[f"{at['valid']}6"].value == "=IF(B6<INDEX(lengths,1),1,0)"
    assert sheet[f"{at['W_xi @ x_t']}6"].value.endswith(f",{at['x_t']}6:H6)")
    assert book.defined_names["x_t"].attr_text == "'Inputs'!$D$6:$H$13"
