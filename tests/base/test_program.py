"""Programs that run apart: what they say is bounded, and nothing that they start goes on."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from lstm_trace.base.program import MOST_SAID, run_apart, words_of
from lstm_trace.errors import FileError, MissingError, OptionError

posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups and no signals")


def python(code: str, home: Path, limit: float = 20) -> tuple[int | None, str]:
    return run_apart([sys.executable, "-c", code], home, limit)


def test_the_last_line_of_what_it_says_is_kept_and_nothing_is_stored(tmp_path: Path) -> None:
    code = "import sys\nfor k in range(3000): print('x' * 1000, file=sys.stderr); print('y' * 1000)\n"
    assert python(f"{code}print('the end', file=sys.stderr)", tmp_path) == (0, "the end")
    assert not [*tmp_path.iterdir()]
    _, said = python(f"import sys; sys.stderr.write('z' * {10 * MOST_SAID})", tmp_path)
    assert said == "z" * MOST_SAID


@posix
@pytest.mark.parametrize(("code", "said"), [("os.kill(os.getpid(), 11)", "SIGSEGV"), ("sys.exit(139)", "SIGSEGV"),
                                            ("sys.exit(200)", ""), ("sys.exit(3)", "")])  # fmt: skip
def test_signals_have_names(tmp_path: Path, code: str, said: str) -> None:
    assert python(f"import os, sys; {code}", tmp_path)[1] == said


@posix
@pytest.mark.parametrize(("rest", "limit"), [("", 20), ("time.sleep(60)", 1)], ids=["ended", "hung"])
def test_what_it_has_started_is_killed(tmp_path: Path, rest: str, limit: float) -> None:
    beats = tmp_path / "beats"
    child = f"while True: open({str(beats)!r}, 'a').write('.'); time.sleep(0.02)"
    parent = f"while not os.path.exists({str(beats)!r}): time.sleep(0.01)"
    code = f"import os, time\nif os.fork():\n    {parent}\n    {rest}\nelse:\n    {child}"
    begun = time.monotonic()
    assert python(code, tmp_path, limit)[0] == (None if rest else 0)
    assert time.monotonic() - begun < 15
    there = beats.stat().st_size
    time.sleep(0.2)
    assert there == beats.stat().st_size > 0


@posix
def test_one_that_has_left_its_group_is_not_waited_for(tmp_path: Path) -> None:
    begun = time.monotonic()
    code = "import os, time\nif not os.fork(): os.setsid(); time.sleep(8)"
    assert python(code, tmp_path) == (0, "")
    assert time.monotonic() - begun < 7


@posix
def test_what_cannot_be_started(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o700)
    with pytest.raises(FileError, match="text: exec format error"):
        run_apart([str(tmp_path / "text")], tmp_path, 1)


def test_the_words_of_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "port").mkdir()
    (tmp_path / "a file").write_text("")
    found = words_of(f"'{sys.executable}' 'a file' -m port port {{model}}")
    assert found[1:] == [os.path.abspath("a file"), "-m", "port", os.path.abspath("port"), "{model}"]
    for command, kind, said in (
        ("a 'b", OptionError, "no closing quotation"),
        ("", MissingError, "there is no program , or it may not be run"),
        ("no-such-program x", MissingError, "there is no program no-such-program"),
    ):
        with pytest.raises(kind, match=said):
            words_of(command)
