"""`lstm-trace show`: it fits the screen, says what it leaves out, and what it shows is in the trace."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.frames.terminal import STATISTICS, table
from lstm_trace.trace.rows import Selection

from ..support.table_cases import QUESTION_19, expected, filled, stacked
from ..support.tiers import some


@pytest.fixture(autouse=True)
def _screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")


def cli(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["show", *map(str, arguments)])


def test_question_19(tmp_path: Path) -> None:
    path = tmp_path / "q19.json"
    path.write_text(json.dumps(QUESTION_19))
    result = cli(path, "--digits", 8)
    assert result.exit_code == 0
    assert [line.split() for line in result.output.splitlines()] == [
        "Question 19 · lstm, float64, 1 layer forward, T = 1, B = 1".split(),  # noqa: SIM905
        ["line", "[0]", "[1]"],
        ["─" * 39],
        ["W_xi", "@", "x_t", "-0.4", "-1.6"],
        ["W_hi", "@", "h_prev", "0.0", "0.0"],
        ["z_i", "-0.4", "-1.6"],
        ["i_t", "0.40131234", "0.16798161"],
    ]


CASES: list[dict[str, Any]] = [
    {"steps": 1, "batch": 1, "layers": 1, "width": 2, "directions": ("forward",)},
    {"steps": 50, "batch": 1, "layers": 1, "width": 2, "directions": ("forward",)},
    {"steps": 50, "batch": 3, "layers": 2, "width": 5},
    {"steps": 5, "batch": 2, "layers": 2, "width": 3, "lengths": [5, 2]},
    {"steps": 2, "batch": 40, "layers": 1, "width": 40, "directions": ("reverse",)},
    {"steps": 3, "batch": 1, "layers": 6, "width": 2},
    {"steps": 1200, "batch": 1200, "layers": 1, "width": 1, "directions": ("forward",), "ask": "f_t"},
]


@pytest.mark.few(1)
@pytest.mark.parametrize("case", some(CASES, 3))
@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 50), (200, 24)])
def test_fits_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: dict[str, Any], width: int, height: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LINES", str(height))
    trace = stacked(
        **case, name="A title that is longer than anyone would give to an exercise, or to a model, on a good day"
    )
    monkeypatch.setattr("lstm_trace.model.sources.open_source", lambda *_, **__: trace)
    result = cli("trace")
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert max(map(len, lines)) <= width
    assert len(lines) < height
    assert not re.search(r"\d…", "".join(lines[2:]))  # a name may be cut, never a number
    found = table(trace, None, width, height)
    assert bool(found.left_out) is (sum(row[-1] != "" for row in found.rows) < trace_rows(trace))


def trace_rows(trace: Any) -> int:
    return sum(array.shape[0] * array.shape[1] for arrays in trace.lines.values() for array in arrays.values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "--steps", "١"], "expected A:B, A:, :B or one step, found '١'"),
        (["show", "--steps", "0:²"], "expected A:B, A:, :B or one step, found '0:²'"),
        (["report", "--digits", "٣"], "'٣' is neither a number in 0<=x<=17 nor LINE=NUMBER"),
        (["plot", "--kind", "unit", "--unit", "١", "-o", "-"], "expected comma-separated units, found '١'"),
        (["run", "--arithmetic", "by-hand-٣"], "there is no arithmetic 'by-hand-٣'"),
    ],
)
def test_a_number_has_digits_of_ascii_alone(tmp_path: Path, arguments: list[str], said: str) -> None:
    """As in addresses, where there is one way to write a number."""
    path = tmp_path / "q19.json"
    path.write_text(json.dumps(QUESTION_19))
    command, *options = arguments
    result = CliRunner().invoke(main, [command, str(path), *options])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_what_is_left_out_is_said() -> None:
    found = table(stacked(50, 1, 1, 2, ("forward",)), None, 80, 24)
    assert {row[1].strip() for row in found.rows} == {"c_t", "h_t", "…"}
    assert found.rows[0][0] == "0"
    assert found.rows[-2][0] == "49"
    assert (
        found.left_out
        == "Left out: 19 of 21 lines, 42 of 50 steps. All: --all; some: --only, --steps, --layer, --batch."
    )
    assert table(stacked(50, 1, 1, 2, ("forward",)), None, 80, None).left_out == ""


def test_reverse_begins_at_the_last_step() -> None:
    found = table(stacked(50, 1, 1, 2, ("reverse",)), None, 80, 24)
    assert (found.rows[0][0], found.rows[-2][0]) == ("49", "0")


def test_every_layer_has_its_place() -> None:
    found = table(stacked(3, 1, 3, 2), None, 80, 40)
    named = [row[:2] for row in found.rows if row[0]]
    directions = ("forward", "reverse", "joined")
    assert list(dict.fromkeys(named)) == [(layer, direction) for layer in "012" for direction in directions]
    assert "layer" not in found.left_out.split("All")[0]


def test_statistics_where_the_units_do_not_fit() -> None:
    trace = stacked(2, 1, 1, 40, ("forward",))
    found = table(trace, Selection(only="h_t"), 80, 24, digits=12)
    assert found.head == ("t", "line", *STATISTICS)
    h = trace.lines["0/forward"]["h_t"][:, 0]
    for row, values in zip(found.rows, h, strict=True):
        assert row[2] == "40"
        assert [float(cell) for cell in row[3:]] == pytest.approx(
            [min(values), sum(values) / 40, max(values)], abs=1e-12
        )
    one = table(trace, Selection(only="h_t", unit=39), 80, 24, digits=12)
    assert one.head == ("t", "line", "[39]")
    assert [float(row[2]) for row in one.rows] == pytest.approx(list(h[:, 39]), abs=1e-12)


def test_words_for_what_is_not_a_number() -> None:
    trace = filled(lt.run(QUESTION_19), np.array([np.nan, np.inf, -np.inf, -0.0, 1e-20, 1e300, -1e-5, 1.0]))
    cells = [cell.strip() for row in table(trace).rows for cell in row[1:]]
    assert cells == ["nan", "inf", "-inf", "0.0", "1.0e-20", "1.0e300", "-0.00001", "1.0"]
    wide = filled(stacked(1, 1, 1, 40, ("forward",)), np.array([np.inf, -np.inf]))
    assert [cell.strip() for cell in table(wide, Selection(only="h_t")).rows[0][1:]] == ["40", "-inf", "nan", "inf"]


def test_narrow_screens_lose_decimals_not_digits_in_the_middle() -> None:
    found = table(stacked(), Selection(only="h_t"), 56, 24, digits=17)
    assert sum(max(map(len, column)) + 2 for column in zip(found.head, *found.rows, strict=True)) - 2 <= 56
    assert not any(re.search(r"\d…", cell) for row in found.rows for cell in row)


def test_labels_and_what_was_asked(tmp_path: Path) -> None:
    problem = {**QUESTION_19, "names": {"h": ["sleep", "[bold]work hard every day"]}}
    path = tmp_path / "p.json"
    path.write_text(json.dumps(problem))
    lines = cli(path).output.splitlines()
    assert lines[1].split() == ["line", "sleep", "[bold]wor…"]
    assert table(lt.run(problem)).asked == {3}


def test_a_title_commands_no_terminal() -> None:
    found = table(lt.run({**QUESTION_19, "title": "\x1b[2Jgone\x07"}))
    assert found.title.startswith("\ufffd[2Jgone\ufffd")


def test_selection_and_faults(tmp_path: Path) -> None:
    stacked().save(tmp_path / "t.json")
    output = cli(
        tmp_path / "t.json", "--only", "c_t", "--layer", 1, "--direction", "reverse", "--t", 2, "--batch", 1
    ).output
    assert [line.split()[0] for line in output.splitlines()[1:]] == ["line", output.splitlines()[2], "c_t"]
    for arguments, message in (
        (("--steps", "9"), "T = 4, so 0 to 3"),
        (("--only", "c_x"), "did you mean 'c_t'?"),
        (("--unit", "6"), "units 0 to 5"),
        (("--direction", "joined", "--layer", 3), "layer 3, direction joined is not among 0/forward"),
    ):
        result = cli(tmp_path / "t.json", *arguments)
        assert result.exit_code == 2
        assert message in result.output


def test_json_and_csv_have_every_value(tmp_path: Path) -> None:
    tokens = [["a b", "", "\x1b[2J", "d" * 40], ["e", "f"]]
    trace = stacked(lengths=[4, 2], tokens=tokens)
    trace = filled(trace, np.array([0.1, np.nan, -np.inf, -0.0, 1e-300]))
    trace.save(tmp_path / "t.json")
    found = json.loads(cli(tmp_path / "t.json", "--format", "json").output)
    said = [
        (row["layer"], row["direction"], row["t"], row["batch"], row["line"], row["unit"] + k, float(value))
        for row in found["rows"]
        for k, value in enumerate(row["values"])
    ]
    rows = [(*row[:5], *row[6:]) for row in expected(trace)]
    assert [row[:-1] for row in said] == [row[:-1] for row in rows]
    np.testing.assert_array_equal([row[-1] for row in said], [row[-1] for row in rows])
    for row in found["rows"]:
        assert row["token"] == tokens[row["batch"]][row["t"]]
    assert found["title"].endswith("lstm, float64, 2 layers forward + reverse, T = 4, B = 2")
    cli(tmp_path / "t.json", "-o", tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        values = [float(row["value"] or "nan") for row in csv.DictReader(file)]
    np.testing.assert_array_equal(values, [row[-1] for row in rows])
    one = json.loads(cli(tmp_path / "t.json", "--format", "json", "--line", "c_t", "--unit", 2, "--t", 1).output)
    assert [(row["unit"], len(row["values"])) for row in one["rows"]] == [(2, 1)] * 8


@pytest.mark.parametrize("first", [0, 1])
def test_steps_and_units_count_as_in_the_problem(first: int) -> None:
    trace = stacked(3, 2, 1, 2, ("forward",))
    shown = table(replace(trace, header=replace(trace.header, count_from=first)))
    assert shown.head[:3] == ("step" if first else "t", "b", "line")
    assert shown.head[3] == f"[{first}]"
    assert [row[:2] for row in shown.rows if row[0]][:2] == [(str(first), "0"), (str(first), "1")]


def test_a_document_says_what_it_leaves_out_in_its_language(tmp_path: Path) -> None:
    stacked(50, 1, 1, 2, ("forward",)).save(tmp_path / "t.json")
    text = cli(tmp_path / "t.json", "--format", "md", "--language", "de").output
    assert "1 Schicht forward" in text
    assert "Ausgelassen: 11 von 21 Zeilen, 47 von 50 Schritten. Alles: --all;" in text
    assert "| c_t" in text
    whole = cli(tmp_path / "t.json", "--format", "md", "--all").output
    assert whole.count("|") > 50 * 21
    assert "Left out" not in whole
