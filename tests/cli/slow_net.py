"""Nothing unexpected exits with 1, which is a verdict: strange files, closed streams, pipes that nobody reads on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lstm_trace as lt
from lstm_trace.cli import VERBS
from lstm_trace.trace.files.trace_file import to_json

from . import test_net
from .test_net import CALLS, ENVIRONMENT, Q22, problem, shell

folder = test_net.folder


def test_warnings_of_libraries_stay_off_stderr(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = "import warnings, lstm_trace.api as a; v = a.verify\n"
    code += "a.verify = lambda t: warnings.warn('a remark', RuntimeWarning) or v(t)\n"
    code += "import sys; sys.argv = ['lstm-trace', 'verify', 't.json']\nfrom lstm_trace.cli import main; main()"
    (tmp_path / "t.json").write_text(to_json(lt.run(problem())), encoding="utf-8")
    for options, told in (((), False), (("-W", "default"), True)):
        command = [sys.executable, *options, "-c", code]
        result = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)  # noqa: S603
        assert result.returncode == 0, result.stderr
        assert ("a remark" in result.stderr) == told


@pytest.mark.parametrize("verb", VERBS)
def test_a_reader_that_has_gone_is_no_trouble_and_hides_no_verdict(verb: str, folder: Path) -> None:
    """The pipe has no reader before a byte is written; PYTHONUNBUFFERED writes at once, otherwise at the end."""
    call, code = CALLS[verb]
    if code is None:
        code = shell(f"$L {call}", folder).returncode
    for line, expected in ((call, code), (f"{verb} --help", 0)):
        more = {"PYTHONUNBUFFERED": "1"} if line.endswith("help") else {}
        result = shell(f"{{ $L {line}; echo $? >&2; }} | true", folder, **more)
        assert result.stderr == f"{expected}\n", (line, more)


@pytest.mark.parametrize("verb", VERBS)
def test_a_closed_standard_output_is_trouble_where_it_is_needed(verb: str, folder: Path) -> None:
    result = shell(f"$L {CALLS[verb][0]} >&-", folder)
    assert result.returncode == 2
    if CALLS[verb][1] is not None:
        assert result.stderr == "error: -: standard output is closed\n"


def test_closed_streams_that_nobody_needs(folder: Path) -> None:
    assert shell("$L run q.yaml -o out.json >&- <&-", folder).returncode == 0
    assert lt.verify(lt.load(folder / "out.json")).verdict == "verified"
    for line, code in (("run q.yaml", 0), ("run none.yaml", 2), ("--wat", 2), ("verify wrong.json", 1)):
        assert shell(f"$L {line} 2>&-", folder).returncode == code, line
    assert shell("$L run none.yaml 2>&- >&- <&-", folder).returncode == 2
    gone = shell("{ $L run none.yaml 2>&1 >/dev/null; echo $? >&3; } 3>code | true", folder)
    assert gone.stdout == ""
    assert (folder / "code").read_text() == "2\n"


def test_a_closed_standard_input_is_told(folder: Path) -> None:
    for line in ("run -", "diff t.json -"):
        result = shell(f"$L {line} <&-", folder)
        assert (result.returncode, result.stderr) == (2, "error: -: standard input is closed\n"), line


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("verb", ["report", "show", "verify"])
def test_a_full_disk_is_trouble(verb: str, folder: Path) -> None:
    result = shell(f"$L {CALLS[verb][0]} > /dev/full", folder)
    assert result.returncode == 2
    assert result.stderr == "error: output: no space left on device\n"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_no_encoding_of_a_terminal_is_trouble(encoding: str, folder: Path) -> None:
    title = "title: Größe σ 中文 " + "lang " * 40
    (folder / "odd.yaml").write_text(Q22.replace("title: ", title, 1), encoding="utf-8")
    for line in ("show odd.yaml", "report odd.yaml", "show t.json --only x"):
        result = shell(f"$L {line}", folder, LC_ALL="C", PYTHONIOENCODING=encoding)
        assert result.returncode == (2 if line.endswith("x") else 0), (line, result.stderr)
        assert "Traceback" not in result.stderr
