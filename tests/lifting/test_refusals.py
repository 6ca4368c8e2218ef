"""What no equation can express is refused with the line of the code, and nothing is lifted wrongly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.errors import LiftError, OptionError, ShapeError

INPUTS, H, T = 3, 2, 4
KEPT: dict[str, Any] = {"n": 0.0}


def branch(x: Any, h: Any, W: Any) -> Any:
    if h[0] > 0:
        h = -h
    return np.tanh(W @ x + h)


def number(x: Any, h: Any, W: Any) -> Any:
    return np.tanh(W @ x) * float(h[0])


def item(x: Any, h: Any, W: Any) -> Any:
    return np.tanh(W @ x) * h[0].item()


def ordered(x: Any, h: Any, W: Any) -> Any:
    return np.sort(np.tanh(W @ x) + h)


def random(x: Any, h: Any, W: Any) -> Any:
    return np.tanh(W @ x + h + np.random.normal(size=2))


def rounded(x: Any, h: Any, W: Any) -> Any:
    return np.tanh(np.round(W @ x, 2) + h)


def table(x: Any, h: Any, W: Any) -> Any:
    return np.linspace(0, 1, 100)[(np.tanh(W @ x) * 100).astype(int)] + h


def counting(x: Any, h: Any, W: Any) -> Any:
    KEPT["n"] += 1.0
    return np.tanh(W @ x + h * KEPT["n"])


def unknown(x: Any, h: Any, W: Any) -> Any:
    return np.arctan(W @ x) + h


def changing(x: Any, h: Any, W: Any) -> Any:
    W *= 0.9
    return np.tanh(W @ x + h)


def squares(x: Any, h: Any, W: Any) -> Any:
    return np.outer(h, np.tanh(W @ x)) @ np.outer(h, h) @ h


def chosen(x: Any, h: Any, W: Any) -> Any:
    return (W @ x)[np.argmax(h)] + h


def powered(x: Any, h: Any, W: Any) -> Any:
    return np.tanh(W @ x) ** h


CASES: list[tuple[Callable[..., Any], str, str]] = [
    (branch, "if h[0] > 0:", "branches on a computed value"),
    (number, "float(h[0])", "becomes a plain number"),
    (item, "h[0].item()", "becomes a plain number"),
    (ordered, "np.sort(", "np.sort is no operation"),
    (random, "np.random.normal", "randomness"),
    (rounded, "np.round(", "is rounded"),
    (table, "astype(int)", "is rounded to int64"),
    (counting, 'KEPT["n"])', "kept outside"),
    (unknown, "np.arctan(", "np.arctan is no operation"),
    (changing, "W *= 0.9", "a weight is changed in place"),
    (squares, "np.outer(h, np.tanh", "two computed matrices"),
    (chosen, "np.argmax(h)", "np.argmax is no operation"),
    (powered, "** h", "exponent"),
]


@pytest.mark.parametrize(("step", "code", "reason"), CASES, ids=[step.__name__ for step, *_ in CASES])
def test_it_is_refused_with_its_line(step: Callable[..., Any], code: str, reason: str) -> None:
    weights = {"W": np.random.default_rng(0).normal(size=(H, INPUTS))}
    before = weights["W"].copy()
    with pytest.raises(LiftError) as caught:
        lt.lift(step, weights, np.ones((T, INPUTS)), h=np.full(H, 0.5))
    said = str(caught.value)
    assert "test_refusals.py, line " in said
    assert code in said
    assert reason in said
    np.testing.assert_array_equal(weights["W"], before)


class Counter:
    """A cell that keeps its state."""

    def __init__(self) -> None:
        self.W, self.h = np.eye(H, INPUTS), np.zeros(H)

    def kept(self, x: Any, h: Any) -> Any:
        self.h = np.tanh(self.W @ x + self.h)
        return h + self.h

    def step(self, x: Any, h: Any) -> Any:
        return np.tanh(self.W.dot(x) + h)


def test_a_method_reads_its_weights_from_its_object() -> None:
    counter = Counter()
    found = lt.lift(counter.step, None, np.ones((T, INPUTS)), h=np.zeros(H))
    assert found.cell.equations["z_h"] == "W_xh @ x_t + h_prev"
    assert isinstance(counter.W, np.ndarray)


def test_a_state_that_an_object_keeps_is_refused() -> None:
    counter = Counter()
    with pytest.raises(LiftError, match=r"kept"):
        lt.lift(counter.kept, None, np.ones((T, INPUTS)), h=np.zeros(H))
    np.testing.assert_array_equal(counter.h, np.zeros(H))
    assert isinstance(counter.W, np.ndarray)


def test_weights_around_a_function_are_named_after_their_variables() -> None:
    kernel, shift = np.eye(H, INPUTS), np.arange(1.0, 1.0 + H)

    def step(x: Any, h: Any) -> Any:
        return np.maximum(kernel.dot(x) + shift, h)

    found = lt.lift(step, None, np.ones((T, INPUTS)), h=np.zeros(H))
    assert [*found.weights] == ["kernel", "shift"]


def test_numbers_that_are_joined_are_values_and_not_indices() -> None:
    weights = {"W": np.random.default_rng(0).normal(size=(H, H + INPUTS + 2))}

    def step(x: Any, h: Any, W: Any) -> Any:
        return {"h": np.tanh(W @ np.hstack([np.append(h, 1), x, 1]))}

    found = lt.lift(step, weights, np.ones((T, INPUTS)), h=np.zeros(H))
    h = np.zeros(H)
    for values in found.trace["h_t"][:, 0]:
        h = np.tanh(weights["W"] @ np.concatenate([h, [1.0], np.ones(INPUTS), [1.0]]))
        np.testing.assert_allclose(values, h, rtol=1e-13)


def test_arguments_that_do_not_fit_are_named() -> None:
    x, h, weights = np.ones((T, INPUTS)), np.zeros(H), {"W": np.eye(H, INPUTS)}
    with pytest.raises(OptionError, match="h: a step function carries a state"):
        lt.lift(number, weights, x)
    with pytest.raises(OptionError, match="no parameter is called V"):
        lt.lift(number, {**weights, "V": h}, x, h=h)
    with pytest.raises(OptionError, match="c: no parameter takes it; unknown has the parameters x, h, W"):
        lt.lift(unknown, weights, x, h=h, c=h)
    with pytest.raises(ShapeError, match="no axis of sequences in common"):
        lt.lift(unknown, weights, x[:, None], h=np.zeros((5, H)))
    with pytest.raises(OptionError, match="step: expected a function"):
        lt.lift(3, weights, x, h=h)  # type: ignore[arg-type]


def test_states_that_cannot_be_told_apart_are_asked_for() -> None:
    def step(x: Any, h: Any, W: Any) -> Any:
        return np.tanh(W @ x + h), np.tanh(W @ x - h)

    weights = {"W": np.eye(H, INPUTS)}
    with pytest.raises(LiftError, match="returns='h, other'"):
        lt.lift(step, weights, np.ones((T, INPUTS)), h=np.zeros(H))
    found = lt.lift(step, weights, np.ones((T, INPUTS)), h=np.zeros(H), returns="other, h")
    assert found.cell.equations["z_h"] == "W_xh @ x_t - h_prev"


def test_an_array_that_the_function_writes_into_is_made_by_it() -> None:
    buffer = np.zeros(H)

    def step(x: Any, h: Any, W: Any) -> Any:
        return np.tanh(W @ x + h, out=buffer)

    with pytest.raises(LiftError, match="an array to be written into must be made in the function"):
        lt.lift(step, {"W": np.eye(H, INPUTS)}, np.ones((T, INPUTS)), h=np.zeros(H))


def test_a_state_that_is_not_returned_is_asked_for() -> None:
    def step(x: Any, h: Any, c: Any, W: Any) -> Any:
        c += W @ x + h
        return np.tanh(c)

    with pytest.raises(LiftError, match="each state must be returned, also one that is changed in place"):
        lt.lift(step, {"W": np.eye(H, INPUTS)}, np.ones((T, INPUTS)), h=np.zeros(H), c=np.zeros(H))


def mixing(x: Any, h: Any, W: Any) -> Any:
    z = x @ W.T
    return np.tanh(z + h[::-1])


def rounding(x: Any, h: Any, W: Any) -> Any:
    return np.tanh(x @ W.T + h).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize(("step", "code", "reason"), [
    (mixing, "return np.tanh(z + h[::-1])", "one sequence of the batch, or one step, reads another"),
    (rounding, "def rounding(", "rounding does more than its equations say"),
])  # fmt: skip
def test_what_equations_do_not_say_is_refused_with_its_line(step: Any, code: str, reason: str) -> None:
    with pytest.raises(LiftError) as caught:
        lt.lift(step, {"W": np.eye(H, INPUTS)}, np.full((T, 2, INPUTS), 0.3), h=np.random.default_rng(0).random((2, H)))
    assert f"test_refusals.py, line {step.__code__.co_firstlineno + (step is mixing) * 2}: `{code}" in str(caught.value)
    assert reason in str(caught.value)


def test_a_function_that_overflows_is_not_said_to_keep_a_state() -> None:
    def step(x: Any, h: Any, W: Any, U: Any) -> Any:
        return U @ h**3 + W @ x

    random = np.random.default_rng(1)
    weights = {"W": random.normal(size=(4, INPUTS)), "U": random.normal(size=(4, 4))}
    for T in (2, 9):
        found = lt.lift(step, weights, random.normal(size=(T, INPUTS)), h=random.normal(size=4))
        assert found.cell.equations["h_t"] == "U @ (h_prev * h_prev * h_prev) + W @ x_t"


@pytest.mark.parametrize("sequence", [None, True])
def test_an_input_of_indices_is_refused_with_its_line(sequence: bool | None) -> None:
    def loss(inputs: Any, hprev: Any, W: Any) -> Any:
        hs = {-1: hprev}
        for t in range(len(inputs)):
            x = np.zeros(INPUTS)
            x[inputs[t]] = 1
            hs[t] = np.tanh(W @ x + hs[t - 1])
        return hs

    with pytest.raises(LiftError, match=r"`x\[inputs\[t\]\] = 1`: .* give x as one-hot rows"):
        lt.lift(loss, {"W": np.eye(H, INPUTS)}, [0, 1, 2], h=np.zeros(H), sequence=sequence)


def test_the_error_of_the_code_over_a_sequence_is_not_hidden() -> None:
    def every(x: Any, W: Any) -> Any:
        h = np.zeros(H)
        for one in x:
            h = np.tanh(W.T @ one + h)
        return h

    with pytest.raises(OptionError, match=r"(?s)h: a step function .*over the whole sequence: .*raises ValueError"):
        lt.lift(every, {"W": np.eye(H, INPUTS)}, np.ones((T, INPUTS)))


@pytest.mark.few(0)
@settings(deadline=None, max_examples=12)
@given(st.lists(st.sampled_from(["a*b", "a+b", "a-b", "tanh(a)", "1/(1+exp(-a))", "maximum(a,b)", "where(a>b,a,b)",
                                 "clip(a,-1,1)", "a-a.mean()", "concat", "W@a", "a[::-1]", "a.sum()*b", "(2-a)/3"]),
                min_size=1, max_size=8), st.integers(0, 99))  # fmt: skip
def test_a_lifted_cell_equals_its_function_on_other_inputs(parts: list[str], seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = {
        "W": random.normal(size=(H, H)),
        "V": random.normal(size=(H, INPUTS)),
        "U": random.normal(size=(H, 2 * H)),
    }
    picks = random.integers(0, 99, (len(parts), 2))

    def step(x: Any, h: Any, W: Any, V: Any, U: Any) -> Any:
        values = [V @ x, h]
        for part, (one, two) in zip(parts, picks, strict=True):
            a, b = values[one % len(values)], values[two % len(values)]
            scope = {name: getattr(np, name) for name in ("tanh", "exp", "maximum", "where", "clip")}
            text = "U @ np.concatenate([a, b])" if part == "concat" else part
            values.append(eval(text, {**scope, "np": np, "a": a, "b": b, "W": W, "U": U}))  # noqa: S307
        return np.tanh(values[-1])

    found = lt.lift(step, weights, random.normal(size=(T, INPUTS)), h=random.normal(size=H))
    x, h = random.normal(size=(2 * T, INPUTS)), random.normal(size=H)
    trace, states = found.run(x, h), []
    for one in x:
        h = step(one, h, **weights)
        states.append(h)
    np.testing.assert_allclose(trace.output.reshape(2 * T, H), states, rtol=1e-9, atol=1e-12)
