"""The parser: canonical names, a cell's text reads back as the same cell, every fault has its place and its words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from lstm_trace.cell.lines import Line
from lstm_trace.cell.named_cells import LSTM, SLSTM
from lstm_trace.cell.ops import FUNCTIONS, OPS
from lstm_trace.cell.parse import MAX_TEXT, parse
from lstm_trace.cell.variants import supplied
from lstm_trace.errors import CellError, LstmTraceError

from ..support.strategies import Case, cells


@pytest.mark.few(0)
@given(cells(depth=3))
@settings(max_examples=60)
def test_the_text_of_a_random_cell_reads_back_as_the_same_cell(case: Case) -> None:
    cell = parse(case.text)
    assert parse(cell.text) == cell
    assert parse(cell.text).text == cell.text
    assert {name for name, line in cell.by_name.items() if line.assigned} == set(case.trees)
    names = set(cell.by_name) | set(cell.inputs) | set(cell.states) | set(cell.parameters)
    done: set[str] = set()
    for line in cell.lines:
        assert set(line.reads) <= names
        assert not (set(line.reads) & set(cell.by_name)) - done, "a line is read before it has a value"
        done.add(line.name)
    expressions = [(line.op, line.operands, line.constants) for line in cell.lines if line.op != "copy"]
    assert len(set(expressions)) == len(expressions), "equal expressions are one line"
    assert all("/" not in name for name in cell.by_name)


@pytest.mark.parametrize(
    "spec", [LSTM(bias="two", peephole=True), LSTM(layer_norm=True, coupled=True), SLSTM()], ids=str
)
def test_the_cells_that_ship_read_back_too(spec: LSTM | SLSTM) -> None:
    cell = parse(spec.equations())
    assert parse(cell.text) == cell


def test_the_plain_cell_has_the_lines_of_the_textbook() -> None:
    cell = parse(LSTM().equations())
    assert [line.name for line in cell.lines] == [
        "W_xi @ x_t", "W_hi @ h_prev", "z_i", "i_t", "W_xf @ x_t", "W_hf @ h_prev", "z_f", "f_t", "W_xc @ x_t",
        "W_hc @ h_prev", "z_c", "c_tilde", "W_xo @ x_t", "W_ho @ h_prev", "z_o", "o_t", "f_t * c_prev",
        "i_t * c_tilde", "c_t", "tanh(c_t)", "h_t",
    ]  # fmt: skip
    assert cell.by_name["z_i"] == Line("z_i", "add", ("W_xi @ x_t", "W_hi @ h_prev"), (1.0, 1.0))
    assert cell.states == {"h_prev": "h_t", "c_prev": "c_t"}


#: An expression, and how it is written canonically (single spaces round binary operators, fewest parentheses).
WRITTEN = {
    "a+b": "a + b",
    "((a))+(b-c)": "a + (b - c)",
    "(a + b) + c": "a + b + c",
    "a - (b - c)": "a - (b - c)",
    "a - -b": "a + b",
    "a + -2": "a - 2",
    "-a - b": "-a - b",
    "-(a*b) + c": "-(a * b) + c",
    "-a*b": "-a * b",
    "-(a+b)*c": "-(a + b) * c",
    "a*b*c": "a * b * c",
    "a*(b*c)": "a * (b * c)",
    "(a+b)*c": "(a + b) * c",
    "W@x_t*a": "W @ x_t * a",
    "a*(W@x_t)": "a * (W @ x_t)",
    "W@(a+b)": "W @ (a + b)",
    "W@(V@x_t)": "W @ (V @ x_t)",
    "2.0*a": "2 * a",
    "0.50*a": "0.5 * a",
    "1e16*a": "1e+16 * a",
    ".1*a": "0.1 * a",
    "--a": "--a",
    "+a*b": "a * b",
    "-2*a": "-2 * a",
    "a*-2": "a * -2",
    "tanh( (a) )": "tanh(a)",
    "leaky_relu(a)": "leaky_relu(a)",
    "leaky_relu(a, 0.01)": "leaky_relu(a)",
    "leaky_relu(a,.2)": "leaky_relu(a, 0.2)",
    "affine(a, 2)": "affine(a, 2, 0)",
    "clip(a, -1, 1)": "clip(a, -1, 1)",
    "max(a,b)": "max(a, b)",
    "max(a)": "max(a)",
    "where(a,b,0)": "where(a, b, 0)",
    "concat(a,b,c)": "concat(a, b, c)",
    "sum(a-b)": "sum(a - b)",
    "(a+b)@W": "(a + b) @ W",
    "a@W*b": "a @ W * b",
    "a*(b@W)": "a * (b @ W)",
    "a@W@V": "a @ W @ V",
    "W@a@V": "W @ a @ V",
    "W@(a@V)": "W @ (a @ V)",
    "-a@W": "-a @ W",
    "a>b": "a > b",
    "a<b": "b > a",
    "a+b<2*c": "2 * c > a + b",
    "(a>b)>c": "(a > b) > c",
    "a<(b<c)": "(c > b) > a",
    "-(a>b)": "-(a > b)",
    "c-(a>b)": "c - (a > b)",
    "(a>b)*c": "(a > b) * c",
    "where(a>0,b,c)": "where(a > 0, b, c)",
    "a>-.5": "a > -0.5",
    "0>a": "0 > a",
    "a[1]": "a[1:2]",
    "a[ 0 : 2 ]": "a[0:2]",
    "(a+b)[0:2]": "(a + b)[0:2]",
    "(-a)[0:2]": "(-a)[0:2]",
    "-a[0:2]": "-a[0:2]",
    "a[1:4][0]": "a[1:4][0:1]",
    "(a>b)[0:2]": "(a > b)[0:2]",
    "(W@a)[0:2]": "(W @ a)[0:2]",
    "tanh(a)[0:2]": "tanh(a)[0:2]",
    "W@a[0:2]": "W @ a[0:2]",
    "a[0x10:0b10001]": "a[16:17]",
}


@pytest.mark.parametrize("text", WRITTEN)
def test_expressions_are_written_canonically(text: str) -> None:
    cell = parse(f"input: x_t, a, b, c\nv = {text}")
    assert cell.equations["v"] == WRITTEN[text]


def test_a_sum_is_one_line_with_its_terms_in_order() -> None:
    cell = parse("input: a, b, c, d\nv = a - b + c - d")
    assert cell.lines == (Line("v", "add", ("a", "b", "c", "d"), (1.0, -1.0, 1.0, -1.0)),)


def test_products_are_binary_and_nested_to_the_left() -> None:
    cell = parse("input: a, b, c\nv = a * b * c")
    assert cell.lines == (Line("a * b", "mul", ("a", "b")), Line("v", "mul", ("a * b", "c")))


def test_equal_expressions_are_one_line() -> None:
    cell = parse("input: a, b\nu = tanh(a * b)\nv = tanh(a * b) + (a*b)\nw = tanh(a*b)")
    assert [line.name for line in cell.lines] == ["a * b", "u", "v", "w"]
    assert cell.by_name["v"].operands == ("u", "a * b")
    assert cell.by_name["w"] == Line("w", "copy", ("u",))


def test_every_function_of_the_grammar_can_be_called() -> None:
    for op in OPS.values():
        if op.function is not None:
            operands = ["a", "b", "c"][: op.arity or 2]
            needed = ["-1", "1"][: sum(1 for _, default in op.constants if default is None)]
            cell = parse(f"input: x_t, a, b, c\nv = {op.function}({', '.join(operands + needed)})")
            assert cell.by_name["v"].op == op.name
    assert set(FUNCTIONS) >= {"exp", "log", "sqrt", "mean", "sum", "max", "clip", "concat", "where", "sigmoid", "tanh"}


def test_names_of_any_script_are_one_name_however_they_are_typed() -> None:
    cell = parse("\N{MICRO SIGN}_t = tanh(x_t)\nh_t = \N{GREEK SMALL LETTER MU}_t * 2\noutput: h_t")
    assert [line.name for line in cell.lines] == ["μ_t", "h_t"]
    assert cell.parameters == {}


def test_an_input_can_be_carried_to_the_next_step_and_given_out() -> None:
    cell = parse("h_t = x_t - x_prev\ncarry: x_prev <- x_t\noutput: x_t")
    assert cell.states == {"x_prev": "x_t"}
    assert parse(cell.text) == cell


@pytest.mark.parametrize("text", ["a + b", "(a + b) * c", "-a", "tanh(W @ x_t + a)", "a * b", "clip(a, -1, 1)"])
def test_an_input_can_be_an_expression(text: str) -> None:
    """Where it stands its value is read, and what only it needed is gone."""
    cell = parse(f"input: x_t, {text}\nv = c - ({text}) * d\nq = {text}\noutput: v")
    name = cell.inputs[1]
    assert [line.name for line in cell.lines] == [cell.by_name["v"].operands[1], "v", "q"]
    assert cell.by_name[str(cell.by_name["v"].operands[1])].operands == (name, "d")
    assert cell.by_name["q"].op == "copy"
    assert parse(cell.text) == cell


def test_a_supplied_line_without_a_name_survives_as_text() -> None:
    cell = parse("z_t = W @ x_t - (a + b * x_t)\nh_t = tanh(z_t) * (a + b * x_t)\noutput: h_t")
    for line in cell.lines:
        if line.name != "h_t":
            fed = supplied(cell, [line.name])
            assert parse(fed.text) == fed, line.name


def test_output_and_input_have_defaults() -> None:
    assert parse("h_t = x_t\nq = h_t").output == "h_t"
    assert parse("p = x_t\nq = p").output == "q"
    assert parse("p = u + 1").parameters.keys() == {"u"}
    assert parse("input: u\np = u + 1").parameters == {}


PART = "a part of a vector is written z[2:5], with the first unit and the one after the last"
COMPARED = "a comparison is written a > b or a < b; its value is 1 or 0"

#: Equations with a fault: the message, and what stands over its caret ("" where there is none, or it is at the end).
FAULTS = {
    "h_t = tnh(x_t)": ("unknown function 'tnh'; did you mean 'tanh'?", "tnh(x_t)"),
    "h_t = foo.bar(x_t)": ("unknown function 'foo.bar'; there are clip, concat,", "foo.bar(x_t)"),
    "p = x_t\np = a": ("equation 2: p is assigned twice (first in equation 1); choose another name", "p = a"),
    "p = q + 1\nq = x_t": ("equation 1: q is read before it has a value (equation 2 gives it one)", "q + 1"),
    "p = x_t + p": ("p is read before it has a value (in its own equation)", "p"),
    "h_t = a * c_prev": ("c_prev is read but the carry is open: declare `carry: c_prev <- …`", "c_prev"),
    "h_t = x_t\ncarry: h_prev <-  q": ("equation 2: the carry is open: no equation gives q a value", "q"),
    "h_t = x_t\ncarry: h_prev h_t": ("expected `state <- line`", "h_prev h_t"),
    "h_t = x_t\ncarry: h <- h_t, h <- u": ("h is carried twice", "h <- u"),
    "h_t = x_t\ncarry: x_t <- h_t": ("x_t is an input; it cannot be carried", "x_t <- h_t"),
    "h_t = x_t\ncarry: a <- h_t\ncarry: b <- h_t": ("equation 3: carry is declared twice; write all of it", "carry: b"),
    "h_t = x_t\ncarry: h <- tanh(h_t": ("this cannot be read as an equation ('(' was never closed)", "(h_t"),
    "h_t = x_t\ncarry: a <- h_t, h <- (h_t, b <- h_t": ("equation 2: this cannot be read", "(h_t, b"),
    "input: x_t, W( @ a\nh_t = 1": ("an input must be a name, or an expression; found 'W( @ a'", "W( @ a"),
    "h_prev = x_t\nh_t = h_prev": ("h_prev ends in _prev, as states do; choose another name", "h_prev = x_t"),
    "h_t = x_t\noutput: ht": ("the output ht is not a line of the cell; did you mean 'h_t'?", "ht"),
    "input: x t\nh_t = 1": ("an input must be a name, or an expression; found 'x t'", "x t"),
    "input: 3\nh_t = 1": ("an input must be a name, or an expression; found '3'", "3"),
    "input: (a)\nh_t = 1": ("an input must be a name, or an expression; found '(a)'", "(a)"),
    "input: a * b, a*b\nh_t = a": ("duplicate input a * b", "a*b"),
    "input: a, a\nh_t = a": ("duplicate input a", "a"),
    "h_t = 2 ** x_t": ("** is not in the grammar (names, numbers, + - * / @ > <, z[2:5], functions)", "** x_t"),
    "h_t = σ(x_t)": ("(σ is typed sigmoid); type `sigmoid(x_t)`", "σ("),
    "h_t = x_t ⊙ x_t": ("this cannot be read as an equation (⊙ is typed *)", "⊙ x_t"),
    "h_t = 1 + x_t[1.0]": (PART, "x_t[1.0]"),
    "h_t = 1 + x_t[-1]": (PART, "x_t[-1]"),
    "h_t = 1 + x_t[True]": (PART, "x_t[True]"),
    "h_t = 1 + x_t[a]": (PART, "x_t[a]"),
    "h_t = 1 + x_t[:2]": (PART, "x_t[:2]"),
    "h_t = 1 + x_t[1:]": (PART, "x_t[1:]"),
    "h_t = 1 + x_t[:]": (PART, "x_t[:]"),
    "h_t = 1 + x_t[0:4:2]": (PART, "x_t[0:4:2]"),
    "h_t = 1 + x_t[0, 1]": (PART, "x_t[0, 1]"),
    "h_t = 1 + x_t[2:2]": (PART, "x_t[2:2]"),
    "h_t = 1 + x_t[3:2]": (PART, "x_t[3:2]"),
    "h_t = 1 + x_t[-3:-1]": (PART, "x_t[-3:-1]"),
    "h_t = 1 + x_t[0:True]": (PART, "x_t[0:True]"),
    "h_t = x_t[0:16777217]": ("a vector of an equation has at most 16777216 units", "x_t[0"),
    f"h_t = x_t[{'9' * 400}]": ("a vector of an equation has at most 16777216 units", "x_t[9"),
    "h_t = 2[0]": ("a number has no parts", "2[0]"),
    f"h_t = x_t{'[0:1]' * 300}": ("the expression is nested too deeply", ""),
    f"h_t = {'(' * 150}x_t{' > 0)' * 150}": ("the expression is nested too deeply", ""),
    "h_t = 1 + (x_t > a > b)": (COMPARED, "x_t > a > b"),
    "h_t = 1 + (x_t < a < b)": (COMPARED, "x_t < a < b"),
    "h_t = x_t >= a": (COMPARED, "x_t >= a"),
    "h_t = 1 * (x_t == a)": (COMPARED, "x_t == a"),
    "h_t = x_t != a": (COMPARED, "x_t != a"),
    "h_t = x_t in a": (COMPARED, "x_t in a"),
    "h_t = x_t is a": (COMPARED, "x_t is a"),
    "h_t = x_t if a else b": ("if … else is not in the grammar", "x_t if"),
    "h_t = x_t.T": ("a dot between names is not in the grammar", "x_t.T"),
    "h_t = not x_t": ("not is not in the grammar", "not"),
    "h_t = 1or x_t": ("or is not in the grammar", "1or"),
    "h_t = lambda: 1": ("lambda is not in the grammar", "lambda"),
    "h_t = b + 'a'": ("only names and numbers are allowed here", "'a'"),
    "h_t = True": ("only names and numbers are allowed here", "True"),
    "h_t = 1j": ("only names and numbers are allowed here", "1j"),
    "h_t = tanh": ("tanh is a function; write tanh(…)", "tanh"),
    "tanh = x_t": ("tanh is a function; an equation cannot assign it", "tanh ="),
    "x_t = 1": ("x_t is an input; an equation cannot assign it", "x_t ="),
    "h = x_t\ncarry: h <- h": ("h is a carried state; an equation cannot assign it", "h = x_t"),
    "h_t = tanh(x_t, 2)": ("tanh has 2 arguments; write tanh(a)", "tanh(x_t, 2)"),
    "h_t = clip(x_t)": ("clip has 1 argument; write clip(a, low, high)", "clip(x_t)"),
    "h_t = max(a, b, c)": ("max has 3 arguments; write max(a, b) or max(a)", "max(a"),
    "h_t = clip(x_t, a, 1)": ("a number is expected here", "a, 1)"),
    "h_t = tanh(x=1)": ("tanh takes plain operands only, by position", "tanh(x"),
    "h_t = 2 + 1 / x_t": ("give this quotient a name of its own: `q = a / b` in an equation before", "1 / x_t"),
    "h_t = x_t @ tanh(x_t)": ("one side of @ must be a weight matrix, and both are computed or fed", "x_t @ tanh"),
    "h_t = a + 2 * x_t @ x_t": ("one side of @ must be a weight matrix, and both are computed or fed", "2 * x_t @ x_t"),
    "h_t = W @ 2": ("@ does not take a number: one side is a weight matrix, the other a vector", "W @ 2"),
    "h_t = 1 + 2 @ W": ("@ does not take a number: one side is a weight matrix, the other a vector", "2 @ W"),
    "h_t = W * (x_t @ W)": ("but `h_t` reads it as a vector; write W @ … or … @ W", ""),
    "h_t = W[0:1] * (x_t @ W)": ("but `W[0:1]` reads it as a vector; write W @ … or … @ W", ""),
    "h_t = W * (W @ x_t)": ("W is a matrix in `W @ x_t`, but `h_t` reads it as a vector; write W @ …", ""),
    "h_t = 1e999": ("this number is too large for a float", "1e999"),
    f"h_t = {'9' * 400}": ("this number is too large for a float", "9"),
    f"h_t = {'9' * 5000}": ("this cannot be read as an equation (Exceeds the limit", ""),
    "h_t = tanh(x_t": ("this cannot be read as an equation ('(' was never closed)", "(x_t"),
    "h_t = ": ("an expression is missing here", ""),
    "  h_t == x_t": ("an equation is written with one =: `h_t = x_t`", "h_t == x_t"),
    "  h_t := x_t": ("an equation is written with one =: `h_t = x_t`", "h_t := x_t"),
    "for = x_t": ("expected `name = expression`", "for"),
    "h_t : x_t": ("expected `name = expression`", "h_t :"),
    "h_t = x_t; a = 2": ("this cannot be read as an equation (invalid syntax)", "; a"),
    "h_t = x²": ("this cannot be read as an equation (invalid character '²'", "²"),
    "h_t = x_t\x00": ("this cannot be read as an equation", ""),
    f"h_t = {'-' * 9000}x_t": ("the expression is nested too deeply", "---"),
    f"h_t = {' * '.join(['x_t'] * 5000)}": ("the expression is nested too deeply", "x_t * x_t"),
    f"h_t = {'(' * 500}x_t{')' * 500}": ("too many nested parentheses", ""),
    "": ("the cell has no equations", ""),
    "# nothing\noutput: h_t": ("the cell has no equations", ""),
    "h_t = x_t #" + "x" * MAX_TEXT: (f"characters; at most {MAX_TEXT} are read", ""),
}


@pytest.mark.few(44)
@pytest.mark.parametrize("text", FAULTS, ids=lambda text: text[:40].replace("\x00", "NUL"))
def test_every_fault_has_its_place_and_its_words(text: str) -> None:
    with pytest.raises(CellError) as error:
        parse(text)
    message, place = FAULTS[text]
    assert len(error.value.problems) == 1
    assert message in error.value.problems[0]
    if place:
        _, row, caret = error.value.problems[0].splitlines()
        assert row[caret.index("^") :].startswith(place)


def test_all_faults_are_told_at_once_in_the_order_of_the_rows() -> None:
    text = "# a cell\n  a = tnh(x_t)  # typo\nb = a + q_prev\na = 3\n\nd = e ** 2\ncarry: h_prev <- h_t\noutput: z"
    with pytest.raises(CellError) as error:
        parse(text)
    assert [problem.split(":")[0] for problem in error.value.problems] == [
        "equation 2", "equation 3", "equation 4", "equation 6", "equation 7", "equation 8",
    ]  # fmt: skip
    assert error.value.problems[0].splitlines()[1:] == ["      a = tnh(x_t)", "          ^"]


def test_a_long_equation_is_shown_round_the_fault() -> None:
    with pytest.raises(CellError) as error:
        parse(f"h_t = {'x_t + ' * 60}tnh(x_t){' + x_t' * 60}")
    _, row, caret = error.value.problems[0].splitlines()
    assert len(row) < 110
    assert row[caret.index("^") :].startswith("tnh(x_t)")


def test_messages_on_added_equations_count_from_the_first_of_them() -> None:
    cell = parse(LSTM().equations())
    rows = cell.text.splitlines()
    with pytest.raises(CellError) as error:
        parse("\n".join([*rows, "y = sigmoid(h_t)", "i_t = 2", "q = tnh(y)"]), first=1 - len(rows))
    assert [problem.splitlines()[0] for problem in error.value.problems] == [
        "equation 2: i_t is assigned twice (the cell has it already); choose another name",
        "equation 3: unknown function 'tnh'; did you mean 'tanh'?",
    ]


FRAGMENTS = st.sampled_from(
    ["x_t", "h_prev", "h_t", "W", "b", "=", " = ", "+", "-", "*", "/", "@", "(", ")", ",", "tanh", "sigmoid(", "max(",
     "clip(", "where(", "concat(", "1", "0.5", "1e9", "\n", " ", "carry: ", "output: ", "input: ", "<-", ":", "#", "if",
     "[0:2]", "[1]", "@ W", ">", "<",
     "**", "[", "]", "lambda", "'", '"', "\\", "\t", "é", "\x00", "...", ":=", "{", "}", "%", "~", "not ", "1j"]
)  # fmt: skip


@pytest.mark.few(0)
@given(st.lists(FRAGMENTS, max_size=40).map("".join) | st.text(max_size=60))
@settings(max_examples=200)
def test_no_text_raises_anything_but_our_error(text: str) -> None:
    for candidate in (text, f"h_t = {text}", f"h_t = x_t\ncarry: {text}\noutput: h_t"):
        try:
            cell = parse(candidate)
        except LstmTraceError:
            continue
        assert parse(cell.text) == cell
