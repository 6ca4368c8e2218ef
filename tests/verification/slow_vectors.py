"""The script that made the test vectors makes, on this machine too, vectors with the same verdicts."""

from __future__ import annotations

from pathlib import Path

from schemas.vectors.make import HERE, make


def test_vectors_that_are_made_again_have_the_same_verdicts(tmp_path: Path) -> None:
    make(tmp_path)
    assert (tmp_path / "verdicts.json").read_text("utf-8") == (HERE / "verdicts.json").read_text("utf-8")
