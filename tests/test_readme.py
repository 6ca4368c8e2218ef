"""The README is true: every command of every path runs in a shell, in a folder of its own, and so does the Python."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from . import ROOT

README = (ROOT / "README.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", README, re.M | re.S))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for a clone with `lstm-trace` on the path."""
    shutil.copytree(ROOT / "traces" / "unicode-burmese", tmp_path / "traces" / "unicode-burmese")
    command = tmp_path / "bin" / "lstm-trace"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m lstm_trace "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_unit_that_is_found_is_the_one_that_is_shown() -> None:
    text = SECTIONS["You have many sequences"]
    (found,) = re.findall(r"# (c_t\[\d\]) moves at", text)
    assert re.findall(r"--unit '(.*?)'", text) == [found]


def test_there_is_a_path_for_each_kind_of_user() -> None:
    shown = README.partition("It is for you if you")[2].partition("\n## ")[0]
    anchors = re.findall(r"\]\(#([\w-]+)\)", shown)
    assert anchors == [title.lower().replace(" ", "-") for title in SECTIONS if title.startswith("You ")]


def test_the_python_runs(folder: Path) -> None:
    subprocess.run(["/bin/sh", "-c", "lstm-trace example q19 > q19.yaml"], check=True)
    (text,) = re.findall(r"```python\n(.*?)```", SECTIONS["Python"], re.S)
    exec(compile(text, "README.md", "exec"), {})  # noqa: S102


def test_the_first_lines_give_the_gates_of_a_model() -> None:
    (text,) = re.findall(r"```python\n(.*?)```", README.partition("\n## ")[0], re.S)
    assert len(text.splitlines()) == 3
    rng = np.random.default_rng(3)
    shapes = {f"W_{side}{gate}": (3, width) for side, width in (("x", 2), ("h", 3)) for gate in "ifco"}
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    here = {"my_lstm": weights, "x": rng.normal(size=(4, 2))}
    exec(compile(text, "README.md", "exec"), here)  # noqa: S102
    gates = here["gates"]
    assert list(gates.columns) == [f"{line}[{unit}]" for line in ("i_t", "f_t", "c_tilde", "o_t") for unit in range(3)]
    z = weights["W_xi"] @ here["x"][0]  # the state before the first step is zero
    np.testing.assert_allclose(gates.iloc[0, :3], 1 / (1 + np.exp(-z)), rtol=1e-14)
