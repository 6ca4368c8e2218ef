"""`lstm-trace run`: what is printed, stored and streamed, and the progress bar."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.cli.terminal import ProgressBar
from lstm_trace.examples import text


@pytest.fixture
def problem(tmp_path: Path) -> str:
    path = tmp_path / "problem.yaml"
    path.write_text(text("three-steps"), encoding="utf-8")
    return str(path)


def ran(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["run", *arguments])


def test_the_plan_is_printed_and_nothing_computed(problem: str) -> None:
    done = ran(problem, "--plan")
    assert done.exit_code == 0
    assert done.stdout.startswith("0/forward\ndefault plan: planned\n\nbefore the loop, for many steps at once: ")
    assert "sigmoid   o_t | f_t | i_t" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "{" not in done.stdout


def test_record_chooses_lines(problem: str) -> None:
    done = ran(problem, "--record", "c_t, W_xi @ x_t")
    assert done.exit_code == 0
    stored = json.loads(done.stdout)["lines"]["0/forward"]
    whole = json.loads(ran(problem).stdout)
    assert set(stored) == {"c_t", "W_xi @ x_t"} | {name.rsplit("/", 1)[-1] for name in whole["ask"]}
    assert stored["c_t"] == whole["lines"]["0/forward"]["c_t"]


def test_a_line_or_layer_that_is_not_there_is_told(problem: str) -> None:
    done = ran(problem, "--record", "c_x")
    assert done.exit_code == 2
    assert "record: this run computes no line 'c_x'; did you mean 'c_t'?" in done.stderr
    done = ran(problem, "--layer", "3")
    assert done.exit_code == 2
    assert "record: there is no layer 3; there are 0" in done.stderr


def test_a_trace_is_streamed_and_read_by_every_command(problem: str, tmp_path: Path) -> None:
    path = str(tmp_path / "trace.safetensors")
    done = ran(problem, "-o", path)
    assert (done.exit_code, done.stdout) == (0, "")
    expected = json.loads(ran(problem).stdout)
    assert lt.load(path)["h_t"].tolist() == expected["lines"]["0/forward"]["h_t"]
    for command in ("verify", "show", "report"):
        again = CliRunner().invoke(main, [command, path])
        assert again.exit_code == 0, again.stderr
    assert "verified" in CliRunner().invoke(main, ["verify", path]).stdout


# -- the progress bar --------------------------------------------------------------------------------------------------


class Terminal:
    """A stderr that says it is a terminal, and keeps what is written."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.content = ""

    def isatty(self) -> bool:
        return True

    def write(self, content: str) -> int:
        self.content += content
        return len(content)

    def flush(self) -> None:
        pass


def test_the_bar_is_shown_on_a_terminal_after_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("lstm_trace.cli.terminal.time.monotonic", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with ProgressBar() as bar:
        for second in range(5):
            now[0] = 100.0 + second
            bar(second * 10, 50)
            assert bool(terminal.content) == (second >= 2)
    assert "steps" in terminal.content


def test_the_bar_stays_away_from_pipes_and_short_runs(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    now = [0.0]
    monkeypatch.setattr("lstm_trace.cli.terminal.time.monotonic", lambda: now[0])
    with ProgressBar() as bar:  # stderr is captured: no terminal
        now[0] = 100.0
        bar(10, 50)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with ProgressBar() as bar:
        now[0] += 1.9
        bar(10, 50)
    assert terminal.content == ""


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
@pytest.mark.parametrize("verb", ["run", "inspect"])
def test_a_trace_where_a_problem_or_model_is_expected(verb: str, suffix: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{suffix}"
    assert ran(problem, "-o", str(path)).exit_code == 0
    done = CliRunner().invoke(main, [verb, str(path)])
    assert done.exit_code == 2
    if (verb, suffix) != ("inspect", "json"):  # a .json is no model file, whatever is in it
        told = "a trace, computed already; report, show, export, verify, explain, plot and diff read it"
        assert done.stderr == f"error: {path}: {told}\n"


@pytest.mark.few(2)
@pytest.mark.parametrize("plan", ["lines", "planned", "compiled"])
@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_a_run_by_a_named_plan_can_be_repeated(problem: str, plan: str, suffix: str, tmp_path: Path) -> None:
    """`--plan` still prints; `--by-plan` and `--plan-of` compute, and a trace says by which."""
    if plan == "compiled":
        pytest.importorskip("llvmlite")
    first, again = tmp_path / f"first.{suffix}", tmp_path / f"again.{suffix}"
    assert ran(problem, "--by-plan", plan, "-o", str(first)).exit_code == 0
    done = ran(problem, "--plan-of", str(first), "-o", str(again))
    assert (done.exit_code, done.output) == (0, "")
    assert lt.load(again).header.plan == plan
    assert again.read_bytes() == first.read_bytes()


def test_a_plan_is_named_once_and_by_a_trace(problem: str, tmp_path: Path) -> None:
    trace = str(tmp_path / "t.json")
    ran(problem, "-o", trace)
    both = ran(problem, "--by-plan", "lines", "--plan-of", trace)
    assert (both.exit_code, both.stdout) == (2, "")
    assert "--plan-of TRACE determines the plan: leave --by-plan out" in both.stderr
    Path(trace).write_text(re.sub('"plan": "[a-z]+"', '"plan": "foreign"', Path(trace).read_text()))
    other = ran(problem, "--plan-of", trace)
    assert other.exit_code == 2
    assert "its values are foreign, not computed by a plan of lstm-trace" in other.stderr
    assert ran(problem, "--plan-of", problem).exit_code == 2


@pytest.mark.few(0)
def test_every_command_computes_in_the_arithmetic_of_the_problem(problem: str, tmp_path: Path) -> None:
    exact = lt.run(problem)
    Path(problem).write_text(text("three-steps") + "\narithmetic: by-hand-2\n", encoding="utf-8")
    kept = str(tmp_path / "kept.safetensors")
    assert ran(problem, "-o", kept).exit_code == 0  # not streamed, since it goes line by line
    trace = lt.load(kept)
    assert trace.header.arithmetic == "by-hand-2"
    assert (trace["h_t"] != exact["h_t"]).any()
    first = f"{trace['h_t'][0, 0, 0]:.2f}"

    def said(*arguments: str) -> str:
        done = CliRunner().invoke(main, list(arguments))
        assert done.exit_code == 0, done.output
        return done.output

    assert "verified" in said("verify", kept)
    assert "- same: all" in said("diff", problem, kept)
    assert "By hand: each product" in said("report", problem, "--format", "text")
    assert f"0,forward,0,1,0,h_t,mul,0,bright,{float(first)}\n" in said("export", problem, "--line", "h_t")
    assert str(float(first)) in said("show", problem, "--line", "h_t")
    assert said("explain", "memory", problem, "--of", "2/c_t[0]") == said("explain", "memory", kept, "--of", "2/c_t[0]")
    assert said("run", problem, "--plan") == "default plan: lines, in the arithmetic by-hand-2\n"
    assert ran(problem, "--arithmetic", "float64", "-o", kept).exit_code == 0
    assert lt.load(kept).header.arithmetic is None
    assert ran(problem, "--by-hand", "3", "-o", kept).exit_code == 0
    assert lt.load(kept).header.arithmetic == "by-hand-3"
