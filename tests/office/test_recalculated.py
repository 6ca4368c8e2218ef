"""Spreadsheets that LibreOffice computes again equal the trace; with a weight changed, a fresh run with that weight."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lstm_trace as lt
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.trace.trace import Trace

from ..support.sheet_cases import PROBLEMS, changed, two_layers, values, weight_cell

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("xlsxwriter")

#: Absolute, for values of order 1: LibreOffice writes 15 digits.
CLOSE = 1e-12
Convert = Callable[[list[Path]], list[Path]]


@pytest.fixture(scope="module")
def computed(recalculated: Convert, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """For each problem its workbook, and that with one weight changed, both computed again."""
    folder = tmp_path_factory.mktemp("sheets")
    paths = []
    for at, (problem, place) in enumerate(PROBLEMS.values()):
        path, other = folder / f"{at}.xlsx", folder / f"{at}-changed.xlsx"
        export(ExportJob(lt.run({**problem, "ask": []})), path)
        book = openpyxl.load_workbook(path)
        cell = weight_cell(book, place)
        cell.value += 0.75
        book.save(other)
        paths += [path, other]
    found = recalculated(paths)
    return dict(zip(PROBLEMS, zip(found[0::2], found[1::2], strict=True), strict=True))


def differences(path: Path, trace: Trace) -> dict[str, float]:
    """By place, how far a computed cell is from the trace, where it is too far."""
    book = openpyxl.load_workbook(path, data_only=True)
    found = list(values(book, trace, lambda sheet, address: book[sheet][address].value))
    assert len(found) == sum(array.size for lines in trace.lines.values() for array in lines.values())
    far: dict[str, float] = {}
    for place, recorded, value in found:
        assert isinstance(value, int | float), f"{place}: {value}"
        if abs(value - recorded) > CLOSE * max(abs(recorded), 1):
            far[place] = value - recorded
    return far


@pytest.mark.parametrize("name", PROBLEMS)
def test_computed_again(computed: dict[str, tuple[Path, Path]], name: str) -> None:
    problem, _ = PROBLEMS[name]
    assert differences(computed[name][0], lt.run({**problem, "ask": []})) == {}
    book = openpyxl.load_workbook(computed[name][0], data_only=True)
    assert book["Check"]["B4"].value < 1e-12 * (1 if name != "saturated" else 1000)
    assert book["Check"]["C4"].value == "as recorded"


@pytest.mark.parametrize("name", PROBLEMS)
def test_with_one_weight_changed(computed: dict[str, tuple[Path, Path]], name: str) -> None:
    problem, place = PROBLEMS[name]
    array: Any = problem["weights"][place[0]][place[1]]
    old = array if place[2] is None else array[place[2]]
    fresh = lt.run({**changed(problem, place, old + 0.75), "ask": []})
    assert differences(computed[name][1], fresh) == {}
    assert differences(computed[name][1], lt.run({**problem, "ask": []})) != {}  # it was computed again indeed
    book = openpyxl.load_workbook(computed[name][1], data_only=True)
    assert book["Check"]["B4"].value > 1e-6
    assert book["Check"]["C4"].value == "changed"


def test_some_steps_computed_again(recalculated: Convert, tmp_path: Path) -> None:
    trace = lt.prepare(two_layers(batch=2, lengths=[3, 2])).run(ask=[], record={"steps": slice(1, 3)})
    export(ExportJob(trace), tmp_path / "window.xlsx")
    assert differences(recalculated([tmp_path / "window.xlsx"])[0], trace) == {}
