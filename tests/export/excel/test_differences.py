"""The workbook of two runs without a spreadsheet program: what is stored, where, and the rules that colour it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, TooLargeError
from lstm_trace.export.differences import DifferenceJob
from lstm_trace.export.excel import limits
from lstm_trace.export.excel.differences import write
from lstm_trace.trace.trace import Trace
from lstm_trace.verification.measures import Modification

from ...support.sheet_cases import columns_of
from ...support.table_cases import stacked

WAYS = ("0/forward", "0/reverse", "1/forward", "1/reverse")
openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("xlsxwriter")


def pair(**changed: Any) -> tuple[Trace, Trace]:
    a = stacked(**changed)
    weights = {f"{s}/{n}": w.copy() for s, here in a.parameters.items() for n, w in here.items()}
    weights["0/forward/W_xf"][1, 0] += 0.5
    weights["1/reverse/b_o"][2] = -1.5
    x = a.x.copy()  # type: ignore[union-attr]
    x[2, 1, 3] = 4.0
    return a, lt.run(weights, x, lengths=a.lengths)


@pytest.fixture(scope="module")
def traces() -> tuple[Trace, Trace]:
    return pair(lengths=[4, 3])


def opened(folder: Path, a: Trace, b: Trace) -> Any:
    lt.diff(a, b).save(folder / "d.xlsx")
    return openpyxl.load_workbook(folder / "d.xlsx", data_only=True)


@pytest.fixture(scope="module")
def books(traces: tuple[Trace, Trace], tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The workbook of the traces with its formulas, and with the stored numbers."""
    folder = tmp_path_factory.mktemp("books")
    stored = opened(folder, *traces)
    return openpyxl.load_workbook(folder / "d.xlsx"), stored


@pytest.mark.few(0)
def test_the_sheets_of_both_follow_those_of_the_differences(books: tuple[Any, Any]) -> None:
    _, book = books
    places = [f"{layer} {way}" for layer in (0, 1) for way in ("forward", "reverse", "joined")]
    weighted = [place for place in places if "joined" not in place]
    sides = [
        [
            f"Inputs {s}",
            f"Initial states {s}",
            *(f"Weights {p} {s}" for p in weighted),
            *(f"Layer {p} {s}" for p in places),
        ]
        for s in "BA"
    ]
    assert book.sheetnames == ["Difference", *(f"Difference {place}" for place in places), *sides[0], *sides[1]]
    assert max(map(len, book.sheetnames)) <= 31
    names = [*book.defined_names]
    assert {name[-2:] for name in names} == {"_A", "_B"}
    assert {name[:-1] for name in names if name[-1] == "A"} == {name[:-1] for name in names if name[-1] == "B"}


def test_stored_numbers_are_b_minus_a_and_padding_is_empty(traces: tuple[Trace, Trace], books: tuple[Any, Any]) -> None:
    (a, b), (_, book) = traces, books
    for scope in ("0/forward", "1/reverse"):
        sheet = book[f"Difference {scope.replace('/', ' ')}"]
        for name, first in columns_of(book, sheet.title).items():
            one, two = a.lines[scope][name], b.lines[scope][name]
            for i, t, j in np.ndindex(2, 4, 3):
                cell = sheet.cell(6 + 4 * i + t, first + j).value
                assert cell == (None if (i, t) == (1, 3) else two[t, i, j] - one[t, i, j])
    summary = {(row[0], row[1]): row[2:6] for row in book["Difference"].iter_rows(values_only=True)}
    size = np.abs(b.lines["1/forward"]["h_t"] - a.lines["1/forward"]["h_t"])
    size[3, 1] = 0.0
    t, i, j = np.argwhere(size == size.max())[0]
    assert summary["Difference 1 forward", "h_t"] == (24, size.max(), 0, f"1/forward/{t}/{i}/h_t[{j}]")
    assert summary["Difference 0 forward", "W_xi @ x_t"][3] == f"0/forward/2/1/W_xi @ x_t[{_most(a, b)}]"
    assert summary["padding", "a step that is not part of its sequence (valid is 0)"]
    assert summary["differs", "a number of b that is not a's, or a largest difference that is not 0"]


def _most(a: Trace, b: Trace) -> int:
    return int(np.abs(b.lines["0/forward"]["W_xi @ x_t"] - a.lines["0/forward"]["W_xi @ x_t"])[2, 1].argmax())


@pytest.mark.few(0)
def test_on_paper_every_page_has_the_title_which_no_column_cuts_off(
    traces: tuple[Trace, Trace], tmp_path: Path
) -> None:
    book = opened(tmp_path, *traces)
    for sheet in book:
        if sheet.title.startswith(("Difference ", "Layer", "Inputs", "Initial")):
            assert sheet["A1"].value in sheet.oddHeader.left.text
            assert sheet.print_title_rows == "$3:$5"
            there = openpyxl.utils.range_boundaries(sheet.print_area.rpartition("!")[2].replace("$", ""))
            assert there == (1, 3, sheet.max_column, sheet.max_row)
        assert sheet.title[-2] != " " or f"({sheet.title[-1]})" in sheet["A1"].value
        assert (sheet.oddFooter.left.text, sheet.oddFooter.right.text) == ("&A", "&P")


@pytest.mark.few(0)
def test_a_stream_takes_the_workbook_of_a_file(traces: tuple[Trace, Trace], books: tuple[Any, Any]) -> None:
    stream = io.BytesIO()
    lt.diff(*traces).save(stream, format="xlsx")
    book, of_file = openpyxl.load_workbook(stream), books[0]
    assert book.sheetnames == of_file.sheetnames
    rows = [[*sheet.iter_rows(values_only=True)] for sheet in (book["Difference"], of_file["Difference"])]
    assert rows[0] == rows[1]


@pytest.mark.few(0)
def test_what_was_changed_stands_first(traces: tuple[Trace, Trace], books: tuple[Any, Any], tmp_path: Path) -> None:
    (a, b), (_, book) = traces, books
    rows = [row[:4] for row in book["Difference"].iter_rows(min_row=4, max_row=8, values_only=True)]
    one, two = (trace.parameters["0/forward"]["W_xf"][1, 0] for trace in (a, b))
    output = lt.diff(a, b).output
    assert output is not None
    assert rows[0] == ("what was changed", "a", "b", "contribution")
    assert str(output.address) in book["Difference"]["A3"].value
    named = {row[0]: row[1:3] for row in rows[1:4]}
    assert named["0/forward/W_xf[1,0]"] == (one, two)
    assert named["1/reverse/b_o[2]"] == (a.parameters["1/reverse"]["b_o"][2], -1.5)
    assert any("x_t" in place and values[1] == 4.0 for place, values in named.items())
    whole = output.values[1] - output.values[0]
    for row in book["Difference"].iter_rows(min_row=5, max_row=7):
        assert row[4].value == pytest.approx(row[3].value / whole, abs=1e-15)
        assert row[4].number_format == "0.00%"
        assert row[1].number_format == row[2].number_format == row[3].number_format
    assert sum(row[3] for row in rows[1:4]) == pytest.approx(output.values[1] - output.values[0], abs=1e-12)
    assert rows[4][0] is None
    small = stacked(1, 1, 1, 1, ("forward",))
    same = openpyxl.load_workbook(_saved(lt.diff(small, small), tmp_path / "same.xlsx"))
    assert same["Difference"]["A5"].value == "no weight, input or initial state"


@pytest.mark.few(0)
@pytest.mark.parametrize("lengths", [None, [4, 3]])
def test_what_was_changed_refers_to_the_cells_of_both(lengths: Any, tmp_path: Path) -> None:
    a, b = pair(**({"lengths": lengths} if lengths else {}), c0=np.zeros((4, 2, 3)))
    states = {scope: {n: v.copy() for n, v in here.items()} for scope, here in a.initial.items()}
    states["1/forward"]["c_prev"][1, 2] = 0.75
    b = lt.run(
        {f"{s}/{n}": w for s, here in b.parameters.items() for n, w in here.items()},
        b.x, lengths=b.lengths, c0=np.stack([states[s]["c_prev"] for s in WAYS]), h0=np.zeros((4, 2, 3)),
    )  # fmt: skip
    opened(tmp_path, a, b)
    live, stored = (openpyxl.load_workbook(tmp_path / "d.xlsx", data_only=data) for data in (False, True))
    places = set()
    for row, numbers in zip(
        *(book["Difference"].iter_rows(min_row=5, max_row=8) for book in (live, stored)), strict=True
    ):
        places.add(row[0].value)
        for cell, number, side in zip(row[1:3], numbers[1:3], "AB", strict=True):
            sheet, address = cell.value.removeprefix("='").split("'!")
            assert sheet.endswith(side)
            assert stored[sheet][address].value == pytest.approx(number.value, rel=1e-15)  # XlsxWriter: 16 digits
        assert row[0].hyperlink.location == row[2].value.removeprefix("=")
        assert numbers[1].value != numbers[2].value
    assert {"1/forward/1/c0[2]", "2/1/x_t[3]", "0/forward/W_xf[1,0]", "1/reverse/b_o[2]"} == places


@pytest.mark.few(0)
def test_a_length_refers_to_its_cells(traces: tuple[Trace, Trace], tmp_path: Path) -> None:
    a, b = traces[0], pair(lengths=[4, 2])[1]
    changed = (Modification("valid", "lengths[1]", 3.0, 2.0, array="lengths"),)
    write(DifferenceJob.between(a, b, changed=changed), tmp_path / "d.xlsx")
    book, stored = (openpyxl.load_workbook(tmp_path / "d.xlsx", data_only=data) for data in (False, True))
    assert [cell.value for cell in book["Difference"][5][1:3]] == ["='Initial states A'!B7", "='Initial states B'!B7"]
    assert [stored[f"Initial states {side}"]["B7"].value for side in "AB"] == [3, 2]
    assert book["Difference"]["A5"].hyperlink.location == "'Initial states B'!B7"


@pytest.mark.few(0)
def test_a_change_of_1e_9_is_not_shown_as_none(tmp_path: Path) -> None:
    a = stacked(3, 1, 1, 3, ("forward",))
    weights = {name: values.copy() for name, values in a.parameters["0/forward"].items()}
    weights["W_xf"][1, 0] += 1e-9
    sheet = opened(tmp_path, a, lt.run(weights, a.x))["Difference"]
    assert [sheet[at].number_format for at in ("B5", "C5")] == ["General", "General"]
    a_and_b = sheet["A3"].value.split("from ")[1].split(" to ")
    assert a_and_b[0] != a_and_b[1].split(",")[0]
    largest = next(cell.coordinate for cell in sheet["D"][7:] if isinstance(cell.value, float) and cell.value)
    areas = [ranges for ranges in sheet.conditional_formatting if largest in ranges.sqref]
    first = min((rule for ranges in areas for rule in ranges.rules), key=lambda rule: rule.priority)
    assert (first.dxf.numFmt.formatCode, first.dxf.fill.bgColor.rgb) == ("0.000000E+00", "FFF8CBAD")
    assert first.formula[0] == "AND(D9>0,OR(D9<=1E-05,D9>100000))"


def _saved(found: Any, path: Path) -> Path:
    found.save(path)
    return path


def test_what_differs_is_marked_where_it_can_be_changed(books: tuple[Any, Any]) -> None:
    book, _ = books
    rules = {
        (sheet.title, str(ranges.sqref)): rule.formula[0]
        for sheet in book
        for ranges in sheet.conditional_formatting
        for rule in ranges.rules
        if rule.formula and "INDEX(" in rule.formula[0]
    }
    areas = {n: d.attr_text.replace("$", "").replace("'", "") for n, d in book.defined_names.items()}
    assert {f"{sheet}!{area}" for sheet, area in rules} == {area for n, area in areas.items() if n.endswith("_B")}
    sheet, _, area = areas["W_xf_0f_B"].rpartition("!")
    top = int(area.partition(":")[0][1:])
    assert rules[sheet, area] == f"B{top}<>INDEX(W_xf_0f_A,ROW()-{top - 1},COLUMN()-1)"
    scales = [
        rule.colorScale.cfvo for r in book["Difference 0 forward"].conditional_formatting for rule in r.rules
        if rule.colorScale
    ]  # fmt: skip
    assert len(scales) == len(columns_of(book, "Difference 0 forward"))
    assert all(float(c[0].val) == -float(c[2].val) < 0 == float(c[1].val) for c in scales)


@pytest.mark.few(0)
def test_what_is_not_finite_leaves_a_difference_empty(tmp_path: Path) -> None:
    a = stacked(3, 1, 1, 3, ("forward",))
    b = replace(a, lines={s: {n: v.copy() for n, v in here.items()} for s, here in a.lines.items()})
    b.lines["0/forward"]["i_t"][1, 0] = [np.nan, np.inf, 0.5]
    book = opened(tmp_path, a, b)
    sheet, first = book["Difference 0 forward"], columns_of(book, "Difference 0 forward")["i_t"]
    assert [sheet.cell(7, first + j).value for j in range(3)] == [None, None, 0.5 - a["i_t"][1, 0, 2]]
    summary = {row[1]: row[2:5] for row in book["Difference"].iter_rows(values_only=True)}
    assert "a step that is not part of its sequence (valid is 0)" not in summary, "there is none"
    assert summary["i_t"] == (9, abs(0.5 - a["i_t"][1, 0, 2]), 2)
    (said,) = (text for (text, *_) in book["Difference"].iter_rows(values_only=True) if str(text).startswith("in "))
    assert said.startswith("in b: 0/forward/1/0/i_t[0] is nan, the first value that is not finite: ")
    letter = openpyxl.utils.get_column_letter(columns_of(book, "Layer 0 forward A")["i_t"])
    formula = openpyxl.load_workbook(tmp_path / "d.xlsx")["Difference 0 forward"].cell(7, first).value
    assert formula == f"=IFERROR('Layer 0 forward B'!{letter}7-'Layer 0 forward A'!{letter}7,\"\")"


@pytest.mark.few(0)
def test_of_two_cells_the_lines_that_both_have_are_compared(tmp_path: Path) -> None:
    a = stacked(3, 1, 1, 3, ("forward",))
    weights = {n: w for n, w in a.parameters["0/forward"].items() if n[-1] != "f"}
    b = lt.run(weights, a.x, cell={"kind": "lstm", "coupled": True})
    book = opened(tmp_path, a, b)
    names = columns_of(book, "Difference 0 forward")
    assert "z_f" not in names
    sheet = book["Difference 0 forward"]
    for t, j in np.ndindex(3, 3):
        assert sheet.cell(6 + t, names["c_t"] + j).value == b["c_t"][t, 0, j] - a["c_t"][t, 0, j]


@pytest.mark.few(0)
def test_what_does_not_fit_is_refused(
    traces: tuple[Trace, Trace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CELLS", 3000)
    with pytest.raises(TooLargeError, match=r"cells \(no spreadsheet .*; \.csv and \.parquet have no limit"):
        lt.diff(*traces).save(tmp_path / "d.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_other_results_have_no_workbook(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"results are written as .*, not \.xlsx"):
        lt.verify(stacked(2, 1, 1, 2)).save(tmp_path / "v.xlsx")
