"""Which plan `auto` runs: a function of the call, never of history, so that the same call has the same bits."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import lstm_trace as lt
from lstm_trace.engine.run import in_arithmetic, rerun

from .test_plan_choice import SIZES, WEIGHTS, jit


@jit
def test_what_no_plan_of_ours_computed_is_run_again_by_its_size() -> None:
    for plan, x in SIZES.items():
        trace = lt.prepare(WEIGHTS).run(x, plan="lines")
        foreign = replace(trace, header=replace(trace.header, plan="foreign"))
        assert rerun(foreign).header.plan == plan
        assert in_arithmetic(foreign, "float16").header.plan == "lines"


QUESTION = """
import sys
{}
assert "llvmlite" not in sys.modules, "llvmlite was imported"
"""


PYTHON = """
import lstm_trace as lt
trace = lt.run("q22.yaml")
trace.report(); lt.verify(trace)
"""


COMMANDS = """
from click.testing import CliRunner
from lstm_trace.cli import main
lines = "run q22.yaml -o t.json", "report q22.yaml", "verify t.json", "show t.json", "explain gates q22.yaml"
for line in lines:
    done = CliRunner().invoke(main, line.split())
    assert done.exit_code == 0, done.output
"""


@jit
@pytest.mark.parametrize("program", [PYTHON, COMMANDS], ids=["python", "commands"])
def test_question_22_does_not_import_llvmlite(program: str, tmp_path: Path) -> None:
    from lstm_trace.examples import text

    (tmp_path / "q22.yaml").write_text(text("q22"), encoding="utf-8")
    root = str(Path(lt.__file__).parents[1])
    code = f"import sys\nsys.path.insert(0, {root!r})\n" + QUESTION.format(program)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)  # noqa: S603
    assert done.returncode == 0, done.stderr
