"""The section "In words": every sentence by cell and language, what is chosen of many units, what cannot be told."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.examples import examples
from lstm_trace.languages import languages
from lstm_trace.languages.strings import words
from lstm_trace.trace.trace import Trace

from .. import ROOT
from ..formulas.test_formulas import FORMATS, own, visible
from ..support.table_cases import stacked
from ..support.tiers import some
from ..support.words_cases import CASES, cell, custom

EXAMPLES = ROOT / "lstm_trace" / "examples"


def said(trace: Trace, language: str = "en", **options: Any) -> str:
    """The section in one line; counted from 0 unless asked otherwise."""
    heading = words(language).word("gates")
    text = trace.report("text", language=language, **{"count_from": 0, **options}).replace("\u00a0", " ")
    return " ".join(text.rpartition(f"\n{heading}\n")[2].partition("──\n")[2].split())


def example(name: str, **more: Any) -> Trace:
    return lt.run(EXAMPLES / f"{name}.yaml", **more)


# -- every cell --------------------------------------------------------------------------------------------------------


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("one step", "The forget gate would keep 64 % in unit 0 and 80 % in unit 1, but there is nothing to forget: "
                     "c_{t-1} is zero."),
        ("one step", "The cell state holds only what was written: 0.3568 in unit 0 and 0.0466 in unit 1."),
        ("one step, old states", "The cell state goes from 0.75 to 0.15897 in unit 0 (0.49156 kept, -0.33259 written); "
                                 "from -0.5 to -0.39374 in unit 1 (-0.42817 kept, 0.03443 written)."),
        ("one step, old states", "lets in 84 % in unit 0 (-0.39705 becomes -0.33259)"),
        ("peephole", "Unit 0 held 1 before step 0; 0.0831 of it remains at step 2 (70 %, then 29 %, then 40 % kept)."),
        ("coupled", "Of the old cell state, the forget gate keeps 60 %, then 42 % in unit 0; 37 %, then 54 % in unit"),
        ("projection", "At step 2, the hidden state is -0.15443."),
        ("relu gates", "The input gate multiplies c̃_t by 4.6437, then 0.0000, then 0.0000 in unit 0;"),
        ("tanh gates", "Step 1 wrote 0.6767 into unit 0, which has become -0.5706 by step 2."),
        ("hard sigmoid", "the input gate lets in 81 %, then 66 %, then 19 % in unit 0; 0 %, then 33 %, then 86 % in"),
        ("cell norm", "Of tanh(y_cell), the output gate lets out"),
        ("cell norm carried", "At step 2, the cell state goes from 1.0000 to 0.2230 in unit 0 (0.2639 kept, -0.0409"),
        ("clipped", "At step 2, the cell state is -0.1000 in every unit."),
        ("slstm", "Of q_t, the output gate lets out 49 %, then 40 %, then 66 % in unit 0;"),
        ("slstm, nothing yet", "The input gate multiplies c̃_t by 4.7015 in unit 0 and 0.0616 in unit 1."),
        ("gru", "Of the old hidden state, the update gate keeps 4 %, then 46 %, then 62 % in unit 0; 52 %, then 66 %, "
                "then 63 % in unit 1. The candidate makes up the rest."),
        ("gru that writes", "Of the candidate, the update gate takes 4 %, then 45 %, then 61 % in unit 0;"),
        ("gru, one step", "The reset gate has no effect, since h_{t-1} is zero; it would let through 8 % in unit 0"),
        ("rnn", "At step 2, the hidden state is tanh of what the input and the past bring: -0.9739 in unit 0 (-1.1547 "
                "from the input, -0.1425 from the past, -0.8652 from the bias);"),
        ("rnn, no bias, one step", "The hidden state is tanh of what the input and the past bring: -1.00000 in unit 0"),
        ("custom", "Of s_{t-1}, the gate k_t keeps 62 %, then 69 %. At step 0 it has no effect, since s_{t-1} is"),
        ("custom", "Of tanh(s_t), the gate p_t lets through 12 %, then 50 %, then 27 %."),
        ("custom", "At step 2, r_t is 0.11687 (27 % of tanh(0.46549))."),
        ("fade for long", "Step 0 wrote 64 into unit 0; 0.1250 of it remains at step 9 (9 steps kept less than"),
        ("batch", "At step 0, the cell state holds only what was written: -0.0418 in sequence 2."),
        ("batch", "-0.0486 in sequence 1 (45 % of tanh(-0.1082)), and -0.0189 in sequence 2 (45 % of tanh(-0.0418))."),
        ("idle for long", "At 5 of the steps it has no effect, since c̃_t is zero."),
        ("softmax of equals", "p_t predicts 4 outputs alike, each with 25 % after step 0;"),
        ("softmax of two", "p_t predicts output 0 and output 1 alike, each with 50 %."),
        ("softmax with names", "p_t predicts output 2 (ask) with 68 % after step 0, output 2 (ask) with 76 % after"),
        ("softmax of a batch, one step", "p_t predicts output 0 with 63 % in sequence 0 and output 0 with 65 % in"),
        ("scores of a batch", "y_t is 0.17447 for output 0 (up) of sequence 0, -0.34894 for output 1 (down) of"),
        ("named inputs", "Step 0 (sun) wrote 0.17447 into unit 0; 0.06755 of it remains at step 2 ("),
    ],
)  # fmt: skip
def test_what_is_said_of_a_cell(case: str, sentence: str) -> None:
    assert sentence in said(CASES[case]())


def test_the_order_of_the_factors_is_free() -> None:
    """`i_t * c_tilde` and `c_tilde * i_t` say the same."""
    text = (
        "i_t = sigmoid(W @ x_t)\nf_t = sigmoid(x_t)\nc_tilde = tanh(x_t)\n"
        "c_t = f_t * c_prev + i_t * c_tilde\nh_t = f_t * tanh(c_t)\ncarry: c_prev <- c_t\noutput: h_t"
    )
    turned = text.replace("i_t * c_tilde", "c_tilde * i_t").replace("f_t * c_prev", "c_prev * f_t")
    one, other = (said(custom(cell, [[1.0], [2.0]], W=0.5)) for cell in (text, turned))
    assert one == other
    assert "Of c̃_t, the gate i_t lets through 62 %, then 73 %." in one
    assert "Of c_{t-1}, the gate f_t keeps 88 %." in one


def test_the_first_of_two_gates_is_the_gate() -> None:
    text = said(custom("a_t = sigmoid(x_t)\nb_t = sigmoid(-x_t)\ns_t = a_t * b_t\noutput: s_t", [[1.0, 2.0]]))
    assert text == "- Of b_t, the gate a_t lets through 73 % in unit 0 and 88 % in unit 1."


def test_a_state_that_is_erased_by_what_reads_it_is_not_said_to_remain() -> None:
    """Half of h_prev is gone in each step, though h_prev itself has no gate."""
    text = said(custom("h_t = h_prev + 0.5 * (x_t - h_prev)\ncarry: h_prev <- h_t\noutput: h_t", [[1.0], [2.0]]))
    assert text == "- At step 1, h_t goes from 0.5000 to 1.2500 (0.5000 kept, 0.7500 written)."


@pytest.mark.few(0)
def test_what_a_hold_put_in_is_not_said_to_be_written() -> None:
    state = said(example("three-steps", hold={"0/c_t[0]": 9.0}))
    assert "Step 0" not in state
    assert "the cell state goes from 6.6367 to 4.5242 in unit 0 (bright) (4.4710 kept, 0.0532 written)" in state
    term = said(example("three-steps", hold={"1/i_t * c_tilde[0]": 9.0}))
    assert "Step 1 (rain) wrote 9.0000 into unit 0 (bright); 6.0576 of it remains at step 2 (67 % kept)." in term


def test_own_symbols_and_names_of_units() -> None:
    text = said(own(names={"h": ["left", "right"]}))
    assert "Of s_{t-1}, the gate k_t takes 40 %, then 5 %, then 40 % in unit 0 (left);" in text
    assert "score makes up the rest." in text


def test_values_alone_are_no_section() -> None:
    assert "In words" not in custom("y_t = W @ x_t\noutput: y_t", [[1.0]], W=2.0).report("text")


# -- every language ----------------------------------------------------------------------------------------------------

THREE = {
    "en": "Step 0 (sun) wrote 0.8491 into unit 0 (bright); 0.4178 of it remains at step 2 (73 %, then 67 % kept).",
    "de": "Von den 0.8491, die Schritt 0 (sun) in Einheit 0 (bright) schrieb, sind in Schritt 2 noch 0.4178 übrig: "
          "Behalten wurden 73 %, dann 67 %.",
    "fr": "Des 0.8491 que le pas 0 (sun) a écrits dans l’unité 0 (bright), il reste 0.4178 au pas 2 : il en a été "
          "gardé 73 %, puis 67 %.",
    "es": "De los 0.8491 que el paso 0 (sun) escribió en la unidad 0 (bright), en el paso 2 quedan 0.4178: se conservó "
          "el 73 %, luego el 67 %.",
    "zh": "时间步 0（sun） 写入单元 0（bright） 的 0.8491，到时间步 2 还剩 0.4178：保留了 73%，然后 67%。",
}  # fmt: skip
FORGET = {
    "en": "The forget gate would keep 79 % in unit 0 and 67 % in unit 1, but there is nothing to forget: c_{t-1} is "
          "zero.",
    "de": "Das Forget-Gate würde 79 % bei Einheit 0 und 67 % bei Einheit 1 behalten, aber es gibt nichts zu vergessen: "
          "c_{t-1} ist null.",
    "fr": "La porte d’oubli garderait 79 % pour l’unité 0 et 67 % pour l’unité 1, mais il n’y a rien à oublier : "
          "c_{t-1} vaut zéro.",
    "es": "La puerta de olvido conservaría el 79 % en la unidad 0 y el 67 % en la unidad 1, pero no hay nada que "
          "olvidar: c_{t-1} es cero.",
    "zh": "没有可遗忘的内容，因为 c_{t-1} 为零；否则遗忘门保留的比例：单元 0 为 79%，单元 1 为 67%。",
}  # fmt: skip


@pytest.mark.few(1)
@pytest.mark.parametrize("language", languages())
def test_sentences_of_a_language(language: str) -> None:
    def plain(text: str) -> str:  # Chinese has no spaces where a line of the text breaks
        return text.replace(" ", "") if language == "zh" else text

    assert plain(THREE[language]) in plain(said(example("three-steps"), language))
    assert plain(FORGET[language]) in plain(said(example("q22"), language))


@pytest.mark.few(1)
@pytest.mark.parametrize("case", some(CASES, 10))
def test_every_language_says_the_same_numbers(case: str) -> None:
    """The same numbers and shares, each as often; the order of words is a language's own."""
    trace = CASES[case]()
    found = {one: sorted(re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", said(trace, one))) for one in languages()}
    assert {*map(tuple, found.values())} == {tuple(found["en"])}


@pytest.mark.few(0)
@pytest.mark.parametrize("language", some([one for one in languages() if one != "en"], 2))
def test_nothing_is_left_in_english(language: str) -> None:
    english = re.compile(r"\b(the|of|gate|state|step|unit|output|sequence|kept|wrote|is|with|after)\b")
    for case in CASES.values():
        plain = re.sub(r"\([a-z]+\)|（[a-z]+）|\w+\(.*?\)", "", said(case(), language))
        assert not english.search(plain), plain


# -- many units, steps, sequences and layers ---------------------------------------------------------------------------


def test_of_many_units_the_most_telling_are_described() -> None:
    trace = cell("lstm", units=64, inputs=3, steps=50)
    text = said(trace, detail="worked")
    furthest = sorted(np.argsort(-np.abs(trace["c_t"][-1, 0]))[:3].tolist())
    assert text.startswith("Described here: the 3 of 64 units whose c_t is furthest from zero at the last step. - Of")
    assert sorted({int(j) for j in re.findall(r"unit (\d+)", text)}) == furthest
    assert len(text) < 2000
    for j in furthest:
        i = trace["i_t"][:, 0, j]
        first, second = int(i.argmin()), int(i.argmax())
        assert re.search(
            rf"between \S+(?: \S+ 1)? % \(step {first}\) and [^(]* % \(step {second}\) in unit {j}\b", text
        )


def test_nothing_is_a_mean() -> None:
    """Two units that differ have a clause each; where all show the same, that is said once."""
    assert "average" not in said(example("three-steps"))
    still = lt.run(
        {"W_xi": [[0.0], [0.0]], "W_hi": np.zeros((2, 2))}, np.ones((9, 1)), ask="i_t * c_tilde",
        given={"c_tilde": [[1.0, 2.0]] * 9, "h_t": [[0.0, 0.0]] * 9},
    )  # fmt: skip
    assert said(still) == "- Of the candidate, the input gate lets in 50 % each time in every unit."


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("case", "opening"),
    [
        ("wide", "Described here: the 3 of 12 units whose c_t is furthest from zero at the last step. - Of"),
        ("large batch", "Described here: the first 4 of 7 sequences. - Of"),
        ("wide batch", "Described here: the first of 3 sequences. Described here: the 3 of 9 units whose c_t is"),
        ("two layers", "Layer 0: - Of the candidate"),
    ],
)
def test_what_is_left_out_is_said(case: str, opening: str) -> None:
    assert said(CASES[case]()).startswith(opening)


@pytest.mark.few(0)
def test_of_many_layers_the_first_and_the_last_are_described() -> None:
    text = said(stacked(layers=6, batch=1, width=2, directions=("forward",)))
    assert text.startswith("Described here: the first and the last of 6 layers and directions. Layer 0: -")
    assert re.findall(r"Layer (\d)", text) == ["0", "5"]


#: A model for a corpus, of 4 units; a cell with three states and an output gate; one whose state has no gate.
LONGER = {"quotes", "mlstm", "ltc"}


@pytest.mark.few(2)
@pytest.mark.parametrize("name", [name for name in examples() if name not in LONGER])
def test_a_problem_of_hand_size_is_told_in_a_third_of_a_page(name: str) -> None:
    section = example(name).report("text").rpartition("In words\n")[2]
    assert 1 <= len(section.strip().splitlines()) <= 18


# -- selections --------------------------------------------------------------------------------------------------------


def test_a_window_of_steps_is_told_alone() -> None:
    text = said(example("three-steps"), steps=slice(1, 3))
    assert "lets in 15 %, then 55 % in unit 0 (bright); 88 %, then 57 % in unit 1 (wet)." in text
    assert "nothing to forget" not in text
    assert "At step 1, the cell state goes from 0.8491 to" in said(example("three-steps"), steps=1)


def test_a_chosen_unit_is_told_alone() -> None:
    text = said(example("three-steps"), unit=1)
    assert "unit 0" not in text
    assert "unit 1 (wet)" in text
    assert "Described" not in said(cell("lstm", units=64, steps=50), unit=7)


def test_chosen_lines_are_told_alone() -> None:
    text = said(example("three-steps"), only=("f_t", "h_t"))
    assert text.startswith("- Of the old cell state, the forget gate keeps")
    assert text.endswith("- At step 2, the hidden state is 0.1923 in unit 0 (bright) and 0.3379 in unit 1 (wet).")
    assert text.count("- ") == 2


def test_counted_from_1() -> None:
    text = said(example("three-steps"), count_from=1)
    assert "At step 1 there is nothing to forget: c_0 is zero." in text
    assert "Step 1 (sun) wrote 0.8491 into unit 1 (bright); 0.4178 of it remains at step 3" in text
    assert "of h_1" not in text
    assert "step 0" not in text


def test_only_what_was_asked_for_is_told() -> None:
    assert said(example("q19")) == "- Of the candidate, the input gate lets in 40 % in unit 0 and 17 % in unit 1."


# -- what cannot be told -----------------------------------------------------------------------------------------------


@pytest.mark.few(2)
@pytest.mark.parametrize("gone", ["i_t * c_tilde", "f_t * c_prev", "c_tilde", "i_t", "f_t", "c_t", "h_t", "tanh(c_t)"])
def test_what_was_not_recorded_is_not_told(gone: str) -> None:
    trace = example("three-steps", ask=[])
    lines = {scope: {n: v for n, v in here.items() if n != gone} for scope, here in trace.lines.items()}
    text = said(replace(trace, lines=lines))
    sentences = {
        "i_t": "the input gate", "f_t": "the forget gate", "c_t": "of it remains", "h_t": "the hidden state",
        "i_t * c_tilde": "of it remains",
    }  # fmt: skip
    for name, part in sentences.items():
        assert (part in text) == (
            name != gone and not (part == "of it remains" and gone in ("c_t", "f_t", "i_t * c_tilde"))
        )


@pytest.mark.few(0)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_not_told(value: float) -> None:
    for line in ("i_t", "c_t", "h_t", "f_t", "i_t * c_tilde"):
        trace = cell("lstm", units=1)
        trace.lines["0/forward"][line][1] = value
        assert "nan" not in said(trace)
        assert "inf" not in said(trace)
    trace.lines["0/forward"]["i_t"][:] = value
    assert "the input gate" not in said(trace)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_gate_beyond_all_sense_is_a_factor(dtype: str) -> None:
    trace = lt.run(
        {"W_xi": [[1.0]], "W_hi": [[0.0]]}, [[1.0], [2.0]], ask="i_t * c_tilde", dtype=dtype,
        given={"c_tilde": [[1.0]] * 2, "h_t": [[0.0]] * 2},
    )  # fmt: skip
    assert said(trace) == "- Of the candidate, the input gate lets in 73 %, then 88 %."
    trace.lines["0/forward"]["i_t"][1] = np.finfo(dtype).max
    assert said(trace).startswith("- The input gate multiplies c̃_t by 0.73")


def test_a_ledger_that_does_not_add_up_is_not_told() -> None:
    """A foreign trace whose cell state is not what its gates give."""
    trace = example("three-steps", ask=[])
    trace.lines["0/forward"]["c_t"][2] += 0.5
    assert "of it remains" not in said(trace)
    assert "At step 2, the cell state is 0.9054 in unit 0 (bright) and 1.1082 in unit 1 (wet)." in said(trace)


def test_padding_is_no_step() -> None:
    """A gap in a sequence is neither among the shares nor among the steps that kept something."""
    weights = {f"W_{s}{g}": [[0.5]] for s in "xh" for g in "ifco"}
    text = said(lt.run(weights, np.ones((4, 1, 1)), mask=[[1], [1], [0], [1]]))
    assert re.search(r"lets in \d+ %, then \d+ %, then \d+ %\.", text)
    assert re.search(r"at step 3 \(\d+ % kept\)\.", text)


# -- formats -----------------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_says_it(format: str) -> None:
    trace = example("three-steps")
    report = trace.report(format, decimal_comma=True, digits=3, count_from=0)
    text = visible(report) if format == "html" else report
    plain = re.sub(r"[$`\\{}\"#;]", "", text.rpartition("In words")[2].replace("~", " ")).replace("\u00a0", " ")
    plain = " ".join(plain.split())
    assert re.search(r"Step 0 \(sun\) wrote 0,849.{1,3}into unit 0 \(bright\)", plain)
    assert "73 %, then 67 %" in plain


def test_a_choice_of_the_author_is_no_padding() -> None:
    """What is one of two that a state is chosen from is not told of as the state."""
    equations = "g_t = x_t > 0\na_t = c_prev + x_t\nb_t = 0.25 * c_prev\nc_t = where(g_t, a_t, b_t)"
    cell = {"equations": f"{equations}\ncarry: c_prev <- c_t\noutput: c_t"}
    assert "goes from" not in lt.run({}, [[1.0], [4.0], [-2.0]], cell=cell).report("text")


def test_a_gate_of_one_of_two_that_a_state_is_chosen_from_keeps_nothing_of_it() -> None:
    """At step 1 the other one is chosen."""
    own, chosen = (
        "f_t = sigmoid(x_t)\nc_t = f_t * c_prev + x_t",
        "g_t = x_t > 0\nf_t = sigmoid(x_t)\na_t = f_t * c_prev + x_t",
    )
    for equations, told, other in (
        (own, "f_t keeps", "f_t lets through"),
        (f"{chosen}\nc_t = where(g_t, a_t, x_t)", "f_t lets through", "f_t keeps"),
    ):
        cell = {"equations": f"{equations}\ncarry: c_prev <- c_t\noutput: c_t"}
        text = lt.run({}, [[1.0], [-4.0], [2.0]], cell=cell).report("text")
        assert told in text
        assert other not in text
