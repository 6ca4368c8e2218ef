"""The HTML report: every number on it, its structure, what it forbids, hostile text, its length."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cell.ops import OPS
from lstm_trace.cli import main
from lstm_trace.documents.blocks import Para
from lstm_trace.documents.html import HtmlPrinter
from lstm_trace.examples import text as example
from lstm_trace.formulas.mathml import MathML
from lstm_trace.formulas.tree import Sym
from lstm_trace.model.problem import prepare_problem, read_problem
from lstm_trace.report.diagram.graph import SIGNS
from lstm_trace.trace.trace import Trace

from ..support.page_reader import Page, number as read_number, numbers
from ..support.pictures import images

GATES = "ifco"


def weights(H: int, I: int, scopes: tuple[str, ...] = ("",), seed: int = 3) -> dict[str, Any]:  # noqa: E741
    """Random weights of an LSTM with biases, wider inputs above the first layer of two directions."""
    rng = np.random.default_rng(seed)
    found = {}
    for scope in scopes:
        width = 2 * H if scope.startswith("1") else I
        for g in GATES:
            found |= {
                f"{scope}W_x{g}": rng.normal(size=(H, width)) / 2,
                f"{scope}W_h{g}": rng.normal(size=(H, H)) / 2,
                f"{scope}b_{g}": rng.normal(size=H) / 3,
            }
    return found


def small(steps: int = 3, **options: Any) -> Trace:
    rng = np.random.default_rng(8)
    return lt.run(weights(2, 3), rng.normal(size=(steps, 3)), h0=[0.25, -0.5], c0=[-0.75, 1.5], **options)


def large() -> Trace:
    """Two layers of both directions over fifty steps."""
    scopes = tuple(f"{layer}/{way}/" for layer in (0, 1) for way in ("forward", "reverse"))
    return lt.run(weights(8, 4, scopes), np.random.default_rng(5).normal(size=(50, 4)))


def problem(name: str) -> Trace:
    return prepare_problem(read_problem(name, example(name).encode())).run()


def recorded(trace: Trace, address: str) -> float:
    """The value at an address in its full form, found without the package's own reader."""
    path, index = re.fullmatch(r"(.*)\[([\d,]+)\]", address).groups()  # type: ignore[union-attr]
    at = tuple(map(int, index.split(",")))
    if found := re.fullmatch(r"(\d+)/(\d+)/x_t", path):
        return float(trace.x[int(found[1]), int(found[2]), at[0]])
    layer, way, rest = path.split("/", 2)
    scope = f"{layer}/{way}"
    if found := re.fullmatch(r"(\d+)/(\d+)/(.*)", rest):
        t, b = int(found[1]), int(found[2])
        lines = {**trace.lines.get(scope, {}), **trace.given.get(scope, {})}
        return float(lines[found[3]][t, b, at[0]])
    if found := re.fullmatch(r"(\d+)/([hc])0", rest):
        return float(trace.initial[scope][f"{found[2]}_prev"][int(found[1]), at[0]])
    return float(trace.parameters[scope][rest][at])


def check_numbers(trace: Trace, page: Page, least: int) -> None:
    """Every number reads back as its value, within half a unit of the last shown digit (or noise shown as zero)."""
    found = numbers(page)
    assert len(found) >= least
    for address, text in found:
        shown, half = read_number(text)
        value = Fraction(recorded(trace, address))
        assert abs(shown - value) <= half + Fraction(1, 10**15), (address, text, float(value))


@pytest.mark.few(0)
@pytest.mark.parametrize("detail", ["scalar", "vector", "summary"])
@pytest.mark.parametrize("digits", [2, 8, 17])
def test_every_number_reads_back(detail: str, digits: int) -> None:
    trace = small()
    least = 25 if detail == "summary" else 100  # a summary is a table of the states
    check_numbers(trace, Page(trace.report("html", detail=detail, digits=digits)), least)


@pytest.mark.few(0)
def test_every_operand_is_a_link_to_where_it_was_made() -> None:
    page = Page(small().report("html", detail="scalar"))
    rows = [e for e in page.every("div") if "under" in e.attributes.get("class", "")]
    loose = [e for e in page.every("mn") if not e.attributes and NUMBER_LIKE.fullmatch(e.text) and in_row(e, rows)]
    assert len(rows) > 80
    assert [e for e in loose if not any(a.parent is e for a in page.every("a"))] == []


NUMBER_LIKE = re.compile(r"−?\d+\.\d+.*")


def in_row(element: Any, rows: list[Any]) -> bool:
    at = element.parent
    while at is not None and at not in rows:
        at = at.parent
    return at is not None


@pytest.mark.few(0)
def test_pictures_show_their_values() -> None:
    """Each value in a picture, rounded to three decimals, at every step that the slider reaches."""
    trace = small()
    page = Page(trace.report("html"))
    data = json.loads(next(e.text for e in page.every("script") if e.attributes.get("class") == "texts"))
    assert data["steps"] == [0, 1, 2]
    live = [e for e in page.every("text") if e.attributes.get("class", "").startswith("value")][: 3 + 9]
    names = [e.attributes["data-line"] for e in live]
    assert {"x_t", "h_prev", "c_prev", "i_t", "c_t", "tanh(c_t)", "h_t"} <= set(names)
    for t, texts in enumerate(data["texts"]["0/forward"]["0"]):
        for name, text in zip(names, texts, strict=True):
            values = trace.operand("0/forward", name)
            assert values is not None
            shown = [float(part.replace("−", "-")) for part in text.split(", ")]
            assert shown == pytest.approx(values[t, 0], abs=5e-4 + 1e-12)
    assert [e.text for e in live] == data["texts"]["0/forward"]["0"][0]


# -- structure -------------------------------------------------------------------------------------------------------


@cache
def page_of(name: str) -> str:
    """The report of an example, or of a cell of another kind."""
    x = np.random.default_rng(2).normal(size=(4, 2, 2))
    if name == "peephole":
        peepholes = {f"w_c{g}": np.arange(3) / 4 + ord(g) / 100 for g in "ifo"}
        return lt.run(weights(3, 2) | peepholes, x, options={"peephole": True}, lengths=[4, 2]).report("html")
    if name == "slstm":
        return lt.run(weights(3, 2), x[:, 0], cell="slstm").report("html", detail="vector")
    return problem(name).report("html")


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["q22", "three-steps", "gru", "custom-cell", "peephole", "slstm"])
def test_structure(name: str) -> None:
    page = Page(page_of(name))
    assert page.every("html")[0].attributes["lang"] == "en"
    levels = [int(e.tag[1]) for e in page.elements if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels)), levels
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for link in page.every("a") + page.every("use"):
        assert link.attributes["href"][1:] in ids
    for svg in page.every("svg"):
        named = svg.attributes.get("aria-labelledby", "").split()
        label = svg.attributes.get("aria-label", "") or " ".join(page.by_id[i].text for i in named)
        label = label or next(title.text for title in page.every("title") if title.parent is svg)
        assert len(label) > 10
    for cell in page.every("th"):
        assert cell.attributes["scope"] in ("col", "row")
    for control in page.every("input") + page.every("select"):
        assert control.inside("label")


@pytest.mark.few(0)
@pytest.mark.parametrize("name", ["q22", "three-steps"])
def test_nothing_is_fetched(name: str) -> None:
    html = page_of(name)
    page = Page(html)
    policy = next(e.attributes["content"] for e in page.every("meta") if "Content-Security" in str(e.attributes))
    assert policy.startswith("default-src 'none';")
    for tag, text in (("style", page.every("style")[0].text), ("script", page.every("script")[-1].text)):
        found = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{found}'" in policy
    assert not any(a in e.attributes for e in page.elements for a in ("style", "src", "onclick", "onload"))
    assert [e.attributes["href"] for e in page.every("link")] == ["data:,"]
    assert "url(" not in html
    assert "@import" not in html
    assert not re.findall(r"https?://(?!www\.w3\.org)", html)


@pytest.mark.few(0)
def test_one_step_has_no_slider_and_several_have() -> None:
    assert 'type="range"' not in problem("q22").report("html")
    three = Page(problem("three-steps").report("html"))
    steps = [e for e in three.every("details") if e.attributes.get("class") == "step"]
    assert [e.attributes["data-t"] for e in steps] == ["0", "1", "2"]
    assert ["open" in e.attributes for e in steps] == [True, False, False]
    assert sum(e.attributes.get("type") == "range" for e in three.every("input")) == 1


# -- hostile text ----------------------------------------------------------------------------------------------------

EVIL = """<script>alert(1)</script>"'&amp;</style></svg><img src=x onerror=alert(2)>"""


def test_hostile_text_stays_text() -> None:
    source = {
        "title": EVIL,
        "cell": {"equations": "h_t = tanh(W @ x_t + evil)\ncarry: h_prev <- h_t\noutput: h_t"},
        "weights": {"W": [[0.5, -0.25], [1.0, 2.0]], "evil": [0.0, 1.0]},
        "x": [[1.0, 2.0], [0.5, -1.0]],
        "names": {"x": [EVIL, "a"], "h": ["</title>" + EVIL, "b"]},
        "symbols": {"evil": EVIL, "W": r"\alpha_{\mathrm{in}}"},
    }
    trace = lt.run(source)
    page = Page(trace.report("html", detail="scalar"))
    kinds = [element.attributes.get("class", "") for element in page.every("script")]
    assert sorted(kinds) == ["", "", "said", "texts", "trace", "written"]  # the first: names of the map, the scripts
    assert page.every("img") == []
    assert page.every("title")[0].text == EVIL
    assert page.every("h1")[0].text == EVIL
    assert "α" in page.every("math")[0].text + page.every("math")[1].text
    assert "<script>alert" not in trace._repr_html_()
    svg = Page("<p></p>" + lt.run(source).report("html", steps=0))
    assert len(svg.every("script")) == len(kinds)
    data = [e for e in page.elements if "data-a" in e.attributes]
    assert data


def test_symbols_of_the_author() -> None:
    own = {"a": r"\tilde{c}_{t-1}", "b": r"\evil{x}", "c": "x_y^z", "d": r"\mathrm{att}", "e": "{{{{{{{{{{{{x"}
    p = MathML(own)
    assert p(Sym("a")).count("<mover") == 1
    assert p(Sym("b")) == "<mi>b</mi>"
    assert p(Sym("c")) == "<msubsup><mi>x</mi><mi>y</mi><mi>z</mi></msubsup>"
    assert p(Sym("d")) == '<mi mathvariant="normal">att</mi>'
    assert p(Sym("e")) == "<mi>e</mi>"
    assert p(Sym("my_gate<b>")) == '<mtext class="name">my_gate&lt;b&gt;</mtext>'


# -- tables ----------------------------------------------------------------------------------------------------------


def test_tables_cover_every_operation() -> None:
    assert set(SIGNS) == set(OPS)
    assert HtmlPrinter(small())(Para(("a < b",))) == "<p>a &lt; b</p>\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.4, "−0.4"), (-0.0, "0.0"), (9.357622968840175e-14, "<span>9.35762297×10<sup>−14</sup></span>"), (np.inf, "∞"),
     (np.nan, "NaN"), (-np.inf, "−∞")],
)  # fmt: skip
def test_number(value: float, text: str) -> None:
    from lstm_trace.formulas.numbers import show

    assert MathML().number(show(value)) == text


# -- heat maps -------------------------------------------------------------------------------------------------------


def test_a_map_has_the_values_of_its_line() -> None:
    """As in `plot.kinds.states`, whose tests read every pixel; one that is no number has a colour of its own."""
    trace = lt.run({"W_x": [[1.0], [-3.0]]}, [[1.0], [-0.5], [0.0]], cell={"equations": "h_t = W_x @ x_t"})
    ((pixels, _),) = images(trace.report("html"))
    # from -3, which is 2, to 3, which is 255: 1 is 2 + 253 * 4 / 6
    assert pixels.tolist() == [[171, 107, 128], [2, 192, 128]]
    trace.lines["0/forward"]["h_t"][1, 0, 0] = np.nan
    page = trace.report("html")
    Page(page)
    assert images(page)[0][0].tolist() == [[171, 1, 128], [2, 192, 128]]
    assert "Magenta: not a finite number." in page
    trace.lines["0/forward"]["h_t"][:] = np.inf
    page = trace.report("html")
    Page(page)
    assert not images(page)


# -- command line ----------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
def test_command(tmp_path: Path) -> None:
    source = tmp_path / "q.yaml"
    source.write_text(example("q22"), encoding="utf-8")
    runner = CliRunner()
    for args in (
        ["-o", str(tmp_path / "q.html")],
        ["-o", str(tmp_path / "q.md")],
        ["-o", str(tmp_path / "r.md"), "--no-diagram"],
    ):
        assert runner.invoke(main, ["report", str(source), *args]).exit_code == 0
    printed = runner.invoke(main, ["report", str(source), "--format", "html"])
    assert printed.output.rstrip() == (tmp_path / "q.html").read_text(encoding="utf-8").rstrip()
    text = (tmp_path / "q.md").read_text(encoding="utf-8")
    assert "](q.svg)\n\n## Solution" in text
    assert (
        text.replace(text[text.index("## The cell") : text.index("## Solution")], "") == (tmp_path / "r.md").read_text()
    )
    assert (tmp_path / "q.svg").read_text(encoding="utf-8").startswith("<svg")
    assert not (tmp_path / "r.svg").exists()


# -- notebooks -------------------------------------------------------------------------------------------------------


def test_notebooks() -> None:
    a, b = small(), small()
    b.lines["0/forward"]["c_t"][1, 0, 0] += 1
    shown = {
        "trace": a._repr_html_(),
        "diff": lt.diff(a, b)._repr_html_(),
        "verified": lt.verify(a)._repr_html_(),
        "failed": lt.verify(b)._repr_html_(),
    }
    for html in shown.values():
        assert len(re.sub(r"<style>.*?</style>", "", html, flags=re.S)) < 4000
        Page(html)
    assert "T = 3 steps" in shown["trace"]
    assert f"{a['h_t'][-1, 0, 1]:.4f}".rstrip("0") in shown["trace"]
    assert "0/forward/1/0/c_t[0]" in shown["diff"]
    assert "verified" in shown["verified"]
    assert "0/forward/1/0/c_t[0]" in shown["failed"]


@pytest.mark.few(0)
def test_the_report_in_a_notebook_has_no_addresses_of_its_own() -> None:
    """Two of them on a page would share these."""
    page, part = small().report("html"), small().report("html")._repr_html_()
    assert 'href="#' in page
    assert 'href="#' not in part
    assert not re.search(r'\bid="', part)


def test_notebook_of_an_explanation() -> None:
    from lstm_trace.results.explanation import explanation

    html = explanation(small(6), "5/h_t[0]", "contribution")._repr_html_()
    Page(html)
    html = html.partition("<ul>")[2]
    said, _, table = html.rpartition("<table")
    assert table.count("<tr>") == 13
    assert "8 rows are left out (⋮): contribution -0.00142 in all, " in table  # 18 inputs, 10 shown
    # with the sums of what the gaps stand for
    parts = re.findall(r'<tr><th scope="row"[^>]*>[^<]*</th><td>([^<]*)<', table)
    assert sum(map(float, parts)) == pytest.approx(float(re.findall(r"difference is ([^<]*)<", said)[0]), rel=1e-4)
    assert "A .csv or .json file has every row.<" in table


def test_the_numbers_of_a_page_are_called_as_they_are_printed() -> None:
    """A page that counts from 1 does not name its numbers from 0, and neither does one of gradients."""
    cell = {"equations": "c_t = tanh(W @ x_t + U @ c_prev)\ncarry: c_prev <- c_t\noutput: c_t"}
    problem = {"cell": cell, "weights": {"W": [[0.5], [1.0]], "U": [[0.25, 0.0], [0.5, 0.75]]}, "x": [[1.0], [2.0]]}
    trace = lt.run(problem | {"count_from": 1})
    for shown, some in ((trace, ["c_2[1]", "W[2,1]"]), (lt.backward(trace, of="c_2[1]"), ["∂L/∂c_1[2]"])):
        page = Page(shown.report("html", detail="scalar"))
        names = [e.attributes["data-a"] for e in page.elements if "data-a" in e.attributes]
        assert {*some} <= {*names}
        # what a later step passes back to a state is no gradient of the initial one, and has no printed name
        assert not [name for name in names if "/" in name.replace("∂L/∂", "") and "1/0/d_c_before" not in name]
