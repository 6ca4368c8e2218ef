"""Functions in every form in which people write and call them: lifted to the same cell, or refused by name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LiftError, OptionError, ShapeError

INPUTS, H, T = 3, 2, 4
RANDOM = np.random.default_rng(5)
WEIGHTS = {"W": RANDOM.normal(size=(H, INPUTS)), "U": RANDOM.normal(size=(H, H)), "b": RANDOM.normal(size=H)}
X, START = RANDOM.normal(size=(T, INPUTS)), RANDOM.normal(size=H)
EQUATIONS = ["z_h = W_xh @ x_t + W_hh @ h_prev + b_h", "h_t = tanh(z_h)"]


def rnn(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
    return np.tanh(W @ x + U @ h + b)


def passed_on(function: Callable[..., Any]) -> Callable[..., Any]:
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


def in_place(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
    h[:] = rnn(x, h, W, U, b)
    return h


def with_a_cache(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
    h = rnn(x, h, W, U, b)
    return h, None, 3, "text", np.zeros(H), {"kept": {"of": [h, x, None, 1]}, "n": 5}


def yielding(x: Any, h: Any, W: Any, U: Any, b: Any) -> Iterator[Any]:
    yield rnn(x, h, W, U, b)


def of_lists(x: Any, h: Any, *, W: Any, U: Any, b: Any) -> Any:
    return [*rnn(x, h, W, U, b)]


def of_dot(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
    return np.tanh(np.dot(W, x) + np.dot(U, h) + b)


def printing(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
    h = rnn(x, h, W, U, b)
    return h if f"{h} {h[0]:.3f}" else None


class Owner:
    """An object that has the weights."""

    def __init__(self) -> None:
        self.W, self.U, self.b = WEIGHTS.values()

    def __call__(self, x: Any, h: Any) -> Any:
        return rnn(x, h, self.W, self.U, self.b)

    def step(self, x: Any, h: Any) -> Any:
        return self(x, h)


class Keeper(Owner):
    """An object that has its state too."""

    h = np.zeros(H)

    def step(self, x: Any) -> Any:  # type: ignore[override]
        self.h = self(x, self.h)
        return self.h


FORMS: dict[str, tuple[Any, Any]] = {
    "object": (Owner(), None),
    "method": (Owner().step, None),
    "all of a partial": (functools.partial(rnn, **WEIGHTS), None),
    "some of a partial": (functools.partial(rnn, W=WEIGHTS["W"]), {name: WEIGHTS[name] for name in "Ub"}),
    "closure": (lambda x, h: rnn(x, h, **WEIGHTS), None),
    "wraps": (functools.wraps(rnn)(passed_on(rnn)), WEIGHTS),
    "any arguments": (passed_on(rnn), WEIGHTS),
    "rest by position": (lambda x, h, *rest: rnn(x, h, *rest), WEIGHTS),
    "rest by name": (lambda x, h, **rest: rnn(x, h, **rest), WEIGHTS),
    "position only": (lambda x, h, /, W, U, b: rnn(x, h, W, U, b), WEIGHTS),
    "in place": (in_place, WEIGHTS),
    "cache": (with_a_cache, WEIGHTS),
    "generator": (yielding, WEIGHTS),
    "list of numbers": (of_lists, WEIGHTS),
    "printing": (printing, WEIGHTS),
    "lists": (of_dot, {name: one.tolist() for name, one in WEIGHTS.items()}),
    "Fortran": (rnn, {name: np.repeat(np.asfortranarray(one), 2, -1)[..., ::2] for name, one in WEIGHTS.items()}),
}  # fmt: skip


@pytest.mark.few(0)
@pytest.mark.parametrize("form", FORMS)
def test_a_function_is_lifted_in_whatever_form_it_is_written(form: str) -> None:
    step, weights = FORMS[form]
    x, h = np.asfortranarray(X), np.repeat(START, 2)[::2]
    found = lt.lift(step, weights, x, h=h)
    assert found.cell.text.splitlines()[:2] == EQUATIONS
    np.testing.assert_array_equal(found.weights["W_hh"], WEIGHTS["U"])
    assert not found.unread
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(h, START)


def test_a_state_tuple_is_read_by_its_names() -> None:
    class State(NamedTuple):
        h: Any
        c: Any

    def step(x: Any, state: Any, W: Any, U: Any, b: Any) -> Any:
        c = state.c + rnn(x, state.h, W, U, b)
        return State(np.tanh(c), c)

    found = lt.lift(step, WEIGHTS, X[:1], h=START, c=START)
    assert found.cell.equations["h_t"] == "tanh(c)"


def test_a_state_may_be_called_x() -> None:
    def step(u: Any, x: Any, W: Any, U: Any) -> Any:
        return np.tanh(W @ u + U @ x)

    found = lt.lift(step, {name: WEIGHTS[name] for name in "WU"}, X, states={"x": START})
    np.testing.assert_allclose(
        found.trace.output[0, 0], np.tanh(WEIGHTS["W"] @ X[0] + WEIGHTS["U"] @ START), rtol=1e-14
    )


def two(x: Any, p: Any, q: Any, W: Any, U: Any, b: Any) -> Any:
    a = rnn(x, p, W, U, b)
    return a, 0.9 * q + 0.1 * a


def of_list(x: Any, states: Any, W: Any, U: Any, b: Any) -> Any:
    h = rnn(x, states[0], W, U, b)
    return h, [h]


def swapped(x: Any, state: Any, W: Any, U: Any, b: Any) -> Any:
    c, h = state
    c = c + rnn(x, h, W, U, b)
    return np.tanh(c), (c, np.tanh(c))


def crossed(x: Any, long_memory: Any, short_memory: Any, W: Any, U: Any, b: Any) -> Any:
    short_memory, long_memory = two(x, short_memory, long_memory, W, U, b)
    return short_memory, long_memory


def keyed(x: Any, old_mem: Any, old_act: Any, W: Any, U: Any, b: Any) -> Any:
    p, q = two(x, old_act, old_mem, W, U, b)
    return {"new_act": p, "new_mem": q}


def layers(x: Any, low: Any, top: Any, W: Any, U: Any, b: Any) -> Any:
    low = two(x, *low, W, U, b)
    return low, two(np.append(low[0], 1), *top, W, U, b)


OTHER = RANDOM.normal(size=H)


@pytest.mark.parametrize(
    ("step", "states", "after"),
    [
        (two, {"q": OTHER, "p": START}, {"p": two(X[0], START, OTHER, **WEIGHTS)[0]}),
        (two, {"p": START, "q": OTHER}, {"q": two(X[0], START, OTHER, **WEIGHTS)[1]}),
        (of_list, {"states": [START]}, {"h": rnn(X[0], START, **WEIGHTS)}),
        (swapped, {"state": (OTHER, START)}, {"c": OTHER + rnn(X[0], START, **WEIGHTS)}),
        (crossed, {"long_memory": OTHER, "short_memory": START},
         dict(zip(("short_memory", "long_memory"), two(X[0], START, OTHER, **WEIGHTS), strict=True))),
        (keyed, {"old_mem": OTHER, "old_act": START},
         dict(zip(("old_act", "old_mem"), two(X[0], START, OTHER, **WEIGHTS), strict=True))),
        (layers, {"low": (START, OTHER), "top": (OTHER, START)}, {
            "low_h": rnn(X[0], START, **WEIGHTS),
            "top_h": rnn(np.append(rnn(X[0], START, **WEIGHTS), 1), OTHER, **WEIGHTS),
        }),
    ],
)  # fmt: skip
def test_each_state_is_what_its_parameter_gets(step: Any, states: Any, after: dict[str, Any]) -> None:
    found = lt.lift(step, WEIGHTS, X, states=states)
    carry = dict(one.split(" <- ") for one in found.cell.text.partition("carry: ")[2].splitlines()[0].split(", "))
    for name, value in after.items():
        np.testing.assert_allclose(found.trace[carry[f"{name}_prev"]][0, 0], value, rtol=1e-14)


class Notebook(Owner):
    """An object that collects values for plots."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: list[Any] = []

    def step(self, x: Any, h: Any) -> Any:
        self.last = h
        h = self(x, h)
        self.cache.append((x, h))
        assert isinstance(h, np.ndarray)
        assert not np.isnan(h).any()
        return h


def test_values_that_are_only_kept_are_no_state() -> None:
    book = Notebook()
    found = lt.lift(book.step, None, X, h=START)
    assert (found.sentence, book.cache, hasattr(book, "last")) == ("a simple RNN", [], False)
    book.step(X[0], START)
    found = lt.lift(book.step, None, X, h=START)
    assert (found.sentence, len(book.cache)) == ("a simple RNN", 1)
    np.testing.assert_array_equal(book.last, START)


def test_numbers_and_conditions_are_read() -> None:
    def step(x: Any, short: Any, w: Any, u: Any) -> Any:
        return np.where((x > 0) & ~(short > x), np.tanh(x * w + short * u), short)

    found = lt.lift(step, {"w": 0.5, "u": 2.0}, [1, -2.5, 0.5], states={"short": 0})
    h = 0.0
    for t, x in enumerate((1, -2.5, 0.5)):
        h = step(x, h, 0.5, 2.0)
        np.testing.assert_allclose(found.trace.output[t, 0], h, rtol=1e-14)


def test_waves_and_steps_are_read() -> None:
    def step(x: Any, h: Any, w: Any) -> Any:
        z = w * x + h
        phase = z - np.floor(z)
        return np.sin(2 * phase) * np.cos(h)

    found = lt.lift(step, {"w": 0.75}, [1, -2.5, 0.5], h=0)
    assert "= sin(2 * phase) * cos(h_prev)" in found.cell.text
    assert "= z - floor(z)" in found.cell.text


def test_one_row_of_states_is_that_of_every_sequence() -> None:
    def step(x: Any, h: Any, U: Any) -> Any:
        return np.tanh(x @ (np.triu(WEIGHTS["W"]) / np.linalg.norm(WEIGHTS["W"])).T + h @ np.triu(U))

    x = RANDOM.normal(size=(T, 2, INPUTS))
    found = lt.lift(step, {"U": WEIGHTS["U"]}, x, h=START)
    np.testing.assert_allclose(found.trace["h_t"][0], step(x[0], START, WEIGHTS["U"]), rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_is_that_of_the_function(dtype: str) -> None:
    other = "float64" if dtype == "float32" else "float32"
    weights = {name: one.astype(other) for name, one in WEIGHTS.items()}
    found = lt.lift(rnn, weights, X.astype(dtype), h=START.astype(dtype))
    assert found.trace.header.dtype == "float64"
    found = lt.lift(rnn, {n: one.astype(dtype) for n, one in WEIGHTS.items()}, X.astype(dtype), h=START.astype(dtype))
    assert found.trace.header.dtype == dtype


def raising(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
    return rnn(x, h, W, U, b)[5]


async def later(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
    return rnn(x, h, W, U, b)


def averaging(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
    return np.tanh(x @ W.T + h.mean(0) @ U.T + b) + 0 * h


def swallowing(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
    try:
        if h.sum() > 100:
            h = h / 100
    except Exception:  # noqa: S110
        pass
    return rnn(x, h, W, U, b)


KEPT: list[Any] = []


def remembering(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
    KEPT.append(rnn(x, h, W, U, b))
    return KEPT[-1] + KEPT[-2] if len(KEPT) > 1 else KEPT[-1]


@pytest.mark.parametrize(
    ("step", "weights", "given", "error", "said"),
    [
        (raising, WEIGHTS, {}, LiftError, "return rnn(x, h, W, U, b)[5]`: raising raises IndexError: index 5"),
        (remembering, WEIGHTS, {}, LiftError, "a value of an earlier call is used"),
        (averaging, WEIGHTS, {"h": np.ones((2, H)), "x": np.ones((T, 2, INPUTS))}, LiftError, "reads another"),
        (swallowing, WEIGHTS, {}, LiftError, "if h.sum() > 100"),
        (rnn, WEIGHTS, {"x": np.ones((2, INPUTS)), "h": np.ones((2, H))}, ShapeError, "x is expected as (T, B, I)"),
        (rnn, WEIGHTS, {"h": None, "states": {"q": START}}, OptionError, "no parameter is called q"),
        (Keeper().step, None, {}, OptionError, "such as self.h, must become an argument"),
        (Keeper().step, None, {"h": None}, OptionError, "a state that an object keeps, such as self.h"),
        (Owner, None, {}, OptionError, "found the class Owner: make an object of it"),
        (later, WEIGHTS, {}, OptionError, "found one that is async"),
        (rnn, WEIGHTS, {"x": X.astype("float16")}, OptionError, "x: expected float32 or float64, found float16"),
        (rnn, {"W": "text"}, {}, OptionError, "found a mapping without any"),
    ],
)  # fmt: skip
def test_what_cannot_be_called_is_named(step: Any, weights: Any, given: Any, error: Any, said: str) -> None:
    arguments = {"x": X, "h": START} | given
    with pytest.raises(error) as caught:
        lt.lift(step, weights, arguments.pop("x"), **arguments)
    assert said in str(caught.value)


def test_numbers_are_compared_as_exactly_as_rounding_allows() -> None:
    calls = [0]

    def step(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
        calls[0] += 1
        return rnn(x, h, W, U, b) + (1e-12 if calls[0] > 2 else 0.0)

    with pytest.raises(LiftError, match=r"h_t of step 2 is off by 1.0e-12"):
        lt.lift(step, WEIGHTS, X, h=START)


@pytest.mark.parametrize(("end", "equation"), [(17.0, "sigmoid(clip"), (20.0, "sigmoid(z_h)")])
def test_a_clip_far_out_is_left_out_with_what_it_loses(end: float, equation: str) -> None:
    def step(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
        return 1 / (1 + np.exp(-np.clip(W @ x + U @ h + b, -end, end)))

    found = lt.lift(step, WEIGHTS, 50 * X, h=START)
    assert equation in found.cell.text


def test_what_is_returned_before_the_states_is_the_output() -> None:
    def named(x: Any, h: Any, V: Any, **weights: Any) -> Any:
        h = rnn(x, h, **weights)
        y = np.exp(V @ h)
        return y, h

    def unnamed(x: Any, h: Any, V: Any, **weights: Any) -> Any:
        h = rnn(x, h, **weights)
        return np.exp(V @ h), h

    def after(x: Any, h: Any, V: Any, **weights: Any) -> Any:
        y, h = named(x, h, V, **weights)
        return h, y

    h, weights = START, {**WEIGHTS, "V": RANDOM.normal(size=(INPUTS, H))}
    hs = [h := rnn(x, h, **WEIGHTS) for x in X]
    for step, output in ((named, "y"), (unnamed, "out"), (after, "h_t")):
        found = lt.lift(step, weights, X, h=START)
        assert found.sentence == "a simple RNN"
        assert found.cell.output == output
        wanted = hs if step is after else np.exp(hs @ weights["V"].T)
        np.testing.assert_allclose(found.trace.output[:, 0], wanted, rtol=1e-13)
    both = lt.diff(
        lt.lift(named, weights, X, h=START), lt.lift(unnamed, {**weights, "V": 2 * weights["V"]}, X, h=START)
    )
    assert both.verdict == "different"
    plain = lt.diff(lt.lift(rnn, WEIGHTS, X, h=START), lt.lift(named, weights, X, h=START))
    assert {line.line for line in plain.lines} >= {"h_t", "z_h"}  # y has another width
