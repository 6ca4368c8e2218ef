"""`lstm-trace doctor`: the machine, each plan's verdict, exit codes, what to report."""

from __future__ import annotations

import json
import platform
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lstm_trace import __version__
from lstm_trace.engine.jit import installed, machine
from lstm_trace.engine.plan import kernels as numpy_plan
from lstm_trace.verification import plans

from .test_cli import invoke


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One width and few columns: the whole takes some seconds."""
    monkeypatch.setattr(plans, "examine", partial(plans.examine, [2], range(2, 5)))


@pytest.mark.few(0)
def test_a_sound_machine() -> None:
    result = invoke("doctor")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = dict(re.findall(r"^(\S.*?)  +(.*)$", result.stdout, re.M))
    assert rows["lstm-trace"] == __version__
    assert rows["Python"].startswith(platform.python_version())
    assert rows["numpy"].startswith(np.__version__)
    assert {"CPU", "BLAS", "compiled plan", "its cache"} < set(rows)
    for plan in ("lines", "planned"):
        assert rows[plan].startswith("agrees: every operation")
    assert result.stdout.endswith("Every plan that runs here computes what the operations define.\n")
    assert max(map(len, result.stdout.splitlines())) < 140


@pytest.mark.few(0)
@pytest.mark.skipif(not installed(), reason="the extra jit is not installed")
def test_the_compiled_plan_and_its_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "_loaded", {})
    monkeypatch.setenv("LSTM_TRACE_CACHE", str(tmp_path))
    result = invoke("doctor")
    assert "compiled       agrees: every operation" in result.stdout
    assert re.search(rf"its cache      {tmp_path}: [1-9]\d* files, ", result.stdout)
    monkeypatch.setenv("LSTM_TRACE_CACHE", "")
    assert "its cache      turned off by LSTM_TRACE_CACHE" in invoke("doctor").stdout
    tmp_path.chmod(0o777)
    monkeypatch.setenv("LSTM_TRACE_CACHE", str(tmp_path))
    assert "its cache      none: there is no folder that is yours alone" in invoke("doctor").stdout


def test_without_llvmlite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "installed", lambda: False)
    result = invoke("doctor")
    assert result.exit_code == 0
    assert "\ncompiled plan  not available: llvmlite is not installed\n" in result.stdout
    assert "\ncompiled  " not in result.stdout


@pytest.mark.few(0)
def test_a_wrong_plan_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(numpy_plan.KERNELS, "softplus", numpy_plan.KERNELS["relu"])
    result = invoke("doctor")
    assert (result.exit_code, result.stderr) == (1, "")
    assert re.search(r"^planned        WRONG in \d+ calls: ", result.stdout, re.M)
    assert "plan planned, float64, width 2 of 2 columns: softplus of a is " in result.stdout
    assert "please report it with this output" in result.stdout
    assert result.stdout.endswith("Until this is fixed, --by-plan lines computes correct values.\n")


@pytest.mark.few(0)
def test_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(invoke("doctor", "--format", "json").stdout)
    machine = {row["name"]: row["value"] for row in found["more"][0]["rows"]}
    assert machine["lstm-trace"] == __version__
    assert found["sentences"] == ["Every plan that runs here computes what the operations define."]
    assert all(row["agrees"] is True for row in found["rows"])
    monkeypatch.setitem(numpy_plan.KERNELS, "softplus", numpy_plan.KERNELS["relu"])
    result = invoke("doctor", "--format", "json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [row["agrees"] for row in found["rows"]][:2] == [True, False]
    assert any("softplus of a is " in said for said in found["sentences"])
    page = invoke("doctor", "--format", "md", "--language", "fr").stdout
    assert "Des valeurs peuvent être fausses sur cette machine" in page
