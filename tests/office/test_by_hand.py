"""The sheet "By hand" in LibreOffice: computed again after a change, and as it is printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import lstm_trace as lt
from lstm_trace.examples import text
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.trace.trace import Trace

from ..support.hand_sheet import SHEET, boxes
from ..support.sheet_cases import PROBLEMS, changed, weight_cell
from ..support.signs import NUMBERS

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("xlsxwriter")

CHANGED = [
    "question 22", "peephole", "coupled, two biases", "GRU", "own cell", "softmax", "readout", "squared error", "given",
    "sLSTM, exp", "one unit",
]  # fmt: skip
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:E[+-]\d+)?")


def example(name: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text(name))
    return found | {"ask": [], "count_from": 0} | more


def numbers(path: Path) -> list[tuple[str, float]]:
    """(symbol, value) of every cell of every box."""
    found = boxes(openpyxl.load_workbook(path, data_only=True))
    return [(box.symbol, cell.value) for box in found for row in box.cells for cell in row]


def test_a_changed_weight_moves_everything(recalculated: Callable[[list[Path]], list[Path]], tmp_path: Path) -> None:
    (tmp_path / "fresh").mkdir()
    paths = []
    for at, name in enumerate(CHANGED):
        problem, place = PROBLEMS[name]
        paths.append(tmp_path / f"{at}.xlsx")
        export(ExportJob(lt.run({**problem, "ask": []})), paths[-1])
        book = openpyxl.load_workbook(paths[-1])
        cell = weight_cell(book, place)
        assert cell.parent.title == SHEET
        cell.value += 0.75
        export(ExportJob(lt.run({**changed(problem, place, cell.value), "ask": []})), tmp_path / "fresh" / f"{at}.xlsx")
        book.save(paths[-1])
    for at, (name, path) in enumerate(zip(CHANGED, recalculated(paths), strict=True)):
        found, wanted = numbers(path), numbers(tmp_path / "fresh" / f"{at}.xlsx")
        assert [symbol for symbol, _ in found] == [symbol for symbol, _ in wanted], name
        far = max(abs(a - b) / max(abs(b), 1) for (_, a), (_, b) in zip(found, wanted, strict=True))
        assert far < 1e-11, name
        assert openpyxl.load_workbook(path, data_only=True)["Check"]["C4"].value == "changed"


def test_rounded_by_hand_every_sheet_rounds(recalculated: Callable[[list[Path]], list[Path]], tmp_path: Path) -> None:
    traces: list[Trace] = [
        lt.run(example("q22"), arithmetic="by-hand-3"),
        lt.run(example("readout"), arithmetic="by-hand-2"),
        lt.run({**PROBLEMS["every operation"][0], "ask": []}, arithmetic="by-hand-4"),
    ]
    paths = [tmp_path / f"{at}.xlsx" for at in range(len(traces))]
    for trace, path in zip(traces, paths, strict=True):
        export(ExportJob(trace), path)
    for path in recalculated(paths):
        check = openpyxl.load_workbook(path, data_only=True)["Check"]
        assert check["B4"].value < 1e-12
        assert check["C4"].value == "as recorded"


def shown(value: float, form: str) -> str | float:
    """A number as one reads it in a format of the sheet; in General itself, however it is written."""
    if form == "General":
        return value
    places = len(form.partition(".")[2])
    if abs(value) > 1e5 or 0 < abs(value) <= 10.0 ** -max(places, 1):
        return f"{value:.{places}E}"
    return f"{value + 0.0:.{places}f}"


SIGNED = """
    v_t = W @ x_t
    u_t = v_t + b - h_prev
    h_t = -(u_t)
    carry: h_prev <- h_t
    output: h_t
"""


def signed() -> Trace:
    """Numbers of every sign and size as inputs, weights and results; six of them, so that all stands on one page."""
    some = [number for number in NUMBERS if 1e-6 < abs(number) < 1e7 or number == 0][:8]
    diagonal = [[float(j == k) for k in range(len(some))] for j in range(len(some))]
    weights = {"W": diagonal, "b": [-0.5] * len(some)}
    return lt.run(weights, [some], cell={"equations": SIGNED}, h0=[-0.25] * len(some), ask=[])


PRINTED: dict[str, Callable[[], Trace]] = {
    "question 22": lambda: lt.run(example("q22")),
    "two steps": lambda: lt.run(example("gru")),
    "readout": lambda: lt.run(example("readout")),
    "counted from 1": lambda: lt.run(example("gru", count_from=1)),
    "signs and sizes": signed,
}


@pytest.fixture(scope="module")
def pages(
    printed: Callable[[list[Path]], list[list[str]]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, list[str]]]:
    """Each workbook, and the texts of its pages."""
    folder = tmp_path_factory.mktemp("hand")
    paths = [folder / f"{at}.xlsx" for at in range(len(PRINTED))]
    for make, path in zip(PRINTED.values(), paths, strict=True):
        export(ExportJob(make()), path)
    return dict(zip(PRINTED, zip(paths, printed(paths), strict=True), strict=True))


@pytest.mark.parametrize("name", PRINTED)
def test_every_number_is_printed_with_its_sign_on_one_page(pages: dict[str, tuple[Path, list[str]]], name: str) -> None:
    path, texts = pages[name]
    book = openpyxl.load_workbook(path, data_only=True)
    assert texts[1].lstrip().startswith(str(book["Read me"]["A1"].value))  # so the sheet is one page
    wanted: dict[int, list[str | float]] = {}
    for box in boxes(book):
        for row in box.cells:
            for cell in row:
                wanted.setdefault(cell.row, []).append(shown(cell.value, cell.number_format))
    lines = [[word for word in line.split() if NUMBER.fullmatch(word)] for line in texts[0].splitlines()]
    at = 0
    for row, numbers in sorted(wanted.items()):  # from top to bottom; signs such as `1 −` stand between them
        while at < len(lines) and not _has(lines[at], numbers):
            at += 1
        assert at < len(lines), f"row {row}: {numbers} is not shown"
        at += 1
    assert any(str(number).startswith("-") for numbers in wanted.values() for number in numbers)


def _has(words: list[str], numbers: list[str | float]) -> bool:
    """Whether the numbers stand in a line, in their order."""
    left = iter(words)
    return all(any(n == (word if isinstance(n, str) else float(word)) for word in left) for n in numbers)


def test_symbols_and_titles_are_printed(pages: dict[str, tuple[Path, list[str]]]) -> None:
    words = pages["question 22"][1][0].split()
    assert {"weight", "input", "gate", "candidate", "σ", "tanh", "⊙", "×"} <= set(words)
    assert "Step 1" in pages["counted from 1"][1][0]
    assert "Step 0" not in pages["counted from 1"][1][0]
