"""An output is never an input: for every command and every path among its parameters, by whatever name or link."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import lstm_trace as lt
from lstm_trace import examples


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line of the shell in which $L is the program."""
    program = {**os.environ, "L": f"{sys.executable} -m lstm_trace", "PYTHONPATH": str(Path(lt.__file__).parents[1])}
    return subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", line], cwd=folder, env=program, capture_output=True, text=True, encoding="utf-8", check=False
    )


def test_standard_input_and_output_may_be_the_same_file(tmp_path: Path) -> None:
    text = examples.text("q22")
    path = tmp_path / "q.yaml"
    for line in ("$L run - -o q.yaml < q.yaml", "$L run q.yaml >> q.yaml", "$L report - < q.yaml 1<> q.yaml"):
        path.write_text(text, encoding="utf-8")
        result = shell(line, tmp_path)
        assert result.returncode == 2, line
        assert "an input, which would be lost" in result.stderr
        assert path.read_text(encoding="utf-8") == text
    # a terminal or /dev/null is both, and nothing is lost
    assert shell("$L example q22 < /dev/null > /dev/null", tmp_path).returncode == 0
    assert "the file is empty" not in shell("$L report q.yaml < /dev/null > /dev/null", tmp_path).stderr
