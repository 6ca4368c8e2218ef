"""Several problems in one document: each complete, with its own symbols, in every format."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import lstm_trace as lt
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.languages import languages
from lstm_trace.report.report import FORMATS as PRINTERS, Sheet
from lstm_trace.trace.trace import Trace

from .. import ROOT
from ..support.page_reader import Page
from .test_paper import compiled, pdflatex
from .test_report import lstm, q22

EXAMPLES = ROOT / "lstm_trace" / "examples"
pdftotext = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext")


def example(name: str) -> Trace:
    return lt.run(EXAMPLES / f"{name}.yaml")


def sheet(**options: Any) -> Sheet:
    return lt.sheet([example("q19"), example("three-steps"), example("q22")], **options)


def own(symbol: str, title: str = "") -> Trace:
    """A problem in which `score` has a symbol of its own."""
    cell = {"equations": "score = sigmoid(W_a @ x_t)\noutput: score"}
    problem = {"title": title, "cell": cell, "weights": {"W_a": [[0.5]]}, "x": [[1.0]], "symbols": {"score": symbol}}
    return lt.run(problem)


def pages(folder: Path, name: str) -> list[str]:
    """The text of each page of a PDF."""
    text = subprocess.check_output(["pdftotext", "-layout", name, "-"], cwd=folder)  # noqa: S603, S607
    return text.decode().split("\f")[:-1]


@pytest.mark.few(0)
def test_one_title_and_each_problem_below_it() -> None:
    text = sheet().report("md")
    heads = [row for row in text.splitlines() if re.match("#{1,2} ", row)]
    assert heads == [
        "# Worked solutions", "## Question 19, the input gate", "## Three steps of two units, with biases",
        "## Question 22, the whole step from the input to the hidden state",
    ]  # fmt: skip
    assert text.count("\n### Given\n") == text.count("\n### Answers\n") == 3
    assert sheet(title="Homework 3").report("text").startswith("Homework 3\n══════════\n")


@pytest.mark.few(0)
@pytest.mark.parametrize("format", ["md", "text", "tex", "typ"])
def test_each_problem_stands_in_it_as_it_stands_alone(format: str) -> None:
    def numbers(report: str) -> list[str]:
        return re.findall(r"\d+\.\d{4}", report)

    alone = [number for trace in sheet().traces for number in numbers(trace.report(format, detail="scalar"))]
    assert len(alone) > 200
    assert numbers(sheet().report(format, detail="scalar")) == alone


@pytest.mark.parametrize(
    ("format", "printed"),
    [
        ("md", [r"s_t = \sigma", r"\hat{y} = \sigma"]),
        ("text", ["s_t = σ", "y\u0302 = σ"]),
        ("tex", [r"s_t = \sigma", r"\hat{y} = \sigma"]),
        ("typ", ["s_t = σ", "hat(y) = σ"]),
    ],
)
def test_each_has_its_own_symbols(format: str, printed: list[str]) -> None:
    text = lt.sheet([own("s_t"), own(r"\hat{y}")]).report(format, detail="vector")
    first, second = re.split("Problem 2", text, maxsplit=1)
    assert first != text
    for part, symbol, other in ((first, *printed), (second, *reversed(printed))):
        assert symbol in part
        assert other not in part


@pytest.mark.parametrize("language", languages())
def test_titles_in_every_language(language: str) -> None:
    text = lt.sheet([own("s_t"), own("s_t", "Mine")]).report("md", language=language)
    heads = [row.lstrip("# ") for row in text.splitlines() if re.match("#{1,2} ", row)]
    assert len(set(heads)) == 3
    assert "1" in heads[1]
    assert heads[2] == "Mine"


@pytest.mark.few(0)
def test_one_alone_is_its_report_and_a_fragment_has_no_title_above() -> None:
    assert lt.sheet([q22()]).report("md") == q22().report("md")
    assert lt.sheet([q22()], title="Mine").report("md").startswith("# Mine\n")
    text = lt.sheet([q22(), lstm()]).report("tex", fragment=True)
    assert re.findall(r"\\section\{(.*?)\}", text) == ["Question 22", "Problem 2"]
    text = lt.sheet([q22(), lstm()], title="Both").report("tex", fragment=True, heading="subsection")
    assert re.findall(r"\\subsection\{(.*?)\}", text) == ["Both"]
    assert re.findall(r"\\subsubsection\{(.*?)\}", text) == ["Question 22", "Problem 2"]


def test_what_is_refused() -> None:
    with pytest.raises(OptionError, match="there is none"):
        lt.sheet([])
    with pytest.raises(OptionError, match="a sheet is made of traces"):
        lt.sheet([q22(), "q19.yaml"])  # type: ignore[list-item]
    with pytest.raises(OptionError, match="one of them is nothing"):
        lt.sheet([None])  # type: ignore[list-item]
    with pytest.raises(OptionError, match="a list of traces"):
        lt.sheet(3)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"sheet\.pdf\(\)"):
        sheet().report("pdf")


def test_a_selection_that_some_do_not_have_names_them_all() -> None:
    with pytest.raises(MissingError) as found:
        sheet().report("md", steps=slice(1, 3))
    told = found.value.problems
    assert [problem.partition(": ")[0] for problem in told] == [
        "Question 19, the input gate", "Question 22, the whole step from the input to the hidden state"
    ]  # fmt: skip


# -- the page ---------------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
def test_a_page_of_several() -> None:
    page = Page(sheet().report("html"))
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids)) > 100
    assert [e.text for e in page.every("h1")] == ["Worked solutions"]
    assert [e.text for e in page.every("h2")] == [trace.header.title for trace in sheet().traces]
    assert len(page.every("article")) == 3
    assert page.every("title")[0].text == "Worked solutions"

    def article(element: Any) -> str:
        while element.tag != "article":
            element = element.parent
        return str(element.attributes["id"])

    links = [e for e in page.every("a") if e.inside("article")]
    assert len(links) > 50
    for link in links:  # a number leads to where its own problem made it
        assert article(page.by_id[link.attributes["href"].removeprefix("#")]) == article(link)
    for link in page.every("a"):
        assert link.attributes["href"].removeprefix("#") in page.by_id
    told = [
        e.text for e in page.elements if e.attributes.get("data-a") in ("0/forward/0/0/i_t[0]", "i_1[1]")
    ]  # one counts from 1
    assert len(told) == 3


def test_a_page_of_one_has_no_articles() -> None:
    page = Page(lt.sheet([q22()]).report("html"))
    assert not page.every("article")
    assert [e.text for e in page.every("h1")] == ["Question 22"]


@pytest.mark.few(0)
@pytest.mark.parametrize("format", PRINTERS)
def test_every_format_prints_several(format: str) -> None:
    text = sheet().report(format)
    for title in ("Worked solutions", "Question 19", "Three steps", "Question 22"):
        assert title in text


# -- paper ------------------------------------------------------------------------------------------------------------


def short() -> Sheet:
    """Three problems, of which each is longer than half a page and shorter than one."""
    return lt.sheet([example("q21")] * 3)


def check_whole(found: list[str]) -> None:
    """Each problem stands on one page, from its title to its last section."""
    assert [page.count("Question") for page in found] == [page.count("In words") for page in found] == [1] * 3
    assert found[0].split("\n")[0].strip() == "Worked solutions"


@pytest.mark.few(0)
@pdftotext
def test_a_problem_that_fits_on_a_page_is_not_split(tmp_path: Path) -> None:
    pytest.importorskip("typst")
    (tmp_path / "x.pdf").write_bytes(short().pdf())
    check_whole(pages(tmp_path, "x.pdf"))


@pytest.mark.few(0)
@pdflatex
@pdftotext
def test_nor_in_latex(tmp_path: Path) -> None:
    assert "Overfull" not in compiled(short().report("tex"), tmp_path)
    check_whole(pages(tmp_path, "x.pdf"))
