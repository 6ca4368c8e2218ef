"""Students' step functions: lifted equal to their own loop, called what they are, the bug shown as an equation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

from .students import SIGMOIDS, STUDENTS, Student, weights_of

INPUTS, H, T, B = 3, 2, 4, 2
BUGS = [(name, k) for name, student in STUDENTS.items() for k, bug in enumerate(student.bugs) if bug[2]]


def lifted(student: Student, text: str) -> tuple[lt.Lifted, Any]:
    """The lifted cell, and the values of h of the student's own loop, (T, B, H)."""
    random = np.random.default_rng(1)
    names: dict[str, Any] = {"np": np}
    torch = None
    if student.weights == "module":
        torch = pytest.importorskip("torch")
        names |= {"torch": torch, "nn": torch.nn, "F": torch.nn.functional}
    exec(compile(text, "student.py", "exec"), names)  # noqa: S102
    shape = {"rows": lambda n: (B, n), "columns": lambda n: (n, B), "vectors": lambda n: (n,)}[student.layout]
    x = random.normal(size=(T, *shape(INPUTS)))
    states = {name: random.normal(size=shape(H)) for name in ("h", "c")[: 2 if student.kind == "lstm" else 1]}
    weights = weights_of(student, random, INPUTS, H)
    step = names["step"] if torch is None else names["Cell"](INPUTS, H).double()
    if torch is not None:
        x, states = torch.as_tensor(x), {name: torch.as_tensor(value) for name, value in states.items()}
    found = lt.lift(step, weights, x, **states)
    values, h, c = [], states["h"], states.get("c")
    for one in x:
        if torch is not None:
            returned = step(one, (h, c))
            h, c = returned[1] if isinstance(returned[1], tuple) else returned
        elif student.weights == "concat":
            h, c = step(one, h, c, weights)
        elif student.kind == "lstm":
            h, c = step(one, h, c, **weights)[:2]
        else:
            h = step(one, h, **weights)
        values.append(h.T if student.layout == "columns" else h)
    if torch is not None:
        values = [one.detach().numpy() for one in values]
    return found, np.array(values).reshape(T, -1, H)


@pytest.mark.parametrize("name", STUDENTS)
def test_a_right_one_is_called_what_it_is(name: str) -> None:
    student = STUDENTS[name]
    found, theirs = lifted(student, student.text)
    np.testing.assert_allclose(found.trace["h_t"], theirs, rtol=1e-13, atol=1e-15)
    assert (found.kind, found.sentence) == (student.kind, student.says)
    assert found.trace.header.kind == student.kind
    assert lt.verify(found.trace).verdict == "verified"
    assert found.compare().same


@pytest.mark.few(6)
@pytest.mark.parametrize(("name", "k"), BUGS)
def test_a_bug_is_shown_as_an_equation(name: str, k: int) -> None:
    student = STUDENTS[name]
    old, new, equation = student.bugs[k]
    assert old in student.text
    found, theirs = lifted(student, student.text.replace(old, new))
    np.testing.assert_allclose(found.trace["h_t"], theirs, rtol=1e-13, atol=1e-15)
    assert found.kind == student.kind
    comparison = found.compare()
    assert not comparison.same
    assert equation in " ".join(comparison.report("text").split())


@pytest.mark.parametrize("sigmoid", SIGMOIDS)
def test_a_sigmoid_is_one_however_it_is_written(sigmoid: str) -> None:
    names: dict[str, Any] = {"np": np}
    text = SIGMOIDS[sigmoid] + "\ndef step(x, h, W, U):\n    return sigmoid(W @ x + U @ h)\n"
    exec(compile(text, "student.py", "exec"), names)  # noqa: S102
    random = np.random.default_rng(0)
    weights = {"W": random.normal(size=(H, INPUTS)), "U": random.normal(size=(H, H))}
    found = lt.lift(names["step"], weights, 30 * random.normal(size=(T, INPUTS)), h=np.zeros(H))
    assert found.cell.equations["h_t"] == "sigmoid(z_h)"


def test_what_is_returned_besides_is_a_line_and_what_is_not_read_is_said() -> None:
    random = np.random.default_rng(2)
    sizes = {"W": (H, INPUTS), "U": (H, H), "b": (H,), "V": (4, H)}
    weights = {name: random.normal(size=size) for name, size in sizes.items()}

    def step(x: Any, h: Any, W: Any, U: Any, b: Any, V: Any) -> Any:
        h = np.tanh(W @ x + U @ h)
        scores = V @ h
        y = np.exp(scores) / np.sum(np.exp(scores))
        return y, h

    x = random.normal(size=(T, INPUTS))
    found = lt.lift(step, weights, x, h=np.zeros(H))
    assert found.sentence == "a simple RNN but z_h = W_xh @ x_t + W_hh @ h_prev; b is not read"
    assert found.cell.equations["scores"] == "V @ h_t"
    assert found.aliases["h_t"] == "h"
    np.testing.assert_allclose(found.trace["y"].sum(-1), 1.0)
    assert not found.named.equals(found.trace)
    np.testing.assert_array_equal(found.named.parameters["0/forward"]["b_h"], weights["b"])


def test_a_reference_to_the_named_cell_is_missing_for_a_cell_of_its_own() -> None:
    found = lt.lift(lambda x, h: 0.5 * h + 0.5 * x.mean(), None, np.ones((T, INPUTS)), h=np.zeros(1))
    assert found.sentence == "a cell of its own with the states h_prev"
    with pytest.raises(lt.MissingError, match="no named cell is like it"):
        found.compare()


def test_a_cell_that_lacks_a_matrix_is_not_called_the_same() -> None:
    random = np.random.default_rng(4)
    weights = {name: random.normal(size=H) for name in "ab"} | {"W": random.normal(size=(H, INPUTS))}
    x = random.normal(size=(T, INPUTS))
    found = lt.lift(lambda x, h, W, a, b: np.tanh(W @ x + a + 0 * h + b), weights, x, h=np.zeros(H))
    with pytest.raises(lt.MissingError, match="it has no W_hh to compare the two with"):
        found.compare()


def test_a_loop_over_units_is_one_operation() -> None:
    random = np.random.default_rng(3)
    weights = {"W": random.normal(size=(H, INPUTS)), "U": random.normal(size=(H, H)), "b": random.normal(size=H)}

    def step(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
        new = np.zeros(len(h))
        for k in range(len(h)):
            new[k] = np.tanh(W[k] @ x + np.dot(U[k], h) + b[k])
        return new

    found = lt.lift(step, weights, random.normal(size=(T, INPUTS)), h=np.zeros(H))
    assert found.sentence == "a simple RNN"
    np.testing.assert_array_equal(found.weights["W_xh"], weights["W"])
