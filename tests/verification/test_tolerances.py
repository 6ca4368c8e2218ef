"""Each tolerance of `diff` by itself: what is within it is the same, what is beyond it is different."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cell.ops import OPS
from lstm_trace.cli import main
from lstm_trace.verification.compare import Tolerance, judge

CELL = {"equations": "h_t = b * x_t"}


def pair() -> tuple[lt.Trace, lt.Trace]:
    """Two traces of which one value is 2 ** -20 off 4: 2 ** 31 spacings, relatively 2 ** -22."""
    a, b = (lt.run({"b": [2.0, 1.0]}, [[2.0, 1.0]], cell=CELL) for _ in range(2))
    b.lines["0/forward"]["h_t"][0, 0, 0] += 2.0**-20
    return a, b


@pytest.mark.parametrize(("name", "size"), [("atol", 2.0**-20), ("rtol", 2.0**-22), ("ulps", 2.0**30)])
def test_one_tolerance(name: str, size: float) -> None:
    a, b = pair()
    within: dict[str, Any] = {name: size * 1.001}
    beyond: dict[str, Any] = {name: size * 0.999}
    assert not lt.diff(a, b).same
    assert lt.diff(a, b, **within).same
    found = lt.diff(a, b, **beyond)
    assert not found.same
    assert found.first is not None
    assert found.first.line == "h_t"
    assert lt.diff(a, a, **{name: 0}).same


def test_of_several_tolerances_the_widest_counts() -> None:
    a, b = pair()
    assert lt.diff(a, b, atol=1.0, rtol=0).same
    assert lt.diff(a, b, atol=0, rtol=1.0).same
    assert lt.diff(a, b, atol=0, ulps=2.0**40).same
    assert not lt.diff(a, b, atol=0, rtol=0, ulps=0).same


def test_a_tolerance_does_not_excuse_what_is_no_number() -> None:
    a, b = pair()
    b.lines["0/forward"]["h_t"][0, 0, 0] = np.nan
    for name in ("atol", "rtol", "ulps"):
        tolerance: dict[str, Any] = {name: 1e300}
        assert not lt.diff(a, b, **tolerance).same


def test_traces_of_other_steps_say_which_are_compared() -> None:
    whole = lt.run({"b": [2.0]}, [[1.0], [2.0], [3.0], [4.0]], cell=CELL)
    later = whole.at(steps=slice(1, 4))
    found = lt.diff(whole, later)
    assert found.same
    assert "a holds steps 0 to 3, b holds steps 1 to 3; the common ones are compared" in found.notes
    assert {line.values for line in found.lines} == {3}
    found = lt.diff(whole, whole.at(steps=slice(0, 2)))
    assert "a has 4 steps, b has 2; the first 2 are compared" in found.notes
    assert lt.diff(later, later).notes == ()


def overflowed(less: float = 0.0) -> lt.Trace:
    """A difference of two products whose magnitudes add up to more than float64 holds, so that its bound is infinite.

    less: how much smaller one of their factors is at the last step; every line follows exactly from its operands.
    """
    V = np.array([[1.5e308, -1.5e308]])
    cell = {"equations": "p = W @ x_t\nq = V @ p\nh_t = tanh(q)\noutput: h_t"}
    trace = lt.run({"W": [[1.0], [1.0]], "V": V}, [[0.1], [0.9]], cell=cell)
    trace.lines["0/forward"]["p"][1, 0, 0] -= less
    trace.lines["0/forward"]["q"][:] = OPS["matvec"].array([V, trace["p"]], ())
    trace.lines["0/forward"]["h_t"][:] = np.tanh(trace["q"])
    return trace


def rounded() -> lt.Trace:
    """The same with another last digit in an operand of the line that may overflow."""
    return overflowed(less=2.0**-53)


def test_a_bound_that_is_not_finite_is_inconclusive() -> None:
    a, b = overflowed(), rounded()
    found = lt.diff(a, b)
    assert (found.verdict, found.same, found.first) == ("inconclusive", False, None)
    assert {line.line: line.verdict for line in found.lines} == {"p": "same", "q": "inconclusive", "h_t": "same"}
    assert judge(a, b) == "inconclusive"
    assert lt.diff(a, a).verdict == judge(a, a) == "same"  # there is nothing to explain
    b.lines["0/forward"]["h_t"][1] += 0.1
    assert lt.diff(a, b).verdict == judge(a, b) == "different"


def test_the_bound_of_equal_values_decides_nothing() -> None:
    """The value 4e600 is infinite in both, hence equal; the other one is within its own bound."""
    a, b = (lt.run({"W": [[2e300]]}, [[2e300], [1.0]], cell={"equations": "p = W @ x_t"}) for _ in range(2))
    b.lines["0/forward"]["p"][1] = np.nextafter(b["p"][1], 0)
    found = lt.diff(a, b)
    assert found.verdict == judge(a, b) == "same"
    assert found.lines[0].bound == pytest.approx(np.finfo(float).eps * 2e300)
    (note,) = found.notes
    assert note.endswith("and counts as equal: 0/forward/0/0/p[0]")
    b.lines["0/forward"]["p"][1] = np.nextafter(b["p"][1], 0)
    assert lt.diff(a, b).verdict == judge(a, b) == "different"


def test_a_tolerance_needs_no_bound() -> None:
    a, b = overflowed(), rounded()
    found = lt.diff(a, b, atol=1e293)
    assert {found.verdict, *(line.verdict for line in found.lines)} == {"same"}
    assert judge(a, b, Tolerance(atol=1e293)) == "same"
    assert lt.diff(a, b, atol=1e292).verdict == judge(a, b, Tolerance(atol=1e292)) == "different"
    assert lt.diff(a, a, atol=0).verdict == "same"


def test_the_command_is_as_sure_as_its_exit_code(tmp_path: Path) -> None:
    path, other = str(tmp_path / "a.json"), str(tmp_path / "b.json")
    overflowed().save(path)
    rounded().save(other)
    for more in ([], ["--attribute", "1/h_t[0]"]):
        assert CliRunner().invoke(main, ["diff", path, other, *more]).exit_code == 1
    run = CliRunner().invoke(main, ["diff", path, other])
    assert "- inconclusive: all 8 common values agree, but the rounding bound of 0/forward/q is not" in run.stdout
    assert "- same" not in run.stdout
    data = json.loads(CliRunner().invoke(main, ["diff", path, other, "--format", "json"]).stdout)
    assert data["same"] is False
    within = CliRunner().invoke(main, ["diff", path, other, "--atol", "1e293"])
    assert within.exit_code == 0
    assert within.stdout.startswith("# Difference of a.json and b.json\n\n- same")
