"""A gradient is a trace: its files, addresses, frames, verify and diff are those of any trace."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from lstm_trace.cli import main

from .test_gradient_traces import weighted


def test_the_command_line_reads_and_writes_it(tmp_path: Path) -> None:
    _, g = weighted(lengths=[4, 2])
    g.save(path := tmp_path / "g.json")

    def call(*args: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, [*map(str, args)])
        assert done.exit_code == code, done.output
        return done.output

    call("export", path, "-o", tmp_path / "g.csv")
    table = csv.DictReader((tmp_path / "g.csv").read_text().splitlines())
    np.testing.assert_array_equal([float(row["value"]) for row in table], g.to_frame().value)
    call("export", path, "-o", tmp_path / "g.jsonl")
    rows = [json.loads(row) for row in (tmp_path / "g.jsonl").read_text().splitlines()]
    assert {row["t"] for row in rows if row["op"] == "gathered"} == {None}
    assert call("diff", path, tmp_path / "g.csv").startswith("# Difference of g.json and g.csv\n\n- same")
    assert call("diff", path, tmp_path / "g.jsonl").startswith("# Difference of g.json and g.jsonl\n\n- same")
    shown = call("show", path, "--direction", "adjoint-forward", "--layer", "1", "--only", "d_b_i,d_h_t")
    assert "d_b_i" in shown
    assert "verified: " in call("verify", path)
    text = (tmp_path / "g.csv").read_text()
    (tmp_path / "g.csv").write_text(
        re.sub(r"(1,adjoint-forward,,,\"?d_W_xi\[:,2\]\"?,gathered,3,).*", r"\g<1>0.5", text)
    )
    assert "first at 1/adjoint-forward/d_W_xi[3,2]" in call("diff", path, tmp_path / "g.csv", code=1)
    (tmp_path / "g.csv").write_text(text.replace("d_W_xi[:,0]", "d_W_xi[:,99]", 1))
    assert "d_W_xi is a matrix: expected a column of it, d_W_xi[:,0] to d_W_xi[:,7]" in call(
        "diff", path, tmp_path / "g.csv", code=2
    )
    entry = {"layer": 1, "direction": "adjoint-forward", "line": "d_W_xi", "unit": 3, "value": 0.5}
    for column, said in ((-1, "expected a column of it"), ("x", "column"), (1.5, "expected a whole number")):
        (tmp_path / "g.jsonl").write_text(json.dumps({**entry, "column": column}) + "\n")
        found = call("diff", path, tmp_path / "g.jsonl", code=2)
        assert said in found
        assert "unexpected" not in found
