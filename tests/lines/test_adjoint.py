"""The adjoints that the page writes against those of Python: the same cells."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import lstm_trace as lt
from lstm_trace.cell.adjoint import adjoint
from lstm_trace.cell.parse import parse
from lstm_trace.cell.variants import masked, named
from lstm_trace.errors import CellError
from lstm_trace.trace.derived import sizes

from .. import ROOT
from ..fuzz import cells as fuzz, equations as fitting
from ..support.cells_as_json import cell_json
from ..support.every_cell import CELLS
from ..support.page_modules import computed
from ..support.random_matrices import RandomCell
from ..support.tiers import seeds, some

WRITE = """
import { parse } from "LINES/grammar.js";
import { adjoint } from "LINES/adjoint.js";
import { CellError } from "LINES/errors.js";
function answer(cases) {
  return cases.map(({ text, seeds, widths }) => {
    try {
      return adjoint(parse(text), seeds, widths);
    } catch (error) {
      if (error instanceof CellError) return error.problems;
      throw error;
    }
  });
}
"""
#: With functions that have the names of those that the rules call, and names that gradients would have.
OWN = """expand(a, b) = a * b
quotient(a) = a * a
d_z_t = W @ x_t
z_t = expand(d_z_t, x_t) + where(x_t > 0.5, count(x_t), x_t)
q_t = quotient(z_t)
n_t = mean(z_t) + max(x_t)
h_t = 2 * softmax(z_t) - n_t - tanh(n_t) - 2 * h_prev - elu(n_t, 0.5)
carry: h_prev <- h_t, s_prev <- n_t
output: h_t"""


def cases() -> Iterator[dict[str, Any]]:
    for path in some(sorted((ROOT / "traces").glob("*/trace.json")), 3):
        trace = lt.load(path)
        for stage in trace.stages:
            yield case(stage.cell.text, None, sizes(trace)[stage.scope])
    for kind, options in some(CELLS.values(), 3):
        cell, _ = named(kind, {"bias": "one", **options})
        yield case(cell.text)
        yield case(masked(cell, "zero").text)
    yield case(OWN)
    beside = "C_t = G * outer(x_t, x_t) * g\ny_t = sum(G) + sum(C_t) * g\nmatrix: G"
    for widths in (None, {"x_t": 2, "G": 4, "g": 1, "C_t": 4, "y_t": 1}):
        yield case(beside.partition("\nmatrix")[0] + "\noutput: y_t", None, widths)
        yield case(beside + "\noutput: y_t", None, widths)
    for seed in seeds(600, 4):
        rng = random.Random(seed)  # noqa: S311
        made, trace = RandomCell(rng), fitting.traced(rng)
        yield case(made.text, pick(rng, made.text), made.widths)
        if trace is not None:
            text = trace.stages[0].cell.text
            yield case(text, pick(rng, text), sizes(trace)["0/forward"])
        for text in (fitting.cell(rng).text, fuzz.equations(rng)):
            try:
                yield case(text, pick(rng, text))
            except CellError:
                continue


def case(text: str, weighted: Any = None, widths: Any = None) -> dict[str, Any]:
    return {"text": text, "seeds": weighted, "widths": widths}


def pick(rng: random.Random, text: str) -> dict[str, list[str]] | None:
    """Some values of a cell, each with the names of one or two weights; most of the time the output alone."""
    cell = parse(text)
    names = [*cell.by_name, *cell.inputs, *cell.states]
    chosen = rng.sample(names, min(len(names), rng.choice((0, 1, 2))))
    return {name: [f"seed_{k}", f"more_{k}"][: rng.choice((1, 2))] for k, name in enumerate(chosen)} or None


def test_adjoints_are_the_same() -> None:
    given = [*cases()]
    refused = 0
    for one, page in zip(given, computed(WRITE, given), strict=True):
        try:
            python: Any = cell_json(adjoint(parse(one["text"]), one["seeds"], one["widths"]))
        except CellError as error:
            python = [*error.problems]
            refused += 1
        assert page == python, one
    assert refused < len(given) / 2
