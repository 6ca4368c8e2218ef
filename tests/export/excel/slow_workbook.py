"""The living spreadsheet without a spreadsheet program: formulas computed in Python, names, texts, limits, memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.export.excel import grids

from ...support.sheet_cases import PROBLEMS, two_layers
from ...support.table_cases import stacked
from .test_workbook import openpyxl, written

pytest.importorskip("xlsxwriter")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no limit on the size of files here")
@pytest.mark.parametrize("room", [2_000, 20_000, 60_000])
def test_a_disk_that_fills_up_leaves_one_message_and_no_file(tmp_path: Path, room: int) -> None:
    import resource

    source, out, temporary = tmp_path / "t.json", tmp_path / "out", tmp_path / "temporary"
    out.mkdir()
    temporary.mkdir()
    lt.run(two_layers(), np.random.default_rng(1).normal(size=(120, 1, 3)), h0=np.zeros((4, 1, 2))).save(source)
    found = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "lstm_trace", "export", str(source), "-o", str(out / "x.xlsx")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert found.stderr == f"error: {out / 'x.xlsx'}: file too large\n"
    assert found.returncode == 2
    assert not [*out.iterdir(), *temporary.iterdir()]


def test_only_functions_that_excel_2010_and_libreoffice_have(tmp_path: Path) -> None:
    known = {
        "SUMPRODUCT",
        "MMULT",
        "INDEX",
        "IF",
        "EXP",
        "LN",
        "SQRT",
        "SIN",
        "COS",
        "INT",
        "TANH",
        "ABS",
        "SUM",
        "AVERAGE",
        "MAX",
        "MIN",
        "TRANSPOSE",
    }
    for name, (problem, _) in PROBLEMS.items():
        book = openpyxl.load_workbook(written(tmp_path, lt.run({**problem, "ask": []})))
        for sheet in book:
            for row in sheet.iter_rows():
                for cell in row:
                    text = getattr(cell.value, "text", cell.value)
                    if cell.data_type == "f":
                        assert set(re.findall(r"[A-Z.]+(?=\()", text)) <= known | {"ISNUMBER"}, name
                        assert "_xl" not in text
                        assert len(text) < 8192


def test_formulas_are_those_that_xlsxwriter_writes_on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its search for functions that need a prefix is overridden; where it is called something else, nothing is."""
    from xlsxwriter.worksheet import Worksheet

    assert hasattr(Worksheet, "_prepare_formula")
    for name in ("every operation", "both directions, two layers", "lengths"):
        trace = lt.run({**PROBLEMS[name][0], "ask": []})
        sheets = []
        for chosen in (None, Worksheet):
            with monkeypatch.context() as patch:
                if chosen:
                    patch.setattr("lstm_trace.export.excel.page._sheet_class", lambda: Worksheet)
                with zipfile.ZipFile(written(tmp_path, trace)) as found:
                    sheets.append({n: found.read(n) for n in found.namelist() if "worksheets" in n})
        assert sheets[0] == sheets[1]
        assert len(sheets[0]) > 4


def test_memory_does_not_grow_with_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "PIECE", 16)
    peaks = []
    for steps in (20, 80):
        trace = stacked(steps=steps, batch=1, layers=1, directions=("forward",))
        tracemalloc.start()
        written(tmp_path, trace)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
