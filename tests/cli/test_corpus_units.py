"""`lstm-trace corpus units`, `top`, `match`: what is printed in 80 columns, files, exit codes, messages."""

from __future__ import annotations

import io
import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

import lstm_trace as lt
from lstm_trace.base.display import cells
from lstm_trace.cli import main
from lstm_trace.cli.terminal import in_colours
from lstm_trace.languages.strings import words

from ..support.tiers import some
from ..tracking import planted

pytest.importorskip("pyarrow")


def invoke(*arguments: Any) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(main, ["corpus", *map(str, arguments)])


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the planted counter."""
    from lstm_trace.corpus import run

    found = tmp_path_factory.mktemp("quotes")
    planted.write(found / "q.parquet")
    return run(lt.prepare(planted.weights()), found / "q.parquet", found / "states", steps_per_part=800).folder


def test_units_are_a_table_of_80_columns(states: Path) -> None:
    found = invoke("units", states, "--sort", "r_inside", "-n", 3)
    assert (found.exit_code, found.stderr) == (0, "")
    title, head, _, first, _, _, *notes = found.stdout.splitlines()
    assert title == "2,567 steps"
    assert head.split() == ["unit", "mean", "sd", "left", "right", "memory", "r_inside", "moves_at"]
    assert first.split()[0] == f"c_t[{planted.COUNTER}]"
    assert first.split()[-2:] == ["1", '"']
    said = "9 more units: -n 12. No room for least, most. -o units.csv has all units and columns."
    assert " ".join(map(str.strip, notes)) == said
    assert max(map(cells, found.stdout.splitlines())) <= 80
    one = invoke("units", states, "--line", "h_t", "--sort", "q95").stdout
    assert len(one.splitlines()) == 3 + planted.UNITS + 1
    assert "q95" in one
    assert one.splitlines()[-1].endswith("-o units.csv has all units and columns.")
    assert "more" not in one


@pytest.mark.few(0)
@pytest.mark.parametrize("sort", some(["sd", "most", "right", "r_inside", "q05"], 2))
def test_columns_of_a_pair_are_shown_or_named_together(states: Path, sort: str) -> None:
    for width in range(30, 130, 7):
        runner = CliRunner(env={"COLUMNS": str(width)})
        shown = runner.invoke(main, ["corpus", "units", str(states), "--sort", sort]).stdout.splitlines()
        head, notes = shown[1].split(), " ".join(" ".join(shown[3 + 12 :]).split())
        without = (re.findall(r"No room for ([^.]*)\.", notes) or [""])[0].split(", ")
        for name in ("sd", "memory", "mean", "left", "right", "least", "most", "r_inside", sort):
            assert (name in head) != (name in without), (width, name)
        for one, other in (("left", "right"), ("least", "most")):
            assert (one in head) == (other in head), (width, head)


def test_units_are_written_with_all_columns(states: Path, tmp_path: Path) -> None:
    for name, read in (("u.csv", pd.read_csv), ("u.parquet", pd.read_parquet)):
        found = invoke("units", states, "-o", tmp_path / name)
        assert (found.exit_code, found.output) == (0, "")
        frame = read(tmp_path / name)
        assert frame.shape == (12, 23)
        assert frame["sd"].is_monotonic_decreasing
        counter = frame[(frame["line"] == "c_t") & (frame["unit"] == planted.COUNTER)].iloc[0]
        assert counter["moves_at"] == '"'
        assert counter["highest"].count("‹") == 3


@pytest.mark.few(0)
def test_units_are_a_document_in_every_format_and_language(states: Path, tmp_path: Path) -> None:
    """The largest units are shown, and the note says how many are not; JSON has all of them."""
    for name in ("u.md", "u.html", "u.tex", "u.typ"):
        assert invoke("units", states, "--sort", "r_inside", "-n", 3, "-o", tmp_path / name).output == ""
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "Units of a corpus" in text
        assert "12 units over 2,567 steps" in text
        assert "9 rows are left out, none with r inside above" in text
    rows = [row for row in (tmp_path / "u.md").read_text(encoding="utf-8").splitlines() if row.startswith("| c_t[")]
    assert rows[0].split("|")[1].strip() == f"c_t[{planted.COUNTER}]"
    facts = json.loads(invoke("units", states, "--format", "json", "-n", 3).stdout)
    assert [list(facts), len(facts["rows"])] == [["title", "sentences", "notes", "rows"], 12]
    assert facts["rows"][0]["layer"] == 0
    german = invoke("units", states, "--sort", "r_inside", "-n", 3, "--language", "de").stdout
    assert german.startswith("2\u202f567 Schritte\n")
    assert "9 weitere Einheiten: -n 12. Kein Platz für least, most." in " ".join(german.split())
    assert "9 Zeilen sind weggelassen" in invoke("units", states, "-n", 3, "--language", "de", "--format", "md").stdout


def test_top_is_text_with_marks_where_there_are_no_colours(states: Path) -> None:
    found = invoke("top", states, "--unit", f"c_t[{planted.COUNTER}]", "-n", 2, "--after", 3)
    assert (found.exit_code, found.stderr) == (0, "")
    title, scale, empty, place, text, caret, marks, *_ = found.stdout.splitlines()
    assert title == f"0/forward/c_t[{planted.COUNTER}], highest value of a sequence"
    assert (scale, empty) == ("−0.995 █▓▒░ ░▒▓█ 0.995", "")
    number = int(re.fullmatch(r"sequence (\d+), t = 0: 0.995", place)[1])  # type: ignore[index]
    whole = planted.texts()[number]
    assert text == f"  {whole[:4]}"
    assert caret == "  ^"  # below the step that it is about
    assert marks == "+ " + "".join("█" if inside else " " for inside in planted.inside(whole)[:4]).rstrip()
    assert found.stdout.count("sequence ") == 2


def test_match_finds_the_longest_quotes(states: Path, tmp_path: Path) -> None:
    arguments = ["match", states, "--units", planted.COUNTER, "--min-length", 6]
    assert invoke(*arguments, "-o", tmp_path / "m.csv").output == ""
    frame = pd.read_csv(tmp_path / "m.csv")
    quotes = [found[1] for text in planted.texts() for found in re.finditer(r'("[^"]*)"', text)]
    assert frame["length"].tolist() == sorted(map(len, quotes), reverse=True)[:20]
    assert (
        [re.search("‹(.*)›", text)[1] for text in frame["context"]]
        == sorted(  # type: ignore[index]
            quotes, key=len, reverse=True
        )[:20]
    )
    assert "above 0.3" in invoke(*arguments, "-n", 1).stdout
    assert invoke(*arguments, "--above", 3).stdout == f"0/forward/c_t[{planted.COUNTER}] above 3\nnothing found\n"
    assert "below 0.1\nnothing" in invoke(*arguments[:-1], 900, "--below", 0.1).stdout
    exact = invoke(*arguments, "--exact", "-n", 1, "--max-length", 9).stdout
    assert re.search(r"t = \d+–\d+: 0.99\d*, 0 other units", exact)


def test_contexts_are_a_document_in_every_format_and_language(states: Path, tmp_path: Path) -> None:
    """Each with its text in the picture, where the unit is marked, and in the table."""
    unit = f"c_t[{planted.COUNTER}]"

    def written(name: str, *more: Any, verb: tuple[Any, ...] = ("top", states, "--unit", unit)) -> str:
        assert invoke(*verb, "-o", tmp_path / name, *more).output == ""
        return (tmp_path / name).read_text(encoding="utf-8")

    page = written("t.html")
    assert "<h1>0/forward/c_t[4], highest value of a sequence</h1>" in page.replace(unit, "c_t[4]")
    assert page.count("<svg") == 1
    assert page.count('class="inside"') == 20
    assert len(re.findall("<td[^>]*>[^<]*‹[^<]+›", page)) == 20
    whole = written("t.html", "-n", 30)  # the others are in the table
    assert whole.count('class="inside"') == 20
    assert "10 more texts are in the table." in re.search("<svg.*</svg>", whole, re.S)[0]  # type: ignore[index]
    german = written("t.md", "--language", "de", "-n", 2)
    assert german.startswith(f"# 0/forward/{unit}, höchster Wert einer Sequenz")
    assert re.search(r"\| Sequenz +\| +t +\| +Länge +\| +Wert +\| +Kontext +\|", german)
    assert "Sequenz" in (tmp_path / "t.svg").read_text(encoding="utf-8")
    rows = json.loads(written("t.json", "-n", 2))["rows"]
    assert [list(row) for row in rows] == [["seq_id", "t", "length", "value", "context"]] * 2
    found = ("match", states, "--units", planted.COUNTER, "--exact", "-n", 1)
    assert re.search(r"序列 \d+，t = \d+–\d+：0\.\d+，另有 \d+ 个单元", invoke(*found, "--language", "zh").stdout)
    for form in ("typ", "tex"):
        assert "‹" in written(f"t.{form}", "-n", 2)


def test_a_terminal_has_colours_unless_they_are_not_wanted(states: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lstm_trace.corpus import open as opened

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    found = opened(states).top("c_t[4]", n=1)
    for variables, terminal, coloured in (
        ({"TERM": "xterm"}, True, True), ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False), ({"TERM": "xterm"}, False, False),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.delenv("NO_COLOR", raising=False)
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdout", Screen() if terminal else io.StringIO())
            shown = in_colours(partial(found.terminal, words()))
        assert ("\x1b[48;5;" in shown) == coloured
        assert ("\x1b" in shown) == coloured


def test_a_corpus_that_is_not_whole_is_told(states: Path, tmp_path: Path) -> None:
    for path in states.iterdir():
        if path.name != "part-00001.parquet":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    for arguments in (("units",), ("top", "--unit", "c_t[4]"), ("match", "--units", "4")):
        found = invoke(arguments[0], tmp_path, *arguments[1:])
        assert found.exit_code == 0
        assert found.stderr == "note: of 4 parts only 3 are available; the result covers only these\n"
        assert "note" not in found.stdout
    for path in tmp_path.glob("part-*"):
        path.write_bytes(path.read_bytes()[:-100])
    found = invoke("units", tmp_path)
    assert (found.exit_code, found.stdout) == (2, "")
    assert "part-00000.parquet: not a part of a corpus, or damaged" in found.stderr
    assert found.stderr.count("\n") == 1
    for path in tmp_path.glob("part-*"):
        path.unlink()
    assert "no part is there yet; run the corpus first" in invoke("units", tmp_path).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("units", "{}", "--sort", "r_insid"), "units have no column 'r_insid' to sort by; did you mean 'r_inside'?"),
        (("units", "{}", "-o", "u.xlsx"), "u.xlsx: results are written as .md, "),
        (("units", "{}", "--line", "f_t"), "the states have no 'f_t'"),
        (("units", "nowhere"), "there is no _manifest.json"),
        (("top", "{}", "--unit", "c_t[6]"), "'c_t[6]': c_t has the units 0 to 5"),
        (("top", "{}", "--unit", "c_t"), "expected a unit of a line"),
        (("top", "{}"), "Missing option '--unit'"),
        (("match", "{}", "--units", "a"), "expected comma-separated units, found 'a'"),
        (("match", "{}", "--units", "7"), "c_t has the units 0 to 5; found 7"),
        (("match", "{}", "--units", "1", "--above", "nan"), "a level is a finite number"),
        (("match", "{}", "--units", "1", "-o", "m.doc"), "m.doc: results are written as .md, "),
    ],
)
def test_what_is_wrong_is_one_message(states: Path, arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    found = invoke(*(argument.format(states) for argument in arguments))
    assert (found.exit_code, found.stdout) == (2, "")
    assert said in found.stderr
    assert not list(tmp_path.iterdir())
