"""How formulas are marked in Markdown: for GitHub, with dollars, or not at all; by the rules of those who read them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.documents import markdown
from lstm_trace.documents.blocks import Body, Heading, Para, Table
from lstm_trace.errors import LstmTraceError, OptionError
from lstm_trace.formulas.tree import Gradient, Sym
from lstm_trace.trace.trace import Trace

from .. import ROOT
from .test_report import q22

EXAMPLES = sorted((ROOT / "lstm_trace" / "examples").glob("*.yaml"))
NAMES = [path.stem for path in EXAMPLES]


def formulas(github: str) -> list[str]:
    """The formulas of a report as GitHub reads it, in order: blocks with their line breaks."""
    return [block or line for block, line in re.findall(r"```math\n(.*?)\n```|\$`(.*?)`\$", github, re.S)]


def jupyter(text: str) -> Iterator[str]:
    """The formulas that Jupyter keeps away from its Markdown, by its rules (`removeMath` of JupyterLab).

    A formula begins with one or two dollars that no backslash precedes, and ends with as many outside of braces; an
    empty line ends the search.
    """
    math, end, depth = "", "", 0
    for token in re.findall(r"\$\$?|\\[{}$]|[{}]|\n\s*\n|[^$\\{}\n]+|.|\n", text, re.S):
        if not end:
            math, end, depth = "", token if token in ("$", "$$") else "", 0
        elif token == end and not depth:
            yield math.strip("\n")
            end = ""
        elif re.fullmatch(r"\n\s*\n", token):
            end = ""
        else:
            depth += {"{": 1, "}": -1}.get(token, 0)
            math += token


def pandoc(text: str) -> list[str]:
    """The formulas that Pandoc finds (`tex_math_dollars`): no space within a dollar, no digit behind the last."""
    found = re.findall(r"(?<!\\)\$\$(.*?)\$\$|(?<![\\$])\$(?![\s$])((?:\\.|[^\\$])*?)(?<!\s)\$(?!\d)", text, re.S)
    return [block.strip("\n") or line for block, line in found]


#: What MathJax finds in a page: a dollar that stands alone in an element begins nothing.
_MARKED = r"\$\$(.*?)\$\$|(?<!<span>)\$([^$]+)\$"


def reports(trace: Trace, **options: Any) -> Iterator[dict[str, str]]:
    """A report in every notation that there is for its cell, in each dialect."""
    for notation in ("exercise", "joined", "pytorch", "keras", "goodfellow", "olah"):
        try:
            yield {math: trace.report(math=math, notation=notation, **options) for math in markdown.MATH}
        except LstmTraceError:
            continue


@pytest.mark.few(0)
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_the_dialects_differ_in_nothing_but_the_marks(example: Path, language: str) -> None:
    there = 0
    for found in reports(lt.run(example), language=language):
        marked = re.sub(r"```math\n(.*?)\n```", r"$$\n\1\n$$", found["github"], flags=re.S)
        assert found["dollars"] == re.sub(r"\$`(.*?)`\$", r"$\1$", marked)
        assert list(jupyter(found["dollars"])) == pandoc(found["dollars"]) == formulas(found["github"])
        there += len(formulas(found["github"]))
    assert there > 10


def test_github_is_what_is_written_where_nothing_is_said() -> None:
    assert q22().report() == q22().report(math="github")


@pytest.mark.few(1)
@pytest.mark.parametrize("detail", ["scalar", "vector", "summary"])
@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_without_math_everything_is_as_in_a_terminal(example: Path, detail: str) -> None:
    trace = lt.run(example)
    text = trace.report("text", detail=detail, width=markdown.ROOM)
    found = trace.report(math="none", detail=detail)
    blocks = re.findall(r"^```\n(.*?)\n```$", found, re.S | re.M)
    assert bool(blocks) == (detail != "summary" or trace.steps == 1)  # a table over several steps has no formulas
    at = 0
    for block in blocks:  # in the same order
        assert block in text[at:]
        at = text.index(block, at) + len(block)
    outside = re.sub(r"^```\n.*?\n```$", "", found, flags=re.S | re.M)
    assert "$" not in outside.replace(r"\$", "")
    for code in re.findall(r"`([^`]+)`", outside):
        assert code in text or code.startswith("--"), code


def test_numbers_beside_a_dollar_stay_numbers() -> None:
    """Pandoc takes no closing dollar before a digit, VS Code no opening one behind a letter; two make a block."""
    a, b = Sym("c_t"), Sym("h_t")
    blocks = [Heading(1, ("1", a, "2, costs $3 and $4, ", a, b, "x"))]
    text = markdown.render([Body(tuple(blocks))], "dollars")
    assert pandoc(text) == list(jupyter(text)) == ["c_t", "c_t", "h_t"]
    assert not re.search(r"\w\$|\$\w+\$\w", text.replace("c_t", "").replace("h_t", ""))
    assert markdown.render([Body((Para((a, ", ", b, ".")),))], "dollars") == "$c_t$, $h_t$.\n"


@pytest.mark.parametrize("math", markdown.MATH)
def test_a_bar_does_not_end_the_cell_of_a_table(math: str) -> None:
    node = Gradient(Sym("h_t"), "next")
    text = markdown.render([Body((Table((("t",), (node,)), ((("0",), ("1",)),)),))], math)
    head = text.splitlines()[0]
    assert len(re.findall(r"(?<!\\)\|", head)) == 3
    if math != "none":
        assert r"\right\vert " in head
        assert r"\right|" in markdown.render([Body((Para((node,)),))], math)


HOSTILE = {
    "title": r"From $5 to $6, a_b_c, \(x\) and \[y]",
    "notes": r"It costs $x$ or `$`; $$ is two.",
    "weights": {"W_xi": [[1.0]], "W_hi": [[0.5]]},
    "x": [[1.0]],
    "h0": [0.0],
    "ask": ["i_t"],
    "names": {"h": ["$u|$"]},
}


def test_dollars_of_a_text_are_no_formulas() -> None:
    trace = lt.run(HOSTILE)
    found = {math: trace.report(math=math) for math in markdown.MATH}
    wanted = formulas(found["github"])
    assert list(jupyter(found["dollars"])) == pandoc(found["dollars"]) == wanted
    title = html.unescape(re.sub("</?span>", "", found["dollars"].splitlines()[0]))
    assert re.sub(r"\\([_\[\]])", r"\1", title).removeprefix("# ") == HOSTILE["title"]
    # what MathJax reads later is the page: there a dollar or backslash stands alone in an element
    page = html.unescape(re.sub(r"\\([_*`|\[\]#~])", r"\1", found["dollars"]))
    for left, character, right in re.findall(r"(.{6})([$\\])(.{7})", page.splitlines()[0]):
        assert (left, right) == ("<span>", "</span>"), character


@pytest.mark.few(0)
def test_what_nbconvert_makes_of_it_has_every_formula() -> None:
    convert = pytest.importorskip("nbconvert.filters.markdown_mistune").markdown2html_mistune
    for trace in (q22(), lt.run(EXAMPLES[NAMES.index("three-steps")]), lt.run(HOSTILE)):
        wanted = formulas(trace.report())
        page = html.unescape(re.sub(r"<(?!/?span>)[^>]*>", "", convert(trace.report(math="dollars"))))
        assert [block.strip("\n") or line for block, line in re.findall(_MARKED, page, re.S)] == wanted


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["text", "html", "tex", "typ"])
def test_math_is_for_markdown(format: str) -> None:
    with pytest.raises(
        OptionError, match=f"math='none' sets how formulas are marked in Markdown; this report is {format}"
    ):
        q22().report(format, math="none")


def test_a_pdf_has_no_marks_either() -> None:
    with pytest.raises(OptionError, match="this report is pdf: leave math out, or choose the format md"):
        q22().pdf(math="dollars")


def test_an_unknown_dialect() -> None:
    with pytest.raises(OptionError, match="there is no math 'dollar'; did you mean 'dollars'"):
        q22().report(math="dollar")


def cli(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["report", str(EXAMPLES[NAMES.index("q22")]), *arguments])


@pytest.mark.few(0)
def test_the_command_line(tmp_path: Path) -> None:
    trace = lt.run(EXAMPLES[NAMES.index("q22")])
    for math in markdown.MATH:
        assert cli("--math", math).output == trace.report(math=math)
        assert cli("--math", math, "-o", str(tmp_path / "q.md"), "--no-diagram").exit_code == 0
        assert (tmp_path / "q.md").read_text("utf-8") == trace.report(math=math)
    for arguments in (["-o", str(tmp_path / "q.html")], ["--format", "text"], ["-o", str(tmp_path / "q.pdf")]):
        run = cli("--math", "dollars", *arguments)
        assert run.exit_code == 2
        assert "--math dollars sets how formulas are marked in Markdown, but this report is" in run.output
        assert "leave --math out, or write Markdown (-o x.md, or --format md)" in run.output
    assert not (tmp_path / "q.html").exists()


@pytest.mark.parametrize("math", ["github", "dollars"])
def test_labels_have_no_command_that_katex_lacks(math: str) -> None:
    problem = {"weights": {"W_xi": [[1.0], [2.0]], "W_hi": [[1.0, 0.0], [0.0, 1.0]]}, "x": [1.0], "ask": ["i_t"]}
    trace = lt.run({**problem, "names": {"h": ["a~b^c", "x\\y"]}, "h0": [0.0, 0.0]})
    text = trace.report(math=math)
    assert r"\text{unit 0 (a∼bˆc)}" in text
    assert r"\text{unit 1 (x∖y)}" in text
