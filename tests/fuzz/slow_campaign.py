"""A little of each part of the campaign, with another seed than its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .campaign import PARTS


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and alarms")
def test_the_campaign_counts_outcomes_and_kills_spoil_no_file() -> None:
    command = [sys.executable, "-m", "tests.fuzz.campaign", "--part", "kills", "--count", "12", "--processes", "1"]
    run = subprocess.run(  # noqa: S603 - our own
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("kills: 12 inputs in ")
    assert "kills" in PARTS
