"""What type checkers say of scripts of users: nothing of one that is right, and each mistake of one that is not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from . import ROOT
from .support.typed import good

FOLDER = ROOT / "tests" / "support" / "typed"
MARK = "# wrong"


def mypy(script: Path, folder: Path) -> set[int]:
    """The lines of a script of which mypy --strict says something, installed as for a user: outside of the package."""
    options = ["--strict", "--config-file", "", "--cache-dir", str(folder / "cache"), "--no-error-summary"]
    told = run("mypy", *options, str(script))
    assert not (others := [line for line in told.splitlines() if not line.startswith(f"{script}:")]), others
    return {int(line) for line in re.findall(r"^[^:\n]*:(\d+): error", told, re.M)}


def pyright(script: Path, folder: Path) -> set[int]:
    """The same of pyright, in its strict mode for scripts of others: types that are not known are no mistakes here."""
    config = folder / "pyrightconfig.json"
    config.write_text(json.dumps({"typeCheckingMode": "standard", "include": [script.name], "extraPaths": [str(ROOT)],
                                  "pythonPath": sys.executable}))  # fmt: skip
    told = json.loads(run("basedpyright", "--outputjson", "--project", str(config)))
    return {one["range"]["start"]["line"] + 1 for one in told["generalDiagnostics"] if one["severity"] == "error"}


def run(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)  # noqa: S603
    assert found.returncode in (0, 1), found.stderr
    return found.stdout


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_type_checkers_find_each_mistake_and_nothing_else(
    checker: Callable[[Path, Path], set[int]], tmp_path: Path
) -> None:
    if find_spec("basedpyright" if checker is pyright else "mypy") is None:
        pytest.skip(f"{checker.__name__} is not installed: pip install mypy basedpyright")
    for name in ("good", "bad"):
        text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
        script = tmp_path / f"{name}.py"
        script.write_text(text, encoding="utf-8")
        marked = {at for at, line in enumerate(text.splitlines(), 1) if line.endswith(MARK)}
        assert bool(marked) == (name == "bad")
        assert checker(script, tmp_path) == marked, name


def test_the_script_that_is_right_runs(capsys: pytest.CaptureFixture[str]) -> None:
    good.main()
    assert "same" in capsys.readouterr().out
