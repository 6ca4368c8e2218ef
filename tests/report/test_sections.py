"""One list of sections for every format: what is put into it is in all of them, where it stands in the list."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lstm_trace.documents.blocks import Block, Derivation, Heading, Para, Row
from lstm_trace.formulas.tree import Sym, number
from lstm_trace.report.report import FORMATS as PRINTERS
from lstm_trace.report.sections import sections
from lstm_trace.view.view import View

from ..formulas.test_formulas import visible
from ..support.page_reader import Page
from .test_report import lstm, q22

HEADINGS = {
    "given": "Given", "equations": "Equations", "solution": "Solution", "answers": "Answers", "in_words": "In words",
}  # fmt: skip


def more(shown: View) -> Iterator[Block]:
    yield Heading(2, ("A new heading",))
    yield Para((f"It has {shown.trace.steps} steps.",))
    yield Derivation(((Row((Sym("q_t"),), (("=", number(0.375)),)),),))


def put_before(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a section into the list, before another one."""
    rows = list(sections.SECTIONS.items())
    rows.insert([*sections.SECTIONS].index(name), ("more", more))
    monkeypatch.setattr(sections, "SECTIONS", dict(rows))


@pytest.mark.few(0)
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", HEADINGS)
@pytest.mark.parametrize("format", PRINTERS)
def test_a_new_section_is_in_every_format(format: str, name: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = q22() if steps == 1 else lstm(steps=steps, ask=["h_t"])
    assert "A new heading" not in trace.report(format)
    put_before(name, monkeypatch)
    report = trace.report(format)
    text = visible(report).partition("In words")[2] if format == "html" else report  # behind the contents
    wanted = list(HEADINGS.values())
    wanted.insert([*HEADINGS].index(name), "A new heading")
    places = [text.index(heading) for heading in wanted]
    assert places == sorted(places)
    assert text.index("A new heading") < text.index(f"It has {steps} steps.") < text.index(HEADINGS[name])
    assert re.search(r"0\{?,\}?375|0,375", trace.report(format, decimal_comma=True))
    if format == "html":
        Page(report)
        assert re.search(r'<a href="#(s\d+)">A new heading</a>.*<section id="\1"><h2>A new heading</h2>', report, re.S)


@pytest.mark.few(0)
def test_a_new_section_is_in_the_pdf(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = q22()
    without = trace.pdf()
    put_before("answers", monkeypatch)
    assert trace.pdf() == trace.pdf() != without


@pytest.mark.few(0)
def test_a_section_without_a_heading_belongs_to_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(sections.SECTIONS.items())
    rows.insert([*sections.SECTIONS].index("in_words") + 1, ("more", lambda shown: [Para(("One more sentence.",))]))
    monkeypatch.setattr(sections, "SECTIONS", dict(rows))
    assert re.search(r"<h2>In words</h2>(?:(?!<section).)*One more sentence\.", lstm().report("html"), re.S)
