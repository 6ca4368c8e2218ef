"""Traces as .safetensors: streamed or saved, mapped for reading, never half there, never trusted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError

from . import test_stream

path = test_stream.path


_KILLED = """
import os, signal, sys
import numpy as np
import lstm_trace as lt
def stop(done, total):
    if done > total / 2:
        os.kill(os.getpid(), signal.SIGKILL)
draw = np.random.default_rng(0).normal
weights = {f"W_{s}{g}": draw(size=(16, n)) for g in "ifco" for s, n in (("x", 4), ("h", 16))}
lt.run(weights, draw(size=(5000, 1, 4)), out=sys.argv[1], plan="planned", progress=stop)
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_killed_run_leaves_no_file_that_looks_whole(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path)], check=False)  # noqa: S603
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    (left,) = path.parent.iterdir()
    assert left.name.endswith(".part")
    with pytest.raises(FileError):  # nor is it taken for a trace under that name
        lt.load(left.rename(path))
