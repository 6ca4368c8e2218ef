"""Explanations as documents: a page, Typst, Markdown with a picture beside it; the numbers are tested elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.documents import typst
from lstm_trace.documents.blocks import Body, Table
from lstm_trace.documents.formats import Show
from lstm_trace.languages.strings import words
from lstm_trace.results.explanation import explanation
from lstm_trace.trace.trace import Trace

from ..support.tiers import some

#: What of a trace each way explains, the beginning of what its picture says, and a column of its table.
WAYS = {
    "memory": ("5/1/c_t[2]", "What is left adds up to the value, ", "written"),
    "gates": (None, "A gate is saturated at 0 (left-saturated) below ", "right"),
    "contribution": ("5/1/h_t[2]", "The contributions add up to the value less that of the baseline: ", "together"),
    "gradient": ("5/1/h_t[2]", "Drawn is the 2-norm over the units of the gradient of ", None),
}


def traced(dtype: str = "float64") -> Trace:
    draw = np.random.default_rng(8)
    weights = {f"{n}{g}": draw.normal(size=(3, 2 if n == "W_x" else 3)) for g in "ifco" for n in ("W_x", "W_h")}
    trace = lt.run(weights, draw.normal(size=(6, 2, 2)), dtype=dtype)
    labels = ("the", "<b>cat</b>", "sat", "on", "a", "mat")
    return replace(trace, header=replace(trace.header, title="A < B", step_labels=(labels,)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    traced().save(tmp_path / "t.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def explain(how: str, *arguments: str) -> Result:
    of = WAYS[how][0]
    return CliRunner().invoke(main, ["explain", how, "t.json", *(["--of", of] if of else []), *arguments])


@pytest.mark.few(0)
@pytest.mark.parametrize("how", some(WAYS, 2))
def test_a_page_has_picture_and_table_and_loads_nothing(folder: Path, how: str) -> None:
    assert explain(how, "-o", "x.html").exit_code == 0
    page = (folder / "x.html").read_text("utf-8")
    _, said, column = WAYS[how]
    assert page.count('<figure class="plot">') == 1
    assert f"<figcaption>{said}" in page
    assert column is None or re.search(f"<th[^>]*>{column}</th>", page)
    assert page.count("<style>") == 1  # the policy allows one, by its hash
    assert page.count(".lstm-plot .panel{") == 1
    assert "default-src 'none'" in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"|@import', page.replace("http://www.w3.org", ""))
    assert "<b>cat" not in page
    assert sorted(path.name for path in folder.iterdir()) == ["t.json", "x.html"]


@pytest.mark.few(0)
@pytest.mark.parametrize("how", some(WAYS, 2))
def test_markdown_has_the_picture_beside_it(folder: Path, how: str) -> None:
    assert explain(how, "-o", "my table.md").exit_code == 0
    text = (folder / "my table.md").read_text("utf-8")
    assert re.findall(r"\n!\[.*\]\((.*)\)\n", text) == ["my%20table.svg"]
    drawn = ElementTree.fromstring((folder / "my table.svg").read_text("utf-8"))  # noqa: S314 - our own
    assert WAYS[how][1] in "".join(drawn.itertext())
    plain = explain(how)
    assert "![" not in plain.stdout
    assert explain(how, "--no-picture", "-o", "y.md").exit_code == 0
    assert (folder / "y.md").read_text("utf-8") == plain.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["my table.md", "my table.svg", "t.json", "y.md"]


def test_the_picture_overwrites_no_input(folder: Path) -> None:
    (folder / "t.json").rename(folder / "t.svg")
    before = (folder / "t.svg").read_bytes()
    result = CliRunner().invoke(main, ["explain", "gates", "t.svg", "-o", "t.md"])
    assert result.exit_code == 2
    assert "t.svg" in result.stderr
    assert (folder / "t.svg").read_bytes() == before
    assert not (folder / "t.md").exists()


@pytest.mark.few(0)
@pytest.mark.parametrize("how", some(WAYS, 2))
def test_typst_draws_it(folder: Path, how: str) -> None:
    typst = pytest.importorskip("typst")
    source = explain(how, "--format", "typ").stdout
    assert source.count("#image(bytes(") == 1
    assert "var(--" not in source
    assert typst.compile(source.encode(), format="pdf").startswith(b"%PDF")
    assert explain(how, "-o", "x.pdf").exit_code == 0
    assert (folder / "x.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("form", ["text", "tex"])
def test_other_formats_have_what_is_said_of_it(folder: Path, form: str) -> None:
    for how in ("memory", "gates"):
        text = explain(how, "--format", form).stdout
        assert " ".join(WAYS[how][1].split()[:4]) in " ".join(text.split())
        assert "<svg" not in text
        assert str(WAYS[how][2]) in text


def test_a_split_that_has_no_worked_steps_is_a_document_too() -> None:
    found = explanation(traced("float32"), "5/1/h_t[2]", "contribution")
    page = found.report("html")
    assert page.count('class="lstm-plot"') == 1
    assert "Worked steps are left out: the trace was computed in float32, and they need float64." in page
    assert "<h2>By step</h2>" in page


def test_a_table_is_one_on_paper_where_it_fits() -> None:
    found = explanation(traced(), "5/1/h_t[2]", "contribution", detail="vector").blocks(words(), Show("typ"))
    table = next(block for block in found if isinstance(block, Table) and ("distance",) in block.head)
    assert typst.render([Body((table,))]).count("#table(") == 1


def test_where_there_is_nothing_to_draw_there_is_no_picture() -> None:
    trace = lt.run({"W": [[0.5]]}, [[1.0], [2.0]], cell={"equations": "h_t = tanh(W @ x_t)"})
    found = explanation(trace, None, "gates")
    assert found.picture() is None
    page = found.report("html")
    assert 'class="lstm-plot"' not in page
    assert "<h1>Gates</h1>" in page


@pytest.mark.few(0)
def test_words_of_the_picture_in_the_language_of_the_solution() -> None:
    page = explanation(traced(), "5/1/h_t[2]", "contribution").report("html", language="de")
    assert "Auf einen Blick" in page
    assert "Anteil der exakten Zerlegung" in page
