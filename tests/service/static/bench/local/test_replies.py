"""What the page says of a small run is what Python says of it: description, steps, numbers, in every notation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.languages.strings import number_texts
from lstm_trace.trace.trace import Trace
from tests.support.small_runs import runs

from .replies import LANGUAGES, Asked, compared, in_page, in_python

THREE = lt.load("traces/three-steps/trace.json")
AT = "0/forward/1/0/c_t[0]"
VALUE = float(THREE["c_t"][1, 0, 0])
MISSING = (AT.replace("1", "9"), AT.replace("c_t[0]", "c_t[7]"), "0/forward/W_xi[0]", f"1{AT[1:]}", "c_t", "__proto__")
_EQUATIONS = "s_t = x_t[0:1] + x_t[1:2] - x_t[2:3]\nk_t = {} * s_t\noutput: k_t"
_LATER = "s_t = x_t[0:1] + x_t[1:2] - x_t[2:3]\nk_t = 1e16 * s_prev\ncarry: s_prev <- s_t\noutput: k_t"
_TERMS = [[0.1, 0.2, 0.3], [0.1, 0.2, 0.2999999999]]
_SUMS = [Asked("at", {"digits": 3}, f"0/forward/{t}/0/s_t[0]") for t in (0, 1)]
_UNSAFE = {
    "weights": {"W_xi": [[0.5]], "W_hi": [[0.25]]},
    "x": [[1.0]],
    "ask": ["i_t"],
    "symbols": {"i_t": "</mi><script>"},
}
CASES: dict[str, tuple[Trace, list[Asked]]] = {
    "above": (THREE.with_values({AT: VALUE + 1e-9}), [Asked("at", {}, AT)]),
    "next": (THREE.with_values({AT: float(np.nextafter(VALUE, 9))}), [Asked("at", {}, AT)]),
    "right": (THREE, [Asked("at", {}, AT)]),
    "missing": (THREE, [Asked("at", {}, at) for at in MISSING]),
    "notation": (THREE, [Asked("symbols", {"notation": "cho"})]),
    "residue": (lt.run({}, _TERMS, cell={"equations": _EQUATIONS.format(1)}), _SUMS),
    "needed": (lt.run({}, _TERMS, cell={"equations": _EQUATIONS.format("1e16")}), _SUMS),
    "later": (lt.run({}, [*_TERMS[:1], *_TERMS], cell={"equations": _LATER}), _SUMS),
    "last": (lt.run({}, _TERMS[::-1], cell={"equations": _LATER}), _SUMS[::-1]),
    "unsafe": (lt.run(_UNSAFE), [Asked("at", {}, "0/forward/0/0/i_t[0]")]),
}


@pytest.fixture(scope="module")
def page() -> dict[str, list[Any]]:
    """What the page replies in each case: of one process, since starting one takes as long as all of them."""
    return in_page(*({key: case[k] for key, case in CASES.items()} for k in (0, 1)))  # type: ignore[arg-type]


def test_examples_and_random_runs() -> None:
    traces = {name: lt.load(f"traces/{name}/trace.json") for name in ("mlstm", "q22")}
    assert not compared(traces | dict(runs(3, 2)), 5, steps=1, numbers=5)


@pytest.mark.parametrize(("case", "verdict"), [("above", "failed"), ("next", "failed"), ("right", "verified")])
def test_a_number_that_does_not_follow_is_refuted(page: dict[str, list[Any]], case: str, verdict: str) -> None:
    found = page[case][0]["verified"]
    assert (found["verdict"], found["found"]) == (verdict, CASES[case][0]["c_t"][1, 0, 0])


@pytest.mark.parametrize("case", ["residue", "needed", "later", "last"])
def test_residue_is_zero_unless_its_digits_are_needed(page: dict[str, list[Any]], case: str) -> None:
    residue, small = "5.551e-17", "1.000e-10"
    shown = {
        "residue": ["0.000", small],
        "needed": [residue, small],
        "later": [residue, residue],
        "last": ["0.000", small],
    }
    trace, asked = CASES[case]
    assert [one["shown"] for one in page[case]] == [in_python(trace, one)["shown"] for one in asked] == shown[case]


def test_what_a_run_does_not_have_is_refused(page: dict[str, list[Any]]) -> None:
    assert len(page["missing"]) == len(MISSING)
    for found in page["missing"]:
        assert found["refused"].startswith("MissingError: ")


def test_a_notation_that_would_not_be_true_is_refused_with_a_way_out(page: dict[str, list[Any]]) -> None:
    said = "NotationError: notation cho has no symbols for this cell, of kind lstm; use exercise"
    assert page["notation"] == [{"refused": said}]


def test_texts_of_a_stranger_are_no_markup(page: dict[str, list[Any]]) -> None:
    assert "<script" not in str(page["unsafe"])


def test_words_are_few_and_there_in_every_language() -> None:
    english = number_texts("en")
    for language in LANGUAGES:
        found = number_texts(language)
        assert found.keys() == english.keys()
        assert len(str(found)) < 9000
