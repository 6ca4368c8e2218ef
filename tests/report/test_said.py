"""What a report says beside its numbers: the author's notes, one and many, in every language."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import MissingError
from lstm_trace.languages import languages
from lstm_trace.results.explanation import explanation
from lstm_trace.trace.trace import Trace

from ..formulas.test_formulas import FORMATS, own, visible
from ..support.said import sentences_of

NOTES = """Taken from sheet 3,
exercise 2 (10 % | 5 points).

1. The <b>weights</b> are *made up*:
- first
  and foremost
- second
"""


@pytest.mark.few(1)
@pytest.mark.parametrize("format", FORMATS)
def test_notes_stand_below_the_title(format: str) -> None:
    report = own(title="The title", notes=NOTES).report(format)
    shown = visible(report) if format == "html" else report
    places = [shown.index(words) for words in ("The title", "Taken from sheet 3, exercise 2 (", "first and foremost")]
    assert places == sorted(places)
    assert places[-1] < shown.index("reads 3 steps")
    assert format in ("text", "tex", "typ") or "<b>weights" not in report


def test_notes_as_markdown_and_text() -> None:
    trace = own(notes=NOTES)
    said = "Taken from sheet 3, exercise 2 (10 % \\| 5 points)."
    listed = "1\\. The &lt;b&gt;weights&lt;/b&gt; are \\*made up\\*:\n\n- first and foremost\n- second\n"
    assert f"# Worked solution\n\n{said}\n\n{listed}\nA cell" in trace.report()
    assert "\n\n- first and foremost\n- second\n\nA cell" in trace.report("text")


def test_notes_are_kept_in_a_trace(tmp_path: Path) -> None:
    trace = own(notes=NOTES)
    for name in ("t.json", "t.safetensors"):
        trace.save(tmp_path / name)
        assert lt.load(tmp_path / name).header.notes == NOTES
        run = CliRunner().invoke(main, ["report", str(tmp_path / name), "--format", "text"])
        assert "Taken from sheet 3, exercise 2" in run.output


# -- one and many ----------------------------------------------------------------------------------------------------


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("language", "one", "two"),
    [
        ("en", "Before the first step h_{t-1} is zero.", "Before the first step h_{t-1} and c_{t-1} are zero."),
        ("de", "Vor dem ersten Schritt ist h_{t-1} null.", "Vor dem ersten Schritt sind h_{t-1} und c_{t-1} null."),
        ("fr", "Avant le premier pas, h_{t-1} vaut zéro.", "Avant le premier pas, h_{t-1} et c_{t-1} valent zéro."),
        ("es", "Antes del primer paso, h_{t-1} vale cero.", "Antes del primer paso, h_{t-1} y c_{t-1} valen cero."),
        ("zh", "第一步之前，h_{t-1} 为零。", "第一步之前，h_{t-1} 和 c_{t-1} 均为零。"),
    ],
)
def test_one_state_is_zero_and_two_are(language: str, one: str, two: str) -> None:
    cell = {"equations": "h_t = tanh(W @ x_t + h_prev)\ncarry: h_prev <- h_t\noutput: h_t"}
    single = lt.run({"W": [[0.5]]}, [[1.0], [2.0]], cell=cell)
    assert one in single.report("text", language=language)
    weights = {f"W_{s}{g}": [[0.5]] for s in "xh" for g in "ifco"}
    assert two in lt.run(weights, [[1.0], [2.0]]).report("text", language=language)


def _maps(units: int, steps: int, language: str = "en") -> str:
    draw = np.random.default_rng(1)
    trace = lt.run(
        {"W": draw.normal(size=(units, 1))}, draw.normal(size=(steps, 1)), cell={"equations": "h_t = W @ x_t"}
    )
    return trace.report("html", language=language, detail="summary")


@pytest.mark.few(1)
@pytest.mark.parametrize("language", languages())
def test_nothing_is_said_of_several_that_is_one(language: str) -> None:
    pages = [_maps(2, 100, language), _maps(40, 5, language), _maps(1, 5, language)]
    said = [re.sub(r"<[^>]*>", " ", page) for page in pages]
    assert not any(re.search(r"\b1 (steps|units|Schritte|Einheiten|unités|pasos|unidades)", text) for text in said)


def test_one_decimal() -> None:
    trace: Any = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [1.0], ask="i_t", arithmetic="by-hand-1")
    assert "is rounded to one decimal, half away" in " ".join(trace.report("text").split())


def test_a_contribution_names_the_step_that_brought_most() -> None:
    cell = {"equations": "c_t = 0.5 * c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t"}
    trace = lt.run({}, [[1.0], [8.0], [1.0]], cell=cell)
    told = sentences_of(explanation(trace, "2/c_t[0]", "contribution"))
    assert "the step that contributed most is t = 1: +4" in told


def test_the_title_of_a_plain_rnn() -> None:
    trace = lt.run({"W_xh": [[0.5]], "W_hh": [[0.5]]}, [[1.0], [2.0]], cell="rnn")
    assert "A plain RNN cell with one unit reads 2 steps of one number." in trace.report("text")


def asked(*lines: str, batch: tuple[int, ...] = ()) -> Trace:
    """Three steps of two units, of which these lines are asked."""
    draw = np.random.default_rng(0)
    weights = {f"W_{s}{g}": draw.normal(size=(2, 2)) for s in "xh" for g in "ifco"}
    return lt.run({"weights": weights, "x": draw.normal(size=(3, *batch, 2)).tolist(), "ask": [*lines]})


def test_what_is_wanted_is_named_from_the_step_to_the_unit() -> None:
    text = asked("c_t[1]", "1/0/h_t[1]", batch=(2,)).report("text")
    assert "Wanted: c_t (unit 1) and h_t (step t = 1, sequence 0, unit 1)." in text


@pytest.mark.parametrize(("lines", "frame"), [(["h_t"], "#boxed[\n"), (["c_t", "h_t"], "#boxed(grid(columns: 2, ")])
def test_several_answers_stand_side_by_side_in_their_frame(lines: list[str], frame: str) -> None:
    source = asked(*lines).report("typ", detail="compact")
    assert source.count(frame) == source.count("#boxed") == 1


def test_a_trace_without_lines_has_its_equations() -> None:
    trace = lt.run({"W_xh": [[1.0]], "W_hh": [[0.5]]}, [[1.0], [2.0]], cell="rnn")
    empty = replace(trace, lines={})
    assert "Equations" in empty.report("text")
    with pytest.raises(MissingError, match="'h_t' was not recorded"):
        empty.report("text", only="h_t")
