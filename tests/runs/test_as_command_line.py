"""What the service computes and draws of a run is what the command line does of the same file: gaps, labels, holds."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from lstm_trace.cli import main
from lstm_trace.runs import comparing, plotting, running
from lstm_trace.runs.asked import Question

from ..support.kept_runs import Kept

RNG = np.random.default_rng(15)
SHAPES = {"W_x": (3, 2), "W_h": (3, 3), "b_": (3,)}
PROBLEM: dict[str, Any] = {
    "title": "Gaps, labels and holds",
    "weights": {f"{n}{g}": RNG.normal(size=shape).tolist() for n, shape in SHAPES.items() for g in "ifco"},
    "x": RNG.normal(size=(5, 2, 2)).tolist(),
    "h0": RNG.normal(size=(2, 3)).tolist(),
    "mask": [[1, 0], [1, 1], [0, 1], [1, 1], [1, 1]],
    "names": {"h": ["sun", "rain", "wind"], "t": [["it", "is", "-", "wet", "today"], ["-", "we", "all", "stay", "in"]]},
    "hold": {"1..3/0/f_t[1]": "*0.5", "c_t[2]": 0.25, "3/1/o_t": [0.1, 0.9, 0.4]},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "q.yaml"
    path.write_text(yaml.safe_dump(PROBLEM))
    return path


@pytest.fixture(scope="module")
def path(file: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the kept run of the file."""
    kept = Kept(tmp_path_factory.mktemp("runs"))
    return kept.path(kept.make(running.Item("p", str(file), "5" * 64, "q.yaml"), item="p"))


def commanded(command: str, file: Path, options: dict[str, Any]) -> str:
    """What a command writes."""
    given = [f"--{name}={','.join(value) if isinstance(value, list) else value}" for name, value in options.items()]
    found = CliRunner().invoke(main, [*command.split(), str(file), *given])
    assert found.exit_code == 0, found.output
    return found.stdout


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("how", "options"),
    [
        ("memory", {"of": "4/0/c_t[1]"}),
        ("gradient", {"of": "4/1/y_t[0]"}),
        ("gates", {"low": 0.4, "high": 0.6}),
        ("contribution", {"of": "4/1/y_t[0]"}),
        ("contribution", {"of": "4/0/h_t[1]", "baseline": "zero-state"}),
        ("ablation", {"of": "4/0/y_t[1]", "over": "steps"}),
        ("ablation", {"of": "4/1/y_t[1]", "over": "lines", "to": "*0.5"}),
    ],
)
def test_an_explanation_has_the_same_numbers(file: Path, path: str, how: str, options: dict[str, Any]) -> None:
    found = json.loads(comparing.explained(path, None, Question(run="r", how=how, **options), 10_000))
    columns, *rows = csv.reader(io.StringIO(commanded(f"explain {how}", file, {"format": "csv", **options})))
    assert found["columns"] == columns
    assert [["" if value is None else str(value) for value in row] for row in found["rows"]] == rows
    assert rows
    told = json.loads(commanded(f"explain {how}", file, {"format": "json", **options}))["sentences"]
    assert found["text"].split("\n") == told


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("states", {"unit": "0,2", "line": ["c_t", "f_t"], "steps": "1:4", "order": "memory"}),
        ("unit", {"unit": "1,2", "batch": 1}),
        ("text", {"unit": "2", "line": ["h_t"]}),
        ("memory", {"of": "4/0/c_t[1]"}),
        ("saturation", {"low": 0.4, "high": 0.6}),
        ("gradient", {"of": "4/1/y_t[0]"}),
        ("contribution", {"of": "4/1/y_t[0]", "baseline": "0", "occlusion": "all"}),
        ("weights", {"of": "W_hi"}),
    ],
)
def test_a_picture_is_the_same(file: Path, path: str, kind: str, options: dict[str, Any]) -> None:
    content, _ = plotting.drawn(path, kind, "svg", options)
    assert content.decode() == commanded("plot", file, {"kind": kind, "format": "svg", **options})
