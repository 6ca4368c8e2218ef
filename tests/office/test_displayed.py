"""What a person reads in a workbook: the text that LibreOffice shows, not the value behind it.

LibreOffice prints the workbook; its pages are read as text and compared with the numbers, cell by cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lstm_trace as lt
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.formulas.numbers import Style

from ..support.sheet_cases import weight_cell
from ..support.signs import NUMBERS, shown, signed
from ..support.table_cases import stacked

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("xlsxwriter")

Rows = dict[tuple[str, ...], list[str]]
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:E[+-]\d+)?")


def sheets_of(pages: list[str], book: Any) -> dict[str, list[list[str]]]:
    """The words of every line that is shown, by sheet; a sheet begins with its title, a page ends with its foot."""
    titles = [(str(sheet["A1"].value), sheet.title) for sheet in book]
    found: dict[str, list[list[str]]] = {}
    at = -1
    for number, page in enumerate(pages, 1):
        first = re.sub(r" +unit +\d+$", "", page.strip().partition("\n")[0])  # beside a unit's title its number stands
        if at + 1 < len(titles) and first == titles[at + 1][0]:
            at += 1
        *lines, foot = (line.split() for line in page.rstrip().splitlines())
        assert foot == [*titles[at][1].split(), str(number)]
        found.setdefault(titles[at][1], []).extend(lines)
    assert list(found) == book.sheetnames
    return found


def rows_shown(lines: list[list[str]], keys: int) -> Rows:
    """By first words (row, t, or the number of a unit) the numbers of a row, on all pages that have some of it."""
    rows: Rows = {}
    for words in lines:
        key, rest = tuple(words[:keys]), words[keys:]
        if rest and all(re.fullmatch(r"\[?\d+\]?", word) for word in key) and all(map(NUMBER.fullmatch, rest)):
            rows.setdefault(key, []).extend(rest)
    return rows


def rows_stored(sheet: Any, keys: int) -> dict[tuple[str, ...], list[float]]:
    """The same from the cells."""
    rows: dict[tuple[str, ...], list[float]] = {}
    for cells in sheet.iter_rows(values_only=True):
        key, rest = tuple(str(cell) for cell in cells[:keys]), [cell for cell in cells[keys:] if cell is not None]
        if rest and all(re.fullmatch(r"\[?\d+\]?", word) for word in key) and not any(isinstance(c, str) for c in rest):
            rows.setdefault(key, []).extend(rest)
    return rows


#: What is printed: lengths of the trace, what the job says, and one bias that is changed.
BOOKS: dict[str, tuple[list[int] | None, dict[str, Any], bool]] = {
    "formulas": (None, {}, False),
    "formulas, padding": ([2, 1], {}, False),
    "formulas, 3 digits": (None, {"digits": Style(3)}, False),
    "values": (None, {"values": True}, False),
    "values, padding": ([2, 1], {"values": True, "padding": True}, False),
    "changed": (None, {}, True),
}
Books = dict[str, tuple[Any, dict[str, list[list[str]]]]]


@pytest.fixture(scope="module")
def books(printed: Callable[[list[Path]], list[list[str]]], tmp_path_factory: pytest.TempPathFactory) -> Books:
    """Each workbook with the numbers in its cells, and what is shown on its sheets."""
    folder = tmp_path_factory.mktemp("shown")
    paths = []
    for at, (lengths, job, changed) in enumerate(BOOKS.values()):
        paths.append(folder / f"{at}.xlsx")
        export(ExportJob(signed(lengths), **job), paths[-1])
        if changed:
            book = openpyxl.load_workbook(paths[-1])
            weight_cell(book, ("b", 0, None)).value += 0.75
            book.save(paths[-1])
    stored = [openpyxl.load_workbook(path, data_only=True) for path in paths]
    shown = [sheets_of(pages, book) for book, pages in zip(stored, printed(paths), strict=True)]
    return dict(zip(BOOKS, zip(stored, shown, strict=True), strict=True))


@pytest.mark.parametrize("name", [name for name, (_, _, changed) in BOOKS.items() if not changed])
def test_every_number_is_shown_with_its_sign_and_size(books: Books, name: str) -> None:
    book, sheets = books[name]
    digits = BOOKS[name][1].get("digits", Style(6)).digits
    for sheet in {name for name in book.sheetnames if not name.startswith("Unit ")} - {"Read me", "Check"}:
        keys = 2 if sheet.startswith(("Inputs", "Layer", "Recorded")) else 1
        stored, there = rows_stored(book[sheet], keys), rows_shown(sheets[sheet], keys)
        assert list(there) == list(stored), sheet
        seen = set()
        for key, numbers in stored.items():
            assert len(there[key]) == len(numbers), (sheet, key)
            for number, text in zip(numbers, there[key], strict=True):
                seen.add(number)
                if text != shown(number, digits):  # where numbers are to be changed, all their digits are shown
                    general = not sheet.startswith("Recorded") and float(text) == pytest.approx(number, rel=1e-9, abs=0)
                    assert general, f"{sheet} {key}: {number!r} is shown as {text}"
        assert {number for number in NUMBERS if number < 0} <= seen, sheet  # every kind of number is on every sheet


@pytest.mark.parametrize("name", ["formulas", "formulas, padding", "values"])
def test_results_of_formulas_are_shown_in_places(books: Books, name: str) -> None:
    lines = signed(BOOKS[name][0]).lines["0/forward"]
    for (b, t), texts in rows_shown(books[name][1]["Layer 0 forward"], 2).items():
        wanted = [shown(value) for line in ("g_t", "h_t") for value in lines[line][int(t), int(b)].tolist()]
        assert any(texts[at : at + len(wanted)] == wanted for at in range(len(texts)))


def test_the_chosen_unit_is_shown_in_places(books: Books) -> None:
    """Beside its values a chart stands, whose numbers are on the same lines of text."""
    values, size = signed().lines["0/forward"]["h_t"], len(NUMBERS)
    lines = books["formulas"][1]["Unit 0 forward"]
    unit = next(int(words[-1]) for words in lines if words[-2:-1] == ["unit"])
    assert 0 <= unit < size
    there = {tuple(map(int, words[:2])): words[2] for words in lines if len(words) > 2 and words[1].isdecimal()}
    assert there == {(b, t): shown(values[t, b, unit]) for b in (0, 1) for t in (0, 1)}
    assert max(len(word) for words in lines for word in words) < 20  # the numbers of the axis too


def test_differences_are_shown(books: Books) -> None:
    for name, wanted in (("formulas", {"0"}), ("changed", {"0", "7.5E-01"})):
        lines = books[name][1]["Check"]
        assert {words[-1] for words in lines if words[:3] == ["Layer", "0", "forward"]} == wanted
    assert ["Largest", "difference", "7.5E-01", "changed"] in books["changed"][1]["Check"]


def test_no_difference_is_shown_as_zero(printed: Callable[[list[Path]], list[list[str]]], tmp_path: Path) -> None:
    """The largest of each line, where a weight was changed by 1e-9, and by 1e200."""
    a, paths = stacked(3, 1, 1, 3, ("forward",)), [tmp_path / "small.xlsx", tmp_path / "large.xlsx"]
    for change, path in zip((1e-9, 1e200), paths, strict=True):
        weights = {name: values.copy() for name, values in a.parameters["0/forward"].items()}
        weights["W_xf"][1, 0] += change
        lt.diff(a, lt.run(weights, a.x)).save(path)
    for path, pages in zip(paths, printed(paths), strict=True):
        cells = openpyxl.load_workbook(path, data_only=True)["Difference"].iter_rows(values_only=True)
        stored = {row[1]: row[3] for row in cells if str(row[0]).startswith("Difference 0")}
        there = [re.split(" {2,}", line) for line in pages[0].splitlines() if line.startswith("Difference 0")]
        assert [row[1] for row in there] == list(stored)
        for (_, name, _, text, *_), most in zip(there, stored.values(), strict=True):
            assert text == ("0" if not most else shown(float(text)))
            assert float(text) == pytest.approx(most, rel=1e-3, abs=1e-6 * (most > 1e-6)), name
        assert any(0 < most < 1e-6 or most > 1e6 for most in stored.values())
