"""Long tables of explanations show the rows that matter: planted ones are found, and what is left out is reported."""

from __future__ import annotations

import csv
import io
import math
import re
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import lstm_trace as lt
from lstm_trace.documents.excerpt import excerpt, left_out
from lstm_trace.documents.tables import LongTable
from lstm_trace.results.explanation import explanation
from lstm_trace.results.gradient import gradient
from lstm_trace.trace.trace import Trace

from ..support.said import Told, sentences_of

PLANTED, LAST = 1234, 1999


@cache
def planted() -> Trace:
    """2,000 steps; unit 0 keeps what it has and writes once, at step 1234. The others are random."""
    draw = np.random.default_rng(8)
    inputs, units = 3, 5
    w = {f"W_x{g}": draw.normal(size=(units, inputs)) * 0.5 for g in "ifco"}
    w |= {f"W_h{g}": draw.normal(size=(units, units)) * 0.2 for g in "ifco"}
    w |= {f"b_{g}": draw.normal(size=units) * 0.3 for g in "ifco"}
    for g in "ifco":
        w[f"W_x{g}"][0] = w[f"W_h{g}"][0] = 0
    w["b_f"][0], w["W_xi"][0, 0], w["b_i"][0], w["b_c"][0] = 14.0, 30.0, -20.0, 1.0
    x = draw.normal(size=(LAST + 1, inputs)) * 0.2
    x[:, 0] = np.minimum(x[:, 0], 0.1)
    x[PLANTED, 0] = 1.0
    return lt.run(w, x, c0=draw.normal(size=units) * 0.1)


def cells(markdown: str, head: str) -> list[list[str]]:
    """The rows of the table whose first column is `head`."""
    lines = markdown.splitlines()
    at = next(k for k, line in enumerate(lines) if re.match(rf"\| *{head} +\|", line))
    body = lines[at + 2 :]
    end = next((k for k, line in enumerate(body) if not line.startswith("|")), len(body))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body[:end]]


# -- which rows ------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e300, 1e300) | st.sampled_from([0.0, np.nan, np.inf]), max_size=90), st.data())
def test_an_excerpt_is_in_order_bounded_and_has_the_largest(sizes: list[float], data: Any) -> None:
    most = data.draw(st.integers(4, 40))
    timed, adds = data.draw(st.booleans()), data.draw(st.booleans())
    found = excerpt(sizes, most, timed, adds)
    flat = [row for entry in found for row in (entry if isinstance(entry, range) else [entry])]
    assert flat == list(range(len(sizes)))
    gone = set(left_out(found))
    kept = [row for row in flat if row not in gone]
    assert all(len(entry) > 1 for entry in found if isinstance(entry, range))
    if len(sizes) <= most:
        assert not gone
        return
    assert len(found) <= most or not adds
    assert len(kept) <= most + most  # gaps of one row are filled
    if timed:
        assert {0, len(sizes) - 1} <= set(kept)
    size = np.abs(np.nan_to_num(sizes, nan=np.inf))
    if kept:
        biggest = int(np.argmax(size))
        assert biggest in kept or (timed and not size[biggest] > 0) or size[biggest] == 0 or len(kept) >= most - 2


def test_few_rows_are_enough_where_the_rest_hardly_counts() -> None:
    sizes = np.full(500, 1e-9)
    sizes[[100, 300]] = 1.0, -2.0
    shown = [entry for entry in excerpt(sizes, 40, timed=True) if isinstance(entry, int)]
    assert shown == [0, 1, 2, 3, 100, 300, 496, 497, 498, 499]
    shown = [entry for entry in excerpt(sizes, 40) if isinstance(entry, int)]
    assert {100, 300} <= set(shown)
    assert len(shown) == 10


# -- memory ----------------------------------------------------------------------------------------------------------


def test_memory_shows_the_step_that_matters() -> None:
    text = explanation(planted(), f"{LAST}/c_t[0]", "memory").report()
    rows = cells(text, "step")
    assert len(rows) <= 40
    steps = [row[0] for row in rows]
    assert steps[:4] == ["", "0", "1", "2"]
    assert steps[-4:] == ["1996", "1997", "1998", "1999"]
    assert str(PLANTED) in steps
    assert steps.count("⋮") == 2
    row = rows[steps.index(str(PLANTED))]
    assert float(row[3]) > 0.7
    total = sum(float(row[3]) for row in rows)  # with the sums of the gaps
    assert total == pytest.approx(planted().lines["0/forward"]["c_t"][LAST, 0, 0], rel=1e-5)
    assert max(map(len, (line for line in text.splitlines() if line.startswith("|")))) <= 80


def test_memory_says_what_was_left_out() -> None:
    found = explanation(planted(), f"{LAST}/c_t[0]", "memory")
    text = found.report()
    pattern = (
        r"([\d,]+) rows are left out \(⋮\): part (\S+) in all, at most (\S+) in size each \(step (\d+), (.+)\)\. "
        r"A \.csv or \.json file has every row\."
    )
    said = re.search(pattern, text)
    assert said is not None
    shown = {row[0] for row in cells(text, "step")}
    gone = [row for row in found.rows.rows if row[0] is not None and str(row[0]) not in shown]
    assert int(said[1].replace(",", "")) == len(gone) == LAST + 1 - (len(shown) - 2)
    assert float(said[2]) == pytest.approx(sum(row[4] for row in gone), rel=1e-2)
    step, source, part = max(((row[1], row[2], abs(row[4])) for row in gone), key=lambda row: row[2])
    assert float(said[3]) == pytest.approx(part, rel=1e-2)
    assert (int(said[4]), said[5]) == (step, source)
    assert len(list(csv.reader(io.StringIO("".join(found.pieces("csv")))))) == LAST + 3
    assert len(found.facts()["rows"]) == LAST + 2


def test_a_short_table_is_whole() -> None:
    found = explanation(planted(), "20/c_t[0]", "memory").report()
    assert [row[0] for row in cells(found, "step")] == ["", *map(str, range(21))]
    assert "left out" not in found


def test_half_life_in_words() -> None:
    cell = {"equations": "c_t = 0.9 * c_prev + x_t\ncarry: c_prev <- c_t"}
    trace = lt.run({}, [[1.0], [1.0]], cell=cell)
    one, two = (explanation(trace, f"{t}/c_t[0]", "memory").report() for t in (0, 1))
    assert "looking back, half is gone after more than 1 step (its gate leaves more than a half)" in one
    assert "looking back, half is gone after more than 2 steps (their gates together leave more than a half)" in two
    for text in (one, two):  # the same word and number as in the table of gates and in a profile
        assert f"half-life of the unit over all steps: {math.log(2) / -math.log(0.9):.3g} steps" in text


# -- contribution, difference ----------------------------------------------------------------------------------------


def test_steps_that_cancel_are_shown() -> None:
    """Parameters and inputs of one step that work against each other: `together` is 0, the row stays."""
    rows = [(t, 5.0, -5.0, 0.0) if t == 50 else (t, 0.0, 0.001, 0.001) for t in range(100)]
    columns = ("t", "parameters", "inputs", "together")
    part = Told("By step", (), LongTable(columns, rows, timed=True, ranked=("together", "parameters", "inputs")))
    assert "50" in [row[0] for row in cells(part.report(), "t")]


def test_a_map_of_differences_names_the_step() -> None:
    other = planted().x[:, 0].copy()
    other[PLANTED, 0] = 0.0
    w = planted().parameters["0/forward"]
    c0 = planted().initial["0/forward"]["c_prev"]
    found = lt.diff(planted(), lt.run(w, other, c0=c0[None]))
    table = cells(found.report().partition("## By step")[2], "line")
    row = next(row for row in table if row[0] == "`0/forward/i_t`")
    assert row[1] == str(PLANTED)


# -- gradient --------------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
@pytest.mark.parametrize("form", ["md", "text"])
def test_gradients_of_the_inputs(form: str) -> None:
    text = gradient(planted(), f"{LAST}/h_t[0]").report(form).partition("Inputs")[2]
    steps = [m[1] for line in text.splitlines() if (m := re.match(r"[| ]*(\d+|⋮) ", line))]
    assert steps[:2] == ["0", "⋮"]
    assert str(PLANTED) in steps
    assert str(LAST) in steps
    assert "rows are left out (⋮); no number in them is larger than" in " ".join(text.split())


@pytest.mark.few(0)
def test_blocks_of_gradients_that_are_left_out_are_counted() -> None:
    found = lt.gradients(planted(), of=f"{LAST}/h_t[0]")
    blocks = sum(bool(np.any(values)) for values in found.values())
    text = " ".join(gradient(planted(), f"{LAST}/h_t[0]").report("text").partition("By size")[2].split())
    shown = len(re.findall(r"(?:0/forward/\w+|\bx|\bc0|\bh0) [\d.e-]+ [\d.e-]+", text))
    left = re.findall(r"(\d+) rows are left out \(⋮\)", text)
    assert blocks > 12 > shown
    assert shown + int(left[0]) == blocks


# -- gates -----------------------------------------------------------------------------------------------------------


def gates(units: int, forget: dict[int, float], names: list[str] | None = None, others: float | None = None) -> str:
    """The explanation of a cell c = f c + x, whose forget gates are drawn but for those given."""
    f = np.random.default_rng(2).uniform(0.2, 0.8, size=units) if others is None else np.full(units, others)
    for unit, value in forget.items():
        f[unit] = value
    cell = {"equations": "f_t = sigmoid(z_t)\nc_t = f_t * c_prev + W @ x_t\ncarry: c_prev <- c_t\noutput: c_t"}
    weights = {"z_t": np.log(f / (1 - f)).tolist(), "W": [[0.5]] * units}
    problem = {"cell": cell, "weights": weights, "x": [[1.0]] * 3, "names": {"h": names} if names else {}}
    return explanation(lt.run(problem), None, "gates").report()


def test_units_are_named() -> None:
    text = gates(128, {5: 0.99, 17: 0.98, 90: 0.99, 30: 0.01, 31: 0.02, 32: 0.01})
    assert (
        "; 3 of 128 units always saturated at 0 (30–32); 3 of 128 units always saturated at 1 (5, 17, 90); half-life "
        in text
    )
    rows = [(row[0], row[1], row[5]) for row in cells(text.partition("## Entries")[2], "line")]
    assert [row for row in rows if row[2]] == [
        ("f_t", str(unit), f"saturated at {end}") for unit, end in ((5, 1), (17, 1), (30, 0), (31, 0), (32, 0), (90, 1))
    ]
    assert len(rows) < 20, "of those that are never saturated no more than a few"
    assert f"{128 - len(rows)} rows are left out, none with left or right above 0. A .csv or .json file" in text
    assert max(map(len, (line for line in text.splitlines() if line.startswith("|")))) <= 80


def test_the_unit_that_is_left_out_and_matters_most_is_named() -> None:
    """One unit more than fits is always open: of equal ones the last is left out, and the sentence says which."""
    text = gates(60, dict.fromkeys(range(10, 51), 0.99))
    assert [row[1] for row in cells(text.partition("## Entries")[2], "line")] == [str(n) for n in range(10, 50)]
    assert "20 rows are left out, none with left or right above 1 (line f_t, unit 50)." in text


@pytest.mark.few(0)
def test_entries_that_are_left_out_are_named() -> None:
    text = explanation(planted(), f"{LAST}/h_t[0]", "contribution", points=2).report()
    entries = cells(text.partition("## Entries")[2], "address")
    shown = {row[0] for row in entries}
    found = lt.explain(planted(), f"{LAST}/h_t[0]", "contribution", points=2).to_frame()
    gone = found[~found.address.isin(shown)]
    largest = gone.address[gone.contribution.abs().idxmax()]
    assert f"in size each ({largest}). A .csv or .json file" in text


def test_units_are_named_by_their_labels() -> None:
    text = gates(3, {0: 0.6, 1: 0.99, 2: 0.25}, ["year", "month", "day"])
    assert "1 of 3 units always saturated at 1 (1 (month))" in text
    assert "half-life 1 (unit 2 (day)) to more than 30 steps (unit 1 (month)), median 1.36" in text


def test_each_unit_has_its_half_life_up_to_what_can_be_told() -> None:
    f = {0: 0.6, 1: 0.99, 2: 0.25, 3: 0.9, 4: 0.93}
    text = gates(5, f)
    rows = [(row[0], row[1], row[3]) for row in cells(text.partition("## Half-lives")[2], "line")]
    lives = {j: min(-1 / math.log2(max(value, 0.5)), 1e9) for j, value in f.items()}
    order = sorted(lives, key=lambda j: -lives[j])
    assert [row[1] for row in rows][:5] == [str(j) for j in order]
    told = [cell for _, _, cell in rows[:5]]
    assert told[0] == "> 30", "ten times the three steps that there are"
    assert list(map(float, told[1:])) == pytest.approx([lives[j] for j in order[1:]], rel=1e-5)
    memory = explanation(lt.run({"f": [0.99]}, [[1.0]] * 3, cell={
        "equations": "c_t = f * c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t"}), "2/c_t[0]", "memory")  # fmt: skip
    assert sentences_of(memory)[-1] == "half-life of the unit over all steps: more than 30 steps"


def test_many_units_are_counted() -> None:
    text = gates(60, dict.fromkeys(range(0, 60, 2), 0.99))
    assert "30 of 60 units always saturated at 1 (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22 and 18 more)" in text


@pytest.mark.parametrize("values", [[0.5], [0.25, 0.6], [0.3, 0.5, 0.7], [0.2, 0.4, 0.5, 0.75]])
def test_the_median_of_half_lives(values: list[float]) -> None:
    text = gates(len(values), dict(enumerate(values)))
    lengths = [max(math.log(2) / -math.log(value), 1) for value in values]
    if len(values) == 1:
        assert "half-life 1 step\n" in text
    else:
        assert f"median {np.median(lengths):.3g}" in text


def test_few_saturated_values_are_not_none() -> None:
    x = [[0.0]] * 399 + [[9.0]]
    cell = {"equations": "i_t = sigmoid(x_t)\noutput: i_t"}
    text = explanation(lt.run({}, x, cell=cell), None, "gates").report()
    assert "0\u00a0% of its values are left-saturated, less than 1\u00a0% right-saturated" in text
