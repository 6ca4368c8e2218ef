"""--hold and explain ablation as a user sees them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import FileError
from lstm_trace.examples import text


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.yaml").write_text(text("three-steps"))
    lt.run("q.yaml", ask=[]).save("t.json")
    return tmp_path


def out(*words: str) -> str:
    done = CliRunner().invoke(main, [*words])
    assert done.exit_code in (0, 1), done.output
    return done.output


def test_run_a_problem_and_run_a_trace_again(here: Path) -> None:
    held = ["--hold", "c_t[1]=0", "--hold", "1..2/f_t = *0.5"]
    out("run", "q.yaml", *held, "-o", "a.json")
    out("run", "t.json", *held, "-o", "b.json")
    a, b = lt.load("a.json"), lt.load("b.json")
    assert not a["c_t"][..., 0].any()
    assert np.array_equal(a["h_t"], b["h_t"])
    assert "verified: 144 values" in out("verify", "a.json")
    out("run", "q.yaml", "--hold", "c_t=a.json", "-o", "c.json")
    assert np.array_equal(lt.load("c.json")["c_t"], a["c_t"])
    out("run", "b.json", "--hold", "0/o_t=1", "-o", "d.safetensors")
    assert not lt.load("d.safetensors")["c_t"][..., 0].any(), "what was held stays held"


@pytest.mark.few(0)
def test_every_verb_says_what_is_held(here: Path) -> None:
    held = ["--hold", "c_t[1]=0.25"]
    assert "Held: c_t[1] at 0.25." in out("show", "t.json", *held)
    assert "Held instead of computed: c_t[1] = 0.25." in out("report", "q.yaml", *held, "--format", "text")
    rows = [*csv.DictReader(io.StringIO(out("export", "q.yaml", *held)))]
    assert {row["value"] for row in rows if (row["line"], row["unit"]) == ("c_t", "0")} == {"0.25"}
    told = out("diff", "q.yaml", "t.json", *held)
    assert "a holds nothing" in told
    assert "b holds c_t[1] at 0.25" in told
    assert "only in b" not in told
    assert "hold of c_t" in out("explain", "memory", "q.yaml", "--of", "2/c_t[0]", *held)


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "q.yaml", "--hold", "c_t", "-o", "n.json"], "expected ADDRESS=VALUE, as in c_t[3]=0, found 'c_t'"),
        (["run", "q.yaml", "--hold", "c_t=", "-o", "n.json"], "expected ADDRESS=VALUE"),
        (["run", "q.yaml", "--hold", "c_t=1", "--hold", "c_t=2", "-o", "n.json"], "'c_t' is held twice"),
        (["run", "q.yaml", "--hold", "c_q=1", "-o", "n.json"], "there is no line 'c_q'; did you mean 'c_t'?"),
        (["run", "q.yaml", "--hold", "5/c_t=1", "-o", "n.json"], "t 0 to 2"),
        (["run", "q.yaml", "--hold", "c_t=none.json", "-o", "n.json"], "is not a finite number, a multiple"),
        (["run", "q.yaml", "--hold", "c_t=nan", "-o", "n.json"], "is not a finite number, a multiple"),
        (["run", "q.yaml", "--hold", "c_t=t.json", "-o", "t.json"], "t.json: this is an input, which would be lost"),
        (["run", "t.json", "--hold", "c_t=1", "--plan"], "a trace; --hold runs it again as it was"),
        (["show", "t.json", "--hold", "W_xi=1"], "W_xi is a weight"),
        (["explain", "ablation", "t.json"], "ablation needs a value"),
        (["explain", "ablation", "t.json", "--of", "2/h_t[0]", "--to", "x"], "'x' is not a finite number"),
        (["explain", "ablation", "t.json", "--of", "2/h_t[0]", "--line", "h_q"], "there is no line 'h_q'"),
        (["explain", "gates", "t.json", "--over", "steps"], "--over belongs to explain ablation"),
    ],
)  # fmt: skip
def test_one_message_and_exit_code_2(here: Path, words: list[str], told: str) -> None:
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert not done.stdout
    assert done.stderr.count("rror: ") == 1
    assert told in done.stderr
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["report", "--format", "md"],
        ["plot", "--kind", "unit", "--format", "svg"],
    ],
    ids=lambda words: words[0],
)
def test_a_trace_that_a_problem_names_is_not_overwritten(here: Path, words: list[str]) -> None:
    (here / "p.yaml").write_text(text("three-steps") + "hold: {c_t: t.json}\n")
    (here / "link.json").symlink_to("t.json")
    before = (here / "t.json").read_bytes()
    verb, *more = words
    for name in ("t.json", "link.json"):
        done = CliRunner().invoke(main, [verb, "p.yaml", *more, "-o", name])
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.count("rror: ") == 1
        assert "an input, which would be lost; write to another file" in done.stderr
        assert (here / "t.json").read_bytes() == before
    done = CliRunner().invoke(main, [verb, "p.yaml", *more, "-o", "other.json"])
    assert done.exit_code == 0, done.stderr


def test_a_trace_that_a_problem_names_is_not_overwritten_in_python(here: Path) -> None:
    lt.load("t.json").save("t.safetensors")
    (here / "p.yaml").write_text(text("three-steps") + "hold: {c_t: t.safetensors}\n")
    before = (here / "t.safetensors").read_bytes()
    with pytest.raises(FileError, match="which would be lost"):
        lt.run("p.yaml", out="t.safetensors")
    assert (here / "t.safetensors").read_bytes() == before


def test_diff_of_other_values_holds_nothing(here: Path) -> None:
    lt.load("t.json").to_frame().to_csv("v.csv", index=False)
    done = CliRunner().invoke(main, ["diff", "q.yaml", "v.csv", "--hold", "c_t=0"])
    assert done.exit_code == 2
    assert "v.csv: values that another program printed are not held: leave --hold out" in done.stderr


def test_ablation_is_sorted_and_names_units_and_steps(here: Path) -> None:
    told = out("explain", "ablation", "t.json", "--of", "2/h_t[1]")
    assert "each variant holds one unit of c_t at 0, at all steps" in told
    assert told.index("wet") < told.index("bright")
    trace = lt.load("t.json")
    labels = (("mon", "tue", "wed"),)
    replace(trace, header=replace(trace.header, step_labels=labels)).save("l.json")
    found = json.loads(
        out("explain", "ablation", "l.json", "--of", "2/h_t[1]", "--over", "steps", "--line", "f_t[1,2]",
            "--to", "*0.5", "--format", "json")
    )  # fmt: skip
    assert [row["token"] for row in found["rows"]] == ["wed", "tue", "mon"]
    assert [row["t"] for row in found["rows"]] == [2, 1, 0]
    assert "each variant holds f_t at 0.5 times its own value, at one step" in found["sentences"]
    frame = lt.explain(trace, "2/h_t[1]", "ablation", over="lines").to_frame()
    assert [*frame.columns] == ["layer", "direction", "line", "value", "effect"]
    assert frame["effect"].abs().is_monotonic_decreasing
