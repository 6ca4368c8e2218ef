"""The workbook of two runs, computed again by LibreOffice: b - a; with a weight typed back, what remains; its sums."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.trace.trace import Trace

from ..support.plain_lstm import direction
from ..support.sheet_cases import PROBLEMS, changed, columns_of

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("xlsxwriter")

#: Absolute, for values of order 1: LibreOffice writes 15 digits.
CLOSE = 1e-12
Convert = Callable[[list[Path]], list[Path]]
#: Problems, and what is typed back: nothing, the weight, or all. The two layers alone take LibreOffice some seconds.
CASES = {"lengths": (1,), "peephole": (0, 1, 2), "given": (1,), "every operation": (1,)}
DRAW = np.random.default_rng(2)
LSTM = {f"W_{s}{g}": DRAW.normal(size=(3, 3 if s == "h" else 2)) for s in "xh" for g in "ifco"}
LSTM |= {f"b_{g}": DRAW.normal(size=3) for g in "ifco"}
X, H0, C0 = DRAW.normal(size=(6, 2)), DRAW.normal(size=3), DRAW.normal(size=3)


def pair(name: str) -> tuple[Trace, Trace, Trace]:
    """a; b with two weights changed; and the run in which only the second of them is changed."""
    problem, place = PROBLEMS[name]
    array: Any = problem["weights"][place[0]][place[1]]
    old = array if place[2] is None else array[place[2]]
    other = next(n for n in problem["weights"] if n != place[0] and np.ndim(problem["weights"][n]) == 2)
    second = (other, 0, 1)
    value = problem["weights"][other][0][1] - 0.5
    remaining = changed(problem, second, value)
    both = changed(remaining, place, old + 0.75)
    return tuple(lt.run({**p, "ask": []}) for p in (problem, both, remaining))  # type: ignore[return-value]


def lstm(**entries: float) -> dict[str, np.ndarray]:
    found = {name: values.copy() for name, values in LSTM.items()}
    for name, value in entries.items():
        found[name][(2,) if name.startswith("b") else (1, 0)] = value
    return found


def apart(book: Any, a: Trace, b: Trace) -> Iterator[tuple[str, Any, float]]:
    """(place, cell, expected) of every value of the sheets of differences, found from their headings."""
    for stage in a.stages:
        sheet = f"Difference {stage.layer} {stage.direction}"
        columns = columns_of(book, sheet) if sheet in book.sheetnames else {}
        for name, first in columns.items():
            one, two = (trace.lines[stage.scope][name] for trace in (a, b))
            row = 5
            for i in range(a.batch):
                for t in range(a.steps):
                    row += 1
                    for j in range(one.shape[2]):
                        cell = book[sheet].cell(row, first + j).value
                        if a.valid[t, i, 0] or b.valid[t, i, 0]:
                            yield f"{sheet} {name}[{j}] t={t} row={i}", cell, two[t, i, j] - one[t, i, j]
                        else:
                            assert cell is None


def typed_back(book: Any, marked_only: Any = None) -> None:
    """Type the numbers of a on the sheets of b: those of one cell (sheet, address), or all."""
    for sheet in book.sheetnames:
        if sheet.endswith(" B") and sheet.startswith(("Weights", "Inputs", "Initial")):
            for row in book[sheet].iter_rows():
                for cell in row:
                    if isinstance(cell.value, float | int) and marked_only in (None, (sheet, cell.coordinate)):
                        cell.value = book[f"{sheet[:-1]}A"][cell.coordinate].value


def marked(book: Any) -> list[tuple[str, str]]:
    """The cells whose numbers differ, (sheet, address), under a rule that says so."""
    found = []
    for sheet in book.sheetnames:
        for ranges in book[sheet].conditional_formatting if sheet.endswith(" B") else ():
            if any("INDEX(" in formula for rule in ranges.rules for formula in rule.formula):
                for row in book[sheet][str(ranges.sqref)]:
                    other = book[f"{sheet[:-1]}A"]
                    found += [(sheet, c.coordinate) for c in row if c.value != other[c.coordinate].value]
    return found


@pytest.fixture(scope="module")
def computed(recalculated: Convert, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Path]:
    """The workbook of each case, computed again after the numbers were typed back."""
    folder, paths = tmp_path_factory.mktemp("sheets"), {}
    for at, (name, cases) in enumerate(CASES.items()):
        a, b, _ = pair(name)
        lt.diff(a, b).save(folder / f"{at}.xlsx")
        for back in cases:
            book = openpyxl.load_workbook(folder / f"{at}.xlsx")
            cells = marked(book)
            assert len(cells) == 2
            weight = PROBLEMS[name][1][0].split("/")[-1]
            place = next(c for c in cells if _name_above(book, c) == weight)
            if back:
                typed_back(book, place if back == 1 else None)
            assert len(marked(book)) == 2 - back
            paths[name, back] = folder / f"{at}-{back}.xlsx"
            book.save(paths[name, back])
    return dict(zip(paths, recalculated([*paths.values()]), strict=True))


def _name_above(book: Any, cell: tuple[str, str]) -> str:
    """The name of the parameter of a cell: the nearest in column A above it."""
    sheet, address = cell
    row = book[sheet][address].row
    names = (book[sheet].cell(k, 1).value for k in range(row, 0, -1))
    return next(name for name in names if name and not name.startswith("["))


@pytest.mark.parametrize(("name", "back"), [(name, back) for name, cases in CASES.items() for back in cases])
def test_computed_again_it_is_b_minus_a(computed: dict[tuple[str, int], Path], name: str, back: int) -> None:
    a, b, remaining = pair(name)
    other, path = (b, remaining, a)[back], computed[name, back]
    book = openpyxl.load_workbook(path, data_only=True)
    found = list(apart(book, a, other))
    assert len(found) > 30
    for place, cell, expected in found:
        assert cell == pytest.approx(expected, abs=CLOSE), place
    rows = [row for row in book["Difference"].iter_rows(values_only=True) if str(row[0]).startswith("Difference ")]
    largest: dict[str, float] = {}
    for place, _, expected in found:
        key = place.rpartition("[")[0]
        largest[key] = max(largest.get(key, 0.0), abs(expected))
    assert [f"{sheet} {line}" for sheet, line, *_ in rows] == list(largest)
    for sheet, line, _, most, alone, where, *_ in rows:
        assert most == pytest.approx(largest[f"{sheet} {line}"], abs=CLOSE)
        assert alone == 0
        there = (place for place, cell, _ in found if place.startswith(f"{sheet} {line}[") and abs(cell) == most)
        unit, t, i = re.findall(r"(\d+)(?:\]| |$)", next(there).removeprefix(f"{sheet} {line}"))
        address = f"{sheet.removeprefix('Difference ').replace(' ', '/')}/{t}/{i}/{line}[{unit}]"
        assert (where or "") == (address if most else "")
    assert other is not a or not any(row[3] for row in rows)
    assert other is not b or any(row[3] for row in rows)
    changes = [row[1:3] for row in book["Difference"].iter_rows(min_row=5, max_row=6, values_only=True)]
    assert sum(one != two for one, two in changes) == 2 - back  # what was typed back is the same on both sides


def test_with_a_weight_typed_back_it_shows_what_the_other_changes_do(recalculated: Convert, tmp_path: Path) -> None:
    """Against an LSTM in numpy: W_xf[1,0] typed back leaves the effect of b_o[2], of an input and of a state."""
    x, c0 = X + 0.5 * (np.arange(12) == 7).reshape(6, 2), C0 + np.array([0.0, 0.25, 0.0])
    a, b = lt.run(lstm(), X, h0=H0, c0=C0), lt.run(lstm(W_xf=2.0, b_o=-1.0), x, h0=H0, c0=c0)
    lt.diff(a, b).save(tmp_path / "d.xlsx")
    book = openpyxl.load_workbook(tmp_path / "d.xlsx")
    (back,) = (cell for cell in marked(book) if _name_above(book, cell) == "W_xf")
    typed_back(book, back)
    book.save(tmp_path / "back.xlsx")
    found = openpyxl.load_workbook(recalculated([tmp_path / "back.xlsx"])[0], data_only=True)
    assert sorted(sheet for sheet, _ in marked(book)) == ["Initial states B", "Inputs B", "Weights 0 forward B"]
    without, alone = direction(lstm(), X, H0, C0, range(6)), direction(lstm(b_o=-1.0), x, H0, c0, range(6))
    sheet, first = found["Difference 0 forward"], columns_of(found, "Difference 0 forward")["h_t"]
    for t, j in np.ndindex(6, 3):
        assert sheet.cell(6 + t, first + j).value == pytest.approx(alone[t, j] - without[t, j], abs=CLOSE)
    assert abs(alone - without).max() > 0.1


def test_the_csv_adds_up(converted: Callable[[list[Path], str], list[Path]], tmp_path: Path) -> None:
    """Sums of b - a by line, of the table as LibreOffice reads it, with a NaN and an infinity in it."""
    a, b = (lt.run(w, X, h0=H0, c0=C0) for w in (lstm(), lstm(W_xf=2.0, b_o=-1.0)))
    a.lines["0/forward"]["i_t"][2, 0] = [np.nan, 1.0, np.inf]
    b.lines["0/forward"]["i_t"][2, 0] = [np.nan, np.nan, np.inf]
    found = lt.diff(a, b)
    found.save(tmp_path / "d.csv")
    book = openpyxl.load_workbook(converted([tmp_path / "d.csv"], "xlsx")[0])
    sheet, count = book.active, book.active.max_row
    head = {cell.value: cell.column_letter for cell in sheet[1]}
    lines = list(a.lines["0/forward"])
    for row, line in enumerate(lines, 1):
        places = (f"${head[name]}$2:${head[name]}${count}" for name in ("difference", "line"))
        sheet[f"Z{row}"] = f'=SUMIFS({",".join(places)},"{line}")'
    book.save(tmp_path / "sums.xlsx")
    sums = openpyxl.load_workbook(converted([tmp_path / "sums.xlsx"], "xlsx")[0], data_only=True).active
    for row, line in enumerate(lines, 1):
        with np.errstate(invalid="ignore"):
            expected = b[line] - a[line]
        assert sums[f"Z{row}"].value == pytest.approx(expected[np.isfinite(expected)].sum(), abs=CLOSE)
