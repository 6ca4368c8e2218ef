"""The figures that `diff` gives for a line, against their definitions written out value by value."""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.languages.strings import words

RNG = np.random.default_rng(33)
WEIGHTS = {f"W_x{g}": RNG.normal(size=(2, 3)) for g in "ifco"} | {f"W_h{g}": RNG.normal(size=(2, 2)) for g in "ifco"}
X = RNG.normal(size=(5, 3, 3))


def traces(dtype: str = "float64") -> tuple[lt.Trace, lt.Trace]:
    other = WEIGHTS | {"W_xf": WEIGHTS["W_xf"] + [[0, 0, 0.01], [0, 0, 0]]}
    a, b = (lt.run(w, X, c0=[[0.5, -0.75]] * 3, dtype=dtype, plan="lines") for w in (WEIGHTS, other))
    return a, b


@pytest.mark.few(2)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["f_t", "c_t", "h_t", "i_t", "W_xf @ x_t"])
def test_the_figures_of_a_line(name: str, dtype: str) -> None:
    a, b = traces(dtype)
    found = next(d for d in lt.diff(a, b).lines if d.line == name)
    x = [Fraction(float(v)) for v in a[name].ravel()]
    y = [Fraction(float(v)) for v in b[name].ravel()]
    gaps = [abs(p - q) for p, q in zip(x, y, strict=True)]
    units = [Fraction(float(v)) for v in np.spacing(np.abs(a[name])).ravel()]
    assert found.values == len(x) == 30
    near: dict[str, Any] = {"rel": 1e-12, "abs": 1e-300}
    assert found.max_abs == pytest.approx(float(max(gaps)), **near)
    assert found.max_rel == pytest.approx(float(max(g / abs(p) for g, p in zip(gaps, x, strict=True))), **near)
    assert found.max_ulp == pytest.approx(float(max(g / u for g, u in zip(gaps, units, strict=True))), **near)
    assert found.rms == pytest.approx(math.sqrt(sum(g * g for g in gaps) / len(x)), **near)
    assert found.by_step == pytest.approx(np.abs(a[name].astype(float) - b[name]).max(axis=(1, 2)), **near)
    cosine = float(sum(p * q for p, q in zip(x, y, strict=True))) / math.sqrt(
        sum(p * p for p in x) * sum(q * q for q in y)
    )
    assert found.cosine == pytest.approx(cosine, rel=1e-14)
    noise = sum(g * g for g in gaps)
    assert found.snr == (
        pytest.approx(10 * math.log10(sum(p * p for p in x) / noise), rel=1e-12) if noise else math.inf
    )
    if name == "i_t":  # only later steps differ
        assert found.by_step[0] == 0 < found.by_step[1]
    if name == "f_t":
        assert found.first is not None
        assert str(found.first).endswith("0/0/f_t[0]")


def test_the_figures_of_equal_lines() -> None:
    a, _ = traces()
    for line in lt.diff(a, a).lines:
        assert (line.max_abs, line.max_rel, line.max_ulp, line.rms, line.differing) == (0, 0, 0, 0, 0)
        assert line.cosine == pytest.approx(1, rel=1e-15)
        assert line.snr == math.inf
        assert line.by_step == (0.0,) * 5


@pytest.mark.few(1)
@pytest.mark.parametrize(("one", "two"), [(2, 3), (3, 2), (1, 3)])
def test_of_other_rows_and_steps_those_that_both_have_are_compared(one: int, two: int) -> None:
    def run(rows: int, steps: int, weights: dict[str, Any] = WEIGHTS) -> lt.Trace:
        return lt.run(weights, X[:steps, :rows], c0=[[0.5, -0.75]] * rows)

    found = lt.diff(run(one, 5), run(two, 5))
    assert found.same
    assert any(note.startswith(f"a has {one} row") and f", b has {two}" in note for note in found.notes)
    found = lt.diff(run(one, 3), run(two, 5))
    assert found.same
    assert {line.values for line in found.lines} == {2 * 3 * min(one, two)}
    other = WEIGHTS | {"W_xo": WEIGHTS["W_xo"] + 0.5}
    assert not lt.diff(run(one, 5), run(two, 3, other)).same


@pytest.mark.parametrize(("count", "more"), [(4, ""), (5, ""), (6, " and 1 more"), (9, " and 4 more")])
def test_five_lines_that_one_side_lacks_are_named(count: int, more: str) -> None:
    a, b = traces()
    missing = [name for name in b.lines["0/forward"] if name != "h_t"][:count]
    for name in missing:
        del b.lines["0/forward"][name]
    notes = [note for note in lt.diff(a, b).notes if "only in" in note]
    assert notes == [f"0/forward: only in a: {', '.join(missing[:5])}{more}"]


def test_a_premise_that_one_side_lacks_is_taken_from_the_other() -> None:
    a, b = traces()
    whole = lt.diff(a, b)
    for lacking in (a, b):
        kept = lacking.parameters["0/forward"].pop("W_xo")
        less = lt.diff(a, b)
        lacking.parameters["0/forward"]["W_xo"] = kept
        assert any("W_xo is only in" in note for note in less.premises)
        assert [(d.line, d.differing, d.max_abs) for d in less.lines] == [
            (d.line, d.differing, d.max_abs) for d in whole.lines
        ]


def test_the_bound_counts_the_terms_of_a_sum() -> None:
    """n eps times the sum of the terms' sizes: a product that is added counts with its own terms."""
    cell = {"equations": "v = x_t + b\nw = x_t + b + c\nm = W @ x_t\nq = W @ x_t + b"}
    a, b = (lt.run({"b": [0.3], "c": [-0.7], "W": [[1.5]]}, [[0.625]], cell=cell) for _ in range(2))
    found = {line.line: line.bound / np.finfo(float).eps for line in lt.diff(a, b).lines}
    assert found["v"] == pytest.approx(2 * (0.625 + 0.3))
    assert found["w"] == pytest.approx(3 * (0.625 + 0.3 + 0.7))
    assert found["m"] == pytest.approx(1.5 * 0.625)
    assert found["q"] == pytest.approx(2 * (1.5 * 0.625 + 0.3))


def test_an_input_that_differs_in_one_row_leaves_the_others_to_rounding() -> None:
    """Row 0 of b is one rounding off at t = 1, which doubles with every step; row 1 got another x at t = 3."""
    text = "p_t = W @ h_prev\nq_t = p_t * (1 - p_t)\nh_t = 4 * q_t - b * x_t\ncarry: h_prev <- h_t\noutput: h_t"
    x = np.random.default_rng(34).uniform(0, 1, size=(14, 2, 1))
    other = x.copy()
    other[3, 1] += 0.25
    a, b = (
        lt.run({"W": [[1.0]], "b": [1e-3]}, values, cell={"equations": text}, h0=[[0.3], [0.4]], plan="lines")
        for values in (x, other)
    )
    lines = b.lines["0/forward"]
    for t in range(1, 14):
        p = lines["h_t"][t - 1, 0] if t > 1 else np.nextafter(lines["p_t"][1, 0], np.inf)
        q = p * (1 - p)
        new = {"p_t": p, "1 - p_t": 1 - p, "q_t": q, "4 * q_t": 4 * q, "h_t": 4 * q - lines["b * x_t"][t, 0]}
        for name, value in new.items():
            lines[name][t, 0] = value
    assert lt.verify(b).verdict == "verified"
    found = next(line for line in lt.diff(a, b).lines if line.line == "h_t")
    gap = np.abs(a["h_t"] - b["h_t"])[:, :, 0]
    assert gap[-1, 0] > 100 * np.finfo(float).eps
    assert found.differing == 14 - 3, "row 1, from the step of the other x on"
    assert found.first is not None
    assert (found.first.t, found.first.b) == (3, 1)


def test_what_overflows_when_it_is_squared_is_unknown() -> None:
    a, b = (lt.run({"W": [[w]]}, [[1.0]], cell={"equations": "h_t = W @ x_t"}) for w in (1e200, 1.5e200))
    row = next(line for line in lt.diff(a, b).report().splitlines() if line.startswith("| `0/forward/h_t` |"))
    assert [cell.strip() for cell in row.split("|")[-3:-1]] == ["?", "?"]


def test_each_side_says_what_is_not_finite() -> None:
    """Directly below the verdict; once if both say the same."""
    cell = {"equations": "u_t = exp(x_t)\ns_t = 0.5 * s_prev + u_t\ncarry: s_prev <- s_t\noutput: s_t"}
    fine, early, late = (lt.run({}, x, cell=cell) for x in ([[1.0], [2.0]], [[800.0], [2.0]], [[1.0], [900.0]]))

    def said(a: lt.Trace, b: lt.Trace) -> list[str]:
        lines = lt.diff(a, b).report("text", width=1000).splitlines()
        found = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
        assert "not finite" not in found[0]
        return [line for line in found[1:] if re.match(r"in (a|b|both): ", line)]

    sentences = {id(t): t.not_finite.said(words()) for t in (early, late) if t.not_finite}
    assert said(fine, fine) == []
    assert said(fine, early) == [f"in b: {sentences[id(early)]}"]
    assert said(late, fine) == [f"in a: {sentences[id(late)]}"]
    assert said(late, early) == [f"in a: {sentences[id(late)]}", f"in b: {sentences[id(early)]}"]
    assert said(late, late) == [f"in both: {sentences[id(late)]}"]
    facts = json.loads(lt.diff(fine, early).as_json())["not_finite"]
    assert [one and one["address"] for one in facts] == [None, "0/forward/0/0/u_t[0]"]
