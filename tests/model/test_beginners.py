"""The mistakes of those who write their first problem: from the message alone the file can be mended.

Each case is a change of a problem that is right. The message must say how to mend it, and blame nothing that is right.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from lstm_trace.errors import LstmTraceError
from lstm_trace.examples import text as example
from lstm_trace.model.problem import prepare_problem, read_problem

#: Two inputs and two units, one step.
ONE = """\
title: Exercise 1
weights:
  W_xi: [[1.0, 0.5], [-0.2, 0.3]]
  W_hi: [[0.4, 0.1], [0.0, 0.2]]
  b_i: [0.0, 0.1]
  W_xf: [[0.1, 0.2], [0.3, 0.4]]
  W_hf: [[0.5, 0.6], [0.7, 0.8]]
  b_f: [1.0, 1.0]
  W_xc: [[0.2, 0.1], [0.4, 0.3]]
  W_hc: [[0.6, 0.5], [0.8, 0.7]]
  b_c: [0.0, 0.0]
  W_xo: [[0.9, 0.1], [0.2, 0.8]]
  W_ho: [[0.3, 0.7], [0.4, 0.6]]
  b_o: [0.0, 0.0]
x: [[1.0, 2.0]]
h_prev: [0.1, 0.2]
c_prev: [0.3, 0.4]
ask: [c_t, h_t]
"""
#: Three inputs and two units, one step.
WIDE = """\
title: Exercise 2
weights:
  W_xi: [[1.0, 0.5, 0.1], [-0.2, 0.3, 0.2]]
  W_hi: [[0.4, 0.1], [0.0, 0.2]]
  W_xf: [[0.1, 0.2, 0.3], [0.3, 0.4, 0.5]]
  W_hf: [[0.5, 0.6], [0.7, 0.8]]
  W_xc: [[0.2, 0.1, 0.6], [0.4, 0.3, 0.7]]
  W_hc: [[0.6, 0.5], [0.8, 0.7]]
  W_xo: [[0.9, 0.1, 0.8], [0.2, 0.8, 0.9]]
  W_ho: [[0.3, 0.7], [0.4, 0.6]]
x: [[1.0, 2.0, 3.0]]
"""
#: Two inputs and two units, three steps.
STEPS = ONE.replace("x: [[1.0, 2.0]]", "x: [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]")
#: The first one, with decimal commas everywhere.
COMMAS = re.sub(r"(\d)\.(\d)", r"\1,\2", ONE)
#: Three inputs and two units, all input matrices transposed.
TURNED = """\
weights:
  W_xi: [[1.0, -0.2], [0.5, 0.3], [0.1, 0.2]]
  W_hi: [[0.4, 0.1], [0.0, 0.2]]
  W_xf: [[0.1, 0.3], [0.2, 0.4], [0.3, 0.5]]
  W_hf: [[0.5, 0.6], [0.7, 0.8]]
  W_xc: [[0.2, 0.4], [0.1, 0.3], [0.6, 0.7]]
  W_hc: [[0.6, 0.5], [0.8, 0.7]]
  W_xo: [[0.9, 0.2], [0.1, 0.8], [0.8, 0.9]]
  W_ho: [[0.3, 0.7], [0.4, 0.6]]
x: [[1.0, 2.0, 3.0]]
"""
#: A custom cell.
OWN = """\
title: Elman
cell:
  equations: |
    z_t = W @ x_t + U @ h_prev
    h_t = sigmoid(z_t)
    carry: h_prev <- h_t
weights:
  W: [[1.0, 0.5], [-0.2, 0.3]]
  U: [[0.4, 0.1], [0.0, 0.2]]
x: [[1.0, 2.0]]
"""


class Mistake(NamedTuple):
    """A mistake: the problem, what is changed in it, what the message says, and what it must not say."""

    what: str
    problem: str
    old: str
    new: str
    says: tuple[str, ...]
    never: tuple[str, ...] = ()


MISTAKES = [
    # the 45 files of a first class: YAML
    Mistake("indented too much", ONE, "  W_hi:", "    W_hi:", ("line 4", "`W_hi`", "4 blanks", "`W_xi`", "2")),
    Mistake("not indented", ONE, "  W_hi:", "W_hi:", ("line 4", "`W_hi`", "`weights:`")),
    Mistake("bracket not closed", ONE, "[-0.2, 0.3]]", "[-0.2, 0.3]", ("line 3", "`W_xi`", "not closed"), ("line 4",)),
    Mistake("no blank after the colon", ONE, "b_i: [", "b_i:[", ("line 5", "b_i: [", "blank"), ("line 6",)),
    Mistake("colon in the title", ONE, "Exercise 1", "Exercise 1: one step", ("line 1", "quotes", "colon")),
    Mistake("curly quotes", ONE, "title: Exercise 1", "title: “Exercise 1: one step”", ("line 1", 'straight quote "')),
    Mistake("weights: is missing", ONE, "weights:\n", "", ("line 2", "`weights:`", "missing")),
    Mistake("tab", ONE, "  W_hi", "\tW_hi", ("line 4", "tab", "blanks")),
    Mistake("decimal commas everywhere", ONE, ONE, COMMAS, ("decimal comma",), ("H=4",)),
    Mistake("decimal commas in one", ONE, "b_i: [0.0, 0.1]", "b_i: [0,0, 0,1]", ("b_i", "decimal comma", "0.5")),
    Mistake("decimal comma alone", ONE, "b_i: [0.0, 0.1]", "b_i: 0,5", ("b_i", "decimal comma", "write 0.5")),
    Mistake("semicolon", ONE, "b_i: [0.0, 0.1]", "b_i: [0.0; 0.1]", ("b_i", "comma", "0.0, 0.1")),
    Mistake("decimal commas and semicolon", ONE, "b_i: [0.0, 0.1]", "b_i: [0,0; 0,1]", ("b_i", "decimal comma")),
    Mistake("no comma", ONE, "b_i: [0.0, 0.1]", "b_i: [0.0 0.1]", ("b_i", "comma", "0.0, 0.1")),
    Mistake("h_{t-1} as a key", ONE, "h_prev:", "h_t-1:", ("'h_t-1'", "'h_prev'"), ("weight",)),
    Mistake("hprev", ONE, "h_prev:", "hprev:", ("'hprev'", "'h_prev'"), ("c_prev",)),
    Mistake("target", ONE, "ask:", "target_t: [1.0, 0.0]\nask:", ("'target_t'", "`given:`"), ("weights",)),
    Mistake("wide colon", ONE, "b_i: [", "b_i： [", ("line 5", "colon", "`b_i`"), ("is no `key: value`",)),
    Mistake("np.tanh", OWN, "sigmoid(", "np.tanh(", ("write tanh",), ("there are",)),
    Mistake("x_t as a column", ONE, "[[1.0, 2.0]]", "[[1.0], [2.0]]", ("x ", "[1, 2]"), ("W_xi has",)),
    Mistake(
        "x (I, T)",
        STEPS,
        "[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]",
        "[[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]",
        ("x ", "[[1, 2], [3, 4], [5, 6]]"),
    ),
    Mistake(
        "flat x",
        STEPS,
        "[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]",
        "[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]",
        ("x ", "[[1, 2], [3, 4], [5, 6]]"),
    ),
    Mistake(
        "W_xi transposed",
        WIDE,
        "[[1.0, 0.5, 0.1], [-0.2, 0.3, 0.2]]",
        "[[1.0, -0.2], [0.5, 0.3], [0.1, 0.2]]",
        ("W_xi has shape (3, 2)", "transposed", "Others like it are 2 by 3: W_xf, W_xc, W_xo"),
        ("x has", "W_hi has"),
    ),
    Mistake(
        "all transposed but one",
        WIDE,
        WIDE,
        TURNED.replace("[[1.0, -0.2], [0.5, 0.3], [0.1, 0.2]]", "[[1.0, 0.5, 0.1], [-0.2, 0.3, 0.2]]"),
        ("W_xf, W_xc, W_xo look transposed",),
        ("x has", "W_xi"),
    ),
    Mistake("all transposed", WIDE, WIDE, TURNED, ("W_xi", "transposed"), ("x has", "W_hi has")),
    Mistake("b_xi for b_i", ONE, "  b_i: ", "  b_xi: ", ("'b_xi'; did you mean 'b_i'?",), ("it needs the option",)),
    Mistake("missing b_f", ONE, "  b_f: [1.0, 1.0]\n", "", ("b_f",), ("b_i",)),
    Mistake("missing W_hf", ONE, "  W_hf: [[0.5, 0.6], [0.7, 0.8]]\n", "", ("W_hf",), ("W_hi",)),
    Mistake("inputs", ONE, "x: ", "inputs: ", ("'inputs'", "x"), ("lengths",)),
    Mistake("h_0", ONE, "h_prev", "h_0", ("'h_0'", "h0")),
    Mistake("c_0", ONE, "c_prev", "c_0", ("'c_0'", "c0")),
    Mistake("ask c_tilda", ONE, "[c_t, h_t]", "[c_tilda]", ("c_tilda", "'c_tilde'")),
    Mistake("ask h", ONE, "[c_t, h_t]", "[h]", ("'h'", "'h_t'"), ("z_i",)),
    Mistake("W x_t", OWN, "W @ x_t", "W x_t", ("W @ x_t", "matrix times a vector")),
    Mistake(
        "sigma and h_{t-1}",
        OWN,
        "W @ x_t + U @ h_prev\n    h_t = sigmoid(z_t)",
        "W @ x_t\n    h_t = σ(z_t + U @ h_{t-1})",
        ("sigmoid", "h_prev"),
    ),
    Mistake("W * x_t", OWN, "W @ x_t", "W * x_t", ("W @ x_t",)),
    Mistake("h_t-1", OWN, "h_prev\n", "h_t-1\n", ("h_prev",)),
    Mistake(
        "h_prev too long",
        ONE,
        "h_prev: [0.1, 0.2]",
        "h_prev: [0.1, 0.2, 0.3]",
        ("h_prev at the first step", "width 3", "H = 2"),
    ),
    Mistake("numbers in quotes", ONE, "[0.0, 0.1]", '["0.0", "0.1"]', ("b_i", "quotes")),
    Mistake("1/2", ONE, "[0.0, 0.1]", "[1/2, 0.1]", ("b_i", "0.5")),
    Mistake("b_i as a column", ONE, "b_i: [0.0, 0.1]", "b_i: [[0.0], [0.1]]", ("b_i", "2 numbers in one list: [1, 2]")),
    Mistake("only a title", ONE, ONE, "title: Exercise 1\n", ("weights", "x", "lstm-trace example"), ("W_xi", "b_i")),
    Mistake("empty", ONE, ONE, "", ("empty", "lstm-trace example")),
    Mistake("duplicate key", ONE, "  b_f", "  b_i", ("line 8", "'b_i'", "line 5")),
    Mistake("cell: LSTM", ONE, "weights:", "cell: LSTM\nweights:", ("lstm",)),
    # more of the same kind
    Mistake("a bracket too many", ONE, "[-0.2, 0.3]]", "[-0.2, 0.3]]]", ("line 3", "]", "W_xi")),
    Mistake("curly bracket", ONE, "[-0.2, 0.3]]", "[-0.2, 0.3}]", ("line 3", "}")),
    Mistake("unbalanced quote", ONE, "title: Exercise 1", 'title: "Exercise 1', ("line 1", "quote", "closed")),
    Mistake(
        "colon in the notes", ONE, "title: Exercise 1", "notes: find c_t: all units", ("line 1", "quotes", "colon")
    ),
    Mistake("no colon", ONE, "b_i: [", "b_i [", ("line 5", "b_i:", "colon")),
    Mistake(
        "equals sign",
        ONE,
        "b_i: [",
        "b_i = [",
        (
            "line 5",
            "b_i:",
        ),
    ),
    Mistake(
        "a dash forgotten",
        STEPS,
        "[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]",
        "\n  - [1.0, 2.0]\n  [3.0, 4.0]\n  - [5.0, 6.0]",
        ("line 17", "- "),
    ),
    Mistake(
        "a dash without a blank",
        STEPS,
        "[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]",
        "\n  -[1.0, 2.0]\n  -[3.0, 4.0]",
        ("x: ", "blank after each -"),
    ),
    Mistake(
        "rows without brackets", ONE, "[[1.0, 0.5], [-0.2, 0.3]]", "[1.0, 0.5], [-0.2, 0.3]", ("line 3", "W_xi", "[[")
    ),
    Mistake("round brackets", ONE, "[0.0, 0.1]", "(0.0, 0.1)", ("b_i", "[0.0, 0.1]")),
    Mistake(
        "bars as in Matlab",
        ONE,
        "[[1.0, 0.5], [-0.2, 0.3]]",
        "[1.0 0.5; -0.2 0.3]",
        ("W_xi", "[[1.0, 0.5], [-0.2, 0.3]]"),
    ),
    Mistake("a comma doubled", ONE, "[0.0, 0.1]", "[0.0,, 0.1]", ("line 5", "comma")),
    Mistake("a comma forgotten between rows", ONE, "[1.0, 0.5], [-0.2", "[1.0, 0.5] [-0.2", ("line 3", "comma")),
    Mistake(
        "a number is missing", ONE, "[1.0, 0.5], [-0.2, 0.3]", "[1.0, 0.5], [-0.2]", ("W_xi", "row 1", "1 number", "2")
    ),
    Mistake("one half", ONE, "[0.0, 0.1]", "[½, 0.1]", ("b_i", "0.5")),
    Mistake("true", ONE, "[0.0, 0.1]", "[true, 0.1]", ("b_i", "number", "true")),
    Mistake("null", ONE, "[0.0, 0.1]", "[null, 0.1]", ("b_i", "number")),
    Mistake("an empty place", ONE, "[0.0, 0.1]", "[~, 0.1]", ("b_i", "number")),
    Mistake("NaN", ONE, "[0.0, 0.1]", "[.nan, 0.1]", ("b_i[0]", "finite")),
    Mistake("a letter", ONE, "[0.0, 0.1]", "[a, 0.1]", ("b_i", "number", "'a'")),
    Mistake("O for zero", ONE, "[0.0, 0.1]", "[O.0, 0.1]", ("b_i", "number", "'O.0'")),
    Mistake("power of ten", ONE, "[0.0, 0.1]", "[1*10^-3, 0.1]", ("b_i", "1e-3")),
    Mistake("square root", ONE, "[0.0, 0.1]", "[sqrt(2), 0.1]", ("b_i", "number", "sqrt(2)")),
    Mistake("percent", ONE, "[0.0, 0.1]", "[50%, 0.1]", ("b_i", "0.5")),
    Mistake(
        "b_i too long",
        ONE,
        "b_i: [0.0, 0.1]",
        "b_i: [0.0, 0.1, 0.2]",
        ("b_i has shape (3,)", "Others like it have 2 numbers: b_f, b_c, b_o"),
        ("H=3",),
    ),
    Mistake(
        "W_xi a row short", WIDE, ", [-0.2, 0.3, 0.2]]", "]", ("W_xi has shape (1, 3)", "are 2 by 3"), ("x has", "b_i")
    ),
    Mistake("x too long", WIDE, "[[1.0, 2.0, 3.0]]", "[[1.0, 2.0, 3.0, 4.0]]", ("x ", "4", "3")),
    Mistake(
        "W_hi transposed and rectangular",
        WIDE,
        "W_hi: [[0.4, 0.1], [0.0, 0.2]]",
        "W_hi: [[0.4, 0.1, 0.3], [0.0, 0.2, 0.2]]",
        ("W_hi has shape (2, 3)", "are 2 by 2"),
    ),
    Mistake("U transposed", OWN, "U: [[0.4, 0.1], [0.0, 0.2]]", "U: [[0.4, 0.1]]", ("U has shape (1, 2)", "(2, 2)")),
    Mistake(
        "h_prev as a column",
        ONE,
        "h_prev: [0.1, 0.2]",
        "h_prev: [[0.1], [0.2]]",
        ("h_prev at the first step", "in one list: [1, 2]"),
    ),
    Mistake("dot", OWN, "W @ x_t", "W·x_t", ("· is typed @ between a matrix and a vector", "W@x_t")),
    Mistake("circled dot", OWN, "sigmoid(z_t)", "sigmoid(z_t) ⊙ z_t", ("⊙ is typed *",)),
    Mistake("times", OWN, "W @ x_t", "W × x_t", ("@",)),
    Mistake("two equals signs", OWN, "h_t = ", "h_t == ", ("=",), ("input:",)),
    Mistake("colon and equals sign", OWN, "h_t = ", "h_t := ", ("`h_t = ",)),
    Mistake("power", OWN, "sigmoid(z_t)", "z_t^2", ("z_t * z_t",)),
    Mistake("power in Python", OWN, "sigmoid(z_t)", "z_t**2", ("z_t * z_t",)),
    Mistake("h_(t-1)", OWN, "h_prev\n", "h_(t-1)\n", ("h_prev",)),
    Mistake("h(t-1)", OWN, "h_prev\n", "h(t-1)\n", ("h_prev",)),
    Mistake("np.tanh", OWN, "sigmoid(z_t)", "np.tanh(z_t)", ("tanh(",)),
    Mistake("tanh without parentheses", OWN, "sigmoid(z_t)", "tanh z_t", ("tanh(z_t)",)),
    Mistake("bracket in an equation", OWN, "sigmoid(z_t)", "sigmoid(z_t", ("closed", "sigmoid")),
    Mistake("x instead of x_t", OWN, "W @ x_t", "W @ x", ("x_t",)),
    Mistake("hidden", ONE, "ask", "hidden: 2\nask", ("'hidden'", "weights")),
    Mistake("initial_state", ONE, "h_prev", "initial_state", ("'initial_state'", "h0")),
    Mistake("Weights", ONE, "weights:", "Weights:", ("'Weights'", "'weights'")),
    Mistake("equations at the margin", OWN, "cell:\n  equations", "equations", ("'equations'", "cell")),
    Mistake("a gate asked", ONE, "[c_t, h_t]", "[i]", ("'i'", "'i_t'"), ("z_f",)),
    Mistake("ask: all", ONE, "[c_t, h_t]", "all", ("ask", "[")),
    Mistake("ask: h_t", ONE, "[c_t, h_t]", "h_t", ("ask", "a list, as in [a, b]")),
    Mistake("the end is missing", ONE, "[c_t, h_t]", "[c_t,", ("line 18", "not closed", "`ask`")),
    Mistake("apostrophe", ONE, "Exercise 1", "'It's one'", ("line 1", "quotes, of the other kind")),
    Mistake("bracket in the title", ONE, "Exercise 1", "[1] one step", ("line 1", "closing bracket", "quotes")),
    Mistake("star", ONE, "Exercise 1", "*one*", ("line 1", '"*one*"')),
    Mistake("the list below its key", ONE, "x: [[", "x:\n[[", ("line 16", "in the line of `x:`")),
    Mistake("the first weight behind weights:", ONE, "weights:\n ", "weights:", ("line 2", "lines of its own")),
    Mistake("a comma at the end", ONE, "h_prev: [0.1, 0.2]", "h_prev: [0.1, 0.2],", ("line 16", "leave out the comma")),
    Mistake("no bar", OWN, "equations: |", "equations:", ("line 6", "`equations: |`")),
    Mistake("no line equations:", OWN, "  equations: |\n", "", ("`equations: |`",)),
    Mistake("an equation at the margin", OWN, "    h_t = s", "h_t = s", ("line 5", "as the equations above")),
    Mistake("no weights: below a custom cell", OWN, "weights:\n", "", ("`weights:` missing",)),
    Mistake("ask among the weights", ONE, "ask:", "  ask:", ("line 18",)),
    Mistake("ask: no comma", ONE, "[c_t, h_t]", "[c_t h_t]", ("[c_t, h_t]",)),
]


def said(text: str, path: Path) -> str:
    """The message about a problem; empty if there is none."""
    path.write_text(text, "utf-8")
    try:
        prepare_problem(read_problem(path), str(path)).run()
    except LstmTraceError as error:
        return str(error).replace(f"{path}: ", "")
    return ""


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.what for mistake in MISTAKES])
def test_the_message_says_how_to_mend_it(mistake: Mistake, tmp_path: Path) -> None:
    assert not said(mistake.problem, tmp_path / "right.yaml")
    assert mistake.old in mistake.problem
    message = said(mistake.problem.replace(mistake.old, mistake.new), tmp_path / "p.yaml")
    assert message
    assert [part for part in mistake.says if part not in message] == [], message
    assert [part for part in mistake.never if part in message] == [], message
    assert message.count("\n") < 12


#: The same in JSON and TOML: the file's name, its text, and what the message says.
OTHER_FILES = [
    ("p.json", '{"x": [[1.0, 2.0],],\n}', ("line 1", "leave out the comma before the ]")),
    ("p.json", '{"title": "a",\n "x": [[1.0 2.0]]}', ("line 2", "is a comma missing before `2.0]]}`")),
    ("p.json", '{"x": [[1.0, 2.0]\n', ("is it cut off? Or is a bracket or quote not closed?",)),
    ("p.json", "{'x': [1.0]}", ("line 1", 'type "')),
    ("p.json", "{x: [1.0]}", ("line 1", "written in double quotes")),
    ("p.json", '{"x": [.5]}', ("line 1", "digit before and after its point, as in 0.5")),
    ("p.json", '{"x": [5.]}', ("line 1", "digit before and after its point, as in 0.5")),
    ("p.json", '{"x": [1.0, −0.5]}', ("line 1", "type -")),
    ("p.json", '{"x": [1.0]} # one step', ("line 1", "a comment is not possible here")),
    ("p.json", '{"title": “one step”}', ("line 1", 'type "')),
    ("p.toml", "x = [1.0, −0.5]", ("line 1", "type -")),
    ("p.toml", "title = Exercise 1", ("line 1", "double quotes")),
    ("p.json", "title: Exercise 1\nx: [1.0]", ("line 1", "ends in .yaml")),
    ("p.toml", "x: [1.0]", ("line 1", "=", "ends in .yaml")),
    ("p.toml", "x = [1.0, 2.0\ny = 1", ("line 2", "bracket")),
    ("p.toml", "title = “one”", ("line 1", 'type "')),
]


@pytest.mark.parametrize(("name", "text", "says"), OTHER_FILES, ids=[text[:30] for _, text, _ in OTHER_FILES])
def test_so_does_that_about_json_and_toml(name: str, text: str, says: tuple[str, ...], tmp_path: Path) -> None:
    message = said(text, tmp_path / name)
    assert [part for part in says if part not in message] == [], message


@pytest.mark.parametrize(
    ("b_i", "values"),
    [
        ("[−0.5, –0.1]", [-0.5, -0.1]),
        ("[.5, 5.]", [0.5, 5.0]),
        ("[1e-3, −2E−1]", [0.001, -0.2]),
        ("[+1, −.5]", [1.0, -0.5]),
    ],
)
def test_numbers_are_read_as_they_are_typed(b_i: str, values: list[float], tmp_path: Path) -> None:
    """The minus sign of a word processor is one in a number; in a text it stays what it is."""
    (tmp_path / "p.yaml").write_text(
        ONE.replace("b_i: [0.0, 0.1]", f"b_i: {b_i}").replace("Exercise 1", "−1 – 2"), "utf-8"
    )
    problem = read_problem(tmp_path / "p.yaml")
    assert problem.weights["b_i"].tolist() == values
    assert problem.title == "−1 – 2"
    text = json.dumps({"weights": {"b_i": ["−0.5"]}, "notes": "−0.5"}, ensure_ascii=False)
    read = read_problem("p.json", text.encode())
    assert (read.weights["b_i"].tolist(), read.notes) == ([-0.5], "−0.5")


@pytest.mark.parametrize("name", ["q20", "q22", "three-steps", "gru", "quotes"])
def test_a_matrix_without_a_row_is_blamed_and_nothing_else(name: str, tmp_path: Path) -> None:
    problem = yaml.safe_load(example(name))
    for key in [key for key, rows in problem["weights"].items() if key[0] == "W" and len(rows) > 1]:
        short = {**problem, "weights": {**problem["weights"], key: problem["weights"][key][:-1]}}
        message = said(yaml.safe_dump(short), tmp_path / "p.yaml")
        assert [line.split()[0] for line in message.splitlines()] == [key], message


def test_a_slip_of_the_finger_is_never_told_in_the_words_of_the_parser_alone(tmp_path: Path) -> None:
    """A character, a line or the indentation of a line is lost anywhere: the message has a place, and few lines."""
    chance = random.Random(0)  # noqa: S311 - it has to be the same each time
    for text in [ONE, WIDE, STEPS, OWN, *map(example, ["three-steps", "gru", "custom-cell", "quotes", "readout"])] * 8:
        rows = text.splitlines()
        at = chance.randrange(len(rows))
        column = chance.randrange(len(rows[at]) + 1)
        rows[at] = chance.choice([rows[at][:column] + rows[at][column + 1 :], rows[at].lstrip(), f"  {rows[at]}", ""])
        message = said("\n".join(rows), tmp_path / "p.yaml")
        assert message.count("\n") < 12
        assert not re.search(
            r"<block|<scalar|<stream|mapping values|could not find", message.split("cannot be read")[0]
        )
