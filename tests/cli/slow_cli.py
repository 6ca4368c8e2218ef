"""The command line: verbs, '-' in and out, exit codes, one message on stderr, nothing half-written, a quick --help."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

import pytest

from lstm_trace import examples

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


def seconds(*command: str, **options: Any) -> float:
    """Seconds of the processor that a process takes, so that what else runs on the machine does not count.

    `os.times` counts in hundredths, which are 6 % of what the libraries take.
    """
    begin = getrusage(RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL, **options)  # noqa: S603
    end = getrusage(RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime


def test_help_takes_less_than_a_tenth_of_a_second() -> None:
    """The median of several, taken in turn: `lstm-trace --help` against `python -c pass`."""
    helping = "import sys; sys.argv = ['lstm-trace', '--help']; from lstm_trace.cli import main; main()"
    found = []
    for _ in range(3):  # a machine that is busy may need another try
        found.append(statistics.median(seconds("-c", helping) - seconds("-c", "pass") for _ in range(7)))
        if found[-1] < 0.1:
            return
    pytest.fail(f"--help takes {found} s more than `pass`")


def test_a_report_takes_little_more_than_its_libraries(tmp_path: Path) -> None:
    """`report q22.yaml` against the import of the packages that every command needs, with all bytecode on disk."""
    problem, libraries = tmp_path / "q22.yaml", ("-c", "import numpy, pydantic, click, yaml")
    problem.write_text(examples.text("q22"), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    options: dict[str, Any] = {"env": {**kept, "PYTHONPYCACHEPREFIX": str(tmp_path / "cache")}}
    report = ("-m", "lstm_trace", "report", str(problem))
    for command in (libraries, report):
        seconds(*command, **options)
    found = []
    for _ in range(3):
        # in turn, and the median: on a busy machine a single fast run of either moves the ratio of the fastest by 0.5
        ratios = [seconds(*report, **options) / seconds(*libraries, **options) for _ in range(9)]
        found.append(statistics.median(ratios))
        if found[-1] <= 2.3:
            return
    pytest.fail(f"a report takes {found} times as long as importing its libraries")
