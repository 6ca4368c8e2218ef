"""A composite function that is added to the table works in every part of the package, with nothing else edited."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cell import composites, variants
from lstm_trace.cell.parse import parse
from lstm_trace.cli import main

from .export.excel.test_workbook import computed, written

DEFINITION = "bump(z, width=1) = tanh(softplus(z)) * exp(-z * quotient(z, width))"
WEIGHTS = {
    f"W_{side}{gate}": [[0.3 + 0.1 * k + (0.5 if side == "h" else -0.2)]]
    for k, gate in enumerate("ifco")
    for side in "xh"
}
X = [[0.5], [-1.25], [2.0]]
OPTIONS = {"gate_activation": "bump", "candidate_activation": "bump(2)", "output_activation": "bump"}
CUSTOM = """\
z_c = W_xc @ x_t + W_hc @ h_prev
c_t = bump(z_c)
h_t = c_t * bump(c_t, 2)
carry: h_prev <- h_t
output: h_t
"""


def bump(z: float, width: float = 1.0) -> float:
    return math.tanh(math.log1p(math.exp(z))) * math.exp(-z * z / width)


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    said = composites.head(DEFINITION)
    assert said is not None
    monkeypatch.setitem(composites.BUILT_IN, "bump", composites.function(said, DEFINITION[said.start :]))
    monkeypatch.setitem(composites.PRINTED, "bump", "Bump")
    yield
    variants._parsed.cache_clear()
    parse.cache_clear()


@pytest.fixture(params=["options", "custom"])
def trace(request: pytest.FixtureRequest) -> lt.Trace:
    if request.param == "options":
        return lt.run(WEIGHTS, X, options=OPTIONS)
    return lt.run({name: WEIGHTS[name] for name in ("W_xc", "W_hc")}, X, cell={"equations": CUSTOM})


def test_its_values(trace: lt.Trace) -> None:
    name = "z_i" if "z_i" in list(trace) else "z_c"
    width = 1.0
    found = trace["i_t" if name == "z_i" else "c_t"][:, 0, 0]
    assert found == pytest.approx([bump(float(z), width) for z in trace[name][:, 0, 0]], rel=1e-14)


@pytest.mark.parametrize("cell", ["options", "custom"])
def test_every_plan_runs_it(cell: str) -> None:
    more: dict[str, Any] = {"options": OPTIONS} if cell == "options" else {"cell": {"equations": CUSTOM}}
    weights = {name: w for name, w in WEIGHTS.items() if cell == "options" or name[-1] == "c"}
    model = lt.prepare(weights, **more)
    x = np.random.default_rng(0).normal(size=(40, 2, 1))
    first = model.run(x, plan="lines")
    plans = ["planned"]
    try:
        import llvmlite  # noqa: F401
    except ImportError:
        pass
    else:
        plans.append("compiled")
    for plan in plans:
        other = model.run(x, plan=plan)
        for name in first:
            np.testing.assert_allclose(other[name], first[name], rtol=1e-9, atol=1e-14, err_msg=f"{plan}: {name}")
        assert lt.verify(other).verdict == "verified"


@pytest.mark.few(1)
def test_files_verify_diff_and_other_arithmetic(
    trace: lt.Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for suffix in ("json", "safetensors"):
        path = tmp_path / f"t.{suffix}"
        trace.save(path)
        with monkeypatch.context() as without:  # read where the table has it no longer
            without.delitem(composites.BUILT_IN, "bump")
            again = lt.load(path) if trace.header.kind == "equations" else None
        again = again or lt.load(path)
        assert lt.verify(again).verdict == "verified"
        assert lt.diff(trace, again).same
    trace.lines["0/forward"]["h_t"][1, 0, 0] += 0.25
    assert lt.verify(trace).verdict == "failed"


def test_gradients_are_those_of_finite_differences() -> None:
    weights = {name: np.array(w) for name, w in WEIGHTS.items()}

    def loss(**changed: Any) -> float:
        return float(lt.run(weights | changed, X, options=OPTIONS).output[-1].sum())

    found = lt.gradients(lt.run(weights, X, options=OPTIONS), of="2/h_t[0]")
    for name in ("W_xi", "W_hc", "W_xo"):
        step = 1e-6
        rise = loss(**{name: weights[name] + step}) - loss(**{name: weights[name] - step})
        assert found[f"0/forward/{name}"].item() == pytest.approx(rise / (2 * step), rel=1e-6), name


@pytest.mark.few(0)
def test_a_difference_is_split_and_values_are_explained() -> None:
    a, b = lt.run(WEIGHTS, X, options=OPTIONS), lt.run(WEIGHTS, [[0.75], [-1.0], [1.5]], options=OPTIONS)
    split = lt.attribute(a, b, "2/h_t[0]").to_frame()
    assert split["contribution"].sum() == pytest.approx(float(b["h_t"][2, 0, 0] - a["h_t"][2, 0, 0]), rel=1e-9)
    for how in ("memory", "gradient", "contribution"):
        assert len(lt.explain(a, "2/c_t[0]", how=how).to_frame())


@pytest.mark.few(1)
@pytest.mark.parametrize("format", ["md", "text", "html", "tex", "typ"])
def test_reports_print_its_name_and_its_definition_once(trace: lt.Trace, format: str) -> None:
    text = trace.report(format=format, detail="scalar")
    assert {"html": "<mi>Bump</mi>", "md": r"\mathrm{Bump}(", "tex": r"\mathrm{Bump}("}.get(format, "Bump") in text
    assert format == "html" or "bump(" not in text  # a page has the names of lines in its attributes


def test_the_definition_and_the_lines_within() -> None:
    trace = lt.run({"W_xc": [[1.0]], "W_hc": [[0.5]]}, X[0], cell={"equations": CUSTOM})
    text = trace.report(format="text", detail="scalar")
    said = " ".join(text.split())
    assert said.count("Bump(z) = tanh(softplus(z)) ⊙ exp((-z) ⊙ quotient(z, 1))") == 1
    assert said.count("Bump(z, 2) = tanh(softplus(z)) ⊙ exp((-z) ⊙ quotient(z, 2))") == 1
    assert "c_t = Bump(z_c) = tanh(softplus(z_c)) ⊙ exp(" in said
    for line in trace:
        assert trace[line].shape == (1, 1, 1)
    assert {"softplus(z_c)", "tanh(softplus(z_c))", "quotient(z_c, 1)", "bump(c_t, 2)"} <= set(trace)


@pytest.mark.few(1)
def test_tables_and_spreadsheet(trace: lt.Trace, tmp_path: Path) -> None:
    frame = trace.to_frame(shape="long")
    assert any(str(line).startswith("bump(") for line in frame["line"].unique())
    assert computed(written(tmp_path, trace), trace) == sum(a.size for a in trace.lines["0/forward"].values())


@pytest.mark.few(0)
def test_problem_files_and_the_command_line(tmp_path: Path) -> None:
    problem = tmp_path / "p.json"
    for cell in ({"kind": "lstm", **OPTIONS}, {"equations": CUSTOM}):
        weights = {name: w for name, w in WEIGHTS.items() if "kind" in cell or name[-1] == "c"}
        problem.write_text(json.dumps({"cell": cell, "weights": weights, "x": X}), encoding="utf-8")
        for arguments in (
            ["run", str(problem), "-o", str(tmp_path / "t.json")], ["verify", str(tmp_path / "t.json")],
            ["report", str(problem)], ["show", str(problem)], ["export", str(problem), "-o", str(tmp_path / "t.csv")],
            ["explain", "gradient", str(problem), "--of", "2/h_t[0]"],
            ["diff", str(tmp_path / "t.json"), str(problem)],
        ):  # fmt: skip
            result = CliRunner().invoke(main, arguments)
            assert result.exit_code == 0, (arguments, result.output)
        assert "bump(" in (tmp_path / "t.csv").read_text(encoding="utf-8")
