"""The living spreadsheet without a spreadsheet program: formulas computed in Python, names, texts, limits, memory."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import Phase, given, settings

import lstm_trace as lt
from lstm_trace.cell.ops import OPS
from lstm_trace.cli import main
from lstm_trace.errors import MissingError, OptionError, TooLargeError
from lstm_trace.examples import text
from lstm_trace.export.excel import limits
from lstm_trace.export.excel.formulas import FORMULAS
from lstm_trace.export.excel.sheets import lay_out
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.trace.rows import Selection
from lstm_trace.trace.trace import Trace

from ... import ROOT
from ...support.sheet_cases import PROBLEMS, Sheets, changed, columns_of, two_layers, values, weight_cell
from ...support.strategies import Case, cells
from ...support.table_cases import QUESTION_19, stacked

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("xlsxwriter")


def written(folder: Path, trace: Trace, **job: Any) -> Path:
    export(ExportJob(trace, **job), folder / "x.xlsx")
    return folder / "x.xlsx"


def cli(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


def computed(path: Path, trace: Trace) -> int:
    """How many values were compared: those of all formulas, with the trace."""
    sheets = Sheets(path)
    found = list(values(sheets.book, trace, sheets))
    for place, recorded, value in found:
        assert value == pytest.approx(recorded, rel=1e-12, abs=1e-12), place
    return len(found)


def test_every_operation_has_a_formula() -> None:
    assert set(FORMULAS) == set(OPS)


@pytest.mark.few(0)
@pytest.mark.parametrize("name", PROBLEMS)
def test_formulas_give_the_trace(tmp_path: Path, name: str) -> None:
    trace = lt.run({**PROBLEMS[name][0], "ask": []})
    path = written(tmp_path, trace)
    assert computed(path, trace) == sum(a.size for lines in trace.lines.values() for a in lines.values())


@pytest.mark.few(0)
@pytest.mark.parametrize("window", [slice(1, 3), slice(2, 3), slice(0, 2)])
@pytest.mark.parametrize("lengths", [None, [3, 1], [2, 3]])
def test_formulas_of_some_steps(tmp_path: Path, lengths: list[int] | None, window: slice) -> None:
    """They start from the states that were carried into those steps, and count t and the lengths from the beginning."""
    trace = lt.prepare(two_layers(batch=2, lengths=lengths)).run(ask=[], record={"steps": window})
    path = written(tmp_path, trace)
    assert computed(path, trace) == sum(a.size for lines in trace.lines.values() for a in lines.values())
    sheet = openpyxl.load_workbook(path)["Inputs"]
    assert [sheet.cell(row, 2).value for row in range(6, 6 + trace.steps)] == list(trace.span)


@pytest.mark.few(0)
@pytest.mark.parametrize("name", ["question 22", "both directions, two layers", "peephole", "sLSTM"])
def test_a_changed_weight_changes_what_hangs_on_it(tmp_path: Path, name: str) -> None:
    problem, place = PROBLEMS[name]
    path = written(tmp_path, lt.run({**problem, "ask": []}))
    book = openpyxl.load_workbook(path)
    cell = weight_cell(book, place)
    cell.value += 0.75
    new = cell.value
    book.save(path)
    assert computed(path, lt.run({**changed(problem, place, new), "ask": []}))
    with pytest.raises(AssertionError):
        computed(path, lt.run({**problem, "ask": []}))


@pytest.mark.few(0)
@settings(max_examples=10, phases=[Phase.generate])  # a file each: too slow to be made smaller
@given(cells())
def test_formulas_of_random_cells(tmp_path_factory: pytest.TempPathFactory, case: Case) -> None:
    trace = lt.run(case.weights, case.x, cell={"equations": case.text}, initial=case.initial)
    assert computed(written(tmp_path_factory.mktemp("random"), trace), trace)


@pytest.mark.few(0)
@pytest.mark.parametrize("name", ["question 22", "lengths", "every operation"])
def test_results_so_far_are_the_recorded_numbers(tmp_path: Path, name: str) -> None:
    trace = lt.run({**PROBLEMS[name][0], "ask": []})
    book = openpyxl.load_workbook(written(tmp_path, trace), data_only=True)
    found = list(values(book, trace, lambda sheet, address: book[sheet][address].value))
    assert [value for _, _, value in found] == [recorded for _, recorded, _ in found]
    for sheet in book.sheetnames:
        if sheet.startswith("Recorded"):
            live = book[sheet.replace("Recorded", "Layer")]
            numbers = [c for row in book[sheet].iter_rows(min_row=6) for c in row if c.value is not None]
            assert numbers
            for cell in numbers:  # numbers in the file have 16 digits
                assert cell.value == pytest.approx(live[cell.coordinate].value, rel=1e-15, abs=0)


@pytest.mark.few(0)
def test_formulas_are_short_and_read_like_the_equations(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(written(tmp_path, lt.run(two_layers())))
    sheet = book["Layer 1 forward"]
    at = columns_of(book, "Layer 1 forward")
    first = {name: sheet.cell(6, column) for name, column in at.items()}
    x, h, z = (first[name].column_letter for name in ("x_t", "h_prev", "z_i"))
    end = sheet.cell(6, at["x_t"] + 3).column_letter
    assert first["W_xi @ x_t"].value == f"=SUMPRODUCT(INDEX(W_xi_1f,1,0),{x}6:{end}6)"
    assert first["i_t"].value == f"=IF({z}6<-700,0,1/(1+EXP(-{z}6)))"
    assert first["z_i"].value.endswith("6+INDEX(b_i_1f,1)")
    assert first["x_t"].value == f"='Layer 0 joined'!{openpyxl.utils.get_column_letter(7)}6"
    assert first["h_prev"].value == "=INDEX(h0_1f,1,1)"
    assert sheet[f"{h}7"].value == f"={first['h_t'].column_letter}6"
    back = book["Layer 1 reverse"]
    assert back[f"{h}8"].value == "=INDEX(h0_1r,1,1)"
    assert back[f"{h}7"].value == f"={first['h_t'].column_letter}8"


@pytest.mark.few(0)
def test_steps_as_the_problem_counts_them_are_beside_t(tmp_path: Path) -> None:
    problem = yaml.safe_load(text("three-steps"))
    trace = lt.run(problem, tokens=["sun", "rain", "fog"], arithmetic="float64")
    book = openpyxl.load_workbook(written(tmp_path, trace))
    for name in ("Inputs", "Layer 0 forward", "Recorded 0 forward"):
        rows = [[cell.value for cell in row[:4]] for row in book[name].iter_rows(min_row=5, max_row=8)]
        assert rows == [
            ["row", "t", "step", "token"], [0, 0, 1, "sun"], [0, 1, 2, "rain"], [0, 2, 3, "fog"],
        ]  # fmt: skip
    del problem["count_from"]
    book = openpyxl.load_workbook(written(tmp_path, lt.run(problem)))
    assert [cell.value for cell in book["Inputs"][5][:3]] == ["row", "t", "[0] sun"]


@pytest.mark.few(0)
def test_the_formulas_of_the_documentation(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "spreadsheet.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `[^`]+` \| `(=[^`]+)`", page, re.MULTILINE)
    sheet = openpyxl.load_workbook(written(tmp_path, lt.run(yaml.safe_load(text("three-steps")))))["Layer 0 forward"]
    assert len(told) == 4
    assert set(told) <= {cell.value for cell in sheet[6]}


def test_names_of_ranges_are_none_that_look_like_addresses(tmp_path: Path) -> None:
    equations = "h_t = tanh(C1 * x_t + R1C1 + W * x_t + w * x_t + b1)\noutput: h_t"
    weights = {name: [float(at)] for at, name in enumerate(("C1", "R1C1", "W", "w", "b1"), 1)}
    trace = lt.run(weights, [[0.5]], cell={"equations": equations})
    path = written(tmp_path, trace)
    names = {name for name in openpyxl.load_workbook(path).defined_names if not name.startswith("_")}
    assert names == {"C1_0f", "R1C1_0f", "W_0f", "w_0f_2", "b1_0f", "x_t"}  # case does not count
    assert all(re.fullmatch(r"[^\W\d]\w*_\d+[frj](_\d+)?|x_t|lengths", name) for name in names)
    assert computed(path, trace)


EVIL = [
    "=1+1",
    '=HYPERLINK("http://evil")',
    "+1",
    "@SUM(1)",
    "<r><t>x</t></r>",
    "http://x",
    "_x0041_",
    "a\x01b",
    "\ud800",
]


@pytest.mark.few(0)
@pytest.mark.parametrize("label", EVIL)
def test_titles_and_labels_are_texts(tmp_path: Path, label: str) -> None:
    trace = lt.run({**PROBLEMS["question 22"][0], "ask": []})
    header = replace(trace.header, title=label, names={"x": [label, label, "x"], "h": [label, label]})
    plain = openpyxl.load_workbook(written(tmp_path, trace))
    book = openpyxl.load_workbook(written(tmp_path, replace(trace, header=header)))
    shown = {"a\x01b": "a\ufffdb", "_x0041_": "_x005F_x0041_", "\ud800": "\ufffd"}.get(label, label)
    assert book["Read me"]["A1"].data_type == "s"
    assert str(book["Read me"]["A1"].value).strip() == shown
    assert str(book["Inputs"]["C5"].value) == f"[0] {shown}"
    for sheet in plain:  # not a formula more
        count = [sum(c.data_type == "f" for row in s.iter_rows() for c in row) for s in (sheet, book[sheet.title])]
        assert count[0] == count[1]
        assert not [link for link in book[sheet.title]._hyperlinks if link.target]


def test_labels_stand_over_inputs_and_units(tmp_path: Path) -> None:
    trace = lt.run({**PROBLEMS["question 22"][0], "ask": [], "names": {"x": ["a", "b", "c"], "h": ["u", "v"]}})
    book = openpyxl.load_workbook(written(tmp_path, trace))
    assert [cell.value for cell in book["Inputs"][5][2:5]] == ["[0] a", "[1] b", "[2] c"]
    at = columns_of(book, "Layer 0 forward")
    assert book["Layer 0 forward"].cell(5, at["i_t"] + 1).value == "[1] v"
    weights = book["Weights 0 forward"]
    assert [cell.value for cell in weights[4][1:4]] == ["[0] a", "[1] b", "[2] c"]
    assert [weights["A5"].value, weights["A6"].value] == ["[0] u", "[1] v"]


def test_values(tmp_path: Path) -> None:
    trace = lt.run(two_layers())
    book = openpyxl.load_workbook(written(tmp_path, trace, values=True))
    assert book.sheetnames == ["Read me", *(f"Layer {n} {d}" for n in (0, 1) for d in ("forward", "reverse", "joined"))]
    assert not [c for sheet in book for row in sheet.iter_rows() for c in row if c.data_type == "f"]
    found = list(values(book, trace, lambda sheet, address: book[sheet][address].value))
    assert all(value == pytest.approx(recorded, rel=1e-15, abs=0) for _, recorded, value in found)


@pytest.mark.few(0)
def test_part_of_a_trace_begins_with_what_was_recorded(tmp_path: Path) -> None:
    trace = stacked(steps=5)
    path = written(tmp_path, trace, selection=Selection(layer=1, direction="reverse", steps=slice(1, 4), batch=1))
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == [
        "By hand", "Read me", "Weights 1 reverse", "Layer 1 reverse", "Check", "Recorded 1 reverse"
    ]  # fmt: skip
    sheet, at = book["Layer 1 reverse"], columns_of(book, "Layer 1 reverse")
    assert [[cell.value for cell in row[:2]] for row in sheet.iter_rows(min_row=6)] == [[1, 1], [1, 2], [1, 3]]
    state = trace.operand("1/reverse", "h_prev")
    assert state is not None
    assert sheet.cell(8, at["h_prev"]).value == pytest.approx(state[3, 1, 0], rel=1e-15)  # a number, not a formula
    assert sheet.cell(7, at["h_prev"]).data_type == "f"
    assert isinstance(sheet.cell(6, at["x_t"]).value, float)  # layer 0 is not there to be read
    sheets = Sheets(path)
    found = [sheets("Layer 1 reverse", sheet.cell(6, at["h_t"] + j).coordinate) for j in range(3)]
    assert found == pytest.approx(trace.lines["1/reverse"]["h_t"][1, 1].tolist(), rel=1e-12)


def test_lines_without_their_operands_are_numbers(tmp_path: Path) -> None:
    trace = lt.run({**PROBLEMS["question 22"][0], "ask": []})
    book = openpyxl.load_workbook(written(tmp_path, trace, selection=Selection(only=("z_i", "i_t"))))
    sheet, at = book["Layer 0 forward"], columns_of(book, "Layer 0 forward")
    assert list(at) == ["z_i", "i_t"]
    assert sheet.cell(6, at["z_i"]).data_type == "n"
    assert sheet.cell(6, at["z_i"]).font.italic
    assert sheet.cell(6, at["i_t"]).value.startswith("=IF(")
    kept = lt.prepare(PROBLEMS["question 22"][0]).run(ask=["h_t"], record=["c_t", "h_t", "o_t"])
    book = openpyxl.load_workbook(written(tmp_path, kept))
    assert list(columns_of(book, "Layer 0 forward")) == ["o_t", "c_t", "h_t"]
    assert not [c for c in book["Layer 0 forward"][6] if c.data_type == "f"]


@pytest.mark.few(0)
def test_question_19_shows_what_was_asked_for(tmp_path: Path) -> None:
    trace = lt.run(QUESTION_19)
    path = written(tmp_path, trace)
    assert list(columns_of(openpyxl.load_workbook(path), "Layer 0 forward"))[-1] == "i_t"
    assert computed(path, trace) == 8


def test_what_is_no_number_is_an_error_that_spreads(tmp_path: Path) -> None:
    trace = lt.run({"b": [1.0, 2.0]}, [[np.nan, np.inf]], cell={"equations": "h_t = exp(b * x_t)\noutput: h_t"})
    path = written(tmp_path, trace)
    book, shown = openpyxl.load_workbook(path), openpyxl.load_workbook(path, data_only=True)
    assert [cell.value for cell in book["By hand"]["B"][6:8]] == ["=NA()", "=1/0"]  # where it is to be changed
    assert [cell.value for cell in shown["Layer 0 forward"][6][-2:]] == ["#N/A", "#NUM!"]


@pytest.mark.parametrize(
    ("job", "text"),
    [
        ({"shape": "wide"}, "shape wide is for tables"),
        ({"with_inputs": True}, "with inputs is for tables"),
        ({"dialect": "excel"}, r"dialect excel is for \.csv"),
        ({"selection": Selection(unit=0)}, "--unit is for tables"),
    ],
)
def test_options_of_tables_are_refused(tmp_path: Path, job: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionError, match=text):
        written(tmp_path, lt.run(QUESTION_19), **job)
    assert not list(tmp_path.iterdir())


def test_a_selection_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="i_tt"):
        written(tmp_path, lt.run(QUESTION_19), selection=Selection(only="i_tt"))
    with pytest.raises(OptionError, match=r"--values is for \.xlsx"):
        export(ExportJob(lt.run(QUESTION_19), values=True), tmp_path / "x.csv")
    assert not list(tmp_path.iterdir())


def test_without_xlsxwriter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(OptionError, match=r"-m pip install 'XlsxWriter>=3.1', or write .csv"):
        written(tmp_path, lt.run(QUESTION_19))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("limit", "most", "text"),
    [
        ("ROWS", 80, r"85 rows \(a sheet has 80\); --steps 0:37 would fit"),
        ("COLUMNS", 60, r"\d+ columns \(a sheet has 60\); --only h_t,c_t,y_t would fit"),
        ("SHEETS", 19, r"24 sheets \(at most 19 are written\); --layer 0 would fit"),
        ("CELLS", 25000, r"[\d,]+ cells \(no spreadsheet opens more than 25,000 .*; --steps 0:19 would fit"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, text: str
) -> None:
    trace = stacked(steps=40)
    monkeypatch.setattr(limits, limit, most)
    with pytest.raises(TooLargeError, match=text) as error:
        written(tmp_path, trace)
    assert not list(tmp_path.iterdir())
    assert str(error.value).endswith(".csv and .parquet have no limit")


def test_refused_before_anything_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = two_layers(batch=2, lengths=[3, 1])
    (tmp_path / "q.json").write_text(json.dumps(problem))
    monkeypatch.setattr(limits, "CELLS", 900)
    trace = lt.run(problem)
    with pytest.raises(TooLargeError) as error:
        written(tmp_path, trace)
    monkeypatch.setattr(lt.Model, "run", lambda *_: pytest.fail("it was computed"))
    result = cli(tmp_path / "q.json", "-o", tmp_path / "q.xlsx")
    assert result.exit_code == 2
    assert str(error.value) in result.stderr  # the same as for the trace itself
    assert "--steps 0:" in result.stderr or "--layer 0" in result.stderr


@pytest.mark.few(6)
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_sizes_are_known_before(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    problem = PROBLEMS[name][0]
    seen = []
    monkeypatch.setattr(limits, "fitting", lambda trace, *_: seen.append(trace))
    limits.refuse(lt.prepare(problem), Selection(), True)
    books = [lay_out(trace, Selection()) for trace in (seen[0], lt.run(problem))]
    assert limits.size(books[0]) == limits.size(books[1])
    assert limits.cells(books[0]) == limits.cells(books[1])
    assert [grid.blocks for grid in books[0].grids.values()] == [grid.blocks for grid in books[1].grids.values()]


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text(
        "weights: {W: [[0.5, 1]]}\nx: [[1, 2], [3, 4]]\ncell: {equations: 'h_t = W @ x_t'}\n"
    )
    result = cli(tmp_path / "q.yaml", "-o", tmp_path / "q.xlsx", "--steps", "1:")
    assert result.exit_code == 0, result.output
    sheet = openpyxl.load_workbook(tmp_path / "q.xlsx")["Layer 0 forward"]
    assert [cell.value for cell in sheet[6]] == [0, 1, "=Inputs!C6", "=Inputs!D6", "=SUMPRODUCT(INDEX(W_0f,1,0),C6:D6)"]
    assert cli(tmp_path / "q.yaml", "-o", tmp_path / "v.xlsx", "--values").exit_code == 0
    assert openpyxl.load_workbook(tmp_path / "v.xlsx").sheetnames == ["Read me", "Layer 0 forward"]
    assert cli(tmp_path / "q.yaml", "-o", tmp_path / "v.xlsx", "--shape", "wide").exit_code == 2


def test_a_sheet_that_no_archive_holds_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zipfile.ZIP64_LIMIT", 100)
    with pytest.raises(TooLargeError, match="more than 4 GB"):
        written(tmp_path, lt.run(QUESTION_19))
    assert not [*tmp_path.iterdir()]
