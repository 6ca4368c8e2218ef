"""Compact reports on paper: how many pages they take, and that no page break parts what belongs together."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.documents import typst
from lstm_trace.examples import examples, text
from lstm_trace.report.report import PAPER
from lstm_trace.trace.trace import Trace

from ..test_paper import compiled, pdflatex

#: Pages that an example may take; what is not named here may take 4.
PAGES = {"q19": 1, "q20": 1, "q21": 1, "q22": 1, "three-steps": 2, "gru": 2, "custom-cell": 2, "mlstm": 6, "ltc": 6}


def example(name: str, folder: Path) -> Trace:
    source = folder / f"{name}.yaml"
    source.write_text(text(name), encoding="utf-8")
    return lt.open_source(source)


def wide(units: int = 64, steps: int = 50) -> Trace:
    """A model of 64 units over 50 steps."""
    draw = np.random.default_rng(1)
    shapes = {"x": (units, 16), "h": (units, units)}
    weights = {f"W_{s}{g}": draw.normal(size=shape) / 8 for s, shape in shapes.items() for g in "ifco"}
    weights |= {f"b_{g}": draw.normal(size=units) for g in "ifco"}
    return lt.run(weights, draw.normal(size=(steps, 16)), name="Wide")


def set_by_typst(source: str) -> list[Any]:
    """The pages of a document of Typst."""
    found = pytest.importorskip("typst").compile(source.encode(), format="svg", ignore_system_fonts=True)
    return found if isinstance(found, list) else [found]


@pytest.mark.few(0)
@pytest.mark.parametrize("name", examples())
def test_pages_of_an_example(name: str, tmp_path: Path) -> None:
    assert len(set_by_typst(example(name, tmp_path).report("typ"))) <= PAGES.get(name, 4)


@pytest.mark.few(1)
@pytest.mark.parametrize("language", ["de", "es", "fr"])
@pytest.mark.parametrize("name", ["q22", "three-steps"])
def test_pages_of_a_language(name: str, language: str, tmp_path: Path) -> None:
    assert len(set_by_typst(example(name, tmp_path).report("typ", language=language))) <= PAGES[name]


@pytest.mark.few(0)
def test_a_pdf_is_the_same(tmp_path: Path) -> None:
    pytest.importorskip("typst")
    trace = example("q22", tmp_path)
    assert trace.pdf() == typst.pdf(trace.report("typ"))
    assert trace.pdf(detail="scalar") == typst.pdf(trace.report("typ", detail="scalar")) != trace.pdf()


@pytest.mark.few(0)
def test_a_large_model_takes_three_pages() -> None:
    source = wide().report("typ", detail="worked")
    assert len(set_by_typst(source)) <= 3
    assert "--steps A:B" in source  # says what is left out, and how to see it
    assert len(set_by_typst(wide(6, 200).report("typ", detail="worked"))) <= 3


@pytest.mark.few(0)
@pytest.mark.parametrize("name", ["q22", "three-steps", "cross-entropy", "rnn-softmax", "batch"])
def test_no_page_break_parts_a_chain(name: str, tmp_path: Path) -> None:
    """Each box is asked for its page at its beginning and at its end."""
    query = pytest.importorskip("typst").query
    mark = "#context [#metadata(here().page()) <page>]"
    source = example(name, tmp_path).report("typ")
    boxes = re.findall(r"^  ((?:one|wide)\[)(.*)\],$", source, re.M)
    assert len(boxes) > 10
    marked = rf"  \1{mark}\2{mark}],"
    source = re.sub(r"^  ((?:one|wide)\[)(.*)\],$", marked, source, flags=re.M)
    pages = json.loads(query(source.encode(), "<page>", field="value", ignore_system_fonts=True))
    assert len(pages) == 2 * len(boxes)
    assert pages[::2] == pages[1::2]


@pytest.mark.few(1)
@pdflatex
@pytest.mark.parametrize(("name", "most"), [("q22", 1), ("three-steps", 2), ("wide", 3)])
def test_pages_of_latex(name: str, most: int, tmp_path: Path) -> None:
    trace = wide() if name == "wide" else example(name, tmp_path)
    log = compiled(trace.report("tex"), tmp_path)
    found = re.search(r"Output written on x\.pdf \((\d+) page", log)
    assert found
    assert int(found[1]) <= most
    assert "Overfull" not in log


@pdflatex
@pytest.mark.few(1)
@pytest.mark.parametrize("name", examples())
def test_latex_of_every_example_fits(name: str, tmp_path: Path) -> None:
    assert "Overfull" not in compiled(example(name, tmp_path).report("tex"), tmp_path)


def test_a_chain_of_latex_stands_in_a_box(tmp_path: Path) -> None:
    """A minipage is not parted."""
    source = example("three-steps", tmp_path).report("tex").partition("Solution")[2]
    found = re.findall(r"\\begin\{aligned\}.*?\\end\{aligned\}", source, re.S)
    assert len(found) == 18
    for formulas in found:
        before, _, _ = source.partition(formulas)
        assert before.count(r"\begin{minipage}") == before.count(r"\end{minipage}") + 1


# -- what is chosen without being asked for ---------------------------------------------------------------------------


@pytest.mark.few(0)
def test_compact_is_the_default_on_paper_alone(tmp_path: Path) -> None:
    trace = example("q22", tmp_path)
    for format in ("tex", "typ"):
        assert format in PAPER
        assert trace.report(format) == trace.report(format, detail="compact")
    for format in ("md", "text"):
        assert trace.report(format) == trace.report(format, detail="scalar")


@pytest.mark.few(0)
def test_a_detail_that_is_asked_for_is_shown(tmp_path: Path) -> None:
    trace = example("q22", tmp_path)
    assert "unit 0" in trace.report("tex", detail="scalar").partition("Solution")[2].partition("In words")[0]
    assert 'class="paper"' in trace.report("html")
    assert 'class="paper"' not in trace.report("html", detail="scalar")
    assert 'class="chains' not in trace.report("html", detail="scalar")
    assert 'class="chains' in trace.report("html", detail="compact")


@pytest.mark.few(0)
def test_what_is_printed_has_no_links(tmp_path: Path) -> None:
    """Ids and links are those of the screen."""
    page = example("three-steps", tmp_path).report("html")
    paper = page.partition('<div class="paper">')[2].partition("<footer>")[0]
    assert "href" not in paper
    assert " id=" not in paper
    assert paper.count('class="chain') > 18


def test_everything_of_a_large_model_is_scalar() -> None:
    small = wide(6, 1)
    assert "unit 5" in small.report("tex", everything=True)
    assert "too large to be filled in" in small.report("tex")
