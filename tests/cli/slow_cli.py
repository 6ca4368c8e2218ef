"""The command line: verbs, '-' in and out, exit codes, one message on stderr, nothing half-written, a quick --help."""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path

import pytest

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


def test_help_takes_less_than_a_tenth_of_a_second() -> None:
    """The median of several, taken in turn: `lstm-trace --help` against `python -c pass`.

    Seconds of the processor, so that what else runs on the machine does not count.
    """

    def seconds(code: str) -> float:
        begin = os.times()
        program(code=code)
        end = os.times()
        return end.children_user + end.children_system - begin.children_user - begin.children_system

    helping = "import sys; sys.argv = ['lstm-trace', '--help']; from lstm_trace.cli import main; main()"
    found = []
    for _ in range(3):  # a machine that is busy may need another try
        found.append(statistics.median(seconds(helping) - seconds("pass") for _ in range(7)))
        if found[-1] < 0.1:
            return
    pytest.fail(f"--help takes {found} s more than `pass`")
