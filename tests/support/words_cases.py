"""Traces of which a report says everything in words that it can say: a table from a name to a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import lstm_trace as lt
from lstm_trace.trace.trace import Trace

Draw = np.random.Generator
GATES = {"lstm": "ifco", "slstm": "ifco", "gru": "ruh"}


def cell(kind: str, units: int = 2, inputs: int = 2, steps: int = 3, seed: int = 1, **more: Any) -> Trace:
    """A named cell with drawn weights. more: options of the cell, and what a run takes."""
    draw = np.random.default_rng(seed)
    scale = more.pop("scale", 1.0)
    batch = more.pop("batch", None)
    run = {name: more.pop(name) for name in ("h0", "c0", "lengths", "mask", "ask", "given", "dtype") if name in more}
    gates = [g for g in GATES[kind] if not (more.get("coupled") and g == "f")]
    weights: dict[str, Any] = {f"W_x{g}": scale * draw.normal(size=(units, inputs)) for g in gates}
    weights |= {f"W_h{g}": scale * draw.normal(size=(units, units)) for g in gates}
    if more.get("peephole"):
        weights |= {f"w_c{g}": draw.normal(size=units) for g in "ifo"}
    if more.get("projection"):
        weights |= {f"W_h{g}": weights[f"W_h{g}"][:, :1] for g in gates} | {"W_hr": draw.normal(size=(1, units))}
    if more.get("layer_norm_cell"):
        weights |= {"gamma_cell": np.ones(units), "beta_cell": np.zeros(units)}
    x = draw.normal(size=(steps, inputs) if batch is None else (steps, batch, inputs))
    return lt.run(weights, x, cell={"kind": kind, **more}, **run)


def custom(equations: str, x: Any, **weights: Any) -> Trace:
    """A custom cell; weights that are numbers stand for [[number]]."""
    found = {name: [[value]] if isinstance(value, float) else value for name, value in weights.items()}
    return lt.run(found, x, cell={"equations": equations})


def rnn(biases: int = 1, steps: int = 3, y: int = 0, **more: Any) -> Trace:
    draw = np.random.default_rng(3)
    weights: dict[str, Any] = {"W_xh": draw.normal(size=(2, 2)), "W_hh": draw.normal(size=(2, 2))}
    weights |= {"b_h": draw.normal(size=2)} if biases else {}
    problem: dict[str, Any] = {"cell": "rnn", "weights": weights, "x": draw.normal(size=(steps, 2)).tolist(), **more}
    if y:
        weights["W_hy"] = draw.normal(size=(y, 2)) if more.get("names") else np.ones((y, 2))
        problem["extra"] = "p_t = softmax(W_hy @ h_t)"
    return lt.run(problem)


def readout(extra: str, x: Any, **more: Any) -> Trace:
    """A GRU of one unit with two outputs."""
    weights: dict[str, Any] = {f"W_{s}{g}": [[0.5]] for s in "xh" for g in "ruh"} | {"W_hy": [[1.0], [-2.0]]}
    return lt.run({"cell": "gru", "weights": weights, "extra": extra, "x": x, **more})


#: Its state is kept by a gate of its own name, and shows through another.
OWN = (
    "k_t = sigmoid(W_k @ x_t + s_prev)\np_t = sigmoid(-x_t)\ns_t = W_s @ x_t + k_t * s_prev\n"
    "r_t = p_t * tanh(s_t)\ncarry: s_prev <- s_t\noutput: r_t"
)
FADE = "s_t = 0.5 * s_prev + x_t\ncarry: s_prev <- s_t\noutput: s_t"
GROW = "s_t = 2 * s_prev + x_t\ncarry: s_prev <- s_t\noutput: s_t"

CASES: dict[str, Callable[[], Trace]] = {
    "one step": lambda: cell("lstm", steps=1),
    "one step, old states": lambda: cell("lstm", steps=1, h0=[0.5, -0.25], c0=[0.75, -0.5]),
    "three steps": lambda: cell("lstm"),
    "peephole": lambda: cell("lstm", peephole=True, c0=[1.0, -1.0]),
    "coupled": lambda: cell("lstm", coupled=True),
    "projection": lambda: cell("lstm", projection=True),
    "relu gates": lambda: cell("lstm", gate_activation="relu", scale=3.0, c0=[2.0, 1.0]),
    "tanh gates": lambda: cell("lstm", gate_activation="tanh"),
    "hard sigmoid": lambda: cell("lstm", gate_activation="hard_sigmoid", candidate_activation="sigmoid"),
    "cell norm": lambda: cell("lstm", layer_norm_cell=True),
    "cell norm carried": lambda: cell("lstm", layer_norm_cell=True, layer_norm_carried=True),
    "clipped": lambda: cell("lstm", cell_clip=0.1),
    "slstm": lambda: cell("slstm"),
    "slstm, exp": lambda: cell("slstm", forget_activation="exp", stabilised=False, c0=[1.0, 1.0]),
    "slstm, zero": lambda: lt.run(
        {f"W_{s}{g}": [[0.5]] for s in "xh" for g in "ifco"}, [[0.0], [0.0]], cell="slstm"
    ),
    "slstm, nothing yet": lambda: cell("slstm", steps=1, stabilised=False),
    "gru, one step": lambda: cell("gru", steps=1),
    "gru": lambda: cell("gru", h0=[0.5, -0.5]),
    "gru that writes": lambda: cell("gru", update="write", reset_after=True),
    "gru, relu gates": lambda: cell("gru", gate_activation="relu", scale=3.0),
    "rnn": rnn,
    "rnn, no bias, one step": lambda: rnn(biases=0, steps=1),
    "softmax of equals": lambda: rnn(y=4),
    "softmax of two": lambda: rnn(y=2, steps=1),
    "softmax with names": lambda: rnn(y=3, names={"y": ["go", "stay", "ask"], "x": ["sun", "wind"]}),
    "softmax of a batch": lambda: readout("p_t = softmax(W_hy @ h_t)", [[[1.0], [2.0]], [[0.5], [0.0]]]),
    "softmax of a batch, one step": lambda: readout("p_t = softmax(W_hy @ h_t)", [[[1.0], [2.0]]]),
    "scores of a batch": lambda: readout("y_t = W_hy @ h_t", [[[1.0], [2.0]]], names={"y": ["up", "down"]}),
    "scores alike": lambda: readout("y_t = W_hy @ h_t", [[0.0]]),
    "named inputs": lambda: readout("y_t = W_hy @ h_t", [[1.0], [0.0], [2.0]], names={"x": ["sun"]}),
    "custom": lambda: custom(OWN, [[2.0], [0.0], [1.0]], W_k=0.5, W_s=0.25),
    "custom, one step": lambda: custom(OWN, [[2.0]], W_k=0.5, W_s=0.25),
    "fade": lambda: custom(FADE, [[1.0], *[[0.1]] * 9]),
    "fade for long": lambda: custom(FADE, [[64.0], *[[0.0]] * 9]),
    "fade from a start": lambda: lt.run({}, [[0.0]] * 9, cell={"equations": FADE}, initial={"s_prev": [8.0]}),
    "grow": lambda: custom(GROW, [[1.0], [0.0], [0.0]]),
    "grow from a start": lambda: lt.run({}, [[0.0]] * 3, cell={"equations": GROW}, initial={"s_prev": [8.0]}),
    "wide": lambda: cell("lstm", units=12, steps=9),
    "two layers": lambda: lt.run(
        {f"{n}/forward/W_{s}{g}": [[0.5]] for n in (0, 1) for s in "xh" for g in "ifco"}, [[1.0], [2.0]],
        h0=[[0.5], [0.0]],
    ),
    "batch": lambda: cell("lstm", units=1, batch=3, steps=3, lengths=[3, 2, 1]),
    "large batch": lambda: cell("lstm", units=1, batch=7, steps=2),
    "wide batch": lambda: cell("lstm", units=9, batch=3, steps=6, lengths=[6, 5, 3]),
    "idle for long": lambda: lt.run(
        {f"W_{s}{g}": [[0.5]] for s in "xh" for g in "ifco"}, [[0.0]] * 5 + [[1.0]] * 2
    ),
}  # fmt: skip
