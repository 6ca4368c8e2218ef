"""The living spreadsheet without a spreadsheet program: formulas computed in Python, names, texts, limits, memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lstm_trace as lt

from ...support.sheet_cases import two_layers

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
