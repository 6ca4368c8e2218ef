"""Functions over a whole sequence, as courses assign them: the step is found, and equals what they return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LiftError
from lstm_trace.lifting.arrays import Recorded, RecordedMath
from lstm_trace.lifting.recurrence import RecordedRecurrence
from lstm_trace.lifting.tape import INITIAL, Tape

N, T, INPUTS, H = 2, 5, 3, 2


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def step(x: Any, h: Any, c: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    i, f, o, g = np.split(x.dot(Wx) + h.dot(Wh) + b, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def preallocated(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    n, steps, _ = x.shape
    h = np.zeros((n, steps, h0.shape[1]))
    prev, c = h0, np.zeros_like(h0)
    for t in range(steps):
        prev, c = step(x[:, t, :], prev, c, Wx, Wh, b)
        h[:, t, :] = prev
    return h, "cache"


def hoisted(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    n, steps, size = x.shape
    ahead = x.reshape(-1, size).dot(Wx).reshape(n, steps, -1) + b
    h, c, hidden = h0, np.zeros_like(h0), h0.shape[1]
    hs = []
    for t in range(steps):
        z = ahead[:, t] + h @ Wh
        i, f, o = (sigmoid(z[:, k * hidden : (k + 1) * hidden]) for k in range(3))
        c = f * c + i * np.tanh(z[:, 3 * hidden :])
        h = o * np.tanh(c)
        hs.append(h)
    return np.stack(hs, axis=1)


def last_alone(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    h, c = h0, np.zeros_like(h0)
    for t in range(x.shape[1]):
        h, c = step(x[:, t], h, c, Wx, Wh, b)
    return h


def listed(xs: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    h, c, hs = h0, np.zeros_like(h0), []
    for x in xs:
        h, c = step(x, h, c, Wx, Wh, b)
        hs.append(h)
    return hs


def rnn(x: Any, h: Any, Wx: Any, Wh: Any, b: Any, more: float = 0.0) -> Any:
    hs = []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ Wx[:, :H] + h @ Wh[:, :H] * (1 + more * t))
        hs.append(h)
    return np.stack(hs, 1)


def forgetful(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    return np.stack([np.tanh(x[:, t] @ Wx[:, :2] + b[:2]) for t in range(x.shape[1])], 1)


def late(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    return rnn(np.roll(x, 1, axis=1), h0, Wx, Wh, b)


def growing(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    return rnn(x, h0, Wx, Wh, b, 0.1)


def alternating(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    h, hs = h0, []
    for t in range(x.shape[1]):
        z = x[:, t] @ Wx[:, :2] + h @ Wh[:, :2] + b[:2]
        h = np.tanh(z) if t % 2 else sigmoid(z)
        hs.append(h)
    return np.stack(hs, 1)


def averaging(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    h, hs = h0, [h0]
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ Wx[:, :2] + (0.5 * h + 0.5 * h.mean(0)) @ Wh[:, :2] + b[:2])
        hs.append(h)
    return np.stack(hs, 1)


def case() -> tuple[dict[str, Any], Any, Any]:
    random = np.random.default_rng(0)
    sizes = {"Wx": (INPUTS, 4 * H), "Wh": (H, 4 * H), "b": (4 * H,)}
    weights = {name: random.normal(size=size) for name, size in sizes.items()}
    return weights, random.normal(size=(N, T, INPUTS)), random.normal(size=(N, H))


@pytest.mark.few(0)
@pytest.mark.parametrize("function", [preallocated, hoisted, last_alone, listed])
@pytest.mark.parametrize("sequence", [None, True])
def test_the_step_of_a_sequence_is_found(function: Callable[..., Any], sequence: bool | None) -> None:
    weights, x, h0 = case()
    given = [*np.swapaxes(x, 0, 1)] if function is listed else x
    found = lt.lift(function, weights, given, h=h0, sequence=sequence)
    assert (found.kind, found.sentence) == ("lstm", "an LSTM")
    theirs = np.stack(listed([*np.swapaxes(x, 0, 1)], h0, **weights))
    np.testing.assert_allclose(found.trace["h_t"], theirs, rtol=1e-13)
    longer = np.random.default_rng(1).normal(size=(3 * T, N, INPUTS))
    theirs = np.stack(listed([*longer], h0, **weights))
    np.testing.assert_allclose(found.run(longer, h0)["h_t"], theirs, rtol=1e-12)


@pytest.mark.few(0)
def test_an_output_is_computed_from_the_state_of_the_last_step_or_is_another_state() -> None:
    weights, x, h0 = case()

    def scored(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any, V: Any) -> Any:
        return preallocated(x, h0, Wx, Wh, b)[0][:, -1] @ V

    def memory(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        h, c = h0, np.zeros_like(h0)
        for t in range(x.shape[1]):
            h, c = step(x[:, t], h, c, Wx, Wh, b)
        return c

    more = weights | {"V": np.random.default_rng(2).normal(size=(H, 3))}
    found = lt.lift(scored, more, x, h=h0, sequence=True)
    assert found.sentence == "an LSTM"
    np.testing.assert_allclose(found.trace["out"][-1], scored(x, h0, **more), rtol=1e-13)
    found = lt.lift(memory, weights, x, h=h0, sequence=True)
    assert found.sentence == "an LSTM"
    np.testing.assert_allclose(found.trace["c_t"][-1], memory(x, h0, **weights), rtol=1e-13)


def backwards(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    h, c, hs = h0, np.zeros_like(h0), np.zeros((*x.shape[:2], H))
    for t in reversed(range(x.shape[1])):
        h, c = step(x[:, t], h, c, Wx, Wh, b)
        hs[:, t] = h
    return hs


def turned(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    return preallocated(x[:, ::-1], h0, Wx, Wh, b)[0]


def first_alone(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    return backwards(x, h0, Wx, Wh, b)[:, 0]


@pytest.mark.few(1)
@pytest.mark.parametrize("function", [backwards, turned, first_alone])
def test_a_function_may_read_x_from_its_last_step_to_its_first(function: Callable[..., Any]) -> None:
    weights, x, h0 = case()
    found = lt.lift(function, weights, x, h=h0)
    assert found.sentence == "an LSTM; it reads x from its last step to its first"
    longer = np.random.default_rng(1).normal(size=(N, 3 * T, INPUTS))
    for given, trace in ((x, found.trace), (longer, found.run(np.swapaxes(longer, 0, 1), h0))):
        theirs = np.swapaxes(backwards(given, h0, **weights), 0, 1)
        np.testing.assert_allclose(trace["h_t"], theirs, rtol=1e-12)
    assert lt.verify(found).verdict == "verified"  # type: ignore[arg-type]
    assert found.compare().same


@pytest.mark.few(0)
def test_two_layers_are_one_cell_with_the_states_of_both() -> None:
    weights, x, h0 = case()

    def stacked(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any, Vx: Any) -> Any:
        low = preallocated(x, h0, Wx, Wh, b)[0]
        return preallocated(low, np.zeros_like(h0), Vx, Wh, b)[0]

    more = weights | {"Vx": np.random.default_rng(2).normal(size=(H, 4 * H))}
    found = lt.lift(stacked, more, x, h=h0, sequence=True)
    assert len(found.cell.states) == 4
    np.testing.assert_allclose(found.trace["s3_t"], np.swapaxes(stacked(x, h0, **more), 0, 1), rtol=1e-13)


def test_a_sequence_without_a_batch_and_without_given_states() -> None:
    weights, x, _ = case()

    def rnn(x: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        hs = np.zeros((len(x) + 1, H))
        for t in range(len(x)):
            hs[t + 1] = np.tanh(x[t] @ Wx[:, :H] + hs[t] @ Wh[:, :H] + b[:H])
        return hs[1:]

    found = lt.lift(rnn, weights, x[0])
    assert found.sentence == "a simple RNN; Wx[:, 2:8], Wh[:, 2:8], b[2:8] are not read"
    np.testing.assert_allclose(found.trace["h_t"][:, 0], rnn(x[0], **weights), rtol=1e-13)


def test_the_product_of_a_step_may_be_one() -> None:
    weights, x, h0 = case()

    def joined(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        h, hs = h0, []
        for t in range(x.shape[1]):
            h = np.tanh(np.concatenate([x[:, t], h], 1) @ np.concatenate([Wx[:, :H], Wh[:, :H]]) + b[:H])
            hs.append(h)
        return np.stack(hs, 1)

    for start in (h0, np.zeros((N, H))):
        found = lt.lift(joined, weights, x, h=start, sequence=True)
        assert found.kind == "rnn"
        np.testing.assert_allclose(found.trace["h_t"], np.swapaxes(joined(x, start, **weights), 0, 1), rtol=1e-13)


def test_steps_may_be_kept_in_dicts_and_lists() -> None:
    random = np.random.default_rng(4)
    weights = {name: random.normal(size=(H, n)) for name, n in (("Wxh", INPUTS), ("Whh", H), ("Why", H))}
    xs = [*random.normal(size=(T, INPUTS, 1))]

    def loss(inputs: Any, hprev: Any, Wxh: Any, Whh: Any, Why: Any) -> Any:
        hs, ys = {-1: np.copy(hprev)}, {}
        for t in range(len(inputs)):
            hs[t] = np.tanh(np.dot(Wxh, inputs[t]) + np.dot(Whh, hs[t - 1]))
            ys[t] = np.dot(Why, hs[t])
        return ys, hs[len(inputs) - 1]

    def last(inputs: Any, Wxh: Any, Whh: Any, Why: Any) -> Any:
        hs = [np.zeros((H, 1))]
        for x in inputs:
            hs.append(np.tanh(Wxh @ x + Whh @ hs[-1]))
        return hs[-1]

    start = random.normal(size=(H, 1))
    found = lt.lift(loss, weights, xs, h=start, sequence=True)
    np.testing.assert_allclose(found.trace["h_t"][-1, 0], loss(xs, start, **weights)[1][:, 0], rtol=1e-13)
    assert "Why @ h_t" in found.cell.text
    found = lt.lift(last, weights, xs, sequence=True)
    np.testing.assert_allclose(found.trace["h_t"][-1, 0], last(xs, **weights)[:, 0], rtol=1e-13)


def stacked(x: Any, one: Any, two: Any, W: Any, U: Any, V: Any) -> Any:
    rows = []
    for xt in x:
        one = np.tanh(W @ xt + U @ one)
        two = np.tanh(V @ one + U @ two)
        rows.append(two)
    return np.stack(rows)


def reading_out(x: Any, one: Any, two: Any, W: Any, U: Any, V: Any) -> Any:
    rows = []
    for xt in x:
        one = np.tanh(W @ xt + U @ one + two)
        two = np.tanh(one + two)
        rows.append(V @ one)
    return np.stack(rows), one


def of_the_cell_state(x: Any, one: Any, two: Any, W: Any, U: Any, V: Any) -> Any:
    rows = []
    for xt in x:
        two = two + np.tanh(W @ xt + U @ one)
        one = np.tanh(V @ two)
        rows.append(two)
    return np.stack(rows)


@pytest.mark.few(1)
@pytest.mark.parametrize("function", [stacked, reading_out, of_the_cell_state])
def test_the_output_is_what_the_function_returns(function: Callable[..., Any]) -> None:
    random = np.random.default_rng(4)
    weights = {name: random.normal(size=(H, n)) for name, n in (("W", INPUTS), ("U", H), ("V", H))}
    x, states = random.normal(size=(T, INPUTS)), {name: random.normal(size=H) for name in ("one", "two")}
    found = lt.lift(function, weights, x, states=states)
    theirs = function(x, **states, **weights)
    theirs = theirs[0] if isinstance(theirs, tuple) else theirs
    np.testing.assert_allclose(found.trace.output[:, 0], theirs, rtol=1e-13)


@pytest.mark.few(0)
@pytest.mark.parametrize(("function", "reason"), [
    (forgetful, "carries no state"), (alternating, "something else at"), (averaging, "of the batch that reads another"),
    (late, "; a step that .* reads x of another step"), (growing, "; a step that depends on t"),
])  # fmt: skip
def test_what_is_no_sequence_of_equal_steps_is_refused(function: Callable[..., Any], reason: str) -> None:
    weights, x, h0 = case()
    with pytest.raises(LiftError, match=reason):
        lt.lift(function, weights, x, h=h0, sequence=True)


def test_an_initial_state_that_is_no_state_of_the_steps_is_refused() -> None:
    def delayed(x: Any, new: Any, old: Any, W: Any, U: Any) -> Any:
        rows = []
        for one in x:
            new, old = np.tanh(W @ one + U @ new + old), new
            rows.append(new)
        return np.stack(rows)

    weights, states = {"W": np.eye(H, INPUTS), "U": np.eye(H)}, {"new": np.ones(H), "old": np.zeros(H)}
    with pytest.raises(LiftError, match=r"`def delayed\(.*of no state of its steps can it be told that it starts as"):
        lt.lift(delayed, weights, np.ones((T, INPUTS)), states=states, sequence=True)


@pytest.mark.few(0)
@pytest.mark.parametrize("initial", [(), ("h", "c")])
@pytest.mark.parametrize("last", [True, False])
def test_a_recorded_sequence_is_read_without_a_function(last: bool, initial: tuple[str, ...]) -> None:
    tape, random, steps = Tape(), np.random.default_rng(3), 4
    math = RecordedMath(tape)
    kernel = tape.source("weight", random.normal(size=(4 * H, INPUTS + H)), name="kernel")
    x = [tape.source("x", random.normal(size=INPUTS), t, "x") for t in range(steps)]
    begin = {name: tape.source("state", random.normal(size=H), INITIAL, name) for name in initial}
    h, c = (Recorded(begin.get(name, math.plain(np.zeros(H))), math) for name in "hc")
    outputs = {}
    for t in range(steps):
        z = Recorded(kernel, math) @ np.concatenate([Recorded(x[t], math), h])
        i, f, o, g = np.split(z, 4)
        i, f, o = (1 / (1 + np.exp(-one)) for one in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        outputs[t] = h.ids
    rows = {steps - 1: h.ids} if last else outputs
    recurrence = RecordedRecurrence(tape, x, np.concatenate([*rows.values()]), "the graph", output=rows)
    cell, _ = recurrence.read(None, x, np.float64, rows.values(), begin)
    assert (cell.naming.kind, cell.lines, cell.output) == ("lstm", {"h": "h_t", "c": "c_t"}, "h_t")
    given = {f"{name}0": tape.values[ids] for name, ids in begin.items()}
    trace = cell.model.run(np.stack([tape.values[one] for one in x]), **given)
    np.testing.assert_allclose(trace["h_t"][-1, 0], tape.values[h.ids], rtol=1e-14)
