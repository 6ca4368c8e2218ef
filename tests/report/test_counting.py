"""Counting from 1: steps, units, inputs, rows, layers and the indices of symbols, in every format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import LstmTraceError
from lstm_trace.trace.trace import Trace

from ..formulas.test_formulas import visible
from ..support.table_cases import stacked
from .test_backward_pass import three


def text(trace: Trace, **options: Any) -> str:
    return trace.report("text", count_from=1, width=200, **options)


def test_steps_units_and_indices() -> None:
    found = text(three())
    assert re.findall(r"Step t = (\d)", found) == ["1", "2", "3"]
    assert "  x_2 = [0, 2]   h_1 ≈ [0.5049, 0.0000]   c_1 ≈ [0.8491, 0.0000]\n" in found
    assert "Before the first step h_0 and c_0 are zero." in found
    for row in ("z_i = W_xi x_3 + W_hi h_2 + b_i", "c_3 = f_3 ⊙ c_2 + i_3 ⊙ c̃_3", "h_1 = o_1 ⊙ tanh(c_1)"):
        assert row in found
    assert "unit 1 (bright)" in found
    assert "unit 0" not in found
    general = found.partition("Equations")[2].partition("Solution")[0]
    assert "c_t = f_t ⊙ c_{t-1} + i_t ⊙ c̃_t" in general
    assert "h_{t-1}" not in found.partition("Solution")[2].partition("In words")[0]


def test_a_problem_says_it_and_the_trace_keeps_it(tmp_path: Path) -> None:
    problem = {"weights": {"W_xi": [[0.5]], "W_hi": [[0.25]]}, "x": [[1.0], [2.0]], "h0": [0.5], "ask": ["1/i_t"]}
    problem["given"] = {"h_t": [[0.5], [0.25]]}
    trace = lt.run({**problem, "count_from": 1})
    trace.save(tmp_path / "t.json")
    again = lt.load(tmp_path / "t.json")
    assert again.header.count_from == 1
    assert again.report("text") == trace.report("text") == lt.run(problem).report("text", count_from=1)
    assert trace.report("text", count_from=0) == lt.run(problem).report("text")
    assert "Wanted: i_2." in trace.report("text")
    assert "Wanted: i_t (step t = 1)." in lt.run(problem).report("text")
    with pytest.raises(LstmTraceError, match="count_from: expected 0 or 1, found 2"):
        lt.run({**problem, "count_from": 2})
    with pytest.raises(LstmTraceError, match="count_from: expected 0 or 1, found 2"):
        trace.report(count_from=2)


@pytest.mark.few(0)
def test_the_reverse_direction_reads_the_step_after() -> None:
    trace = stacked(2, 2, 2, 2, directions=("forward", "reverse"))
    found = text(trace, detail="vector", digits=3)
    assert "Layer 2, reverse" in found
    assert "layer 0" not in found.lower()
    assert "sequence 2" in found
    assert "sequence 0" not in found
    last = found.partition("Layer 1, reverse, step t = 2, sequence 1")[2]
    assert "W_hi h_3" in last.partition("Step")[0]
    assert "W_hi h_2" in found.partition("Layer 1, reverse, step t = 1, sequence 1")[2]


@pytest.mark.few(1)
@pytest.mark.parametrize("format", ["md", "html", "tex", "typ"])
def test_every_format(format: str) -> None:
    found = three().report(format, count_from=1, detail="scalar")
    found = visible(found) if format == "html" else found
    h1 = {"md": "W_{hi}\\,h_1", "tex": "W_{hi}\\,h_1", "typ": "W_(h i) thin h_1", "html": "Whih1"}[format]
    assert h1 in found


def test_own_symbols_have_the_number_too() -> None:
    cell = {"equations": "s_t = tanh(w * s_prev + x_t)\ncarry: s_prev <- s_t\noutput: s_t"}
    symbols = {"s_t": r"\tilde{s}^{(t)}_{t}", "s_prev": "s_{t - 1}"}
    trace = lt.run({"weights": {"w": [0.5]}, "cell": cell, "x": [[1.0]] * 12, "symbols": symbols})
    assert "s̃_12⁽¹²⁾ = tanh(w ⊙ s_11 + x_12) = tanh(" in text(trace)
    assert r"\tilde{s}_{12}^{(12)} = \tanh(w \odot s_{11} + x_{12})" in trace.report("md", count_from=1)
    assert "s_{11}" in trace.report("tex", count_from=1, detail="scalar")


@pytest.mark.few(0)
def test_the_page_and_its_maps_count_alike() -> None:
    page = three().report("html", count_from=1)
    assert "<output>1</output>" in page
    assert '"first":1' in page
    assert 'data-t="0"' in page  # an address
    ticks = re.findall(r'<text class="mark"[^>]*>(\d)</text>', page)
    assert {"1", "3"} <= set(ticks)
    assert "0" not in ticks
    assert page.count('"units":["unit 1 (bright)","unit 2 (wet)"]') == 5
    assert "unit 0" not in page


def test_numbers_are_the_same() -> None:
    trace = lt.run({"W_xi": np.eye(2), "W_hi": np.eye(2)}, [[0.5, 0.25]], ask="i_t", h0=[0.125, 0.0])
    whole = re.compile(r"\d+\.\d+")
    assert whole.findall(text(trace)) == whole.findall(trace.report("text", width=200))


@pytest.mark.few(0)
def test_on_the_command_line(tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "lstm_trace" / "examples" / "three-steps.yaml"
    run = CliRunner().invoke(main, ["report", str(source), "--count-from", "1", "--format", "text"])
    assert "Step t = 3" in run.stdout
    run = CliRunner().invoke(main, ["report", str(source), "--count-from", "2"])
    assert run.exit_code == 2
    how = ["explain", "gradient", str(source), "--of", "2/h_t[0]", "--count-from", "1", "--format", "text"]
    assert "L is the value h_t[1] (step t = 3)" in CliRunner().invoke(main, how).stdout
