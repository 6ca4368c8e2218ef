"""diff of cells whose state carries an input itself: a shift of the input, as before a causal convolution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.trace.trace import Trace
from lstm_trace.verification.compare import compare

from ..support.results import verdict

STEPS, ROWS, UNITS = 12, 2, 3
SHIFT = "d_t = x_prev - x_t\nh_t = W @ d_t\ncarry: x_prev <- x_t\noutput: h_t"
#: The same with lines that a state carries too: one that is recorded, and one that depends on itself.
DEEPER = """
d_t = x_prev - x_t
s_t = 0.5 * s_prev + d_t
h_t = tanh(W @ s_t + d_prev)
carry: x_prev <- x_t, d_prev <- d_t, s_prev <- s_t
output: h_t
"""
COPIED = "y_t = 1 * x_t\nd_t = p_prev - x_t\nh_t = W @ d_t\ncarry: p_prev <- y_t\noutput: h_t"
FORMS: dict[str, dict[str, Any]] = {
    "forward": {},
    "reverse": {"directions": "reverse"},
    "both": {"directions": 2},
    "layers": {"layers": 2, "directions": 2},
    "window": {"record": {"steps": slice(4, 9)}},
    "lengths": {"lengths": [12, 7]},
}


def drawn(*shape: int) -> np.ndarray:
    """Numbers that float32 has too."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32).astype(float)


def run(equations: str = SHIFT, initial: bool = False, x: Any = None, **more: Any) -> Trace:
    """A cell with square weights; initial: with initial states of its own."""
    both, layers = more.pop("directions", 1), more.pop("layers", 1)
    scopes = [
        f"{k}/{d}" for k in range(layers) for d in (["reverse"] if both == "reverse" else ["forward", "reverse"][:both])
    ]
    weights = {f"{scope}/W": drawn(*[UNITS if scope[0] == "0" else 2 * UNITS] * 2) for scope in scopes}
    if initial:
        carried = equations.split("carry: ")[1].split("\n")[0].split(", ")
        more["initial"] = {pair.split()[0]: drawn(len(scopes), ROWS, UNITS) for pair in carried}
    return lt.run(weights, drawn(STEPS, ROWS, UNITS) if x is None else x, cell={"equations": equations}, **more)


@pytest.mark.few(3)
@pytest.mark.parametrize("initial", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("equations", [SHIFT, DEEPER, COPIED], ids=["shift", "deeper", "copied"])
def test_one_model_in_two_dtypes_is_the_same(equations: str, form: str, initial: bool) -> None:
    if form == "layers" and initial:
        pytest.skip("an initial state has one width for all layers")
    a, b = (run(equations, initial, dtype=dtype, **FORMS[form]) for dtype in ("float64", "float32"))
    for one, two in ((a, b), (b, a)):
        found = compare(one, two)
        assert found.same, verdict(found)


@pytest.mark.few(2)
@pytest.mark.parametrize("form", ["forward", "reverse", "window"])
@pytest.mark.parametrize("initial", [False, True])
def test_a_wrong_value_is_found_and_so_is_a_wrong_equation(form: str, initial: bool) -> None:
    scope = "0/reverse" if form == "reverse" else "0/forward"
    a, b, c = (run(text, initial, **FORMS[form]) for text in (SHIFT, SHIFT, SHIFT.replace("prev -", "prev +")))
    values = b.lines[scope]["d_t"] = b.lines[scope]["d_t"].copy()
    values[3, 1, 2] += 1e-9
    first = compare(a, b).first
    assert first is not None
    assert first.first is not None
    assert (first.line, first.first.t, first.first.b, first.first.unit) == ("d_t", a.span[3], 1, (2,))
    assert first.local == pytest.approx(1e-9, rel=1e-6)
    first = compare(a, c).first
    assert first is not None
    assert first.equations is not None
    assert first.line == "d_t"


def test_an_input_that_differs_shows_where_it_is_read_first() -> None:
    x = drawn(STEPS, ROWS, UNITS)
    x[4, 0, 1] += 1e-3
    first = compare(run(), run(x=x)).first
    assert first is not None
    assert first.first is not None
    assert (first.line, first.first.t, first.first.unit, first.first_moved) == ("d_t", 4, (1,), True)


def test_a_program_without_that_state_is_compared_by_its_inputs() -> None:
    """Its own equation reads no state; what ours reads is the input that it has, and our initial state."""
    a = run("h_t = W @ x_prev\ncarry: x_prev <- x_t\noutput: h_t", initial=True)
    b = run("h_t = W @ x_t\noutput: h_t", dtype="float32")
    b.lines["0/forward"]["h_t"] = a["h_t"].astype(np.float32)
    assert compare(a, b).same
    b.lines["0/forward"]["h_t"][5, 0, 0] += 1e-3
    first = compare(a, b).first
    assert first is not None
    assert first.first is not None
    assert (first.first.t, first.lacking) == (5, ())
    assert first.local == pytest.approx(1e-3, rel=1e-3)
