"""A report as an object: text everywhere, and in a notebook what that text describes."""

from __future__ import annotations

import copy
import json
import pickle
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.examples import text as example
from lstm_trace.report import report as reports
from lstm_trace.report.page import html as pages
from lstm_trace.report.report import FORMATS as PRINTERS
from lstm_trace.trace.trace import Trace

from .. import ROOT
from ..support.page_reader import Page
from ..support.table_cases import stacked
from .test_report import lstm, q22

THREE = ROOT / "lstm_trace" / "examples" / "three-steps.yaml"


def three() -> Trace:
    return lt.run(THREE)


# -- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.few(2)
@pytest.mark.parametrize("format", PRINTERS)
def test_a_report_is_its_text(format: str) -> None:
    report = q22().report(format)
    text = str(report)
    assert type(text) is str
    assert isinstance(report, str)
    assert report == text
    assert hash(report) == hash(text)
    assert f"{report}" == "".join(report) == text == json.loads(json.dumps(report))
    assert report + "" == text
    assert repr(report) == f"<Report of {text.count(chr(10)) + 1:,} lines; print(…) shows it>"


def test_what_is_stored_is_the_text_alone() -> None:
    report = q22().report()
    for found in (pickle.loads(pickle.dumps(report)), copy.copy(report), copy.deepcopy([report])[0]):  # noqa: S301
        assert type(found) is str
        assert found == report
    assert len(pickle.dumps(report)) < len(report.encode()) + 100


# -- rendered --------------------------------------------------------------------------------------------------------


def test_nothing_is_rendered_before_a_notebook_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    rendered = reports._rendered
    monkeypatch.setattr(
        reports, "_rendered", lambda views, kind, *a: (asked.append(kind), rendered(views, kind, *a))[1]
    )
    report = q22().report()
    assert f"{report}".startswith("# ")
    assert not asked
    report._repr_html_()
    report._repr_markdown_()
    assert asked == ["html", "markdown"]


@pytest.mark.few(0)
@pytest.mark.parametrize("format", PRINTERS)
def test_it_renders_whatever_its_format_is(format: str) -> None:
    trace, options = three(), {"detail": "vector", "language": "de", "steps": slice(0, 2), "digits": 3}
    report = trace.report(format, **options)
    assert report._repr_markdown_() == trace.report(math="dollars", **options)
    assert formulas(report._repr_html_()) == formulas(above_maps(trace.report("html", **options)))
    assert "<h4>Antworten</h4>" in report._repr_html_()


def test_ipython_gets_all_three() -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    report = three().report()
    data, _ = formatters.DisplayFormatter().format(report)
    assert data == {
        "text/html": report._repr_html_(),
        "text/markdown": report._repr_markdown_(),
        "text/plain": str(three().report("text")),
    }


def above_maps(page: str) -> str:
    """A page without its last section, that of the heat maps, and without what is printed in its place."""
    return page.partition('<div class="heatmaps">')[0].partition('<div class="paper">')[0]


def formulas(html: str) -> list[str]:
    """Every formula of a page, without the names and links of its numbers."""
    bare = re.sub(r'</?a\b[^>]*>| id="\w+"| data-[an]="[^"]*"', "", html)
    return re.findall(r"<math.*?</math>", bare)


@pytest.mark.few(0)
@pytest.mark.parametrize(
    "make", [q22, three, lambda: lt.backward(three(), of="2/h_t[0]"), lambda: stacked(3, lengths=[3, 1])]
)
def test_the_formulas_are_those_of_the_page(make: Any) -> None:
    """On a page every step of a long run can be unfolded, and in a notebook only those that are worked in full."""
    trace = make()
    found = formulas(trace.report()._repr_html_())
    screen, _, _ = trace.report("html").partition('<div class="paper">')
    assert found == formulas(above_maps(screen))
    assert len(found) > 50


# -- a part of another page ------------------------------------------------------------------------------------------


@pytest.mark.few(0)
def test_several_reports_stand_in_one_page() -> None:
    html = "".join(trace.report()._repr_html_() for trace in (q22(), three(), lt.backward(three(), of="2/h_t[0]")))
    page = Page(f"<main>{html}</main>")  # every element is closed
    assert not page.by_id
    assert not {"html", "head", "body", "meta", "title", "link", "script", "iframe", "h1", "h2"} & {
        element.tag for element in page.elements if not element.inside("svg")
    }
    assert not [element for element in page.elements if any(name.startswith("on") for name in element.attributes)]
    assert "href=" not in html
    assert "url(" not in html
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")


def test_the_style_sheet_is_for_the_report_alone() -> None:
    (sheet,) = set(re.findall(r"<style>(.*?)</style>", q22().report()._repr_html_(), re.S))
    assert sheet.startswith(".lstm-trace{")
    depth = np.cumsum([{"{": 1, "}": -1}.get(c, 0) for c in sheet])
    assert depth[-1] == 0
    assert (depth[len(".lstm-trace{") - 1 : -1] > 0).all()  # what is within is within the report


@pytest.mark.few(0)
def test_headings_go_down_by_one() -> None:
    page = Page(three().report()._repr_html_())
    levels = [int(element.tag[1]) for element in page.elements if re.fullmatch(r"h\d", element.tag)]
    assert levels[0] == min(levels) == 3
    assert all(b <= a + 1 for a, b in pairwise(levels))


@pytest.mark.few(0)
def test_the_first_step_is_open() -> None:
    page = Page(three().report()._repr_html_())
    assert ["open" in element.attributes for element in page.elements if element.tag == "details"] == [
        True,
        False,
        False,
    ]


def test_hostile_text_stays_text() -> None:
    names = {"h": ["<b>u</b>"]}
    problem = {"title": "</pre></style><script>x</script> $5", "notes": "<img src=x onerror=y>", "names": names}
    problem |= {"weights": {"W_xi": [[1.0]], "W_hi": [[0.5]]}, "x": [[1.0]], "h0": [0.0], "ask": ["i_t"]}
    html = lt.run(problem).report()._repr_html_()
    page = Page(html)
    assert not {"script", "img", "b"} & {element.tag for element in page.elements}
    assert {"tex2jax_ignore", "mathjax_ignore"} <= set(page.elements[0].attributes["class"].split())


class Sanitized(HTMLParser):
    """What is seen of a notebook that is not trusted, as JupyterLab 4 sanitizes it (`apputils`, `Sanitizer`).

    Style sheets go with what is in them, unknown elements (MathML, SVG) leave their text, `hidden` is kept.
    """

    KEPT = frozenset(
        (
            "details",
            "div",
            "figure",
            "h3",
            "h4",
            "h5",
            "h6",
            "li",
            "p",
            "pre",
            "span",
            "summary",
            "table",
            "tbody",
            "td",
            "th",
            "thead",
            "tr",
            "ul",
        )
    )

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.hidden: list[bool] = []
        self.styled = 0
        self.seen = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "style":
            self.styled += 1
        if tag in self.KEPT:
            self.hidden.append("hidden" in dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self.styled -= 1
        if tag in self.KEPT:
            self.hidden.pop()

    def handle_data(self, data: str) -> None:
        if not self.styled and not any(self.hidden):
            self.seen += data


@pytest.mark.few(0)
@pytest.mark.parametrize("make", [q22, three])
def test_in_a_notebook_that_is_not_trusted_the_plain_text_is_seen(make: Any) -> None:
    trace = make()
    assert Sanitized(trace.report()._repr_html_()).seen.strip() == trace.report("text").strip()


# -- size ------------------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
@pytest.mark.parametrize("detail", ["worked", "scalar", "vector", "summary"])
def test_a_long_trace_makes_no_long_notebook(detail: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LARGEST_PART", 120_000)
    trace = lstm(3, 4, 200, 1)
    html = trace.report(detail=detail)._repr_html_()
    body = html[html.index('<div class="trusted"') :]
    assert len(body) <= 121_000
    if detail in ("scalar", "vector"):
        assert "some steps (" in body
        assert "Step t = 199" in body
    else:  # all of them are in the table, and fewer are worked
        assert body.count("Step t = ") == (detail == "worked")
        assert "around the steps" in body


def test_everything_is_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LARGEST_PART", 1000)
    html = three().report(everything=True)._repr_html_()
    assert html.count("<details") == 3
    assert example("three-steps")
