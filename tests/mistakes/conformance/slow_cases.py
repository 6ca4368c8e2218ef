"""All files of the suite: equal on every machine, small, and right."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lstm_trace.mistakes.conformance.cases import catalogue, chosen, write

from .test_cases import files_are_right


def test_the_files_are_equal_on_every_machine_and_small(tmp_path: Path) -> None:
    folder = tmp_path / "cases"
    write(str(folder), cases := chosen("full", (), 14, None), 14)
    for case in cases:
        files_are_right(folder / f"test_{case.name}", case)
    assert len([*folder.iterdir()]) == len(catalogue()) + 1
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert sum(path.stat().st_size for path in files) < 1_000_000
    digest = hashlib.sha256()
    for path in files:
        if path.name != "trace.safetensors":  # its header may get a key
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    # a change of this number is a change of the suite, and needs a new VERSION
    assert digest.hexdigest()[:16] == "f174214bdeac49ac"


def test_where_the_readings_differ() -> None:
    several = {name for name, case in catalogue().items() if len(case.expected[0]) > 1}
    known = {name for name in catalogue() if "zero" in name or name.endswith("_default")}
    assert several == known | {"lstm_clip", "lstm_everything_bidirectional"}
