"""Cells by their own equations (GRU, plain RNN, readouts, softmax) against scalar loops; cells with mistakes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import CellError, LstmTraceError, MissingError

from ..support import oracle
from ..support.rounding import EPS, numbers, total, within

GRU = """
r_t = sigmoid(W_xr @ x_t + W_hr @ h_prev + b_r)                # reset gate
u_t = sigmoid(W_xu @ x_t + W_hu @ h_prev + b_u)                # update gate
n_t = tanh(W_xn @ x_t + b_n + r_t * (W_hn @ h_prev))
h_t = (1 - u_t) * n_t + u_t * h_prev
carry: h_prev <- h_t
output: h_t
"""
RNN = "h_t = tanh(W_x @ x_t + W_h @ h_prev + b)\ncarry: h_prev <- h_t"
SOFTMAX = """
scores = W_hy @ h_t + b_y
lifted = exp(scores - max(scores))
p_t = lifted / sum(lifted)
"""


def case(shapes: dict[str, tuple[int, ...]], seed: int = 2, steps: int = 4, rows: int = 2) -> dict[str, Any]:
    """Random weights of 3 inputs and 4 units, an input and a state."""
    rng = np.random.default_rng(seed)
    return {
        "weights": {name: rng.normal(size=shape) for name, shape in shapes.items()},
        "x": rng.normal(size=(steps, rows, 3)),
        "h0": rng.normal(size=(rows, 4)),
    }


def gru(w: dict[str, Any], x: list[float], h: list[float]) -> dict[str, list[float]]:
    """One step of Cho et al. 2014 with the reset gate after the product, as PyTorch has it, unit by unit."""
    parts = {g: (oracle.matvec(w[f"W_x{g}"], x), oracle.matvec(w[f"W_h{g}"], h)) for g in "run"}
    r = [oracle.call("sigmoid", total(terms)) for terms in zip(*parts["r"], w["b_r"], strict=True)]
    u = [oracle.call("sigmoid", total(terms)) for terms in zip(*parts["u"], w["b_u"], strict=True)]
    n = [oracle.call("tanh", total([a, c, k * b])) for a, b, c, k in zip(*parts["n"], w["b_n"], r, strict=True)]
    return {"r_t": r, "u_t": u, "n_t": n, "h_t": [(1 - u_) * n_ + u_ * h_ for u_, n_, h_ in zip(u, n, h, strict=True)]}


def rnn(w: dict[str, Any], x: list[float], h: list[float]) -> dict[str, list[float]]:
    """One step of Elman 1990."""
    parts = zip(oracle.matvec(w["W_x"], x), oracle.matvec(w["W_h"], h), w["b"], strict=True)
    return {"h_t": [oracle.call("tanh", total(terms)) for terms in parts]}


SHAPES = {
    "gru": {f"W_{s}{g}": (4, 3 if s == "x" else 4) for s in "xh" for g in "run"} | {f"b_{g}": (4,) for g in "run"},
    "rnn": {"W_x": (4, 3), "W_h": (4, 4), "b": (4,)},
}


@pytest.mark.parametrize(("name", "text", "step"), [("gru", GRU, gru), ("rnn", RNN, rnn)])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("plan", ["lines", "planned"])
def test_own_cells_agree_with_scalar_loops(name: str, text: str, step: Any, reverse: bool, plan: Any) -> None:
    given = case(SHAPES[name])
    direction = "reverse" if reverse else "forward"
    cell = {"equations": text, "direction": direction}
    trace = lt.run(given["weights"], given["x"], h0=given["h0"], cell=cell, plan=plan)
    lists = {key: array.tolist() for key, array in given["weights"].items()}
    for b in range(2):
        h = given["h0"][b]
        for t in reversed(range(4)) if reverse else range(4):
            for line, values in step(lists, numbers(given["x"][t, b]), numbers(h)).items():
                within(trace[line][t, b], values, line)
            h = trace["h_t"][t, b]
    assert trace.header.kind == "equations"
    assert trace.scopes == (f"0/{direction}",)
    last = trace["h_t"][0 if reverse else -1]
    np.testing.assert_array_equal(trace.h_n[0], last)
    with pytest.raises(MissingError, match="no cell of this trace carries c_prev"):
        _ = trace.c_n


def test_own_cells_stack_and_take_lengths_as_the_named_ones_do() -> None:
    first, second = case(SHAPES["gru"]), case({**SHAPES["gru"], **{f"W_x{g}": (4, 4) for g in "run"}}, seed=3)
    weights = {f"{layer}/forward/{n}": a for layer, c in enumerate((first, second)) for n, a in c["weights"].items()}
    trace = lt.run(weights, first["x"], cell={"equations": GRU}, lengths=[4, 2])
    below = lt.run(first["weights"], first["x"][:2, 1], cell={"equations": GRU})
    np.testing.assert_allclose(trace.at(layer=0)["y_t"][:2, 1], below["h_t"][:, 0], rtol=1e-12)
    assert not trace.output[2:, 1].any()
    above = lt.run(second["weights"], below["h_t"][:, 0], cell={"equations": GRU})
    np.testing.assert_allclose(trace.output[:2, 1], above["h_t"][:, 0], rtol=1e-11)
    np.testing.assert_allclose(trace.h_n[:, 1], [below["h_t"][-1, 0], above["h_t"][-1, 0]], rtol=1e-11)


def readout(extra: str = SOFTMAX) -> tuple[lt.Trace, dict[str, Any]]:
    shapes = {f"W_x{g}": (4, 3) for g in "ifco"} | {f"W_h{g}": (4, 4) for g in "ifco"}
    given = case({**shapes, "W_hy": (5, 4), "b_y": (5,)})
    problem = {**{k: v for k, v in given.items() if k != "x"}, "x": given["x"], "extra": extra}
    return lt.run(problem), given


def test_a_readout_with_softmax_is_lines_like_all_others() -> None:
    trace, given = readout()
    assert {"W_hy @ h_t", "scores", "max(scores)", "lifted", "sum(lifted)", "p_t"} <= set(trace.lines["0/forward"])
    w = {name: array.tolist() for name, array in given["weights"].items()}
    for t in range(4):
        for b in range(2):
            products = oracle.matvec(w["W_hy"], numbers(trace["h_t"][t, b]))
            scores = [s + bias for s, bias in zip(products, w["b_y"], strict=True)]
            lifted = [oracle.call("exp", s - max(scores)) for s in scores]
            within(trace["p_t"][t, b], [each / total(lifted) for each in lifted], "p_t")
    assert np.abs(trace["p_t"].sum(axis=-1) - 1).max() <= 4 * EPS
    assert trace.output.shape == (4, 2, 4), "what the next layer sees stays h_t"
    assert [address.line for address in trace.asked()] == ["h_t", "p_t"]


def test_softmax_holds_for_scores_that_overflow() -> None:
    text = "lifted = exp(x_t - max(x_t))\np = lifted / sum(lifted)"
    trace = lt.run({}, [[1000.0, 999.0, -1000.0]], cell={"equations": text})
    np.testing.assert_allclose(trace["p"][0, 0], [1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1)), 0.0], rtol=1e-15)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("y_t = W_hy @ h_t +* 2", "equation 1: this cannot be read as an equation"),
        ("a = 1\n\ny_t = sigmiod(h_t)", "equation 3: unknown function 'sigmiod'; did you mean 'sigmoid'?"),
        ("i_t = W_hy @ h_t", "equation 1: i_t is assigned twice (the cell has it already); choose another name"),
        ("carry: h_prev <- h_t", "h_prev is carried twice"),
        ("q_t = q_prev + h_t\ncarry: q_prev <- q_u", "equation 2: the carry is open: no equation gives q_u a value"),
        ("q_t = q_prev + r_prev", "r_prev is read but the carry is open: declare `carry: r_prev <- …`"),
    ],
)
def test_mistakes_in_added_equations(extra: str, message: str) -> None:
    with pytest.raises(CellError) as error:
        readout(extra)
    assert message in str(error.value)


def test_a_readout_may_be_called_y_t_also_where_rows_have_lengths() -> None:
    """y_t is also what the padding rule calls the layer's output."""
    shapes = {f"W_x{g}": (4, 3) for g in "ifco"} | {f"W_h{g}": (4, 4) for g in "ifco"}
    given = case({**shapes, "W_hy": (5, 4), "b_y": (5,)})
    problem = {"weights": given["weights"], "x": given["x"], "extra": "y_t = W_hy @ h_t + b_y", "ask": ["y_t"]}
    plain = lt.run(problem)
    assert plain["y_t"].shape == (4, 2, 5)
    padded = lt.run({**problem, "lengths": [4, 2]})
    np.testing.assert_allclose(padded["y_t"][:2], plain["y_t"][:2], rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GRU.replace("sigmoid", "sigmoidd"), "unknown function 'sigmoidd'; did you mean 'sigmoid'?"),
        (GRU.replace("b_r)", "b_r"), "'(' was never closed"),
        (GRU.replace("carry: h_prev <- h_t", ""), "h_prev is read but the carry is open: declare `carry: h_prev <- …`"),
        (GRU.replace("n_t = tanh", "u_t = tanh"), "u_t is assigned twice (first in equation 3)"),
        (GRU.replace("u_t * h_prev\n", "u_t * h_prev / 2\n"), "give this quotient a name of its own"),
        (GRU.replace("output: h_t", "output: ht"), "the output ht is not a line of the cell; did you mean 'h_t'?"),
    ],
)
def test_a_cell_with_a_mistake_is_refused_with_the_place(text: str, message: str) -> None:
    given = case(SHAPES["gru"])
    with pytest.raises(CellError) as error:
        lt.run(given["weights"], given["x"], cell={"equations": text})
    assert message in str(error.value)
    assert "^" in str(error.value)


def test_a_typo_in_a_name_is_a_missing_weight_with_the_nearest_name() -> None:
    given = case(SHAPES["gru"])
    with pytest.raises(MissingError) as error:
        lt.run(given["weights"], given["x"], cell={"equations": GRU.replace("r_t * (W_hn", "rt * (W_hn")})
    assert str(error.value) == (
        "equation 4: line `rt * (W_hn @ h_prev)` needs rt, which the weights do not have; did you mean 'r_t'?\n"
        "    n_t = tanh(W_xn @ x_t + b_n + rt * (W_hn @ h_prev))\n"
        "                                  ^"
    )


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("lsmt", "unknown cell 'lsmt'; did you mean 'lstm'? A custom cell is given as {equations: …}"),
        ("mgu2", "unknown cell 'mgu2'; there are lstm, slstm, gru, rnn. A custom cell is given as {equations: …}"),
        ({"equations": RNN, "peephole": True}, "a cell given by equations has no option peephole"),
        ({"kind": "lstm", "peepole": True}, "the cell 'lstm' has no option peepole (did you mean peephole?)"),
        ({"kind": "lstm", "padding": "zeros"}, "option padding must be one of zero, repeat, carry; found 'zeros'"),
        (
            {"kind": "lstm", "direction": "backward"},
            "option direction must be one of forward, reverse; found 'backward'",
        ),
    ],
)
def test_cells_and_options_that_do_not_exist(cell: Any, message: str) -> None:
    with pytest.raises(LstmTraceError) as error:
        lt.prepare({}, cell=cell)
    assert message in str(error.value)


def test_other_inputs_are_given_at_each_step() -> None:
    text = "input: x_t, u_t\nh_t = tanh(W @ x_t + V @ u_t + 0.5 * h_prev)\ncarry: h_prev <- h_t"
    rng = np.random.default_rng(1)
    w, v, x, u = (
        rng.normal(size=(2, 3)),
        rng.normal(size=(2, 4)),
        rng.normal(size=(3, 1, 3)),
        rng.normal(size=(3, 1, 4)),
    )
    trace = lt.run({"W": w, "V": v}, x, cell={"equations": text}, given={"u_t": u})
    h = np.zeros(2)
    for t in range(3):
        parts = [oracle.matvec(m.tolist(), numbers(a[t, 0])) for m, a in ((w, x), (v, u))]
        z = [total([a, b, 0.5 * c]) for a, b, c in zip(*parts, h, strict=True)]
        within(trace["h_t"][t, 0], [oracle.call("tanh", each) for each in z], "h_t")
        h = trace["h_t"][t, 0]
    with pytest.raises(MissingError, match="the cell declares the input u_t, which is not given: add it under given"):
        lt.run({"W": w, "V": v}, x, cell={"equations": text})


def test_a_cell_can_carry_its_input() -> None:
    x = np.array([[1.0, 2.0], [4.0, 3.0], [5.0, 5.0]])
    trace = lt.run(
        {}, x, cell={"equations": "d_t = x_t - x_prev\ncarry: x_prev <- x_t"}, initial={"x_prev": [1.0, 1.0]}
    )
    np.testing.assert_array_equal(trace["d_t"][:, 0], [[0, 1], [3, 1], [1, 2]])
    np.testing.assert_array_equal(trace["x_prev"][:, 0], [[1, 1], [1, 2], [4, 3]])


def test_the_hidden_part_of_a_joined_weight_can_be_written_with_concat() -> None:
    """W [h; x] is W_h h + W_x x."""
    given = case(SHAPES["rnn"])
    w = given["weights"]
    joined = {"W": np.concatenate([w["W_h"], w["W_x"]], axis=1), "b": w["b"]}
    text = "h_t = tanh(W @ concat(h_prev, x_t) + b)\ncarry: h_prev <- h_t"
    one = lt.run(joined, given["x"], h0=given["h0"], cell={"equations": text})
    two = lt.run(w, given["x"], h0=given["h0"], cell={"equations": RNN})
    np.testing.assert_allclose(one["h_t"], two["h_t"], rtol=1e-12)
