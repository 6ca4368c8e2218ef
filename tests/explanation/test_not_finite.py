"""The first value that is no finite number: in the order in which the steps were visited, with what it came from."""

from __future__ import annotations

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.explanation.activity import behaviour, first_not_finite

TEXT = "u_t = exp(x_t)\ns_t = W @ u_t + s_prev\ncarry: s_prev <- s_t\noutput: s_t"


def run(x: list[float], scope: str) -> lt.Trace:
    steps = np.array([[[v, -v], [0.0, 0.5]] for v in x])  # (T, 2 rows, 2 units)
    return lt.run({f"0/{scope}/W": [[1.0, 2.0], [0.5, -1.0]]}, steps, cell={"equations": TEXT})


@pytest.mark.parametrize(("scope", "first"), [("forward", 1), ("reverse", 3)])
def test_the_first_in_the_order_of_the_run(scope: str, first: int) -> None:
    trace = run([1.0, 1000.0, 2.0, 1000.0, 3.0], scope)
    with np.errstate(all="ignore"):
        found = first_not_finite(trace)
    assert found is not None
    assert str(found.address) == f"0/{scope}/{first}/0/u_t[0]"
    assert (found.value, found.op, found.premise) == (np.inf, "exp", False)
    assert found.operands == (("x_t", 1000.0),)
    assert behaviour(trace).not_finite == found
    assert first_not_finite(run([1.0, 2.0, 3.0], scope)) is None


def test_where_it_comes_from_is_an_operand() -> None:
    trace = run([1.0, 2.0, 3.0], "forward")
    trace.lines["0/forward"]["s_t"][1:, 1, 1] = np.nan
    found = first_not_finite(trace)
    assert found is not None
    assert str(found.address) == "0/forward/1/1/s_t[1]"
    assert dict(found.operands) == {
        "W @ u_t": trace["W @ u_t"][1, 1, 1], "s_prev": trace["s_t"][0, 1, 1]
    }  # fmt: skip
    bad = lt.run({"W": [[1.0, np.nan], [0.5, -1.0]]}, [[1.0, 2.0]], cell={"equations": TEXT}, allow_nonfinite=True)
    found = first_not_finite(bad)
    assert found is not None
    assert (str(found.address), found.premise) == ("0/forward/0/0/W @ u_t[0]", True)
    name, worst = found.operands[0]
    assert name == "W"
    assert np.isnan(worst)


@pytest.mark.parametrize(
    ("equation", "unit", "operands"),
    [
        ("y_t = x_t @ W", 1, {"x_t": 2.0, "W": np.inf}),  # the column of the unit
        ("y_t = v[1:3]", 1, {"v": np.inf}),  # the unit that the slice has there
        ("y_t = concat(x_t, v)", 4, {"x_t": 2.0, "v": np.inf}),  # v has no unit 4
        ("y_t = sum(v)", 0, {"v": np.inf}),
        ("y_t = v > 1\nq_t = v * y_t", 2, {"v": np.inf, "y_t": 1.0}),  # a comparison is finite
    ],
)
def test_the_unit_of_an_operand_that_is_not_finite_is_shown(
    equation: str, unit: int, operands: dict[str, float]
) -> None:
    arrays = {"W": [[1.0, np.inf], [0.5, -1.0]], "v": [3.0, 4.0, np.inf]}
    weights = {name: array for name, array in arrays.items() if name in equation}
    found = first_not_finite(lt.run(weights, [[1.0, 2.0]], cell={"equations": equation}, allow_nonfinite=True))
    assert found is not None
    assert found.address.unit == (unit,)
    assert (found.value, dict(found.operands), found.premise) == (np.inf, operands, True)


def test_lines_that_were_not_recorded_are_not_looked_at() -> None:
    trace = run([1.0, 1000.0, 2.0], "forward")
    del trace.lines["0/forward"]["u_t"]
    found = first_not_finite(trace)
    assert found is not None
    assert str(found.address) == "0/forward/1/0/W @ u_t[0]"
    assert [name for name, _ in found.operands] == ["W"], "u_t is not there"


@pytest.mark.filterwarnings("error")
def test_a_small_value_is_no_rounding_beside_products_that_are_not_finite() -> None:
    """A file may say that a product is 1e-9 where W u is 0 times inf, or overflows: it is shown, not taken for 0."""
    for w, x in ((0.0, np.inf), (1e200, 1e200)):
        trace = lt.run({"W": [[1.0, 2.0], [0.5, -1.0]]}, [[1.0, 2.0]], cell={"equations": TEXT}, record=["W @ u_t"])
        trace.lines["0/forward"]["W @ u_t"][0, 0, 0] = 1e-9
        trace.parameters["0/forward"]["W"] = np.array([[w, 2.0], [0.5, -1.0]])
        trace.lines["0/forward"]["u_t"] = np.array([[[x, 1.0]]])
        assert "≈ 1.0000e-9\n" in trace.report(format="text")
