"""The command line: verbs, '-' in and out, exit codes, one message on stderr, nothing half-written, a quick --help."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .test_cli import GATE, Q22, program


def test_a_reader_that_stops_reading_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "q.yaml"
    path.write_text(Q22.replace("x: [1.0, 2.0, 3.0]", f"x: {[[1.0, 2.0, 3.0]] * 500}"), encoding="utf-8")
    code = f"import subprocess as s; p = s.Popen([{sys.executable!r}, '-m', 'lstm_trace', 'run', {str(path)!r}], "
    code += (
        "stdout=s.PIPE, stderr=s.PIPE); p.stdout.read(10); p.stdout.close(); print(p.stderr.read()); print(p.wait())"
    )
    assert program(code=code).stdout.splitlines() == ["b''", "0"]


def test_messages_and_titles_survive_a_terminal_without_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "q.yaml"
    path.write_text(Q22.replace("title: Question", "title: Größe σ, Question"), encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = program("run", str(path), env=environment)
    assert result.returncode == 0, result.stderr
    assert "Größe σ" in result.stdout
    assert program("example", env=environment).returncode == 0
    path.write_text(GATE.replace("ask:", "h0: [[1], [2]]\nask:"), encoding="utf-8")
    bad = program("run", str(path), env=environment)
    assert bad.returncode == 2
    assert "Traceback" not in bad.stderr
    assert "h0 has shape (2, 1)" in bad.stderr
