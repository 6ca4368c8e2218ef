"""Cells of shapes that none of ours has: numbers in place of vectors, states that nothing reads, one that is wider."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import lstm_trace as lt

X = np.array([[1.0, 2.0], [3.0, 4.0], [0.5, -1.0]])
UNREAD = "h_t = tanh(x_t)\ncarry: h_prev <- h_t\noutput: h_t"
PADDED = "xp = concat(0, x_t)\nh_t = tanh(xp)\noutput: h_t"


def traced(equations: str, **weights: object) -> lt.Trace:
    return lt.run(weights, X, cell={"equations": equations})


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("form", ["text", "md", "html", "tex", "typ"])
def test_a_state_that_nothing_reads_is_reported(form: str) -> None:
    assert "2" in flat(str(traced(UNREAD).report(form)))


def test_a_state_that_nothing_reads_is_as_wide_as_what_it_carries() -> None:
    assert "A cell given by its equations with 2 units reads 3 steps of 2 numbers." in traced(UNREAD).report("text")
    wide = lt.run({}, np.ones((2, 17)), cell={"equations": UNREAD})
    assert "A cell given by its equations with 17 units" in flat(wide.report("text"))
    assert "Solution" not in wide.report("text"), "of more than 16 units a profile"


#: A reduction of a number, and its value by hand.
REDUCED = {
    "sum(2)": 2.0, "mean(2)": 2.0, "max(2)": 2.0, "softmax(2)": 1.0, "log_softmax(2)": 0.0, "count(2)": 1.0,
    "expand(3, 2)": 3.0, "squared_error(3, 2)": 0.5, "cross_entropy(3, 2)": 0.0, "sum(2 + 3)": 5.0, "sum(-2)": -2.0,
    "sum(concat(2, 3))": 5.0, "mean(concat(2, 3))": 2.5,
}  # fmt: skip


@pytest.mark.few(1)
@pytest.mark.parametrize("reduction", REDUCED)
def test_a_number_is_a_vector_of_one(reduction: str) -> None:
    trace = traced(f"k = {reduction}\nh_t = k * x_t\noutput: h_t")
    assert trace["k"].shape == (3, 1, 1)
    assert (trace["k"] == REDUCED[reduction]).all()
    verdict = lt.verify(trace)
    assert verdict.verdict == "verified"
    for form in ("text", "md", "html", "tex", "typ"):
        assert trace.report(form)
    assert f"{REDUCED[reduction]:g}" in str(lt.derivation(trace, "1/k[0]"))
    assert not lt.diff(trace, traced(f"k = {reduction}\nh_t = 1 - k * x_t\noutput: h_t")).same


def test_what_is_put_beside_a_number_keeps_its_unit(tmp_path: Path) -> None:
    path = tmp_path / "padded.json"
    path.write_text(json.dumps({"cell": {"equations": PADDED}, "names": {"x": ["up", "down"]}, "x": [[0.5, -1.0]]}))
    trace = lt.open_source(path)
    told = str(lt.derivation(trace, "h_t[2]"))
    assert "tanh(-1)" in told
    assert "down" in lt.derivation(trace, "xp[2]").where
    for form in ("text", "md", "html", "tex", "typ"):
        assert "0.7616" in str(trace.report(form))


@pytest.mark.parametrize("carry", ["c_prev <- c_t, m_prev <- m_t", "m_prev <- m_t, c_prev <- c_t"])
def test_a_cell_has_as_many_units_as_its_output(carry: str) -> None:
    equations = f"c_t = 0.5 * c_prev + tanh(W @ x_t)\nm_t = max(m_prev, sum(x_t))\ncarry: {carry}\noutput: c_t"
    assert "with 4 units reads" in traced(equations, W=np.ones((4, 2))).report("text")


def test_a_readout_and_a_projection_are_no_units() -> None:
    readout = "s_t = tanh(W @ x_t + s_prev)\ny_t = V @ s_t\ncarry: s_prev <- s_t\noutput: y_t"
    assert "with 3 units reads" in traced(readout, W=np.ones((3, 2)), V=np.ones((1, 3))).report("text")
    projected = readout.replace("s_prev)", "U @ r_prev)").replace("s_prev <- s_t", "r_prev <- y_t, s_prev <- s_t")
    trace = traced(projected, W=np.ones((3, 2)), U=np.ones((3, 1)), V=np.ones((1, 3)))
    assert "with 3 units reads" in trace.report("text")
    loss = readout.replace("output: y_t", "L = squared_error(y_t, 1)\noutput: L")
    assert "with 3 units reads" in traced(loss, W=np.ones((3, 2)), V=np.ones((1, 3))).report("text")


@pytest.mark.parametrize("form", ["text", "md", "html", "tex", "typ"])
def test_a_profile_without_a_finite_unit_has_no_table_of_units(form: str) -> None:
    trace = traced("h_t = sqrt(-1 - h_prev * h_prev - x_t * x_t)\ncarry: h_prev <- h_t\noutput: h_t")
    text = str(trace.report(form, detail="profile"))
    assert "The largest values" not in text
    assert "nan" in text


def test_a_number_that_a_condition_comes_to_is_printed_without_an_address() -> None:
    """`where(b, a, 0)` times a value is that value times what the condition comes to, which is no recorded number."""
    trace = traced("z = W @ x_t\nh_t = (z * where(b, a, 0)) * x_t\noutput: h_t", W=np.eye(2), b=[0.5], a=[2.0])
    assert lt.derivation(trace, "0/h_t[1]").value == 8.0
    assert "8" in lt.derivation(trace, "0/h_t[1]").facts()["shown"]


@pytest.mark.parametrize("form", ["text", "md"])
@pytest.mark.parametrize(
    ("joined", "names"),
    [
        ("concat(1, 2)", ["unit 0", "unit 1"]),
        ("concat(1, h_t)", ["unit 0", "unit 1", "unit 2"]),
        ("concat(h_t, 0, h_t)", ["unit 0", "unit 1", "unit 2", "unit 3", "unit 4"]),
        ("concat(g_t, h_t)", ["unit 0", "unit 1", "unit 2", "unit 3"]),
        ("concat(x_t, g_t)", ["input 0", "input 1", "unit 0", "unit 1"]),
        ("concat(0, x_t)", ["unit 0", "input 0", "input 1"]),
        ("concat(concat(x_t, g_t), g_t)", ["unit 0", "unit 1", "unit 2", "unit 3", "unit 4", "unit 5"]),
    ],
)
def test_no_two_units_of_a_concatenation_have_one_name(joined: str, names: list[str], form: str) -> None:
    trace = traced(f"g_t = 2 * x_t\nh_t = g_t + 1\nz_t = {joined}\noutput: z_t")
    told = trace.report(form, steps=0)
    rows = re.findall(r"(?:unit|input|output) \d", told[told.index("z_t =", told.index("Solution")) :])
    assert [row.replace("output", "unit") for row in rows[: len(names)]] == names
    assert len(rows) == len(names)


def test_answers_name_the_units_of_a_concatenation_as_the_solution_does() -> None:
    told = lt.run({}, X, cell={"equations": "h_t = tanh(x_t)\nz_t = concat(x_t, h_t)\noutput: z_t"}, ask="z_t")
    head = next(row for row in told.report("text").partition("Answers")[2].splitlines() if "input" in row)
    assert re.findall(r"(?:unit|input|output) \d", head) == ["input 0", "input 1", "unit 0", "unit 1"]


def test_a_unit_of_a_concatenation_has_a_name_where_its_operands_were_not_recorded() -> None:
    equations = "h_t = tanh(x_t)\nz_t = concat(x_t, h_t)\noutput: z_t"
    trace = lt.run({}, X, cell={"equations": equations}, record=["z_t"])
    assert "unit 3" in lt.derivation(trace, "1/z_t[3]").where
