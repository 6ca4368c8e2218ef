"""The states of corpora over HTTP, compared with the numbers of the files, searched by loops; and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

pytest.importorskip("pyarrow")


from typing import Any

import pytest

from . import test_states
from .test_states import COUNTER, get, refused

client = test_states.client
folder = test_states.folder
sequences = test_states.sequences

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


def test_a_damaged_part_is_no_fault_of_the_service(client: Any, folder: Path) -> None:
    part = sorted((folder / "damaged").glob("part-*.parquet"))[1]
    content = part.read_bytes()
    part.write_bytes(content[: len(content) // 2])
    assert "damaged" in refused(client, "/damaged/top", 422, unit=COUNTER)
    part.unlink()
    found = next(one for one in get(client, "") if one["name"] == "damaged")
    assert (found["parts_missing"], found["problem"]) == (1, "")
    assert found["sequences"] == get(client, "/damaged/sequences")["total"] < 60
    assert get(client, "/damaged/top", unit=COUNTER, n=3)["contexts"]
    (folder / "damaged" / "_manifest.json").unlink()
    assert "there is no _manifest.json" in refused(client, "/damaged/sequences", 422)
    said = [one["problem"] for one in get(client, "")]
    assert said[:3] == ["", "", ""]
    assert said[3].startswith("damaged: there is no _manifest.json")
