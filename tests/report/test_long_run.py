"""Runs of many steps: one page with a table of the states, where units forget, and the most eventful steps in full."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.base.display import cells
from lstm_trace.cli import main
from lstm_trace.documents.blocks import Items
from lstm_trace.engine.run import in_arithmetic
from lstm_trace.report.in_words.sentences import in_words
from lstm_trace.report.options import options_of
from lstm_trace.report.report import shown
from lstm_trace.report.sections.long_run import named_steps
from lstm_trace.trace.trace import Trace

from ..support.profile_cases import cell
from ..support.table_cases import stacked
from ..support.tiers import some
from .test_profile_report import commands

Array = np.ndarray[Any, Any]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def problem(steps: int, forgets: int = -1, units: int = 3) -> dict[str, Any]:
    """A problem of two inputs, typed by hand. forgets: the step at which unit 2 loses what it holds."""
    draw = np.random.default_rng(steps)
    weights: dict[str, Any] = {}
    for gate in "ifco":
        weights[f"W_x{gate}"] = np.round(draw.normal(0, 0.5, (units, 2)), 2)
        weights[f"W_h{gate}"] = np.round(draw.normal(0, 0.3, (units, units)), 2)
        weights[f"b_{gate}"] = np.round(draw.normal(3 if gate == "f" else 0, 0.2, units), 2)
    weights["W_xf"][2] = [0, 4]
    x = np.round(draw.normal(0, 0.3, (steps, 2)), 1)
    x[:, 1] = np.abs(x[:, 1])
    if forgets >= 0:
        x[forgets] = [0.3, -1.8]
    return {"weights": weights, "x": x, "h0": np.linspace(-0.5, 0.4, units), "c0": np.linspace(0.8, -0.3, units)}


def computed(given: dict[str, Any]) -> dict[str, Array]:
    """The lines f_t, c_t and h_t of the problem, by a loop over numpy arrays that knows nothing of the package."""
    h, c, found = given["h0"], given["c0"], {"f_t": [], "c_t": [], "h_t": []}
    for x in given["x"]:
        z = {g: given["weights"][f"W_x{g}"] @ x + given["weights"][f"W_h{g}"] @ h + given["weights"][f"b_{g}"]
             for g in "ifco"}  # fmt: skip
        f = sigmoid(z["f"])
        c = f * c + sigmoid(z["i"]) * np.tanh(z["c"])
        h = sigmoid(z["o"]) * np.tanh(c)
        for name, value in (("f_t", f), ("c_t", c), ("h_t", h)):
            found[name].append(value)
    return {name: np.array(values) for name, values in found.items()}


def traced(given: dict[str, Any], **arguments: Any) -> Trace:
    return lt.run(given["weights"], given["x"], h0=given["h0"], c0=given["c0"], **arguments)


def over_time(report: str) -> str:
    """The section with the table and the units, in a text report."""
    return re.split(r"\n[^\n]+\n─+\n", report.partition("\nOver time\n─────────\n\n")[2])[0]


def rows(report: str) -> list[list[str]]:
    """The rows of the table over all steps, without its head: cells by white space."""
    found = over_time(report).partition("Where units forget")[0].partition(":\n\n")[2]
    return [line.split() for line in found.splitlines()[1:] if line.strip()]


def forgets(report: str) -> dict[str, dict[int, str]]:
    """By unit the steps at which it forgets, with the share that it keeps."""
    found = over_time(report).partition("keeps less than half at step")[2]
    each = (re.match(r"  (unit \d+(?: \(.*?\))?)  +(.*?)(?:  |$)", line) for line in found.splitlines())
    return {m[1]: {int(t): share for t, share in re.findall(r"(\d+) \((.*?)\)", m[2])} for m in each if m}


def full(report: str) -> list[int]:
    """The steps that are worked in full."""
    return [int(t) for t in re.findall(r"^── Step t = (\d+)", report, re.M)]


# -- the table ---------------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
@pytest.mark.parametrize("steps", [17, 50])
def test_the_table_has_every_step(steps: int) -> None:
    given = problem(steps)
    report = str(traced(given).report("text"))
    lines = computed(given)
    expected = np.column_stack([np.arange(steps), given["x"], lines["c_t"], lines["h_t"]])
    np.testing.assert_allclose(np.array(rows(report), float), expected, rtol=0, atol=0.5e-4)
    assert "x_t, c_t and h_t at every step:" in report


@pytest.mark.few(0)
def test_of_many_steps_the_table_has_those_at_which_the_states_moved() -> None:
    given = problem(500, forgets=317)
    report = str(traced(given).report("text"))
    assert all(len(line) <= 80 for line in report.splitlines())
    c = np.vstack([given["c0"], computed(given)["c_t"]])
    moved = np.sqrt((np.diff(c, axis=0) ** 2).sum(axis=1))
    there = [int(row[0]) for row in rows(report) if row[0] != "⋮"]
    assert len(rows(report)) < 100
    assert there[:6] == [0, 1, 2, 3, 4, 5]
    assert there[-6:] == [494, 495, 496, 497, 498, 499]
    furthest = np.argsort(-moved)[:15]
    assert {*furthest.tolist(), *(furthest[furthest > 0] - 1).tolist()} <= {*there}
    values = np.array([row for row in rows(report) if row[0] != "⋮"], float)
    np.testing.assert_allclose(values[:, 3:6], c[1:][there], rtol=0, atol=0.5e-4)
    whole = str(traced(given).report("text", detail="summary", everything=True))
    assert [int(row[0]) for row in rows(whole)] == [*range(500)]


@pytest.mark.few(0)
def test_a_step_named_below_the_table_has_a_row_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the file that a command writes has the gate, so that steps of which there are more can be looked up."""
    given = problem(500, forgets=317, units=5)
    given["weights"]["b_f"] = np.array([0.1, 0.2, 0.4, 0.3, 0.1])
    trace = traced(given)
    report = str(trace.report("text", width=200))
    there = {int(row[0]) for row in rows(report) if row[0] != "⋮"}
    named = {int(t) for t in re.findall(r"(\d+) \(", over_time(report).partition("at step\n")[2])}
    f, c = computed(given)["f_t"], computed(given)["c_t"]
    for unit in range(5):
        assert {t for t in np.argsort(f[:, unit])[:6].tolist() if f[t, unit] < 0.5} <= named
        assert np.abs(c[:, unit]).argmax() in there
    assert named <= there
    assert len(named) > 15
    monkeypatch.chdir(tmp_path)
    trace.save("t.json")
    written = CliRunner().invoke(main, ["report", "t.json", "--format", "text"]).output
    export = next(words for words in commands(written) if "export" in words)
    assert CliRunner().invoke(main, export[1:]).exit_code == 0
    table = np.genfromtxt("states.csv", delimiter=",", names=True)
    column = next(name for name in table.dtype.names if name.startswith("f_t") and name.endswith("0"))
    assert (table[column] < 0.5).sum() == (f[:, 0] < 0.5).sum()


@pytest.mark.few(0)
def test_what_was_asked_for_is_in_the_table() -> None:
    given = problem(40)
    assert over_time(str(traced(given, ask="h_t").report("text"))).startswith("x_t, c_t and h_t at every step:")
    assert over_time(str(traced(given, ask="f_t").report("text"))).startswith("x_t and f_t at every step:")
    report = str(traced(given, ask="f_t").report("text"))
    np.testing.assert_allclose(np.array(rows(report), float)[:, 3:], computed(given)["f_t"], rtol=0, atol=0.5e-4)
    assert "\nAnswers\n" not in report, "the table has them at every step"
    at = str(traced(given, ask="17/h_t[1]").report("text"))
    assert float(re.search(r"h_t \(.*\) ≈ (\S+)", at.partition("\nAnswers\n")[2])[1]) == pytest.approx(  # type: ignore[index]
        computed(given)["h_t"][17, 1], abs=0.5e-4
    )
    by_hand = str(in_arithmetic(traced(given, ask="h_t"), "by-hand-4").report("text"))
    assert "in full precision" in by_hand.lower().partition("\nanswers\n")[2], "and each answer is compared with it"


@pytest.mark.few(0)
def test_a_wide_input_stays_with_what_is_given() -> None:
    wide, narrow = (str(t.report("text")) for t in (stacked(40, 1, 1, 3, ("forward",)), traced(problem(40))))
    assert "\nThe input:\n" in wide
    assert over_time(wide).startswith("c_t and h_t at every step:")
    assert "The input is in the table below." in narrow
    assert "\nThe input:\n" not in narrow


# -- where units forget ------------------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize(("steps", "step"), [(50, 33), (500, 317)])
@pytest.mark.parametrize("format", ["html", "md", "text"])
def test_a_reader_finds_the_step_at_which_unit_2_forgets(steps: int, step: int, format: str) -> None:
    given = problem(steps, forgets=step)
    report = str(traced(given).report(format))
    kept = computed(given)["f_t"][:, 2]
    assert np.flatnonzero(kept < 0.5).tolist() == [step]
    share = f"{step} ({100 * kept[step]:.0f}\u00a0%)" if kept[step] > 0.01 else f"{step} (<1\u00a0%)"
    row = report.partition("Where units forget")[2].partition("unit 2")[2]
    row = re.sub("</?a[^>]*>", "", re.split("</tr>|\n", row)[0])  # a page has a link to the step
    assert share in row.replace("&lt;", "<")
    if format == "text":
        assert step in full(report), "the step moved the state furthest and is worked"


@pytest.mark.few(0)
def test_units_forget_where_their_gate_says_so() -> None:
    """Of many steps those at which a unit keeps least; not those at which it holds nothing."""
    draw = np.random.default_rng(5)
    given = problem(60)
    given["weights"]["b_f"] = np.array([0.3, 0.3, 3.0])
    given["weights"]["W_xf"] = draw.normal(0, 3, (3, 2))
    given["c0"] = np.zeros(3)
    given["x"][0] = -10 * given["weights"]["W_xf"][0]  # unit 0 forgets everything, but it holds nothing yet
    found, f = forgets(str(traced(given).report("text", width=120))), computed(given)["f_t"]
    assert f[0, 0] < 0.01
    for unit in range(3):
        there = [t for t in range(1, 60) if f[t, unit] < 0.5]
        expected = sorted(sorted(there, key=lambda t: f[t, unit])[:6])
        assert [*found[f"unit {unit}"]] == expected, unit
        for t, share in found[f"unit {unit}"].items():
            rounded = f"{100 * f[t, unit]:.0f}\u00a0%" if f[t, unit] >= 0.01 else "<1\u00a0%"
            assert share == rounded.replace("50", "<50"), "less than one half"
    assert any(len([t for t in range(1, 60) if f[t, unit] < 0.5]) > 6 for unit in range(2))


@pytest.mark.few(0)
def test_what_is_held_counts_and_padding_does_not() -> None:
    """A state that is held at another value keeps nothing of its own; padding keeps all."""
    given = problem(40)
    held = traced(given, hold={"20/c_t[1]": 0.5})
    assert forgets(str(held.report("text")))["unit 1"] == {20: "0\u00a0%"}
    padded = stacked(40, 2, 1, 3, ("forward",), lengths=[40, 12])
    report = str(padded.report("text", width=200))
    f = padded["f_t"]
    line = next(x for x in over_time(report).splitlines() if x.startswith("  unit 0  sequence 0"))
    found = re.findall(r"sequence (\d): ([^;]*)", re.split(r"\s{2,}", line.strip())[1])
    steps = [(int(b), int(t)) for b, part in found for t in re.findall(r"(\d+) \(", part)]
    every = [(f[t, b, 0], b, t) for b, n in ((0, 40), (1, 12)) for t in range(1, n) if f[t, b, 0] < 0.5]
    assert steps == sorted((b, t) for _, b, t in sorted(every)[:6])
    there = [(int(row[0]), int(row[1])) for row in rows(report)]
    assert there == [(t, b) for b, n in ((0, 40), (1, 12)) for t in range(n)]


@pytest.mark.few(0)
def test_every_sequence_is_in_the_tables_and_among_the_units_that_forget() -> None:
    """Also one between the first and the last: the largest value of a unit was said to be in a row that was nowhere."""
    trace = stacked(20, 3, 2, 3)
    for detail in ("summary", "worked"):
        report = str(trace.report("text", detail=detail, width=200))
        tables = [text for text in over_time(report).split(" at every step:\n\n") if "Where units forget" in text]
        parts = [(layer, way) for layer in (0, 1) for way in ("forward", "reverse")]
        for table, part in zip(tables, parts, strict=True):
            body = table.partition("Where units forget")[0].splitlines()[1:]
            there = [tuple(map(int, line.split()[:2])) for line in body if line.strip()]
            assert there == [(t, b) for b in range(3) for t in range(20)], part
            f = trace[f"{part[0]}/{part[1]}/f_t"].copy()
            f[-1 if part[1] == "reverse" else 0] = 1  # it holds nothing yet
            for unit in range(3):
                row = next(line for line in table.splitlines() if re.match(rf"  unit {unit}  (seq|none)", line))
                text = re.split(r"\s{2,}", row.strip())[1]
                listed = len(re.findall(r"\d+ \(", text))
                more = re.search(r"; (\d+) more$", text)
                expected = (f[:, :, unit] < 0.5).sum()
                assert listed == min(6, expected)
                assert listed + int(more[1] if more else 0) == expected
    assert "some sequences" not in str(trace.report("text", detail="summary"))


def test_of_a_large_batch_some_sequences_are_left_out_and_this_is_said() -> None:
    report = " ".join(str(stacked(20, 60, 1, 3, ("forward",)).report("text", detail="summary")).split())
    assert "Left out here: some sequences of the batch (--batch B shows one)." in report


def test_only_lines_of_which_units_are_left_out_are_said_to_lack_some() -> None:
    """The joined output has the units of both directions, and the second layer reads as many."""
    joined, narrow = (
        " ".join(str(stacked(20, 1, 2, width).report("text", detail="summary")).split()) for width in (3, 2)
    )
    assert "Left out here: some units of y_t (--unit J shows one). --all" in joined
    assert "Left out here" not in narrow


def test_a_share_below_one_half_is_not_printed_as_one_half() -> None:
    given = problem(20)
    given["weights"]["W_xf"][0] = given["weights"]["W_hf"][0] = 0
    given["weights"]["b_f"][0] = -0.01
    assert 0.495 < sigmoid(-0.01) < 0.5
    found = forgets(str(traced(given).report("text", width=120)))["unit 0"]
    assert len(found) == 6
    assert {*found.values()} == {"<50\u00a0%"}


def test_a_half_life_says_that_a_step_halves_at_most_once() -> None:
    """A unit that keeps 20 % at every step was given a half-life of 1, as the number of steps in which it halves."""
    given = problem(20)
    given["weights"]["W_xf"][0] = given["weights"]["W_hf"][0] = 0
    given["weights"]["b_f"][0] = np.log(0.25)
    report = str(traced(given).report("text"))
    assert re.search(r"unit 0 .* 1\.00 ", report)
    assert "where a step counts as at most one halving, so that 1 is the least." in " ".join(report.split())


# -- the steps that are worked -----------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize(("steps", "seed"), some([(50, -1), (50, 33), (30, 4), (500, 317), (200, 0)], 3))
def test_the_three_steps_that_move_furthest_are_worked_in_full(steps: int, seed: int) -> None:
    given = problem(steps, forgets=seed)
    report = str(traced(given).report("text"))
    c = np.vstack([given["c0"], computed(given)["c_t"]])
    moved = np.sqrt((np.diff(c, axis=0) ** 2).sum(axis=1))
    furthest = sorted(np.argsort(-moved, kind="stable")[:3].tolist())
    assert full(report) == furthest
    named = f"t = {furthest[0]}, {furthest[1]} and {furthest[2]}, where c_t moved furthest in the {steps} steps."
    assert f"Worked in full: {named}" in " ".join(report.split())
    for t in furthest:
        step = report.partition(f"── Step t = {t} ──")[2].partition("── Step")[0]
        for unit in range(3):
            value = re.search(rf"c_t = f_t ⊙.*\n(?:.*\n){{{unit}}} +unit {unit}: .* [=≈] (\S+)", step)
            assert value is not None
            assert float(value[1]) == pytest.approx(c[t + 1, unit], abs=0.5e-4)


@pytest.mark.few(0)
@pytest.mark.parametrize(("steps", "batch", "at"), [(50, 1, (33, 0)), (300, 60, (7, 41)), (20, 2, (0, 1))])
def test_the_step_of_the_first_value_that_is_not_finite_is_worked(steps: int, batch: int, at: tuple[int, int]) -> None:
    """It was neither worked nor in the table: no state moves far where it is NaN."""
    given = problem(steps)
    x = np.repeat(given["x"][:, None], batch, axis=1)
    x[at[0], at[1], 1] = np.nan
    report = str(lt.run(given["weights"], x).report("text"))
    assert at[0] in full(report)
    t = str(at[0])
    head = [t, str(at[1])] if batch > 1 else [t]
    assert [row for row in rows(report) if row[: len(head)] == head and "NaN" in row]
    units = report.partition("Where units forget")[2].partition("\n\nSolution")[0]
    assert re.search(r"^  unit +keeps .* step +half-life +largest +at step$", units, re.MULTILINE)
    assert "Values that are not finite are left out of these numbers." in " ".join(units.split())
    words = f"t = {t}, which has the first value that is not finite, and t = " if at[0] else "t = 0"
    assert f"Worked in full: {words}" in " ".join(report.split())
    if batch == 1:
        page = str(lt.run(given["weights"], x).report("html"))
        assert re.findall(r'<details class="step" data-t="(\d+)" data-b="\d+" data-s="[^"]+"[^>]* open>', page) == [t]


def test_a_run_in_which_nothing_moves_has_its_first_last_and_middle_step() -> None:
    still = lt.run({f"W_{s}{g}": np.zeros((2, 2)) for s in "xh" for g in "ifco"}, np.zeros((60, 2)))
    report = str(still.report("text"))
    assert full(report) == [0, 30, 59]
    assert "Worked in full: t = 0, 30 and 59, of 60 steps. The commands" in " ".join(report.split())


def test_chosen_steps_are_the_run() -> None:
    given = problem(500, forgets=317)
    report = str(traced(given).report("text", steps=slice(20, 80)))
    assert [int(row[0]) for row in rows(report)] == [*range(20, 80)]
    assert all(20 <= t < 80 for t in full(report))


@pytest.mark.few(0)
def test_a_page_is_short() -> None:
    """50 steps were 752 lines of Markdown, and a summary was no shorter than a solution."""
    trace = traced(problem(50))
    assert len(str(trace.report("md", detail="worked")).splitlines()) < 560
    assert len(str(trace.report("md", detail="summary")).splitlines()) < 110
    for steps in (8, 16):
        trace = traced(problem(steps))
        summary, scalar = (len(str(trace.report("md", detail=d)).splitlines()) for d in ("summary", "scalar"))
        assert summary * 10 < scalar


def test_a_summary_has_no_weights_and_no_worked_step() -> None:
    report = str(traced(problem(30), hold={"3/i_t[1]": 0.25}).report("text", detail="summary"))
    assert not {"Given", "Equations", "Solution", "Answers"} & {*report.splitlines()}
    assert len(rows(report)) == 30
    assert "Held instead of computed: i_t[1] = 0.25" in report
    assert "Solution" in str(traced(problem(30)).report("text", detail="summary", steps=3))


@pytest.mark.few(0)
def test_decimals_follow_from_the_matrices_and_not_from_the_number_of_steps() -> None:
    """Few for a cell of hand size, but not for its gradients, which vanish over many steps."""
    trace = traced(problem(40))
    wide, back = stacked(40, 1, 1, 7, ("forward",)), lt.backward(trace, of="39/h_t[0]")
    for report, decimals in ((trace.report("text"), 4), (wide.report("text"), 8), (back.report("text"), 8)):
        numbers = re.findall(r"≈ \[?-?\d\.(\d+)", str(report))
        assert max(map(len, numbers)) == decimals


# -- the page, the commands and every other case -----------------------------------------------------------------------


@pytest.mark.few(0)
@pytest.mark.parametrize("opened", [["p.yaml"], ["model.npz", "--input", "x.csv"]])
def test_its_commands_run(opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a problem, and from a model that is opened with options."""
    monkeypatch.chdir(tmp_path)
    given = problem(30, forgets=11)
    plain = {name: value.tolist() for name, value in given["weights"].items()}
    Path("p.yaml").write_text(yaml.safe_dump({"cell": "lstm", "weights": plain, "x": given["x"].tolist()}))
    np.savez("model.npz", **given["weights"])
    np.savetxt("x.csv", given["x"], delimiter=",")
    found = CliRunner().invoke(main, ["report", *opened, "--format", "text"])
    assert found.exit_code == 0, found.output
    asked = commands(found.output)
    assert [words[1] for words in asked] == ["report", "report", "run" if len(opened) > 1 else "export", "plot"]
    for words in asked:
        first, _, second = shlex.join(words).partition(" '|' ")
        result = CliRunner().invoke(main, shlex.split(first)[1:])
        assert result.exit_code == 0, (words, result.output)
        if second:
            result = CliRunner().invoke(main, shlex.split(second)[1:], input=result.stdout)
            assert result.exit_code == 0, (words, result.output)
    assert "── Step" not in CliRunner().invoke(main, asked[0][1:]).output.replace("── Step t = 15 ──", "")
    table = np.genfromtxt("states.csv", delimiter=",", names=True)
    assert len(table) == 30
    assert Path("states.svg").read_text().startswith("<svg")


@pytest.mark.few(0)
def test_the_picture_is_of_all_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside Markdown and on paper: the gate that keeps, c_t and h_t over time; of few steps the cell."""
    monkeypatch.chdir(tmp_path)
    long, short = traced(problem(40)), traced(problem(3))
    for trace, title in (
        (long, "every unit"),
        (short, "step t = 0"),
        (lt.backward(long, of="39/h_t[0]"), "step t = 0"),
    ):
        trace.save("t.json")
        assert CliRunner().invoke(main, ["report", "t.json", "-o", "t.md"]).exit_code == 0
        assert title in Path("t.svg").read_text().partition("</title>")[0]
        assert len(re.findall(r"!\[.*\]\(t\.svg\)", Path("t.md").read_text())) == 1
    assert "image(" in str(traced(problem(40)).report("typ"))


@pytest.mark.few(0)
def test_the_web_page_starts_at_an_eventful_step_and_folds_the_others() -> None:
    given = problem(40, forgets=21)
    given["c0"] = np.zeros(3)
    page = str(traced(given).report("html"))
    eventful = full(str(traced(given).report("text")))
    assert eventful[0] > 0
    folded = re.findall(r'<details class="step" data-t="(\d+)"[^>]*?( open)?>', page)
    assert [int(t) for t, _ in folded] == [*range(40)]
    assert [int(t) for t, is_open in folded if is_open] == eventful[:1]
    assert f'value="{eventful[0]}"' in page
    for t in (eventful[1], next(k for k in range(40) if k not in eventful)):
        step = page.partition(f'data-t="{t}"')[2].partition("</details>")[0]
        assert ("unit 2:" in step) == (t in eventful)
    assert page.count("<h2>Over time") == 2, "on the screen and on paper, and the maps are part of it"
    assert page.count('class="heat"') >= 5
    summary = str(traced(given).report("html", detail="summary"))
    assert "<details" not in summary
    assert 'class="bar"' not in summary


@pytest.mark.few(0)
@pytest.mark.parametrize("first", [0, 1])
def test_commands_count_steps_as_the_report_does(first: int) -> None:
    """Of a report that counts from 1, `--steps 25` opened a step that its reader calls 26."""
    report = str(traced(problem(50)).report("text", count_from=first))
    commands = report.partition("Look closer")[2]
    assert ("# commands count layers and sequences from 0\n" in commands) == bool(first)
    assert ("--count-from 1 --steps" in commands) == bool(first)
    step = re.search("--steps ([0-9]+)", commands)
    other = re.search("--steps ([0-9]+)", str(traced(problem(50)).report("text")).partition("Look closer")[2])
    assert step is not None
    assert other is not None
    assert int(step[1]) == int(other[1]) + first


@pytest.mark.few(0)
def test_a_web_page_says_which_steps_it_can_unfold() -> None:
    """Of 500 steps of 5 units the slider led to 185 that the page did not have, and nothing said so before."""
    page = str(traced(problem(500, forgets=317, units=5)).report("html"))
    folded = [int(t) for t in re.findall(r'<details class="step" data-t="(\d+)"', page)]
    said = re.search(r"On this page (\d+) of 500 steps can be unfolded: t = (.*?)\. The", page)
    assert said is not None
    ends = [[int(t) for t in part.split("–")] for part in said[2].split(", ")]
    assert [t for part in ends for t in range(part[0], part[-1] + 1)] == folded
    assert int(said[1]) == len(folded) < 500
    text = str(traced(problem(500, forgets=317, units=5)).report("text"))
    table = text.partition("Where units forget")[2].partition("\n\nSolution")[0].partition("\n\n")[2]
    named = {int(t) for t in re.findall(r"(\d+) +\(", " ".join(table.split()))}
    named |= {int(row.split()[-1]) for row in table.splitlines() if re.search(r" [-.\d]+ +\d+$", row)}
    named |= {int(t) for t in re.findall(r"[Ss]tep (\d+)", text.partition("In words")[2].partition("Look closer")[0])}
    assert max(named - {499}) > 400
    assert named <= {*folded}, "what the report names can be opened, however late it is"
    table = page.partition("Where units forget")[2].partition("</table>")[0]
    links = {int(t): page.partition(f'id="{at}"')[0].rpartition("data-t=")[2] for at, t in
             re.findall(r'<a href="#(t\d+)">(\d+)</a>', table)}  # fmt: skip
    assert {t for t in named if f">{t}<" in table} == links.keys()
    assert len(links) > 3
    assert all(at.startswith(f'"{t}" ') for t, at in links.items()), "each leads to its own step"
    assert "can be unfolded" not in str(traced(problem(20)).report("html"))


@pytest.mark.few(0)
def test_on_paper_a_long_table_goes_on_the_next_page() -> None:
    typst = pytest.importorskip("typst")
    report = str(traced(problem(50)).report("typ"))
    pages = typst.compile(report.encode(), format="svg")
    assert isinstance(pages, list)
    assert len(pages) <= 4


@pytest.mark.few(0)
def test_on_paper_a_narrow_table_is_in_columns() -> None:
    typst = pytest.importorskip("typst")
    report = str(traced(problem(20), record=["h_t"]).report("typ", detail="summary"))
    assert len(json.loads(typst.query(report.encode(), "table", field="columns"))) == 3


@pytest.mark.few(0)
def test_on_paper_a_cell_of_five_units_has_its_weights_its_picture_and_its_table() -> None:
    """It had the sizes of its weights, the input of 7 steps and the gates of 8, whatever happened in the others."""
    given = problem(500, forgets=317, units=5)
    report = str(traced(given).report("typ"))
    for value in given["weights"]["W_hf"].ravel():
        assert f"{abs(value):g}" in report
    assert "by their sizes" not in report
    assert report.count("image(") == 1
    assert "keeps less than half at step" in report
    c = np.vstack([given["c0"], computed(given)["c_t"]])
    furthest = sorted(np.argsort(-np.sqrt((np.diff(c, axis=0) ** 2).sum(axis=1)))[:3].tolist())
    text = f"Gates and states at t = {furthest[0]}, {furthest[1]} and {furthest[2]}, the most eventful of 500 steps."
    assert text in re.sub('#"|";', "", report)
    pages = pytest.importorskip("typst").compile(report.encode(), format="svg")
    assert len(pages) <= 3


CASES: dict[str, Callable[[], Trace]] = {
    "two layers": lambda: stacked(40, 1, 2, 3, ("forward",)),
    "both directions": lambda: stacked(40, 1, 1, 3),
    "a batch": lambda: stacked(40, 3, 1, 3, ("forward",), lengths=[40, 10, 0]),
    "20 units": lambda: stacked(40, 1, 1, 20, ("forward",)),
    "gru": lambda: cell("gru", "ruh", steps=40),
    "rnn": lambda: cell("rnn", "h", steps=40),
    "no carry": lambda: lt.run(
        {"W": np.ones((5, 2))}, np.ones((200, 2)), cell={"equations": "y_t = W @ x_t\noutput: y_t"}
    ),
    "nothing recorded": lambda: cell("lstm", "ifco", steps=60, record=["z_i", "z_f", "z_o", "c_tilde"]),
    "labels": lambda: lt.with_tokens(traced(problem(30)), ["<b>", "$x$ `a` | \\", "字" * 20] * 10),
    "all padding": lambda: stacked(20, 2, 1, 3, lengths=[0, 0]),
    "from 1": lambda: replace(traced(problem(30)), header=replace(traced(problem(30)).header, count_from=1)),
}


@pytest.mark.few(1)
@pytest.mark.parametrize("format", ["text", "md", "tex", "typ", "html"])
@pytest.mark.parametrize("case", CASES)
def test_every_case_in_every_format(case: str, format: str) -> None:
    trace = CASES[case]()
    for detail in ("worked", "summary"):
        report = str(trace.report(format, detail=detail))
        assert len(report) < 1_900_000
        assert "<b>" not in report or format in ("text", "typ")
        if format == "text":
            assert all(cells(line) <= 80 for line in report.splitlines() if case != "labels"), case


@pytest.mark.few(0)
def test_the_steps_of_each_layer_direction_and_sequence() -> None:
    """A table for each layer and direction; the worked steps are those of the first sequence that has any."""
    report = str(stacked(40, 1, 2, 3).report("text"))
    found = over_time(report)
    places = re.findall(r"^(Layer \d, \w+): c_t and h_t", found, re.M)
    assert places == ["Layer 0, forward", "Layer 0, reverse", "Layer 1, forward", "Layer 1, reverse"]
    padded = " ".join(str(stacked(40, 2, 1, 3, ("forward",), lengths=[0, 40]).report("text")).split())
    assert re.search(r"Worked in full: t = \d+, \d+ and \d+ \(sequence 1\), where c_t", padded)
    assert len({*re.findall(r"^── Layer \d, \w+, step t = (\d+)", report, re.M)}) == 1


@pytest.mark.few(0)
def test_a_backward_pass_lists_its_gates_step_by_step() -> None:
    """Its gradients read the gates of every step."""
    report = str(lt.backward(traced(problem(40)), of="39/h_t[0]").report("text"))
    assert "\nOver time\n" not in report
    assert len(full(report)) > 3


def test_every_step_that_is_named_in_words_is_known() -> None:
    """As data, whatever the labels of the sequences are: each has its own, and those of one are numbers."""
    draw = np.random.default_rng(0)
    weights = {f"W_{side}{g}": draw.normal(size=(1, 2 if side == "x" else 1)) for side in "xh" for g in "ifco"}
    labels = [[str(7 * t) for t in range(40)], [f"w{t}" for t in range(40)]]
    trace = lt.run(weights, draw.normal(size=(40, 2, 2)), tokens=labels)
    view = shown(trace, options_of("html"), "html")
    rows = [part for block in in_words(view) if isinstance(block, Items) for row in block.rows for part in row]
    named = {int(t) for part in rows if isinstance(part, str) for t in re.findall(r"step (\d+)", part)}
    assert len(named) > 4
    assert named <= set(named_steps(view))
