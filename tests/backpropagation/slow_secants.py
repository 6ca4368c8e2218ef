"""The split of a difference as a trace: verified, saved, the same numbers; a wrong slope in it is found."""

from __future__ import annotations

from pathlib import Path

import lstm_trace as lt
from lstm_trace.backpropagation.attribution import secants

from ..support.walk_cases import case
from .test_secants import OF


def test_a_file_gives_it_back(tmp_path: Path) -> None:
    a, b = (case("own", seed)[1] for seed in (65, 66))
    found = secants(a, b, OF)
    found.save(tmp_path / "split.safetensors")
    again = lt.load(tmp_path / "split.safetensors")
    assert lt.diff(found, again).same
    assert lt.verify(again).verdict == "verified"
    assert len(again.report("text")) > 1000
