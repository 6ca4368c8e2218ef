"""The picture of a cell that the page draws, against the one of reports: same nodes, edges, columns and texts."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.network import Stage
from lstm_trace.formulas.values import Values
from lstm_trace.languages.strings import words
from lstm_trace.plot import furniture
from lstm_trace.report.diagram import diagram
from lstm_trace.trace.held import plain_stage
from lstm_trace.trace.trace import Trace

from .....fuzz import equations
from .....report.test_diagram import KINDS, PICTURES, pictured, traced
from .....support.cells_as_json import stage_json
from .....support.every_cell import ran
from .....support.in_node import in_node
from .....support.tiers import seeds, some

LOCAL = "service/static/bench/local"
DRAWING = f"{LOCAL}/drawing"
DRAW = "return data.map(({ stage, room, own, said }) => drawing.picture(stage, room, own, said));"
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def case(trace: Trace, stage: Stage, language: str = "en") -> tuple[dict[str, Any], diagram.Diagram]:
    """What the page draws, as it knows it, and what a report draws."""
    stage, said, symbols = plain_stage(stage), words(language), dict(trace.header.symbols)
    room = diagram.widths(stage, Values(trace, diagram.DIGITS))
    told = {key: said.word(f"diagram.{key}") for key in ("next", "out")}
    given = {"stage": stage_json(stage), "room": room, "own": symbols, "said": told}
    return given, diagram.Diagram(stage, room, said, symbols)


def compared(cases: list[tuple[dict[str, Any], diagram.Diagram]]) -> None:
    """Draw all cases in the page's module, and compare each."""
    drawn = in_node(DRAW, [given for given, _ in cases], f"{DRAWING}/drawing.js")
    for (_, expected), found in zip(cases, drawn, strict=True):
        same_drawing(found, expected)


def same_drawing(found: dict[str, Any], expected: diagram.Diagram) -> None:
    """The same spots, words and size, and the same picture."""
    assert found["spots"] == [{"key": s.key, "line": s.line, "kind": s.kind} for s in expected.flow.spots]
    assert found["description"] == expected.description
    assert (found["width"], found["height"]) == pytest.approx(expected.size, abs=1e-6)
    same_picture(found["svg"], f"<g>\n<g>{expected.shapes}</g>\n<g>{expected.texts({})}</g>\n</g>")


def same_picture(one: str, other: str) -> None:
    """The same elements, attributes and texts in order, with coordinates that are printed alike but for ties."""
    pairs = zip(elements(one), elements(other), strict=True)
    for (tag, texts, numbers), (tag_expected, texts_expected, numbers_expected) in islice(pairs, 1, None):
        assert (tag, texts) == (tag_expected, texts_expected)
        assert numbers == pytest.approx(numbers_expected, abs=0.1 + 1e-9), texts


def elements(svg: str) -> Iterator[tuple[str, list[str], list[float]]]:
    """The elements of a picture with their texts, numbers taken out of coordinates, and those numbers."""
    for element in ElementTree.fromstring(svg).iter():  # noqa: S314
        named = {key: value for key, value in element.items() if key == "class" or key.startswith("data-")}
        places = [f"{key}={value}" for key, value in sorted(element.items()) if key not in named]
        forms = [_NUMBER.sub("#", place) for place in places]
        texts = [f"{key}={value}" for key, value in sorted(named.items())] + [element.text or "", element.tail or ""]
        tag = element.tag.rpartition("}")[2]
        yield tag, [*texts, *forms], [float(n) for place in places for n in _NUMBER.findall(place)]


def every_stage(traces: Iterable[Trace]) -> list[tuple[dict[str, Any], diagram.Diagram]]:
    return [case(trace, stage) for trace in traces for stage in trace.stages]


def test_examples_and_named_cells() -> None:
    compared(every_stage([*map(pictured, some(PICTURES, 2)), *map(traced, some(KINDS, 1))]))


def test_adjoint_and_random_cells() -> None:
    """Inputs of an adjoint are unnamed lines of other cells, such as `tanh(c_t)`; random cells have odd shapes."""
    names = some(["gru", "rnn", "slstm", "lstm, peephole", "lstm, layer_norm", "lstm"], 1)
    adjoints = (lt.backward(ran(name), of="0/forward/2/0/h_t[1]") for name in names)
    drawn = (equations.traced(random.Random(seed)) for seed in seeds(300, 2))  # noqa: S311
    compared(every_stage([*adjoints, *filter(None, drawn)]))


def test_odd_cells_and_hostile_texts() -> None:
    """A root, a product that two sums read, negative numbers in circles; names of several scripts, captions in Chinese,
    TeX that no symbol has, and markup in it.
    """
    odd = (
        "q_t = sqrt(x_t * x_t)\na_t = 1 - W @ q_t\ne_t = (a_t * -2 + b) / 3\nh_t = (V @ q_t + b) * (V @ q_t - e_t)\n"
        "output: h_t"
    )
    rooted = lt.run({"W": [[0.5, -1.0]], "V": [[2.0, 0.75]], "b": [0.25]}, [[1.0, -2.0]], cell={"equations": odd})
    text = "变量 = tanh(W_é @ x_t + b_变量)\nh_t = 变量 * 变量 - é2 * x_t\noutput: h_t"
    foreign = lt.run({"W_é": [[1.0]], "b_变量": [0.5], "é2": [2.0]}, [[1.0]], cell={"equations": text})
    evil = {"h_t": '</title><script>"&', "变量": r"\hat{\mathbf{q}}_{in}^{(t-1)}", "b_变量": r"\mathcal{B}^{\prime}"}
    traces = [replace(foreign, header=replace(foreign.header, symbols=symbols)) for symbols in ({}, evil)]
    compared([case(trace, trace.stages[0], "zh") for trace in (rooted, *traces)])


def test_the_parts_of_a_picture_are_those_of_python() -> None:
    """The width of every letter, formulas that are cut between symbols, places in a column."""
    signs = (*range(32, 0x2300), 0x3042, 0x4E2D, 0xAC00, 0xFF01, 0x1D49C)
    letters = [chr(c) for c in signs if chr(c).isprintable()]
    texts = ["W_x x_t + " * n + furniture.marked("h", "t-1") * n for n in (1, 3, 5)] + ["", "é" * 31, "𝒜" * 31, "<&'"]
    rng = np.random.default_rng(3)
    columns = [
        [rng.normal(size=n).tolist(), rng.uniform(1, 5, n).tolist(), rng.uniform(0, 2, n - 1).tolist()]
        for n in (1, 2, 6, 9)
    ]
    script = """return {
      widths: data.letters.map((c) => marked.width_of(c, 10)), cut: data.texts.map(marked.cut),
      spans: data.texts.map(marked.spans), apart: data.columns.map((one) => placement.apart(...one)),
    };"""
    told = {"letters": letters, "texts": texts, "columns": columns}
    found = in_node(script, told, f"{DRAWING}/marked.js", f"{DRAWING}/placement.js")
    widths = {c: (width, furniture.text_width(c, 10)) for c, width in zip(letters, found["widths"], strict=True)}
    assert {c: both for c, both in widths.items() if abs(both[0] - both[1]) > 1e-9} == {}
    assert found["cut"] == list(map(furniture.cut_to_room, texts))
    assert found["spans"] == list(map(furniture.spans, texts))
    for one, places in zip(columns, found["apart"], strict=True):
        assert places == pytest.approx(diagram.placement.apart(*one), abs=1e-12)
