"""A little of each part of the campaign, with another seed than its own."""

from __future__ import annotations

import random
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest

from .campaign import PARTS, one
from .damage import ODD, changed


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and alarms")
def test_the_campaign_counts_outcomes_and_kills_spoil_no_file() -> None:
    command = [sys.executable, "-m", "tests.fuzz.campaign", "--part", "kills", "--count", "12", "--processes", "1"]
    run = subprocess.run(  # noqa: S603 - our own
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("kills: 12 inputs in ")
    assert "kills" in PARTS


_SOME = {
    "cells": 400,
    "equations": 150,
    "documents": 12,
    "files": 14,
    "problems": 40,
    "traces": 40,
    "models": 40,
    "values": 25,
    "plans": 60,
    "commands": 60,
    "service": 60,
    "corpus": 30,
    "experiments": 100,
}


@pytest.mark.parametrize("part", _SOME)
def test_inputs_are_refused_or_give_what_the_oracle_expects(part: str, tmp_path: Path) -> None:
    outcomes = {one(f"2/{part}/{k}", tmp_path) for k in range(_SOME[part])}
    assert len(outcomes) > 1, "the inputs are all of one kind"


def test_a_change_leaves_the_odd_values_as_they_are() -> None:
    """Otherwise an input depends on those before it in the process, and --repeat gives another."""
    before = deepcopy(ODD)
    rng = random.Random(0)  # noqa: S311 - no secret
    for _ in range(2000):
        changed(rng, {"a": [1, {"b": [2.0]}], "c": {"d": 1}, "e": []})
    assert before == ODD
