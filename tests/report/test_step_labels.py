"""What a reader sees of the labels of steps: in reports, tables, explanations, comparisons, pages and one number."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.frames.terminal import table
from lstm_trace.results.explanation import explanation

from ..support.results import unpadded
from ..support.said import tables

RNG = np.random.default_rng(7)
T, B, I, H = 3, 2, 2, 2  # noqa: E741
WEIGHTS = {f"W_x{g}": RNG.normal(size=(H, I)) for g in "ifco"} | {f"W_h{g}": RNG.normal(size=(H, H)) for g in "ifco"}
WORDS = ["the", " cat", "<b>|x_1|</b>"]
ROWS = [WORDS, ["it", "is", ""]]
X = RNG.normal(size=(T, B, I))
ONE, TWO = lt.run(WEIGHTS, X[:, 0], tokens=WORDS), lt.run(WEIGHTS, X, tokens=ROWS)
PLAIN = lt.run(WEIGHTS, X[:, 0])


def test_a_report_has_the_word_beside_the_step() -> None:
    text = str(ONE.report("text", detail="vector"))
    assert "── Step t = 0 (‘the’) ──" in text
    assert "── Step t = 1 (‘␣cat’) ──" in text
    assert re.search(r"^  t +label +x_t\[0\] +x_t\[1\]$", text, re.M)
    assert re.search(r"^  1 +␣cat +-?\d", text, re.M)
    assert "Step 1 (‘␣cat’) wrote" in text[text.index("In words") :]
    assert "label" not in str(PLAIN.report("text", detail="vector"))


def test_a_table_over_the_steps_has_the_word_beside_each() -> None:
    rows = re.findall(r"^ +(\d) +(\S+) .*-?\d\.\d+$", str(ONE.report("text", detail="summary")), re.M)
    assert rows == [("0", "the"), ("1", "␣cat"), ("2", "<b>|x_1|</b>")]
    assert " label " not in str(PLAIN.report("text", detail="summary"))


def test_each_row_has_its_own() -> None:
    text = str(TWO.report("text", detail="vector"))
    assert "── Step t = 1 (‘␣cat’), sequence 0 ──" in text
    assert "── Step t = 1 (‘is’), sequence 1 ──" in text
    assert "── Step t = 2, sequence 1 ──" in text
    one = str(TWO.report("text", detail="vector", batch=1))
    assert "(‘is’)" in one[one.index("In words") :]
    assert "cat" not in one


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("language", "step"),
    [("de", "Schritt t = 1 („␣cat“)"), ("es", "Paso t = 1 («␣cat»)"), ("fr", "Pas t = 1 («\u00a0␣cat\u00a0»)"),
     ("zh", "时间步 t = 1（“␣cat”）")],
)  # fmt: skip
def test_languages(language: str, step: str) -> None:
    assert step in str(ONE.report("text", detail="vector", language=language))


@pytest.mark.few(0)
def test_other_formats_escape_it() -> None:
    assert "### Step t = 2 (‘&lt;b&gt;" in str(ONE.report("md", detail="vector"))
    assert r"Step t = 2 (‘\textless{}b\textgreater{}" in str(ONE.report("tex", detail="vector"))
    assert '#"Step t = 2 (‘<b>|x_1|</b>’)"' in str(ONE.report("typ", detail="vector"))
    html = str(ONE.report("html"))
    assert "<b>|x_1|" not in html
    assert "Step t = 2 (‘&lt;b&gt;|x_1|&lt;/b&gt;’)" in html
    assert "de" in str(lt.run(WEIGHTS, X[:, 0], tokens=["\n", "a" * 1000, "\x1b[2J"]).report("html"))
    assert "a" * 30 not in str(lt.run(WEIGHTS, X[:, 0], tokens=["\n", "a" * 1000, "\x1b[2J"]).report("html"))


@pytest.mark.few(0)
def test_the_page_has_it_at_the_slider_and_on_the_maps() -> None:
    html = str(TWO.report("html"))
    data = json.loads(re.search(r'<script type="application/json" class="texts">(.*?)</script>', html, re.S)[1])  # type: ignore[index]
    assert data["tokens"] == {"0": ["the", "␣cat", "<b>|x_1|</b>"], "1": ["it", "is", ""]}
    assert "<output>0 the</output>" in html
    assert re.search(r'<text class="mark (?:end )?step" [^>]*>␣cat</text>', html)
    assert '"labels":["the","␣cat","\\u003cb>|x_1|\\u003c/b>"]' in html
    assert '"tokens"' not in str(PLAIN.report("html"))


def test_show_has_a_column() -> None:
    found = table(TWO, width=80, height=None)
    assert found.head[:4] == ("t", "b", "token", "line")
    tokens = {row[:3] for row in found.rows if row[0]}
    assert tokens == {(str(t), str(b), shown) for t in range(T) for b, shown in (
        (0, ["the", "␣cat", "<b>|x_1|</b>"][t]), (1, ["it", "is", ""][t])
    )}  # fmt: skip
    assert "token" not in table(PLAIN).head
    assert table(ONE.at(steps=1)).rows[0][0] == "␣cat"


def test_show_on_a_terminal(tmp_path: Path) -> None:
    lt.run(WEIGHTS, X[:, 0], tokens=["\x1b[2J", "中" * 40, "a\nb"]).save(tmp_path / "t.json")
    shown = CliRunner().invoke(main, ["show", str(tmp_path / "t.json"), "--only", "c_t"])
    assert shown.exit_code == 0
    rows = [line.split()[:2] for line in shown.output.splitlines() if re.match(r"\d ", line)]
    assert rows == [["0", "\\x1b[2J"], ["1", "中中中中中中中…"], ["2", "a↵b"]]


def test_memory_names_the_steps() -> None:
    found = explanation(ONE, "2/c_t[0]", "memory")
    assert found.rows.columns[:4] == ("t", "step", "token", "source")
    assert [row[2] for row in found.rows.rows] == [None, *WORDS]
    text = found.report()
    assert "| ␣cat " in text
    assert r"&lt;b>\|x_1\|&lt;/b>" in text
    assert re.search(r"comes from step \d \(‘", text)
    assert "".join(found.pieces("csv")).splitlines()[3].startswith("1,1, cat,")
    assert explanation(PLAIN, "2/c_t[0]", "memory").rows.columns[2] != "token"
    assert "token" in lt.explain(ONE, "2/c_t[0]", "memory").to_frame().columns


def test_contributions_name_the_steps() -> None:
    found = explanation(TWO, "2/1/c_t[0]", "contribution")
    steps = tables(found)["By step"]
    assert steps.columns[:2] == ("t", "token")
    assert [row[1] for row in steps.rows] == ROWS[1]
    assert re.search(r"contributed most is t = \d \(‘i[ts]’\)|contributed most is t = 2:", found.report())


@pytest.mark.few(1)
@pytest.mark.parametrize("how", ["contribution", "gradient"])
def test_a_table_of_entries_has_a_column_with_them(how: str) -> None:
    nasty = ['a,"b"%s', "line\nbreak", "=1+1 %d"]
    trace = lt.run(WEIGHTS, X, tokens=[nasty, ROWS[1]])
    for b, words in enumerate((nasty, ROWS[1])):
        found = explanation(trace, f"2/{b}/c_t[0]", how)
        at, place = found.rows.columns.index("token"), found.rows.columns.index("address")
        step = re.compile(r"^(?:0/forward/)?(\d)/\d/")
        expected = [words[int(m[1])] if (m := step.match(row[place])) else None for row in found.rows.rows]
        assert len({*expected} - {None}) == T
        assert [row[at] for row in found.rows.rows] == expected
        assert [row["token"] for row in json.loads(found.as_json())["rows"]] == expected
        in_csv = [row["token"] or None for row in csv.DictReader(io.StringIO("".join(found.pieces("csv"))))]
        assert in_csv == [f"'{word}" if word == "=1+1 %d" else word or None for word in expected]  # no formula
        frame = found.to_frame()
        assert [None if word != word else word for word in frame["token"]] == expected
    assert "token" not in explanation(PLAIN, "2/c_t[0]", how).rows.columns


def test_a_comparison_names_the_first_step_that_differs() -> None:
    x = X[:, 0].copy()
    x[1] += 0.5
    other = lt.run(WEIGHTS, x, tokens=["the", "dog", WORDS[2]])
    found = lt.diff(ONE, other)
    text = _markdown(found)
    assert "(in computing order; step 1 is ‘␣cat’)" in text
    assert "note: step 1 is called ‘␣cat’ in a, ‘dog’ in b" in text
    assert r"| line | 0 the | 1 ␣cat | 2 &lt;b>\|x_1\|&lt;/b> |" in text
    plain = _markdown(lt.diff(PLAIN, lt.run(WEIGHTS, x)))
    assert "(in computing order)" in plain
    assert "| line | 0 | 1 | 2 |" in plain


def _markdown(found: Any) -> str:
    return unpadded(str(found.report()))


def test_one_number_and_its_picture() -> None:
    assert lt.derivation(TWO, "1/1/c_t[0]").where == "step t = 1 (‘is’), sequence 1, unit 0"
    assert lt.derivation(ONE.at(steps=1), "1/c_t[0]").where == "step t = 1 (‘␣cat’), unit 0"
    alone = lt.run(WEIGHTS, X[:1, 0], tokens=["the"])
    assert lt.derivation(alone, "c_t[0]").where == "step t = 0 (‘the’), unit 0"


def test_counting_from_one() -> None:
    trace = replace(ONE, header=replace(ONE.header, count_from=1))
    text = str(trace.report("text", detail="vector"))
    assert "── Step t = 2 (‘␣cat’) ──" in text
