"""The grammar of the page against that of Python: the same cells in every member, and the same messages."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from textwrap import dedent
from time import process_time
from typing import Any

import pytest
from hypothesis import given

from lstm_trace.cell.composites import BUILT_IN
from lstm_trace.cell.lines import with_holds
from lstm_trace.cell.ops import OPS
from lstm_trace.cell.parse import parse
from lstm_trace.cell.variants import masked, named
from lstm_trace.errors import LstmTraceError

from .. import ROOT
from ..cell.test_on_paper import ADVICE, WRITTEN as ON_PAPER
from ..cell.test_parse import FAULTS, WRITTEN
from ..fuzz import cells as fuzz, equations as fitting
from ..support.cells_as_json import parsed
from ..support.every_cell import CELLS
from ..support.page_modules import computed
from ..support.random_matrices import RandomCell
from ..support.texts import texts
from ..support.tiers import seeds, some

READ = """
import { parse } from "LINES/grammar.js";
import { CellError } from "LINES/errors.js";
function answer(texts) {
  return texts.map((text) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof CellError) return error.problems;
      throw error;
    }
  });
}
"""
#: What Python's own parser says otherwise, or what depends on its release; both refuse these.
OTHERWISE = ("x_t\x00", "lambda: 1", "9" * 5000)


def shipped() -> Iterator[str]:
    """Texts of the cells of the package, its examples and its documentation."""
    for kind, options in some(CELLS.values(), 4):
        cell, _ = named(kind, {"bias": "one", **options})
        yield cell.text
        for padding in ("zero", "repeat", "carry"):
            try:
                found = masked(cell, padding)
            except LstmTraceError:
                continue
            yield found.text
            yield with_holds(found, [found.output, cell.output], ["valid", found.output]).text
        yield with_holds(cell, [cell.output, "tanh(c_t)", "z_i"], ["f_t", cell.output]).text
    for path in some(sorted((ROOT / "traces").glob("*/trace.json")), 5):
        for stage in json.loads(path.read_text("utf-8"))["stages"]:
            yield stage["equations"]
    for page in some(sorted((ROOT / "docs").glob("*.md")), 8):
        yield from documented(page.read_text("utf-8"))
    for one in BUILT_IN.values():
        least = len(one.arguments) - len(one.defaults)
        for count in range(least, len(one.arguments) + 1):
            given = [*"abc"[:least], *map(str, (0.5, -2, 1e-7)[: count - least])]
            yield f"input: a, b, c\nv = {one.name}({', '.join(given)}) - {one.name}({', '.join(given)}) * 2"
    for op in OPS.values():
        if op.function:
            given = [*"abc"[: op.arity or 2], *["-1", "1"][: len(op.constants)]]
            yield f"input: a, b, c\nv = {op.function}({', '.join(given)})"
    yield from (f"input: x_t, a, b, c\nv = {text}" for text in WRITTEN)
    yield "f(a, b) = -a + b\ng(a, b) = b - a\nv = f(x_t - 1, 2) * g(-x_t, 1 - x_t) - f(-2, g(x_t + 1, x_t))"
    yield with_holds(named("lstm", {"output_activation": "silu"})[0], ["sigmoid(c_t)"]).text


def documented(page: str) -> Iterator[str]:
    """The indented blocks of a page that are equations."""
    for block in page.split("\n\n"):
        text = dedent(block)
        if block.startswith("    ") and " = " in block:
            try:
                parse(text)
            except LstmTraceError:
                continue
            yield text


def drawn() -> Iterator[str]:
    """Random texts over the whole grammar, damaged ones, cells whose widths fit, cells with matrices."""
    for seed in seeds(4000, 24):
        rng = random.Random(seed)  # noqa: S311
        text = fuzz.equations(rng)
        yield text if seed % 2 else fuzz.damaged(rng, text).replace("\x00", "").replace("\ud800", "")
        if seed % 4 == 0:
            yield fitting.cell(rng).text
            yield RandomCell(rng).text


def wrong() -> Iterator[str]:
    """Texts with the faults that users make."""
    yield from FAULTS
    for right in (*ON_PAPER, *ADVICE):
        yield f"h_t = {right}\ncarry: h_prev <- h_t\noutput: h_t"
    yield "# a cell\n  a = tnh(x_t)  # typo\nb = a + q_prev\na = 3\n\nd = e ** 2\ncarry: h_prev <- h_t\noutput: z"
    yield f"h_t = {'x_t + ' * 60}tnh(x_t){' + x_t' * 60}"
    yield f"变量 = 名 + tnh(x_t)\n\th_t = 变量 + µ * {'(' * 90}x_t{')' * 90}"
    yield f"h_t = {'-' * 300}x_t"
    yield f"h_t = {'(' * 300}x_t{')' * 300}"
    yield f"h_t = {' + '.join(['x_t'] * 2000)}"
    yield "y = 2\n" * 20000
    yield (
        "f(z) = z * z\n"
        + "".join(f"f{k}(z) = f{k - 1 or ''}(z) + f{k - 1 or ''}(z)\n" for k in range(1, 25))
        + "y = f24(x_t)"
    )
    for right in (
        "np.tanh(x_t)", "x_t ^ 2", "x_t ** 2", "(x_t", "x_t)", "x_t +", "tanh(x_t", "x_t % 2", "x_t // 2",
        "not x_t", "x_t and 1", "~x_t", "x_t if 1 else 0", "x_t == 1", "1 < x_t < 2", "x_t / 2 + 1", "sigmoid",
        "sigmoid()", "clip(x_t)", "softmax(x_t, 1)", "max(a=1)", "max(*x_t)", "W @ 2", "x_t[3]", "x_t[5:2]",
        "x_t[1, 0]", "x_t[20000000]", "2[0]", "1e999", "h_t", "q_prev", "x_t | 1", "x_t << 1", "True", "x_t.T", "",
        "x_t, 1", "siGmoid(x_t)", "sgimoid(x_t)", "hard_sigmoud(x_t)", "3x_t", "x_t y z", "tanh(x_t y)", "x_t ⊗ y",
        "x_t\u00a0+ 1", "concat()", "tanh(x_t]", "outer(2, x_t)", "outer(x_t, outer(x_t, x_t))", "ones(2)",
        "x_t @ h_prev", "007", "x_t @ (x_t @ x_t)", "W @ x_t + W", "outer(x_t, x_t)[0]",
        "concat(outer(x_t, x_t), x_t)", "else",
    ):  # fmt: skip
        yield f"h_t = {right}\ncarry: h_prev <- h_t\noutput: h_t"
    for row in (
        "carry: h_prev <- q_t", "carry: h_prev = h_t", "carry: h_prev", "carry: h_prev <- h_t, h_prev <- h_t",
        "carry: x_t <- h_t", "carry: h_{t-1} <- h_t", "carry: h_prev ← h_t", "output: ht", "input: x_t, x_t",
        "input: 2", "matrix: W", "matrix: Q", "matrix: h_t", "sum: s <- h_t, s <- h_t", "sum: s <- outer(2, h_t)",
        "sum: h_t <- h_t", "gradient: d <- h_t", "hold: c_t", "scale: h_t, tahn(h_t)", "output: h_t\noutput: h_t",
        "tanh = x_t", "x_t = 2", "c_prev = 2", "c_t == 2", "c_t := 2", "lambda = 2", "c t = 2", "c_t", "f(f) = 2",
        "f(2) = 2", "f(a, a) = a", "f(a=1, b) = a", "f(a=x) = a", "tanh(a) = a", "f(a) = b", "f(a) = f(a)",
        "f(a) = a\nf(a) = a", "f(t) = x", "f(a) = a / 2 + 1", "f(a=1e999) = a", "2 = 3", "c_{t} = 2",
        "q_t = W @ h_t + W * 2", "q_t = c_t\nc_t = q_t",
    ):  # fmt: skip
        yield f"h_t = W @ x_t + 1\n{row}"


def typed() -> list[str]:
    """Texts in every way of typing that the grammar allows."""
    found: list[str] = []

    @given(texts())
    def draw(text: str) -> None:
        found.append(text)

    draw()
    return found


#: Texts of the greatest length that once took minutes.
LONG = (
    "h_t = " + "[" * 60000,
    "h_t = [" + "a," * 30000,
    "h_t = x_t\ncarry: h" + " " * 60000 + "z",
    f"{'a' * 30000}(z) = z\nh_t = {'a' * 29999}b(x_t)",
)


@pytest.fixture(scope="module")
def read() -> dict[str, list[tuple[str, Any, Any]]]:
    """By what they are, the texts with what Python and the page read in them."""
    kinds = {"shipped": [*shipped()], "drawn": [*drawn(), *typed()], "wrong": [*wrong()]}
    texts = [text for every in kinds.values() for text in every]
    rows = iter(zip(texts, parsed(texts), computed(READ, texts), strict=True))
    return {kind: [next(rows) for _ in every] for kind, every in kinds.items()}


def test_the_cells_that_ship_are_read_alike(read: Any) -> None:
    assert len(read["shipped"]) > 150
    for text, python, page in read["shipped"]:
        assert isinstance(python, dict), text
        assert page == python, text


def test_random_texts_are_read_alike(read: Any) -> None:
    found = [(text, python, page) for text, python, page in read["drawn"] if isinstance(python, dict)]
    assert len(found) > len(read["drawn"]) / 2
    for text, python, page in found:
        assert page == python, text


def test_random_texts_are_refused_alike(read: Any) -> None:
    refused = [(text, python, page) for text, python, page in read["drawn"] if isinstance(python, list)]
    assert refused
    assert [text for text, _, page in refused if not isinstance(page, list)] == []
    same = sum(python == page for _, python, page in refused)
    assert same > 0.95 * len(refused)


def test_the_faults_that_users_make_have_the_same_words_and_places(read: Any) -> None:
    for text, python, page in read["wrong"]:
        assert isinstance(page, list) == isinstance(python, list), text[:300]
        if not any(part in text for part in OTHERWISE):
            assert page == python, text[:300]


def test_long_texts_are_refused_in_no_time() -> None:
    begun = process_time()
    assert all(isinstance(found, list) for found in parsed(some(LONG, 2)))
    assert process_time() - begun < 10
    assert all(isinstance(found, list) for found in computed(READ, LONG))


def test_a_text_that_python_reads_is_read_again_alike(read: Any) -> None:
    """What the page writes, the page and Python read as the same cell."""
    written = [page["text"] for _, python, page in read["drawn"] if isinstance(python, dict)][:30]
    assert computed(READ, written) == parsed(written)
    assert all(parse(text).text == text for text in written)
