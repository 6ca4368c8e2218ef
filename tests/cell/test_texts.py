"""Whatever text the parser accepts: the cell reads back from its own text, and a trace of it from its file."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.cell.expressions import MAX_DEPTH, MAX_LEVELS
from lstm_trace.cell.parse import MAX_TEXT, parse
from lstm_trace.cell.variants import supplied
from lstm_trace.errors import CellError, LstmTraceError

from ..support.texts import texts
from ..trace.files.test_trace_json import same


@pytest.mark.few(0)
@given(texts())
@settings(max_examples=150, deadline=None)
def test_every_text_reads_back_as_the_same_cell(text: str) -> None:
    cell = parse(text)
    assert parse(cell.text) == cell
    assert parse(cell.text).text == cell.text
    assert all("/" not in name for name in cell.by_name), "an address could not name it"


@given(texts(depth=2), st.data())
@settings(max_examples=60, deadline=None)
def test_a_cell_with_supplied_lines_reads_back_too(text: str, data: st.DataObject) -> None:
    cell = parse(text)
    names = data.draw(st.lists(st.sampled_from([line.name for line in cell.lines]), max_size=3, unique=True))
    fed = supplied(cell, names)
    assert parse(fed.text) == fed


@pytest.mark.few(0)
@given(texts(plain=True), st.sampled_from(["float64", "float32"]), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_trace_of_every_cell_is_saved_and_read_again(text: str, dtype: str, seed: int) -> None:
    cell = parse(text)
    rng = np.random.default_rng(seed)
    matrices = {line.product[0] for line in cell.lines if line.product}
    weights = {name: rng.normal(size=(1, 1) if name in matrices else 1) for name in cell.parameters}
    initial = {state: rng.normal(size=(2, 1)) for state in cell.states}
    given = {name: rng.normal(size=(3, 2, 1)) for name in cell.inputs if name != "x_t"}
    with np.errstate(all="ignore"):
        trace = lt.run(
            weights, rng.normal(size=(3, 2, 1)), cell={"equations": text}, initial=initial, given=given,
            dtype=dtype, plan="lines",
        )  # fmt: skip
    assert set(trace.lines["0/forward"]) == set(cell.by_name)
    with TemporaryDirectory() as folder:
        for suffix in (".json", ".safetensors"):
            trace.save(Path(folder) / f"trace{suffix}")
            same(trace, lt.load(Path(folder) / f"trace{suffix}"))


#: A right side, and the sum that it is: signs that cancel before a sum leave its terms part of the sum they begin.
SUMS = {
    "+(a + b) + c": "a + b + c",
    "--(a + b) + c": "a + b + c",
    "-(-(a + b)) - c": "a + b - c",
    "+(a - +(b)) + c": "a - b + c",
    "+-(a + b) + c": "-(a + b) + c",
    "-+-a + b": "a + b",
    "a - +-b": "a + b",
    "a + -+(b + c)": "a - (b + c)",
    "a + +(b + c)": "a + (b + c)",
    "+(+(a + b) + c) + 1": "a + b + c + 1",
}


@pytest.mark.parametrize("text", SUMS)
def test_signs_before_a_sum(text: str) -> None:
    numbers = {"a": 1.0, "b": 2.0**-53, "c": 2.0**-53}  # a + b + c is 1, a + (b + c) is not
    cell = parse(f"v = {text}")
    assert cell.equations["v"] == SUMS[text]
    assert parse(cell.text) == cell
    trace = lt.run({name: numbers[name] for name in cell.parameters}, cell={"equations": f"v = {text}"})
    assert trace["v"].item() == eval(text, numbers), "Python's own arithmetic, in Python's own order"  # noqa: S307


def test_a_zero_has_no_sign() -> None:
    """-0.0 equals 0.0, so no plan and no file would tell them apart: neither does the parser."""
    cell = parse("u = a * -0\nv = a * 0\nw = affine(a, 1, -0.0)\ny = affine(a)\nz = max(a, --0)\nq = a - 0")
    assert [cell.by_name[name].op for name in "vy"] == ["copy", "copy"], "equal expressions are one line"
    assert "-0" not in repr([line[2:] for line in cell.lines])
    assert cell.by_name["q"][:4] == ("q", "add", ("a", 0.0), (1.0, -1.0)), "the sign of a term is the sum's"


def test_an_output_that_only_an_input_needed_is_computed() -> None:
    text = "input: x_t, tanh(a * b)\nw = tanh(a * b) + x_t\noutput: a * b"
    cell = parse(text)
    assert parse(cell.text) == cell
    trace = lt.run({"a": [2.0], "b": [3.0]}, [[1.0]], cell={"equations": text}, given={"tanh(a * b)": [0.5]})
    assert trace.output.item() == 6.0
    assert trace["w"].item() == 1.5


def test_a_state_is_one_name_however_it_is_typed() -> None:
    cell = parse("input: x_t, a * ℎ_prev\nh_t = a * h_prev + x_t\ncarry: ℎ_prev <- h_t")
    assert cell.inputs == ("x_t", "a * h_prev")
    assert parse(cell.text) == cell


#: Texts at a limit and just beyond it, by the number of their parts.
NESTED = {
    "product": (lambda n: " * ".join(["a"] * (n + 1)), MAX_DEPTH),
    "group": (lambda n: "a * (" * n + "a" + ")" * n, MAX_DEPTH),
    "sign": (lambda n: "-" * n + "a", MAX_DEPTH),
    "call": (lambda n: "tanh(" * n + "a" + ")" * n, MAX_DEPTH),
    "row vector": (lambda n: "x_t" + " @ W" * n, MAX_DEPTH),
    "part": (lambda n: "x_t" + "[0:2]" * n, MAX_DEPTH),
    "comparison": (lambda n: "(" * n + "a" + " > 0)" * n, MAX_DEPTH),
    "sum": (lambda n: " + ".join(["a"] * (n + 1)), MAX_LEVELS - 2),
}


@pytest.mark.few(4)
@pytest.mark.parametrize("kind", NESTED)
def test_what_is_read_at_the_limit_is_read_deep_within_a_program_too(kind: str) -> None:
    write, most = NESTED[kind]
    cell = parse(f"h_t = {write(most)}")

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        else:
            assert parse(cell.text) == cell

    deep(300)
    with pytest.raises(CellError, match="nested too deeply"):
        parse(f"h_t = {write(most + 1)}")


@pytest.mark.few(0)
def test_a_text_that_grows_beyond_the_limit_when_it_is_written_is_refused() -> None:
    def text(count: int) -> str:  # the sums differ, so that none is a copy
        return "".join(f"v_{k}={'+'.join(['a'] * 400)}+{k}\n" for k in range(count))

    assert len(text(60)) < MAX_TEXT
    with pytest.raises(CellError, match=f"characters as they are saved; at most {MAX_TEXT} are read"):
        parse(text(60))
    shorter = parse(text(40))
    assert len(text(40)) < len(shorter.text) < MAX_TEXT
    assert parse(shorter.text) == shorter


def test_a_text_without_a_cell_is_still_an_error_of_ours() -> None:
    for text in ("+", "h_t = +", "h_t = --", "h_t = +()", "h_t = a + + ", "h_t = (+)(a)"):
        with pytest.raises(LstmTraceError):
            parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tanh(*a)", "tanh takes plain operands only, by position"),
        ("concat(*a, b)", "concat takes plain operands only, by position"),
        ("tanh(a=a)", "tanh takes plain operands only, by position"),
        ("concat()", "concat has 0 arguments; write concat(a, …)"),
        ("sum()", "sum has 0 arguments; write sum(a)"),
        ("affine(a, 1, 2, 3)", "affine has 4 arguments; write affine(z, alpha=1, beta=0)"),
        ("clip(a, 1)", "clip has 2 arguments; write clip(a, low, high)"),
        ("elu(a, b)", "a number is expected here"),
    ],
)
def test_calls_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(CellError) as error:
        parse(f"v = {text}")
    assert message in str(error.value)


def test_the_longest_text_that_is_read() -> None:
    text = "h_t = tanh(x_t)\n"
    assert parse(text + "#" * (MAX_TEXT - len(text))).equations == {"h_t": "tanh(x_t)"}
    with pytest.raises(CellError, match=f"the equations have {MAX_TEXT + 1} characters; at most {MAX_TEXT} are read"):
        parse(text + "#" * (MAX_TEXT + 1 - len(text)))
