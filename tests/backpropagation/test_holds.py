"""Gradients where values are held: against finite differences and PyTorch, and what does not flow through a hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import ShapeError

RNG = np.random.default_rng(4)
SHAPES = {"W_x": (3, 2), "W_h": (3, 3), "b_": (3,)}
WEIGHTS = {f"{n}{g}": RNG.normal(size=shape) for n, shape in SHAPES.items() for g in "ifco"}
X = RNG.normal(size=(4, 2, 2))
HOLD: dict[str, Any] = {"1/c_t[0]": 0.4, "f_t[1]": "*0.5", "2/0/tanh(c_t)[2]": -0.3, "i_t[2]": 0.7}
LENGTHS = [4, 3]
#: A step at which the error of a centred difference, of the order of STEP², is far below the tolerance.
STEP, CLOSE = 1e-5, 1e-8


def value(weights: Any = WEIGHTS, x: Any = X, hold: Any = HOLD) -> float:
    trace = lt.run(weights, x, hold=hold, lengths=LENGTHS, plan="lines")
    return float(trace["h_t"][3, 0] @ [1.0, -2.0, 0.5] + trace["h_t"][2, 1, 0])


def found() -> dict[str, Any]:
    trace = lt.run(WEIGHTS, X, hold=HOLD, lengths=LENGTHS)
    seeds = np.zeros((4, 2, 3))
    seeds[3, 0], seeds[2, 1, 0] = [1.0, -2.0, 0.5], 1.0
    return lt.gradients(trace, output=seeds)


def centred(change: Any) -> float:
    return (value(**change(STEP)) - value(**change(-STEP))) / (2 * STEP)


@pytest.mark.parametrize(
    ("name", "index"), [("W_xi", (1, 0)), ("W_hf", (2, 1)), ("b_c", (0,)), ("W_ho", (0, 2)), ("b_i", (2,))]
)
def test_weights_as_finite_differences_have_it(name: str, index: tuple[int, ...]) -> None:
    def moved(step: float) -> dict[str, Any]:
        array = WEIGHTS[name].copy()
        array[index] += step
        return {"weights": {**WEIGHTS, name: array}}

    assert abs(found()[f"0/forward/{name}"][index] - centred(moved)) < CLOSE


def test_a_held_number_and_a_factor_as_finite_differences_have_it() -> None:
    gradients = found()
    for address, name, at in (
        ("1/c_t[0]", "to_c_t", (1, slice(None), 0)),
        ("2/0/tanh(c_t)[2]", "to_tanh_c_t", (2, 0, 2)),
    ):
        slope = centred(lambda step, a=address: {"hold": {**HOLD, a: HOLD[a] + step}})
        assert abs(slope) > 1e-4
        assert abs(gradients[f"0/forward/{name}"][at].sum() - slope) < CLOSE
    slope = centred(lambda step: {"hold": {**HOLD, "f_t[1]": f"*{0.5 + step!r}"}})
    assert abs(gradients["0/forward/by_f_t"][..., 1].sum() - slope) < CLOSE


def test_nothing_flows_through_a_held_value() -> None:
    trace = lt.backward(lt.run(WEIGHTS, X, hold={"2/c_t": 0.4, "2/h_t": 0.1}), of="3/0/h_t[1]")
    back = trace.at(direction="adjoint-forward")
    assert back["d_c_t"][2, 0, 1]
    assert not back["d_free_c_t"][2].any()
    assert not trace.gradients["x"][:3].any(), "all that is carried from step 2 on is held"
    assert trace.gradients["x"][3, 0].all()
    assert lt.verify(trace).verdict == "verified"


@pytest.mark.few(0)
def test_as_pytorch_has_it() -> None:
    torch = pytest.importorskip("torch")
    w = {name: torch.tensor(array, requires_grad=True) for name, array in WEIGHTS.items()}
    x = torch.tensor(X, requires_grad=True)
    total = 0.0
    for b, length in enumerate(LENGTHS):
        h, c = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
        for t in range(length):
            z = {g: w[f"W_x{g}"] @ x[t, b] + w[f"W_h{g}"] @ h + w[f"b_{g}"] for g in "ifco"}
            unit = torch.arange(3)
            i = torch.where(unit == 2, 0.7, torch.sigmoid(z["i"]))
            f = torch.where(unit == 1, 0.5, 1.0) * torch.sigmoid(z["f"])
            c = f * c + i * torch.tanh(z["c"])
            c = torch.where((unit == 0) & (t == 1), 0.4, c)
            squashed = torch.where((unit == 2) & (t == 2) & (b == 0), -0.3, torch.tanh(c))
            h = torch.sigmoid(z["o"]) * squashed
            if (t, b) == (3, 0):
                total = total + h @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
            if (t, b) == (2, 1):
                total = total + h[0]
    total.backward()
    gradients = found()
    for name, array in w.items():
        assert np.allclose(gradients[f"0/forward/{name}"], array.grad.numpy(), rtol=0, atol=1e-14), name
    assert np.allclose(gradients["x"], x.grad.numpy(), rtol=0, atol=1e-14)


@pytest.mark.few(0)
def test_two_that_hold_other_lines_are_split_as_by_diff() -> None:
    """As a trace they are refused, with these lines."""
    free, held = lt.run(WEIGHTS, X), lt.run(WEIGHTS, X, hold={"2/c_t": 0.4, "f_t[1]": "*0.5"})
    for a, b in ((free, held), (held, free), (lt.run(WEIGHTS, X, hold={"f_t": 0.1, "c_t": 0.2}), held)):
        with pytest.raises(ShapeError) as error:
            lt.secants(a, b, of="3/0/h_t[1]")
        told = "f_t, c_t" if a is free or b is free else "f_t"
        assert [text.partition("; ")[0] for text in error.value.problems] == [
            f"0/forward: {told}: held in one of the two alone, or at a number in one and at a multiple in the other"
        ]
        assert str(error.value).endswith("release them, or hold them in both")
        parts = lt.attribute(a, b, of="3/0/h_t[1]").to_frame()
        assert abs(parts["contribution"].sum() - (b["h_t"] - a["h_t"])[3, 0, 1]) < 1e-14
        assert set(parts[parts["contribution"] != 0]["kind"]) <= {"local", "given"}, "nothing else differs"


def test_a_difference_of_two_traces_with_the_same_holds_is_split_exactly() -> None:
    one, two = (lt.run(WEIGHTS, x, hold=HOLD) for x in (X, 0.5 * X))
    parts = lt.attribute(one, two, of="3/0/h_t[1]").to_frame()
    assert abs(parts["contribution"].sum() - (two["h_t"] - one["h_t"])[3, 0, 1]) < 1e-14
    assert not parts[parts["address"].str.contains("to_c_t")]["contribution"].any()
