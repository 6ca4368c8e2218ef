"""The states of corpora over HTTP, compared with the numbers of the files, searched by loops; and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

pytest.importorskip("pyarrow")


from . import test_states

folder = test_states.folder


def run(*arguments: str, before: str = "pass") -> subprocess.CompletedProcess[str]:
    code = f"import sys; {before}; from lstm_trace.cli import main; sys.argv[0] = 'lstm-trace'; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)  # noqa: S603


def test_a_folder_that_holds_no_states_is_refused_at_the_start(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        ran = run("serve", "--no-open", "--store", f"sqlite:///{tmp_path}/s.db", "--states", str(path))
        assert (ran.returncode, ran.stdout) == (2, "")
        assert f"{path}: there is no _manifest.json; give a folder that lstm-trace corpus run has made" in ran.stderr
        assert len(ran.stderr.splitlines()) == 1
    assert not (tmp_path / "s.db").exists()


def test_only_states_need_pyarrow(folder: Path) -> None:
    without = "sys.modules['pyarrow'] = None"
    ran = run("serve", "--no-open", "--states", str(folder / "quotes"), before=without)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "needs the package pyarrow, which is not installed" in ran.stderr
    ran = run("serve", "--help", before=f"{without}; import lstm_trace.service.app, lstm_trace.runs.warming")
    assert ran.returncode == 0, ran.stderr
