"""Small files that ask for much, files that others may have written, and what killed writers leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.base.writing import written
from lstm_trace.errors import FileError
from lstm_trace.weights.read import read_model

from .test_damage import WEIGHTS, lying, posix

WRITER = """
import sys, time
from lstm_trace.base.writing import written
from lstm_trace.base.writing import folder
from pathlib import Path
target = Path(sys.argv[1])
with written(target) as file, folder(target, ".rows") as rows:
    (Path(rows) / "sheet").write_text("rows")
    file.write("half")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""


def begun(target: Path) -> subprocess.Popen[str]:
    """A writer in the middle of its work."""
    command = [sys.executable, "-c", WRITER, str(target)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603
    assert writer.stdout is not None
    assert writer.stdout.readline() == "writing\n"
    return writer


def ended(writer: subprocess.Popen[str]) -> None:
    """Kill a writer, as kill -9 does."""
    writer.send_signal(signal.SIGKILL)
    writer.communicate()


def beside(target: Path) -> list[str]:
    return sorted(path.name.rsplit(".", 1)[-1] for path in target.parent.iterdir() if path.name.startswith("."))


@posix
def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    target = tmp_path / "trace.csv"
    keep = tmp_path / ".trace.csv.notours.part", tmp_path / ".other.csv.abcdefgh.part"
    for path in keep:
        path.write_text("somebody's")
    dead, alive = begun(target), begun(target)
    try:
        ended(dead)
        assert beside(target) == ["part"] * 4 + ["rows"] * 2
        with written(target) as file:
            file.write("whole")
        assert target.read_text() == "whole"
        assert beside(target) == ["part"] * 3 + ["rows"]  # the living writer's, and the two that are none of ours
        assert all(path.exists() for path in keep)
    finally:
        ended(alive)
    with written(target) as file:
        file.write("again")
    assert beside(target) == ["part"] * 2
    assert target.read_text() == "again"


@posix
def test_a_streamed_run_removes_them_too(tmp_path: Path) -> None:
    target = tmp_path / "trace.safetensors"
    ended(begun(target))
    assert beside(target) == ["part", "rows"]
    lt.run(WEIGHTS, np.ones((4, 2)), out=target)
    assert beside(target) == []
    assert lt.load(target).steps == 4


@posix
@pytest.mark.parametrize("name", ["x" * 250 + ".json", "é" * 125 + ".json"])
def test_a_name_as_long_as_can_be_is_written_and_swept(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    ended(begun(target))
    assert beside(target) == ["part", "rows"]
    with written(target) as file:
        file.write("whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_entry_that_cannot_be_unpacked_in_pieces_is_refused(tmp_path: Path, method: int) -> None:
    path = lying(tmp_path / "m.npz", method, 1 << 20)
    tracemalloc.start()
    with pytest.raises(FileError, match=rf"W_xi\.npy is compressed by the method {method}; expected .* or deflated"):
        read_model(path)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
