"""Downloads are the files of the command line, under names that are only names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import lstm_trace as lt

from .. import ROOT
from ..support.kept_runs import Kept
from . import test_printing
from .test_printing import content

run = test_printing.run


def test_the_program_makes_the_run_again(kept: Kept, run: Any, tmp_path: Path) -> None:
    by_hand = kept.edit(run, arithmetic="by-hand-3")
    for one in (run, by_hand):
        (tmp_path / "run.py").write_bytes(content(kept, one, "run.py"))
        ran = subprocess.run(
            [sys.executable, "run.py"], capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}
        )
        assert ran.returncode == 0, ran.stderr
        trace = lt.load(kept.path(one))
        printed = dict(row.split(" ", 1) for row in ran.stdout.splitlines())
        assert list(printed) == [str(address) for address in trace.asked()]
        for address, values in printed.items():
            np.testing.assert_array_equal(json.loads(values), trace[address.rsplit("/", 1)[-1]])
