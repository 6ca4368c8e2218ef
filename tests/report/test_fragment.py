"""A report as a part of an author's own document: what LaTeX, Typst and Markdown take, and that it changes nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.documents.layout import level_of
from lstm_trace.errors import OptionError
from lstm_trace.examples import examples, text
from lstm_trace.trace.trace import Trace

from .. import ROOT
from .test_paper import NASTY, compiled, floats, pdflatex
from .test_report import q22

#: What would change the document round a fragment, or must stand in its preamble.
GLOBAL = (
    r"\documentclass", r"\usepackage", r"\begin{document}", r"\setcounter", r"\global", r"\gdef", r"\newcommand",
    r"\renewcommand", r"\newenvironment", r"\DeclareUnicodeCharacter", r"\pagestyle",
)  # fmt: skip
#: What the settings of a document are, as TeX says them.
SETTINGS = (
    r"\typeout{settings: \the\parindent, \the\parskip, \the\interdisplaylinepenalty, \arabic{MaxMatrixCols}, "
    r"\the\csname @mathmargin\endcsname, \csname if@fleqn\endcsname left\else centred\fi}"
)


def fragment(trace: Trace, **options: Any) -> str:
    return trace.report("tex", fragment=True, **options)


def preamble(source: str) -> str:
    """What the comment at its top says that it needs."""
    rows = source.partition("\\begingroup")[0].splitlines()
    assert rows[0] == "% Needed in the preamble:"
    assert all(row.startswith("%   ") for row in rows[1:])
    return "\n".join(row.removeprefix("%   ") for row in rows[1:])


def article(source: str, folder: Path, kind: str = "{article}", before: str = "Before.", after: str = "After.") -> str:
    """The log of an article that takes a fragment, with nothing more in its preamble than the fragment says."""
    (folder / "part.tex").write_text(source, encoding="utf-8")
    body = "\n".join((SETTINGS, before, r"\input{part}", after, SETTINGS))
    whole = f"\\documentclass{kind}\n{preamble(source)}\n\\begin{{document}}\n{body}\n\\end{{document}}\n"
    return compiled(whole, folder).replace("\n", "")  # where it breaks its rows is no matter


def wide() -> Trace:
    """A matrix of more columns than amsmath expects."""
    draw = np.random.default_rng(3)
    return lt.run({"W_xi": draw.integers(0, 9, (2, 14)) / 2, "W_hi": [[0.5, 0.25]] * 2}, np.ones((1, 14)), ask="i_t")


# -- without TeX ------------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
@pytest.mark.parametrize("problem", [q22, wide, lambda: lt.run(NASTY)])
def test_the_body_alone(problem: Any) -> None:
    trace = problem()
    source = fragment(trace, everything=True)
    rows = [row for row in source.splitlines() if not row.startswith("%")]
    assert not [command for command in GLOBAL if command in "\n".join(rows)]
    assert rows[0] == r"\begingroup"
    assert rows[-1] == r"\par\endgroup"
    assert source.count(r"\begingroup") == source.count(r"\endgroup") == 1
    assert floats(source) == floats(trace.report("tex", everything=True))


def test_what_it_needs_is_listed() -> None:
    assert preamble(fragment(q22())) == r"\usepackage{amsmath}"
    needed = preamble(fragment(lt.run(NASTY)))
    for row in (r"\usepackage{amsmath}", r"\usepackage[T1]{fontenc}", r"\DeclareUnicodeCharacter{03B2}"):
        assert row in needed
    assert "ctex" in preamble(fragment(q22(), language="zh"))
    assert "\\csname c@MaxMatrixCols\\endcsname=14" in fragment(wide(), everything=True)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("heading", "title", "section", "line"),
    [
        (None, r"\section{", r"\subsection{Given}", r"\subsubsection{Input gate"),
        ("section*", r"\section*{", r"\subsection*{Given}", r"\subsubsection*{Input gate"),
        (1, r"\section{", r"\subsection{Given}", r"\subsubsection{Input gate"),
        ("chapter", r"\chapter{", r"\section{Given}", r"\subsection{Input gate"),
        ("Subsection", r"\subsection{", r"\subsubsection{Given}", r"\textbf{Input gate"),
        ("3", r"\subsubsection{", r"\textbf{Given}", r"\textbf{Input gate"),
        ("paragraph", r"\paragraph{", r"\textbf{Given}", r"\textbf{Input gate"),
        ("bold", r"\textbf{", r"\textbf{Given}", r"\textbf{Input gate"),
    ],
)
def test_levels_of_headings(heading: Any, title: str, section: str, line: str) -> None:
    source = fragment(q22(), heading=heading, detail="scalar")
    assert f"{title}Question 22" in source
    assert section in source
    assert line in source


def test_without_a_title_the_parts_stand_at_the_level() -> None:
    source = fragment(q22(), heading="subsection", title="", detail="scalar")
    assert "Question 22" not in source
    assert r"\subsection{Given}" in source
    assert r"\subsubsection{Input gate" in source
    assert r"\section{Mine, 50 \%}" in fragment(q22(), title="Mine, 50 %")


def test_markdown_and_typst() -> None:
    rows = q22().report("md", fragment=True, heading=3).splitlines()
    assert [row for row in rows if row.startswith("#")][:3] == ["### Question 22", "#### Given", "#### Equations"]
    rows = q22().report("md", fragment=True, heading=5).splitlines()
    assert "**Input gate $`i_t`$**" in rows  # there is no level 7
    source = q22().report("typ", fragment=True, heading="subsection*")
    assert '#heading(level: 2, numbering: none)[#"Question 22";]' in source
    assert "#set" not in re.sub(r"\n  set text", "", source)
    assert "#show" not in source


def test_typst_takes_it(tmp_path: Path) -> None:
    typst = pytest.importorskip("typst")
    (tmp_path / "part.typ").write_text(q22().report("typ", fragment=True), encoding="utf-8")
    (tmp_path / "x.typ").write_text('#set heading(numbering: "1.1")\n= Mine\n#include "part.typ"\n= Next\n')
    found = [head["body"]["text"] for head in _headings(typst, tmp_path / "x.typ")]
    assert found[:3] == ["Mine", "Question 22", "Given"]
    assert found[-1] == "Next"


def _headings(typst: Any, path: Path) -> list[Any]:
    import json

    return [head for head in json.loads(typst.query(str(path), "heading")) if "text" in head["body"]]


@pytest.mark.parametrize(
    ("format", "options", "message"),
    [
        ("html", {"fragment": True}, "tex, typ or md; html is written as a whole"),
        ("text", {"fragment": True}, "text is written as a whole"),
        ("tex", {"heading": 2}, "only a fragment has a heading level"),
        ("tex", {"title": ""}, "only a fragment can go without"),
        ("md", {"fragment": True, "heading": "chapter"}, "the headings of md begin at level 1"),
        ("tex", {"fragment": True, "heading": "sektion"}, "no heading level 'sektion'; did you mean 'section'?"),
        ("tex", {"fragment": True, "heading": 7}, "expected a number from 0 to 6, chapter, section"),
    ],
)
def test_refused(format: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        q22().report(format, **options)


def test_no_fragment_of_a_pdf() -> None:
    with pytest.raises(OptionError, match="pdf is written as a whole"):
        q22().pdf(fragment=True)


def test_every_level_of_the_docs_is_one() -> None:
    table = (ROOT / "docs" / "report.md").read_text("utf-8").partition("| `--heading-level` |")[2].partition("\n\n")[0]
    names = re.findall(r"`([a-z*\d]+)`", "\n".join(row.split("|")[1] for row in table.splitlines()[2:]))
    assert len(names) == 10
    assert [level_of(name).number for name in names] == [1, 0, 2, 3, 4, 5, 1, 0, 6, 7]


# -- with TeX ---------------------------------------------------------------------------------------------------------


@pdflatex
def test_the_example_of_the_docs_compiles(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "report.md").read_text("utf-8")
    document = re.search(r"```latex\n(.*?)```", page, re.S)
    command = re.search(r"`lstm-trace report q22\.yaml --fragment --heading-level (\w+) -o q22\.tex`", page)
    assert document
    assert command
    (tmp_path / "q22.tex").write_text(fragment(lt.run(ROOT / "lstm_trace/examples/q22.yaml"), heading=command[1]))
    log = compiled(document[1], tmp_path)
    assert "Overfull" not in log


@pytest.mark.few(1)
@pdflatex
@pytest.mark.parametrize("options", [{}, {"heading": "subsubsection"}, {"heading": "paragraph"}, {"title": ""}])
def test_an_article_takes_it_and_stays_as_it_was(options: dict[str, Any], tmp_path: Path) -> None:
    log = article(fragment(wide(), everything=True, **options), tmp_path)
    before, after = re.findall(r"settings: (.*?(?:left|centred))", log)
    assert before == after
    assert before.endswith("centred")
    assert "Overfull" not in log


@pdflatex
def test_any_text_needs_no_more_than_it_says(tmp_path: Path) -> None:
    article(fragment(lt.run(NASTY), decimal_comma=True), tmp_path)


@pdflatex
@pytest.mark.few(1)
@pytest.mark.parametrize("name", sorted(examples()))
def test_every_example_stands_within_the_margins(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text(name), encoding="utf-8")
    trace = lt.run(tmp_path / "x.yaml")
    for detail, digits in (("scalar", 8), ("vector", 8), ("compact", None)):
        log = article(fragment(trace, detail=detail, digits=digits), tmp_path)
        too_wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
        assert max(too_wide, default=0.0) < 1.0, detail  # a hair's breadth


@pytest.mark.few(0)
@pdflatex
def test_columns_and_frames(tmp_path: Path) -> None:
    assert "Overfull" not in article(fragment(q22(), width=45), tmp_path, "[twocolumn]{article}")
    frame = r"\begin{frame}[allowframebreaks]{Question 22}"
    log = article(fragment(q22(), heading="bold", title="", width=50), tmp_path, "{beamer}", frame, r"\end{frame}")
    assert "Overfull" not in log
