"""What a report says in words: the author's notes, what each gate did, one and many, in every language."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.report.languages import languages
from lstm_trace.tables.explanations import explanation

from ..formulas.test_formulas import FORMATS, own, visible

NOTES = """Taken from sheet 3,
exercise 2 (10 % | 5 points).

1. The <b>weights</b> are *made up*:
- first
  and foremost
- second
"""


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


# -- gates -----------------------------------------------------------------------------------------------------------


def test_a_gate_that_is_the_second_factor_has_its_sentence() -> None:
    text = " ".join(own().report("text").partition("In words")[2].split())
    assert re.search(r"The gate k_t let .* of s_{t-1} through, \d+ % on average; most in unit \d at step \d\.", text)
    assert "The gate p_t let" in text
    assert "of h_{t-1} through" in text


def test_the_first_of_two_gates_is_the_gate() -> None:
    cell = {"equations": "a_t = sigmoid(x_t)\nb_t = sigmoid(-x_t)\ns_t = a_t * b_t\noutput: s_t"}
    text = " ".join(lt.run({}, [[1.0, 2.0]], cell=cell).report("text").split())
    assert "The gate a_t let 73 % of b_t of unit 0 through" in text
    assert "The gate b_t" not in text


def test_the_shares_of_gates_read_as_a_range() -> None:
    text = " ".join(own().report("text").partition("In words")[2].split())
    assert "between" not in text
    still = lt.run(
        {"W_xi": [[0.0], [0.0]], "W_hi": [[0.0, 0.0], [0.0, 0.0]]}, np.ones((9, 1)), ask="i_t * c_tilde",
        given={"c_tilde": [[1.0, 2.0]] * 9, "h_t": [[0.0, 0.0]] * 9},
    )  # fmt: skip
    assert "The input gate let 50 % of the candidate of every unit in.\n" in still.report("text")


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_a_gate_beyond_all_sense_has_no_sentence(dtype: str) -> None:
    trace = lt.run(
        {"W_xi": [[1.0]], "W_hi": [[0.0]]}, [[1.0], [2.0]], ask="i_t * c_tilde", dtype=dtype,
        given={"c_tilde": [[1.0]] * 2, "h_t": [[0.0]] * 2},
    )  # fmt: skip
    assert "The input gate" in trace.report("text")
    trace.lines["0/forward"]["i_t"][1] = np.finfo(dtype).max  # 100 times that is infinite
    assert "gate" not in trace.report("text").partition("In words")[2]


# -- one and many ----------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("units", "steps", "said"),
    [
        (2, 100, "Each field is the mean of 2 steps."),
        (40, 5, "Each field is the mean of 3 units."),
        (40, 100, "Each field is the mean of 2 steps and 3 units."),
    ],
)
def test_a_field_of_a_map_is_a_mean_of_several(units: int, steps: int, said: str) -> None:
    assert said in _maps(units, steps)


@pytest.mark.parametrize("language", languages())
def test_nothing_is_a_mean_of_one(language: str) -> None:
    pages = [_maps(2, 100, language), _maps(40, 5, language), _maps(1, 5, language)]
    said = [re.sub(r"<[^>]*>", " ", page) for page in pages]
    assert not any(re.search(r"\b1 (steps|units|Schritte|Einheiten|unités|pasos|unidades)", text) for text in said)


def test_one_decimal() -> None:
    trace: Any = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [1.0], ask="i_t", arithmetic="by-hand-1")
    assert "is rounded to one decimal, half away" in " ".join(trace.report("text").split())


def test_a_contribution_names_the_step_that_brought_most() -> None:
    cell = {"equations": "c_t = 0.5 * c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t"}
    trace = lt.run({}, [[1.0], [8.0], [1.0]], cell=cell)
    said = explanation(trace, "2/c_t[0]", "contribution").sentences
    assert "the step that contributed most is t = 1: +4" in said


# -- the gates of a GRU ----------------------------------------------------------------------------------------------

GRU: dict[str, Any] = {f"W_{s}{g}": [[0.0]] for s in "xh" for g in "ruh"}


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ({}, "The update gate kept 50 % of the old hidden state of unit 0."),
        ({"update": "write"}, "The update gate replaced 50 % of the old hidden state of unit 0 with the candidate."),
        ({}, "The reset gate let the candidate see 50 % of the past of unit 0."),
        ({"reset_after": True}, "The reset gate let the candidate see 50 % of the past of unit 0; all of it was zero"),
    ],
)
def test_what_the_gates_of_a_gru_did(cell: dict[str, Any], said: str) -> None:
    trace = lt.run(GRU, [1.0], h0=[0.5], cell={"kind": "gru", **cell})
    assert said in " ".join(trace.report("text").partition("In words")[2].split())


def test_an_update_gate_does_something_where_the_past_is_zero() -> None:
    """It says how much of the candidate comes in as well, so that it is not said to have changed nothing."""
    words = " ".join(lt.run(GRU, [1.0], cell="gru").report("text").partition("In words")[2].split())
    assert words.count("all of it was zero") == 1
    assert words.endswith("The update gate kept 50 % of the old hidden state of unit 0.")


@pytest.mark.parametrize(
    ("language", "one", "many"),
    [
        ("de", "das Update-Gate behielt 50 % des", "Das Reset-Gate ließ den Kandidaten 12 % bis 88 % der"),
        ("fr", "La porte de mise à jour a gardé 50 % de l’ancien", "a laissé voir au candidat 12 % à 88 % du passé,"),
        ("es", "La puerta de actualización conservó el 50 % del", "dejó ver al candidato entre el 12 % y el 88 % del"),
        ("zh", "更新门保留了单元 0 旧隐藏状态的 50%", "重置门让候选值看到了过去状态的 12% 到 88%，"),
    ],
)
def test_the_gates_of_a_gru_in_other_languages(language: str, one: str, many: str) -> None:
    def said(trace: lt.Trace) -> str:
        return " ".join(trace.report("text", language=language).replace("\u00a0", " ").split()).lower()

    assert one.lower() in said(lt.run(GRU, [1.0], cell="gru"))
    assert many.lower() in said(lt.run(GRU | {"W_xr": [[1.0]]}, [[-2.0], [2.0]], cell="gru"))


def test_the_title_of_a_plain_rnn() -> None:
    trace = lt.run({"W_xh": [[0.5]], "W_hh": [[0.5]]}, [[1.0], [2.0]], cell="rnn")
    assert "A plain RNN cell with one unit reads 2 steps of one number." in trace.report("text")
