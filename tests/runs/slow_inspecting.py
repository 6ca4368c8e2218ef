"""What an uploaded file is: kind, sizes and text; and that neither messages nor files lead to the server's folders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .. import ROOT
from .test_inspecting import PROBLEM, looked_at


def test_what_a_killed_worker_leaves_the_next_one_removes(tmp_path: Path) -> None:
    (tmp_path / "a.part").write_text(PROBLEM)
    code = (
        "import os, signal, sys\n"
        "from lstm_trace.runs.inspecting import alone\n"
        f"with alone({str(tmp_path / 'a.part')!r}, 'a.yaml') as name:\n"
        "    assert os.listdir('.') == [name]\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)  # noqa: S603
    assert len(list((tmp_path / ".rooms").iterdir())) == 1
    looked_at(tmp_path, PROBLEM, "b.yaml")
