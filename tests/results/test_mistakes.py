"""Every row of the table of mistakes has a sentence in every language, and so has every word that a row is given."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.documents.blocks import Stacked
from lstm_trace.documents.formats import Show
from lstm_trace.languages import languages
from lstm_trace.languages.strings import Words, words
from lstm_trace.mistakes.in_words import predicate, sentence, stacked
from lstm_trace.mistakes.programs import RENAMINGS, Mistake, program_of
from lstm_trace.mistakes.table import ROWS
from lstm_trace.mistakes.trials import PlacedMistake

from ..mistakes.test_identify import PLACED, drawn, two_by_two
from ..support.noted import Noted

DIRECTIONS = ("forward", "reverse", "joined")
X = np.random.default_rng(2).normal(size=(5, 2, 3))
LSTM = program_of(lt.run(drawn(), X).stages[0].cell)


def mistakes() -> Iterator[Mistake]:
    """A mistake by each row, with each value that its word is given; the letters stand for themselves."""
    part = {letter: letter for letter in "abcdeWpqvnsF"}
    for row in ROWS.values():
        given = ("i,f", "ocfi") if row.word in RENAMINGS else row.values or ("",)
        for value in given if row.word else given[:1]:
            yield Mistake(f"{row.key}:{value}", LSTM, (), part, value)


EVERY = list(mistakes())


@pytest.mark.parametrize("language", languages())
def test_every_row_and_value_has_a_sentence(language: str) -> None:
    strings = words(language)
    unnamed = [one.key for one in EVERY if predicate(one, strings) == strings.word("mistake.unnamed", name=one.key)]
    assert not unnamed


def test_no_two_mistakes_are_said_alike() -> None:
    """But for rows that differ in what they replace, which the equations show."""
    said: dict[str, list[str]] = {}
    for one in EVERY:
        if one.row.word:
            said.setdefault(predicate(one, words("en")), []).append(one.key)
    assert not {text: alike for text, alike in said.items() if len(alike) > 1}


def test_no_sentence_without_a_row() -> None:
    """A sentence is of a row, of a word, or of a value that some row gives it."""
    strings = Noted(words("en").table)
    for one in EVERY:
        sentence([PlacedMistake("", one)], Words("en", strings))
    for place in ("0/", "above/", *(f"{at}{direction}/" for at in ("", "0/") for direction in DIRECTIONS)):
        sentence([PlacedMistake(place, EVERY[0])], Words("en", strings))
    others = {
        "mistake.model",
        "mistake.the.port",
        "mistake.alike",
        "mistake.more",
        "mistake.more.1",
        "mistake.likewise",
    }
    others |= {"mistake.unnamed", "mistake.every", "mistake.carry", "mistake.passed", "mistake.passed.label"}
    assert {key for key in strings if key.startswith("mistake.")} - strings.met == others


@pytest.mark.parametrize(
    ("key", "place", "value", "said"),
    [
        ("weights-stored:…", "", "int8 by row of h",
         "the port stores the weights as int8, with a scale for each row, for h only"),
        ("weights-stored:…", "", "q4.12 truncated", "the port stores the weights as Q4.12, cut off instead of rounded"),
        ("numbers:…", "", "table 256 in [-8, 8), nearest",
         "the port computes with a table of 256 values in [-8, 8) for sigmoid and tanh, rounded to the nearest"),
        ("initial-of:…", "reverse/", "first row",
         "in the reverse direction the port begins every sequence with the initial states of the first"),
        ("order:…", "1/", "f,c", "in layer 1 the port reads the weights of the gates f and c in each other's place"),
        ("order:…", "1/reverse/", "icof",
         "in the reverse direction of layer 1 the port gives the gates i, f, c, o the weights of i, c, o, f"),
        ("copied:…", "above/", "*,i", "above layer 0 the port reads the weights i in place of those of every gate"),
    ],
)  # fmt: skip
def test_sentences(key: str, place: str, value: str, said: str) -> None:
    mistake = Mistake(key, LSTM, value=value)
    assert sentence([PlacedMistake(place, mistake)], words("en")) == said


def test_sentences_of_equations() -> None:
    said = {key: predicate(LSTM.mistakes[key], words("en")) for key in LSTM.mistakes}
    assert said["bias-lost:z_*"] == "leaves out b_i in z_i, and likewise in z_f, z_c and z_o"
    assert said["function:c_tilde,z_c,sigmoid"] == "computes sigmoid instead of tanh in c_tilde"
    assert said["wiped:carryc_prev"] == "sets c_prev to 0 before every step"
    assert said["output:output,tanh(c_t)"] == "passes on tanh(c_t) instead of h_t"
    assert not [one for one in said.values() if re.search(r"[{}]", one)]


def test_layers_are_counted_as_the_problem_counts() -> None:
    mistake = PlacedMistake("1/", LSTM.mistakes["bias-lost:z_o"])
    assert sentence([mistake], words("en", 1)).startswith("in layer 2 the port ")
    assert sentence([PlacedMistake("above/", mistake.mistake)], words("en", 1)).startswith("above layer 1 the port ")


@pytest.mark.few(0)
def test_equations_that_are_alike_are_shown_once() -> None:
    """Four gates in two layers and directions would be 16 pairs."""
    weights = two_by_two()
    trace = lt.run(weights, X)
    found = lt.identify(weights, X, lt.run(PLACED["forward/bias-lost:z_*"](weights), X).output).found[0]
    assert len(found.equations) == 8
    (block,) = stacked(found.equations, trace, words("en"))
    assert isinstance(block, Stacked)
    assert [label for (label,), _ in block.rows] == ["the model", "the port", "likewise"]
    assert block.rows[2][1] == ("z_f, z_c, z_o",)


@pytest.mark.few(2)
@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("format", ["text", "md", "html", "tex", "typ"])
def test_the_right_equation_is_above_that_of_the_port(language: str, format: str) -> None:
    weights = drawn()
    other = {**weights, "W_hf": weights["W_hf"].T}
    found = lt.identify(weights, X, lt.run(other, X).output)
    text = found.report(format, language=language)  # type: ignore[arg-type]
    strings = words(language)
    model = text.rindex(strings.table["mistake.model"])
    assert strings.table["mistake.the.port"] in text[model:]
    assert len([one for one in found.blocks(strings, Show()) if isinstance(one, Stacked)]) == 1
