"""The profile as a person reads it: what it names is there, its commands run, and trained models have it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.engine.run import in_arithmetic
from lstm_trace.errors import MissingError

from ..support.profile_cases import cell
from ..support.table_cases import stacked
from .test_profile_report import commands, is_profile, source


def test_its_commands_open_what_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model with its input, labels and what is held; a trace with what is held; a problem."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(8)
    weights = {f"W_{s}{g}": draw.normal(size=(3, 3 if s == "h" else 2)) for s in "xh" for g in "ifco"}
    x = draw.normal(size=(1, 18, 2))
    problem = {"weights": {name: w.tolist() for name, w in weights.items()}, "x": x[0].tolist()}
    np.savez("model.npz", **weights)
    np.save("the input.npy", x)
    Path("tokens.txt").write_text("abcdefghi" * 2)
    lt.run(weights, x[0]).save("run.json")
    Path("problem.json").write_text(json.dumps(problem))
    both = "candidate_activation=relu,output_activation=relu"
    model = ["model.npz", "--input", "the input.npy", "--batch-first", "--tokens", "tokens.txt", "--option", both]
    held = ["--hold", "c_t[1]=0", "--hold", "5..9/f_t[0]=*0.5"]
    for opened in ([*model, *held], [*model, "--layout", "transposed=false"], ["run.json", *held], ["problem.json"]):
        found = CliRunner().invoke(main, ["report", *opened, "--format", "text", "--detail", "profile"])
        asked = commands(found.output)
        assert "SOURCE" not in found.output
        assert len(asked) == (7 if "--tokens" in opened else 6), found.output
        for words in asked:
            if words[1] != "verify":
                at = source(words)
                assert sorted(words[at : at + len(opened)]) == sorted(opened), words
            result = CliRunner().invoke(main, words[1 : words.index("|") if "|" in words else None])
            assert result.exit_code == 0, (words, result.output)
            if "|" in words:
                assert words[words.index("|") :] == ["|", "lstm-trace", "verify", "-"]
                result = CliRunner().invoke(main, ["verify", "-"], input=result.stdout)
                assert "verified" in result.output
                assert result.exit_code == 0, result.output
            if "memory" in words:  # the value of the run that is held, and not of another one
                of = words[words.index("--of") + 1]
                for arguments in (["run", *opened, "-o", "held.json"], [*words[1:], "-o", "memory.csv"]):
                    assert CliRunner().invoke(main, arguments).exit_code == 0
                last = list(csv.DictReader(Path("memory.csv").read_text().splitlines()))[-1]
                trace = lt.load("held.json")
                place = trace.locate(of)
                value = trace.lines["0/forward"]["c_t"][place.t, 0, place.unit[0]]
                assert float(last["running"]) == pytest.approx(value)


def test_worked_steps_of_other_traces() -> None:
    trace = stacked(18, 1, 1, 17, ("forward",))
    assert not is_profile(in_arithmetic(trace, "bfloat16"))
    assert not is_profile(lt.backward(trace, of="17/h_t[0]"))
    assert not is_profile(cell("lstm", "ifco", 17, ask="5/0/h_t[0]"))
    assert not is_profile(cell("lstm", "ifco", 17, ask="c_t"))
    assert is_profile(cell("lstm", "ifco", 17, ask="h_t"))
    still = lt.run({"W": np.ones((20, 2))}, np.ones((20, 2)), cell={"equations": "y_t = W @ x_t\noutput: y_t"})
    assert not is_profile(still)
    with pytest.raises(MissingError, match="a profile describes cells that carry a state"):
        still.report(detail="profile")
