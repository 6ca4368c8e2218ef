"""What an edit changed: the lines that differ, how far, and where; the gap of one line as an array."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

import lstm_trace as lt
from lstm_trace.errors import MissingError, ShapeError
from lstm_trace.examples import text

from ..support.walk_cases import case


def test_the_lines_that_an_edit_changed_with_the_place_of_the_largest_change() -> None:
    _, a = case("plain", 3)
    b = lt.edit(a, {"1/forward/W_xo[2,1]": 0.75})
    found = {(c.scope, c.line): c for c in lt.changes(a, b)}
    expected = {}
    for scope, here in a.lines.items():
        for name, array in here.items():
            each = np.abs(b.lines[scope][name] - array)
            if each.max() > 0:
                expected[scope, name] = each
    assert found.keys() == expected.keys()
    assert ("1/forward", "o_t") in found
    assert not any(scope.startswith("0/") for scope, _ in found)
    for key, change in found.items():
        assert change.largest == expected[key].max() == expected[key][change.t, change.b, change.unit]
    assert lt.changes(a, a) == []


def test_traces_with_other_steps_are_compared_where_both_have_a_value() -> None:
    a = lt.run(yaml.safe_load(text("three-steps")))
    b = lt.edit(a, {"x": a.x[:2, 0].tolist(), "c0[1]": 1.0})
    (change,) = (c for c in lt.changes(a, b) if c.line == "c_t")
    assert change.t == 0
    assert lt.gap(a, b, "c_t").shape == (2, a["c_t"].shape[2])
    np.testing.assert_array_equal(lt.gap(a, b, "c_t"), np.abs(b["c_t"] - a["c_t"][:2])[:, 0])


def test_infinities_are_no_change_where_they_are_the_same() -> None:
    cell = {"equations": "h_t = exp(w * x_t)"}
    a, b, c = (lt.run({"w": [w, 1.0]}, [[1.0, 1.0]], cell=cell) for w in (1000.0, 2000.0, 1.0))
    assert [change.line for change in lt.changes(a, b)] == ["w * x_t"]
    assert lt.gap(a, c, "h_t").tolist() == [[np.inf, 0.0]]


def test_a_gap_that_there_is_not_is_said() -> None:
    _, a = case("plain", 3)
    with pytest.raises(MissingError, match="h_t is in 0/forward, 0/reverse, 1/forward, 1/reverse: choose one"):
        lt.gap(a, a, "h_t")
    with pytest.raises(MissingError, match="there is no '2/forward'"):
        lt.gap(a, a, "h_t", "2/forward")
    with pytest.raises(MissingError, match="do not both have a line 'h_q'; did you mean 'h_t'"):
        lt.gap(a, a, "h_q", "1/forward")
    with pytest.raises(ShapeError, match=r"row 2: the traces have T, B = \(4, 2\) in common"):
        lt.gap(a, a, "h_t", "1/forward", 2)
