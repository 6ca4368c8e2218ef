"""Live gradients in the spreadsheet: formulas computed in Python equal the trace; a changed weight moves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.backpropagation.gradients import backward
from lstm_trace.cli import main
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.trace.rows import Selection
from lstm_trace.trace.trace import Trace

from ... import ROOT
from ...support.sheet_cases import PROBLEMS, Sheets, changed, two_layers, values, weight_cell

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("xlsxwriter")


def walked(problem: dict[str, Any]) -> Trace:
    """The trace of a problem with the gradients of a weighted sum of what its last stage gives out."""
    trace = lt.run({**problem, "ask": []})
    last = trace.stages[-1]
    output = trace.lines[last.scope][last.cell.output]
    weights = np.random.default_rng(output.size).normal(size=output.shape).round(2)
    return backward(trace, seeds={f"{last.scope}/{last.cell.output}": weights})


def computed(path: Path, trace: Trace) -> int:
    """How many values were compared: those of all formulas, sums too, with the trace."""
    sheets = Sheets(path)
    found = list(values(sheets.book, trace, sheets))
    for place, recorded, value in found:
        assert value == pytest.approx(recorded, rel=1e-11, abs=1e-12), place
    return len(found)


@pytest.mark.few(0)
@pytest.mark.parametrize("name", PROBLEMS)
def test_formulas_give_the_gradients(tmp_path: Path, name: str) -> None:
    trace = walked(PROBLEMS[name][0])
    export(ExportJob(trace), tmp_path / "x.xlsx")
    parts = (trace.lines, trace.sums)
    assert computed(tmp_path / "x.xlsx", trace) == sum(
        a.size for part in parts for s in part.values() for a in s.values()
    )
    assert any(stage.cell.gradient for stage in trace.stages)


@pytest.mark.few(0)
@pytest.mark.parametrize("name", ["question 22", "lengths", "peephole", "GRU", "cross entropy", "layer norm"])
def test_a_changed_weight_changes_the_gradients(tmp_path: Path, name: str) -> None:
    problem, place = PROBLEMS[name]
    path = tmp_path / "x.xlsx"
    export(ExportJob(walked(problem)), path)
    book = openpyxl.load_workbook(path)
    cell = weight_cell(book, place)
    cell.value += 0.75
    book.save(path)
    assert computed(path, walked(changed(problem, place, cell.value)))
    with pytest.raises(AssertionError):
        computed(path, walked(problem))


@pytest.mark.few(0)
def test_of_some_steps_no_sum_is_written(tmp_path: Path) -> None:
    export(ExportJob(walked(two_layers(batch=2)), selection=Selection(steps=slice(0, 2))), tmp_path / "x.xlsx")
    names = openpyxl.load_workbook(tmp_path / "x.xlsx").sheetnames
    assert "Gradient 1 forward" in names
    assert not [name for name in names if name.startswith("Weight gradients")]


@pytest.mark.few(0)
def test_what_a_person_sees(tmp_path: Path) -> None:
    source = ROOT / "lstm_trace" / "examples" / "three-steps.yaml"
    done = CliRunner().invoke(
        main, ["export", str(source), "--gradient-of", "2/h_t[0]", "-o", str(tmp_path / "x.xlsx")]
    )
    assert done.exit_code == 0, done.output
    book = openpyxl.load_workbook(tmp_path / "x.xlsx")
    sheet = book["Gradient 0 forward"]
    assert sheet["A1"].value == "Gradient of layer 0, forward"
    headings = {cell.value for cell in sheet[4]}
    assert "∂L/∂c_t = d_tanh_c_t * (1 - tanh(c_t) * tanh(c_t)) + d_c_next" in headings
    sums = book["Weight gradients 0 forward"]
    assert (sums["A3"].value, sums["B3"].value) == ("∂L/∂W_xi", "d_W_xi = outer(d_z_i, x_t), over all rows")
    about = [row[0].value for row in book["Read me"].iter_rows()]
    assert {"Gradient 0 forward", "Weight gradients 0 forward"} <= set(about)


def test_an_address_that_is_not_there(tmp_path: Path) -> None:
    source = ROOT / "lstm_trace" / "examples" / "three-steps.yaml"
    done = CliRunner().invoke(
        main, ["export", str(source), "--gradient-of", "2/h_t[7]", "-o", str(tmp_path / "x.xlsx")]
    )
    assert done.exit_code == 2
    assert "0/forward/h_t has units 0 to 1" in done.output
    assert not (tmp_path / "x.xlsx").exists()
