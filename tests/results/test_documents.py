"""Every explanation in every format, in every language: what a person sees, in a document, a file and a notebook."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

import lstm_trace as lt
from lstm_trace.documents.formats import VALUES
from lstm_trace.documents.result import content_of
from lstm_trace.languages import languages
from lstm_trace.languages.strings import words
from lstm_trace.results import EXPLANATIONS
from lstm_trace.results.explanation import Explanation, explanation

from ..support.table_cases import stacked

#: The value that each explains.
OF = {
    "memory": "2/0/c_t[1]", "gradient": "2/0/h_t[1]", "contribution": "2/0/h_t[1]", "ablation": "2/0/h_t[1]",
    "training": "2/0/h_t[1]", "difference": "2/0/h_t[1]",
}  # fmt: skip
NAMES = [*EXPLANATIONS, "difference"]
#: Explanations whose document is a worked solution in these formats.
WORKED = {
    "gradient": ("md", "text", "html", "tex", "typ"), "training": ("md", "text", "html", "tex", "typ"),
    "contribution": ("text", "html", "tex", "typ"), "difference": ("text", "html", "tex", "typ"),
}  # fmt: skip
TRACE = stacked(4, 2, 1, 2, ("forward",), lengths=[4, 2])


def explained(name: str) -> Explanation:
    if name == "difference":
        return lt.attribute(stacked(4, 2, 1, 2, ("forward",), lengths=[4, 3]), TRACE, "2/1/h_t[1]")
    return explanation(TRACE, OF.get(name), name)


@pytest.fixture(scope="module")
def results() -> dict[str, Explanation]:
    return {name: explained(name) for name in NAMES}


def plain(document: str) -> str:
    """The words of a document without what its format makes of them."""
    text = re.sub(r"<style>.*?</style>|<[^>]+>|&#?\w+;", "", document, flags=re.S)
    return re.sub(r"[\W_]|textbackslash|texttt|textasciitilde|quad|raw", "", text)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("format", "language"), [*zip(("md", "text", "html", "tex", "typ"), languages(), strict=True)])
def test_every_format_has_the_sentences_in_its_language(
    results: dict[str, Explanation], name: str, format: str, language: str
) -> None:
    result, said = results[name], words(language)
    document = str(result.report(format, language=language))
    if format in WORKED.get(name, ()):
        assert document.count("\n") > 100
        assert said.word("solution" if name == "training" else "equations") in document
        return
    assert document.count("\n") > 3
    title = result.title(said)
    assert plain(title) in plain(document)
    if format != "tex":  # which writes ⋮, − and others as commands
        for sentence in result.sentences(said):
            assert plain(sentence) in plain(document), sentence


@pytest.mark.parametrize("name", NAMES)
def test_no_sentence_stays_english(results: dict[str, Explanation], name: str) -> None:
    english = {*results[name].sentences(words())}
    for language in set(languages()) - {"en"}:
        told = {*results[name].sentences(words(language))}
        assert len(told) == len(english)
        assert not {text for text in told & english if re.search(r"[a-z]{4}", re.sub(r"\S*/\S*", "", text))}


@pytest.mark.parametrize("name", NAMES)
def test_every_column_that_is_shown_has_a_name(results: dict[str, Explanation], name: str) -> None:
    for table in results[name].tables(words()):
        missing = {column for column in table.shown or table.columns if not words().has(f"column.{column}")}
        assert missing <= {"t"}, "without `column.…` in the languages, a table has the name of the code"


@pytest.mark.parametrize("name", NAMES)
def test_files_of_values_have_the_rows(results: dict[str, Explanation], name: str, tmp_path: Path) -> None:
    result = results[name]
    table = result.rows
    rows = list(csv.reader(io.StringIO("".join(result.pieces("csv")))))
    assert tuple(rows[0]) == table.columns
    assert len(rows) - 1 == len(table.rows)
    facts = json.loads(result.as_json())
    assert list(facts) == [
        "title",
        "sentences",
        "notes",
        "rows",
        *(["more"] if len(result.tables(words())) > 1 else []),
        "not_finite",
    ]
    assert facts["sentences"] == [*result.sentences(words())]
    assert [list(row) for row in facts["rows"][:1]] == [list(table.columns)][: len(table.rows)]
    assert len(facts["rows"]) == len(table.rows)
    frame = result.to_frame()
    assert set(table.columns) >= set(frame.columns) - {"token"}
    assert len(frame) >= len(table.rows)
    assert frame.attrs["sentences"] == facts["sentences"]
    for suffix in VALUES:
        if suffix in (".svg", ".png") and result.picture() is None:
            with pytest.raises(lt.LstmTraceError, match="there is no picture"):
                result.save(tmp_path / f"x{suffix}")
        elif suffix == ".svg":
            result.save(tmp_path / f"x{suffix}")
            assert (tmp_path / f"x{suffix}").stat().st_size


@pytest.mark.few(1)
@pytest.mark.parametrize("name", NAMES)
def test_a_pdf(results: dict[str, Explanation], name: str) -> None:
    pytest.importorskip("typst")
    assert content_of(results[name], "pdf", "de").startswith(b"%PDF")


@pytest.mark.few(1)
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_shows_sentences_and_a_short_table(results: dict[str, Explanation], name: str) -> None:
    result = results[name]
    html = result._repr_html_()
    assert "<style>" in html
    assert plain(result.title(words())) in plain(html)
    assert html.count("<tr>") <= 14 * len(result.tables(words()))
    assert all(plain(text) in plain(result._rendered("plain")) for text in result.sentences(words()))
    assert result._repr_markdown_().startswith("# ")
    assert repr(result) == f"<{result.title(words())}; print(…) shows it>"
    assert str(result).startswith(str(result.report("text"))[:20])


def test_padding_says_which_steps_count() -> None:
    """By hand: two sequences of four steps, of which the second has two."""
    result = explained("padding")
    assert result.to_frame().to_dict("list") == {
        "sequence": [0, 1], "valid": [4, 2], "padding": [0, 2], "steps": ["0–3", "0–1"]
    }  # fmt: skip
    assert [*result.sentences(words())] == [
        "2 of 8 steps are padding (25\u00a0%)",
        "the sequence with the fewest valid steps has 2, the one with the most 4",
    ]
    assert "2 von 8 Schritten sind Padding (25\u00a0%)" in result.report(language="de")
    whole = explanation(stacked(4, 2, 1, 2, ("forward",)), None, "padding")
    assert [*whole.sentences(words())] == ["no step is padding: all 8 steps count"]


def test_padding_in_front_and_a_sequence_without_a_valid_step_are_named() -> None:
    import numpy as np

    mask = np.array([[0, 0, 1], [1, 0, 0], [1, 0, 1], [0, 0, 0]])
    result = explanation(stacked(4, 3, 1, 2, ("forward",), mask=mask), None, "padding")
    assert [row[-1] for row in result.rows.rows] == ["1–2", "", "0, 2"]
    told = [*result.sentences(words())]
    assert "without any valid step: sequence 1" in told
    assert "padding comes before or between valid steps: sequence 0, 2" in told


@pytest.mark.few(1)
@pytest.mark.parametrize(("name", "format"), [*product(("memory", "diff", "contribution", "gradient"), ("md", "html"))])
@pytest.mark.parametrize("first", [0, 1])
def test_a_picture_counts_as_the_document_around_it(name: str, format: str, first: int, tmp_path: Path) -> None:
    trace = replace(TRACE, header=replace(TRACE.header, count_from=first))
    other = stacked(4, 2, 1, 2, ("forward",), lengths=[4, 2], hold={"2/0/f_t[1]": 0.5})
    result = lt.diff(trace, other) if name == "diff" else explanation(trace, OF[name], name)
    result.save(tmp_path / f"x.{format}", format)
    drawn = (tmp_path / ("x.svg" if format == "md" else f"x.{format}")).read_text()
    named = re.findall(r"unit (\d), step (?:t = )?(\d)", drawn)
    assert set(named) == {(str(1 + first), str(2 + first))}
