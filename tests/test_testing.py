"""`lt.testing`: passes for values of a scalar loop, and says the line, step and unit where they begin to differ."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

RNG = np.random.default_rng(5)
INPUTS, H, T = 3, 2, 4
WEIGHTS: dict[str, Any] = {}
for gate in "ifco":
    WEIGHTS |= {f"W_x{gate}": RNG.normal(size=(H, INPUTS)), f"W_h{gate}": RNG.normal(size=(H, H))}
    WEIGHTS[f"b_{gate}"] = RNG.normal(size=H)
X, H0, C0 = RNG.normal(size=(T, INPUTS)), RNG.normal(size=H), RNG.normal(size=H)


def loop(x: Any) -> dict[str, list[list[float]]]:
    """c_t and h_t of each step, number by number."""
    h, c = H0.tolist(), C0.tolist()
    found: dict[str, list[list[float]]] = {"c_t": [], "h_t": []}
    for x_t in x.tolist():
        z = {
            gate: [
                sum(WEIGHTS[f"W_x{gate}"][j, k] * x_t[k] for k in range(INPUTS))
                + sum(WEIGHTS[f"W_h{gate}"][j, k] * h[k] for k in range(H))
                + WEIGHTS[f"b_{gate}"][j]
                for j in range(H)
            ]
            for gate in "ifco"
        }
        i, f, o = ([1 / (1 + math.exp(-one)) for one in z[gate]] for gate in "ifo")
        c = [f[j] * c[j] + i[j] * math.tanh(z["c"][j]) for j in range(H)]
        h = [o[j] * math.tanh(c[j]) for j in range(H)]
        found["c_t"].append(c)
        found["h_t"].append(h)
    return found


def test_values_of_another_program_match() -> None:
    model, theirs = lt.prepare(WEIGHTS), loop(X)
    close = {"rtol": 1e-12, "atol": 1e-12}  # γ₆ · 24 = 2e-14 for 6 terms below 4, growing threefold in each step
    lt.testing.assert_matches(theirs["h_t"], model, X, h0=H0, c0=C0, **close)
    lt.testing.assert_matches(theirs, model, X, h0=H0, c0=C0, **close)
    lt.testing.assert_matches({"0/forward/c_t": np.array(theirs["c_t"])}, WEIGHTS, X, h0=H0, c0=C0, **close)
    two = np.stack([X, X[::-1]])
    states = {"h0": np.stack([H0, H0])[None], "c0": np.stack([C0, C0])[None]}
    rows = np.array([loop(one)["h_t"] for one in two])
    lt.testing.assert_matches(rows, model, two, batch_first=True, **states, **close)
    lt.testing.assert_matches(np.swapaxes(rows, 0, 1), model, np.swapaxes(two, 0, 1), **states, **close)


@pytest.mark.parametrize(("t", "j"), [(0, 1), (2, 0), (3, 1)])
def test_the_first_value_that_differs_is_named(t: int, j: int) -> None:
    theirs = {name: np.array(values) for name, values in loop(X).items()}
    theirs["c_t"][t, j] += 1e-6
    with pytest.raises(AssertionError, match=rf"different: first at 0/forward/{t}/0/c_t\[{j}\]") as error:
        lt.testing.assert_matches(theirs, lt.prepare(WEIGHTS), X, h0=H0, c0=C0, atol=1e-9)
    assert str(error.value).count("\n") < 12
    with pytest.raises(AssertionError, match=r"c_t: expected the shape \(4, 2\), as the layout of x; found \(4,\)"):
        lt.testing.assert_matches({"c_t": theirs["c_t"][:, 0]}, lt.prepare(WEIGHTS), X, h0=H0, c0=C0)
    for wrong in ("q_t", "W_xi", "1/forward/c_t"):
        with pytest.raises(lt.MissingError):
            lt.testing.assert_matches({wrong: X}, lt.prepare(WEIGHTS), X, h0=H0, c0=C0)


@pytest.mark.parametrize("name", ["h_t", "c_t"])
def test_float32_values_are_as_exact_as_float32(name: str) -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.LSTM(INPUTS, H)
    for part, kind in (("ih", "W_x"), ("hh", "W_h"), ("ih", "b_")):
        stored = getattr(module, f"{'bias' if kind == 'b_' else 'weight'}_{part}_l0")
        stored.data = torch.tensor(np.concatenate([WEIGHTS[f"{kind}{gate}"] for gate in "ifco"])).float()
    module.bias_hh_l0.data *= 0
    x, state = torch.tensor(X).float(), tuple(torch.tensor(each)[None].float() for each in (H0, C0))
    output, (_, c) = module(x, state)
    theirs = output if name == "h_t" else {"h_t": np.array(loop(X)["h_t"]), "c_t": torch.stack([c[0]] * T)}
    if name == "c_t":  # one array in float32 among several: the module returns c of the last step alone
        theirs["c_t"][:-1] = torch.tensor(loop(X)["c_t"][:-1]).float()
    lt.testing.assert_matches(theirs, WEIGHTS, X, h0=H0, c0=C0)
    wrong = output.detach().clone()
    wrong[2, 1] += 1e-4  # 0 .. 1 in float32 is exact to 6e-8
    with pytest.raises(AssertionError, match=r"different: first at 0/forward/2/0/h_t\[1\]"):
        lt.testing.assert_matches(wrong, WEIGHTS, X, h0=H0, c0=C0)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full((T, H), 1000j), "expected numbers, found the dtype complex128"),
        (np.full((T, H), "1.0"), "expected numbers, found the dtype <U3"),
        ("x", "expected a number, found the text 'x'"),
        ([[1, 2], [3]], "the list is ragged"),
        (object(), "expected a number, found <object"),
    ],
)
def test_values_that_are_no_numbers(values: Any, said: str) -> None:
    for given in (values, {"h_t": values}):
        with pytest.raises(lt.ShapeError, match=f"h_t: {said}"):
            lt.testing.assert_matches(given, WEIGHTS, X, h0=H0, c0=C0)


def test_traces_of_which_one_has_less_are_not_the_same() -> None:
    whole = lt.run(WEIGHTS, X)
    for part, said in (
        (lt.run(WEIGHTS, X[:1]), "a has 4 steps, b has 1"),
        (lt.run(WEIGHTS, X, record="i_t"), "0/forward: only in a: W_xi @ x_t, W_hi @ h_prev"),
    ):
        assert lt.diff(whole, part).same
        with pytest.raises(AssertionError, match=said):
            lt.testing.assert_same(whole, part)
        with pytest.raises(AssertionError):
            lt.testing.assert_same(part, whole)


def test_traces_are_the_same_or_it_says_where_not() -> None:
    a, b = (lt.run({**WEIGHTS, "b_f": bias}, X, h0=H0, c0=C0) for bias in (WEIGHTS["b_f"], WEIGHTS["b_f"] + [0.0, 0.5]))
    lt.testing.assert_same(a, lt.run(WEIGHTS, X, h0=H0, c0=C0, plan="lines"))
    with pytest.raises(AssertionError, match=r"different: first at 0/forward/0/0/z_f\[1\]"):
        lt.testing.assert_same(a, b)
    lt.testing.assert_same(a, b, atol=10.0)
    with pytest.raises(lt.OptionError, match="atol: expected a number"):
        lt.testing.assert_same(a, b, atol="1e-6")
