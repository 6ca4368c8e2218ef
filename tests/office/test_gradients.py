"""Live gradients that LibreOffice computes again equal the trace; with one weight changed, a fresh run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lstm_trace.export.writers import ExportJob, export

from ..export.excel.test_gradients import walked
from ..support.sheet_cases import PROBLEMS, changed, values, weight_cell

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("xlsxwriter")

CLOSE = 1e-11
CASES = ("question 22", "lengths", "layer norm", "GRU", "cross entropy", "every operation")


def farthest(path: Path, trace: object) -> float:
    """The largest difference of a computed cell from the trace, relative to 1 or to the number."""
    book = openpyxl.load_workbook(path, data_only=True)
    found = list(values(book, trace, lambda sheet, address: book[sheet][address].value))  # type: ignore[arg-type]
    assert all(isinstance(value, int | float) for _, _, value in found)
    return max(abs(value - recorded) / max(abs(recorded), 1) for _, recorded, value in found)


def test_gradients_computed_again(recalculated: Callable[[list[Path]], list[Path]], tmp_path: Path) -> None:
    paths = []
    for at, name in enumerate(CASES):
        problem, place = PROBLEMS[name]
        path, other = tmp_path / f"{at}.xlsx", tmp_path / f"{at}-changed.xlsx"
        export(ExportJob(walked(problem)), path)
        book = openpyxl.load_workbook(path)
        cell = weight_cell(book, place)
        cell.value += 0.75
        book.save(other)
        paths += [path, other]
    found = recalculated(paths)
    for at, name in enumerate(CASES):
        problem, place = PROBLEMS[name]
        fresh = weight_cell(openpyxl.load_workbook(found[2 * at + 1]), place).value
        assert farthest(found[2 * at], walked(problem)) < CLOSE, name
        assert farthest(found[2 * at + 1], walked(changed(problem, place, fresh))) < CLOSE, name
        assert farthest(found[2 * at + 1], walked(problem)) > 1e-6, name
