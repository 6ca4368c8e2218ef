"""How far a gradient reaches back, against a loop of our own in PyTorch's automatic differentiation."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.backpropagation.gradients import norms
from lstm_trace.engine import plan_choice
from lstm_trace.errors import MissingError, TooLargeError
from lstm_trace.trace.trace import Trace

STEPS, UNITS, INPUTS = 6, 3, 2
LENGTHS = (6, 4)


def weights(layers: int = 2) -> dict[str, Any]:
    draw = np.random.default_rng(11)
    found: dict[str, Any] = {}
    for layer in range(layers):
        for way in ("forward", "reverse"):
            for gate in "ifco":
                width = INPUTS if layer == 0 else 2 * UNITS
                found[f"{layer}/{way}/W_x{gate}"] = draw.normal(size=(UNITS, width))
                found[f"{layer}/{way}/W_h{gate}"] = draw.normal(size=(UNITS, UNITS))
                found[f"{layer}/{way}/b_{gate}"] = draw.normal(size=UNITS)
    return found


X = np.random.default_rng(12).normal(size=(STEPS, 2, INPUTS))


def traced(**options: Any) -> Trace:
    return lt.run(weights(), X, lengths=list(LENGTHS), **options)


def autograd(b: int) -> tuple[dict[tuple[int, str, str], list[Any]], Any]:
    """Every h and c of row b, in the order of steps; and torch."""
    torch = pytest.importorskip("torch")
    w = {name: torch.tensor(value) for name, value in weights().items()}
    below = [torch.tensor(X[t, b]) for t in range(LENGTHS[b])]
    found: dict[tuple[int, str, str], list[Any]] = {}
    for layer in range(2):
        made = {}
        for way in ("forward", "reverse"):
            h = c = torch.zeros(UNITS, dtype=torch.float64, requires_grad=True)
            hs: list[Any] = [None] * LENGTHS[b]
            cs: list[Any] = [None] * LENGTHS[b]
            for t in range(LENGTHS[b]) if way == "forward" else reversed(range(LENGTHS[b])):
                z = {
                    g: w[f"{layer}/{way}/W_x{g}"] @ below[t]
                    + w[f"{layer}/{way}/W_h{g}"] @ h
                    + w[f"{layer}/{way}/b_{g}"]
                    for g in "ifco"
                }
                c = torch.sigmoid(z["f"]) * c + torch.sigmoid(z["i"]) * torch.tanh(z["c"])
                h = torch.sigmoid(z["o"]) * torch.tanh(c)
                hs[t], cs[t] = h, c
            found[layer, way, "h_t"], found[layer, way, "c_t"] = hs, cs
            made[way] = hs
        below = [torch.cat([made["forward"][t], made["reverse"][t]]) for t in range(LENGTHS[b])]
    return found, torch


def sizes(values: list[Any], found: dict[tuple[int, str, str], list[Any]], torch: Any) -> dict[Any, float]:
    """The root of the summed squares of the gradients of all `values`, by layer, direction, line and step."""
    sums: dict[Any, float] = {}
    for value in values:
        states = [(*place, t) for place, here in found.items() for t in range(len(here))]
        grads = torch.autograd.grad(
            value, [found[p[:3]][p[3]] for p in states], retain_graph=True, allow_unused=True, materialize_grads=True
        )
        for place, grad in zip(states, grads, strict=True):
            sums[place] = sums.get(place, 0.0) + float((grad**2).sum())
    return {place: value**0.5 for place, value in sums.items()}


@pytest.mark.few(0)
@pytest.mark.parametrize("b", [0, 1])
@pytest.mark.parametrize("of", [None, "1/reverse/2/{b}/c_t[1]", "1/forward/3/{b}/h_t", "0/reverse/1/{b}/c_t"])
def test_the_sizes_are_those_of_automatic_differentiation(of: str | None, b: int) -> None:
    found, torch = autograd(b)
    if of is None:
        values = [found[1, "forward", "h_t"][-1].sum() + found[1, "reverse", "h_t"][0].sum()]
    else:
        layer, way, t, _, line, unit = (*of.rstrip("]").replace("[", "/").split("/"), "")[:6]
        vector = found[int(layer), way, line][int(t)]
        values = [vector[int(unit)]] if unit else list(vector)
    mine = norms(traced(), of.format(b=b) if of else None, batch=b)
    theirs = sizes(values, found, torch)
    assert len(mine.rows) == 2 * 2 * 2 * LENGTHS[b] == len(theirs)  # none at padding
    for row in mine.rows:
        assert row.norm == pytest.approx(theirs[row.layer, row.direction, row.line, row.t], rel=1e-12, abs=1e-300)
    assert any(row.norm > 0 for row in mine.rows)
    assert mine.vector == (of is not None and "[" not in of)
    assert mine.of == (of.format(b=b) if of else "")


def test_a_jacobian_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = norms(traced(), "1/forward/5/0/h_t").rows
    monkeypatch.setattr(plan_choice, "BATCH_BYTES", 1)
    parts = norms(traced(), "1/forward/5/0/h_t").rows
    assert [row.norm for row in parts] == pytest.approx([row.norm for row in whole], rel=1e-13)
    monkeypatch.setattr(plan_choice, "MOST_SECONDS", 1e-4)
    message = "the Jacobian of 1/forward/5/0/h_t is 3 gradients over 6 steps, which takes too long: name one of its"
    with pytest.raises(TooLargeError, match=re.escape(message)):
        norms(traced(), "1/forward/5/0/h_t")


def test_by_hand_and_larger_than_a_square_can_be() -> None:
    """s_t = a * s_prev + x_t with a = 1e200: the gradient at step t is a to the power of the steps since."""
    cell = {"equations": "s_t = a * s_prev + x_t\ncarry: s_prev <- s_t\noutput: s_t"}
    trace = lt.run({"a": [1e200, 1e200]}, np.zeros((4, 2)), cell=cell)
    assert [row.norm for row in norms(trace).rows] == pytest.approx([np.inf, np.inf, 2**0.5 * 1e200, 2**0.5], rel=1e-12)
    assert [row.norm for row in norms(trace, "2/s_t[1]").rows][2:] == [1.0, 0.0]
    assert [row[:4] for row in norms(trace).rows] == [(0, "forward", "s_t", t) for t in range(4)]


def test_a_loss_is_the_sum_of_its_values() -> None:
    cell = {"equations": "s_t = 0.5 * s_prev + x_t\nL = sum(s_t * s_t)\ncarry: s_prev <- s_t\noutput: s_t"}
    x = np.array([[1.0, 2.0], [3.0, 0.0]])
    found = norms(lt.run({}, x, cell=cell, ask=["L", "s_t"]), "L")
    s0, s1 = x[0], 0.5 * x[0] + x[1]
    assert found.of == "L"
    assert [row.norm for row in found.rows] == pytest.approx([np.linalg.norm(2 * s0 + s1), np.linalg.norm(2 * s1)])


def test_what_there_is_not() -> None:
    with pytest.raises(MissingError, match="there is no batch element 2: there are 0 to 1"):
        norms(traced(), batch=2)
    with pytest.raises(MissingError, match="'q_t'"):
        norms(traced(), "q_t")
    with pytest.raises(MissingError, match="all steps of batch element 1 are padding"):
        norms(lt.run(weights(), X, lengths=[6, 0]), batch=1)


@pytest.mark.parametrize("lengths", [None, [3]])
def test_a_choice_of_the_author_is_no_padding(lengths: Any) -> None:
    """c = where(x > 0, c + x, c/4) over x = 1, −2, 4: dc_2/dc_t = 1/4, 1, 1, also where c/4 was chosen."""
    equations = "g_t = x_t > 0\na_t = c_prev + x_t\nb_t = 0.25 * c_prev\nc_t = where(g_t, a_t, b_t)"
    x = [[1.0], [-2.0], [4.0]]
    trace = lt.run({}, x, cell={"equations": f"{equations}\ncarry: c_prev <- c_t\noutput: c_t"}, lengths=lengths)
    assert [row[2:] for row in norms(trace).rows] == [("c_t", 0, 0.25), ("c_t", 1, 1.0), ("c_t", 2, 1.0)]


def one_way(**options: Any) -> Trace:
    here = {name.removeprefix("0/forward/"): value for name, value in weights(1).items() if "forward" in name}
    return lt.run(here, X, lengths=list(LENGTHS), **options)


def test_a_trace_that_was_asked_for_states_alone() -> None:
    """What padding makes of h_t was not asked for: the way back begins at h_t, which is the same inside."""
    assert norms(one_way(ask=["h_t", "c_t"])).rows == norms(one_way()).rows


def test_what_was_not_asked_for_is_told() -> None:
    trace = one_way(ask=["c_t"])
    for of in ("y_t", "0/y_t[0]", "sum(0/y_t)"):
        with pytest.raises(
            MissingError, match=r"the trace has no 'y_t'|y_t was not computed: nothing that was asked for"
        ):
            norms(trace, of)
    with pytest.raises(MissingError, match=r"0/forward/y_t was not computed: .* \(ask: c_t\)"):
        lt.backward(trace, seeds={"y_t": np.ones((STEPS, 2, UNITS))})
    one_step = lt.run({"W_xf": [[1.0, 2.0]], "W_hf": [[0.5]]}, [[0.3, 0.2]], h0=[0.7], ask=["f_t"])
    with pytest.raises(MissingError, match=r"0/forward/h_t was not computed"):
        norms(one_step)
