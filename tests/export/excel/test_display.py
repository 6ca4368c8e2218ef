"""How a workbook shows its numbers, by the rules of the format and without a spreadsheet program.

`tests/office` looks at what LibreOffice prints. Here: the formats themselves, and which cells each rule is for.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lstm_trace.errors import OptionError
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.formulas.numbers import Style
from lstm_trace.trace.trace import Trace

from ...support.sheet_cases import columns_of, two_layers
from ...support.signs import NUMBERS, shown, signed
from ...support.tiers import some

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("xlsxwriter")

LENGTHS = [None, [2, 1]]


def written(folder: Path, trace: Trace, **job: Any) -> Path:
    export(ExportJob(trace, **job), folder / "x.xlsx")
    return folder / "x.xlsx"


def holds(formula: str, first: str, cell: Any, sheet: Any) -> bool:
    """Whether a rule's formula, written for the cell `first`, is true for `cell`: addresses move along."""

    def moved(match: re.Match[str]) -> str:
        fixed, letters, row = match.groups()
        begin = openpyxl.utils.cell.coordinate_from_string(first)
        across = 0 if fixed else cell.column - openpyxl.utils.column_index_from_string(begin[0])
        column = openpyxl.utils.column_index_from_string(letters) + across
        return repr(sheet.cell(int(row) + cell.row - begin[1], column).value)

    assert not formula.startswith("="), "in a file a formula begins without it"
    text = re.sub(r"(\$?)\b([A-Z]{1,3})(\d+)\b", moved, formula)
    text = re.sub(r"(?<![<>!])=", "==", text.replace("<>", "!="))
    words = {"OR": lambda *found: any(found), "AND": lambda *found: all(found), "ABS": abs}
    return bool(eval(text, {"__builtins__": {}, **words}))  # noqa: S307 - our own formula


def format_of(cell: Any, sheet: Any) -> str:
    """The number format in which a cell is shown: that of the first rule that holds and has one, else its own."""
    areas = [area for area in sheet.conditional_formatting if cell.coordinate in area.sqref]
    found = sorted(((rule, area) for area in areas for rule in area.rules), key=lambda pair: pair[0].priority)
    for rule, area in found:
        if rule.type == "colorScale":  # it changes the colour alone
            continue
        first = str(area.sqref).split()[0].split(":")[0]
        if rule.type == "expression":
            applies = holds(rule.formula[0], first, cell, sheet)
        else:
            low, high = map(float, rule.formula)
            applies = (low <= cell.value <= high) is (rule.operator == "between")
        if applies and rule.dxf.numFmt:
            return str(rule.dxf.numFmt.formatCode)
    return str(cell.number_format)


def told(value: float, form: str) -> str:
    """A number in one of the formats that we write."""
    if form == "General":
        return repr(value)
    places = len(form.partition("E")[0].partition(".")[2])
    return f"{value:.{places}E}" if "E" in form else f"{value + 0.0:.{places}f}"


@pytest.mark.few(1)
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("digits", [None, 0, 3, 17])
def test_no_number_format_has_sections(tmp_path: Path, digits: int | None, lengths: Any) -> None:
    """Programs disagree about the minus sign in sections with conditions, so there are none, anywhere."""
    with zipfile.ZipFile(written(tmp_path, signed(lengths), digits=Style(digits))) as archive:
        codes = re.findall(r'formatCode="([^"]*)"', archive.read("xl/styles.xml").decode())
    assert len(codes) >= 4
    assert not [code for code in codes if ";" in code or "[" in code or "&" in code]


@pytest.mark.few(0)
@pytest.mark.parametrize("job", [{}, {"values": True}, {"digits": Style(3)}])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_every_number_is_shown_with_its_sign_and_size(tmp_path: Path, lengths: Any, job: dict[str, Any]) -> None:
    book = openpyxl.load_workbook(written(tmp_path, signed(lengths), **job), data_only=True)
    digits = job.get("digits", Style(6)).digits
    steps = [sheet for sheet in book if sheet.title.startswith(("Layer", "Recorded"))]
    assert len(steps) == (3 if "values" in job else 6)
    for sheet in steps:
        rows = sheet.iter_rows(min_row=6, min_col=3)
        cells = [cell for row in rows for cell in row if cell.value is not None]
        free = [cell for cell in cells if cell.number_format == "General"]
        assert {cell.fill.fgColor.rgb for cell in free} <= {"FFDDEBF7"}  # blue: numbers to be changed
        texts = {told(cell.value, format_of(cell, sheet)) for cell in cells if cell not in free}
        assert texts == {shown(cell.value, digits) for cell in cells if cell not in free}
        assert {shown(number, digits) for number in NUMBERS if number < 0} <= texts


@pytest.mark.few(0)
def test_a_column_is_wide_enough(tmp_path: Path) -> None:
    for digits in some((6, 3, 12), 1):
        book = openpyxl.load_workbook(written(tmp_path, signed(), digits=Style(digits)))
        widest = max(len(f"{-99999.25:.{digits}f}"), len(f"{-2.5e300:.{digits}E}"))
        for sheet in book:
            if sheet.title.startswith(("Layer", "Recorded")):
                at = [name for name, found in sheet.column_dimensions.items() if found.min > 2]
                assert min(sheet.column_dimensions[name].width for name in at) >= widest


def test_digits_of_one_line_are_for_tables(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"--digits LINE=N is for \.csv and \.tsv"):
        written(tmp_path, signed(), digits=Style(None, lines={"h_t": 2}))
    assert not list(tmp_path.iterdir())


# -- padding -----------------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
def test_padding_is_grey_on_every_sheet_of_steps(tmp_path: Path) -> None:
    import lstm_trace as lt

    trace = lt.run(two_layers(batch=2, lengths=[3, 1]), ask=[])
    book = openpyxl.load_workbook(written(tmp_path, trace), data_only=True)
    steps = [sheet for sheet in book if sheet.title.startswith(("Layer", "Recorded"))]
    assert len(steps) == 12
    for sheet in steps:
        at = columns_of(book, sheet.title)["valid"]
        grey = set()
        for area in sheet.conditional_formatting:
            for rule in area.rules:
                if rule.type != "colorScale" and rule.dxf.fill is not None and rule.dxf.numFmt is None:
                    first = str(area.sqref).split(":")[0]
                    for row in sheet[str(area.sqref)]:
                        grey |= {cell.coordinate for cell in row if holds(rule.formula[0], first, cell, sheet)}
        wanted = set()
        for row in sheet.iter_rows(min_row=6):
            assert row[at - 1].value == (1 if row[1].value < [3, 1][row[0].value] else 0)
            if row[1].value >= [3, 1][row[0].value]:
                wanted |= {cell.coordinate for cell in row}
        assert grey == wanted
        assert wanted


@pytest.mark.few(0)
@pytest.mark.parametrize("lengths", [None, [3, 3]])
def test_without_padding_nothing_is_marked(tmp_path: Path, lengths: Any) -> None:
    import lstm_trace as lt

    book = openpyxl.load_workbook(written(tmp_path, lt.run(two_layers(batch=2, lengths=lengths), ask=[])))
    assert "valid" not in columns_of(book, "Layer 0 joined")
    assert not [
        rule
        for sheet in book
        if sheet.title != "Check"
        for area in sheet.conditional_formatting
        for rule in area.rules
        if rule.type != "colorScale" and rule.dxf.fill is not None
    ]


@pytest.mark.few(0)
def test_plain_numbers_leave_padding_out(tmp_path: Path) -> None:
    import lstm_trace as lt

    trace = lt.run(two_layers(batch=2, lengths=[3, 1]), ask=[])
    inside = [(0, 0), (0, 1), (0, 2), (1, 0)]
    for padding, places in ((False, inside), (True, [*inside, (1, 1), (1, 2)])):
        book = openpyxl.load_workbook(written(tmp_path, trace, values=True, padding=padding))
        for stage in trace.stages:
            sheet = book[f"Layer {stage.layer} {stage.direction}"]
            at = columns_of(book, sheet.title)
            rows = list(sheet.iter_rows(min_row=6, values_only=True))
            assert [row[:2] for row in rows] == places
            assert ("valid" in at) is padding
            for row in rows:
                if padding:
                    assert row[at["valid"] - 1] == int((row[0], row[1]) in inside)
                recorded = trace.lines[stage.scope]["y_t"][row[1], row[0], 0]
                assert row[at["y_t"] - 1] == pytest.approx(recorded, rel=1e-15)


def test_padding_of_formulas_is_kept_anyway(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="padding is kept there and shown in grey"):
        written(tmp_path, signed([2, 1]), padding=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.few(0)
def test_a_mask_stands_on_the_first_sheet_to_be_changed(tmp_path: Path) -> None:
    """Padding in front and gaps, which no lengths say: numbers in place of the formula over the lengths."""
    import lstm_trace as lt

    mask = [[0, 1], [1, 0], [1, 1]]
    trace = lt.run(two_layers(batch=2, mask=mask), ask=[])
    book = openpyxl.load_workbook(written(tmp_path, trace))
    first, *others = (sheet for sheet in book if sheet.title.startswith("Layer"))
    at = columns_of(book, first.title)["valid"] - 1
    rows = list(first.iter_rows(min_row=6))
    assert [row[at].value for row in rows] == [mask[row[1].value][row[0].value] for row in rows]
    assert {row[at].fill.fgColor.rgb for row in rows} == {"FFDDEBF7"}
    for sheet in others:
        at = columns_of(book, sheet.title)["valid"] - 1
        assert all(str(row[at].value).startswith("=") for row in sheet.iter_rows(min_row=6))
    assert "lengths" not in book.defined_names
    plain = openpyxl.load_workbook(written(tmp_path, trace, values=True))
    for sheet in plain:
        if sheet.title.startswith("Layer"):
            rows = list(sheet.iter_rows(min_row=6, max_col=2, values_only=True))
            assert rows == [(b, t) for b in range(2) for t in range(3) if mask[t][b]]
