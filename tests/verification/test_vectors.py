"""The test vectors of docs/trace-format.md: each has the verdict that its list gives, and the list has each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.vectors.make import HERE, VECTORS, verdict

ROWS: list[dict[str, Any]] = json.loads((HERE / "verdicts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_its_verdict(row: dict[str, Any]) -> None:
    assert verdict(HERE / row["file"]) == (row["verdict"], row["first"])


def test_the_list_is_that_of_the_files_and_of_the_script() -> None:
    files = {path.name for path in HERE.iterdir() if path.suffix in (".json", ".safetensors")}
    assert {row["file"] for row in ROWS} == files - {"verdicts.json"}
    assert [(Path(row["file"]).stem, row["why"]) for row in ROWS] == [(n, v.why) for n, v in VECTORS.items()]
    assert {row["verdict"] for row in ROWS} == {"verified", "failed", "inconclusive", "refused"}
    wrong = [row for row in ROWS if row["file"].startswith("wrong-")]
    assert all(row["verdict"] == "failed" and row["first"] for row in wrong)
    assert len(wrong) > 20


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in HERE.iterdir() if path.suffix != ".py") <= 300 * 1024
