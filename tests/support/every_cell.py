"""Every named cell as it is and with each of its options, run on random numbers: for what must hold of any of them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

import lstm_trace as lt
from lstm_trace.cell.named_cells import KINDS
from lstm_trace.cell.variants import named
from lstm_trace.trace.trace import Trace

#: A value of an option that is not its default; true for all others.
OTHER_VALUES: dict[str, Any] = {
    "bias": "two", "clip": 2.0, "output_clip": 2.0, "cell_clip": 2.0, "projection_clip": 2.0, "forget_bias": 1.0,
    "gate_activation": "hard_sigmoid", "candidate_activation": "relu", "output_activation": "linear",
    "layer_norm_epsilon": 1e-3, "forget_activation": "exp", "stabilised": False, "update": "write",
    "activation": "relu",
}  # fmt: skip
#: What an option needs beside it.
NEEDED = {
    "projection_bias": {"projection": True}, "projection_clip": {"projection": True},
    "layer_norm_epsilon": {"layer_norm": True}, "layer_norm_carried": {"layer_norm_cell": True},
}  # fmt: skip
#: Kind and options of each cell, by what it is called.
CELLS: dict[str, tuple[str, dict[str, Any]]] = {
    **{kind: (kind, {}) for kind in KINDS},
    **{
        f"{kind}, {option.name}": (
            kind,
            {**NEEDED.get(option.name, {}), option.name: OTHER_VALUES.get(option.name, True)},
        )
        for kind, spec in KINDS.items()
        for option in fields(spec)
    },
}
#: What may follow a cell, by the loss.
READOUTS = {
    "cross entropy": "y_t = W_hy @ h_t + b_y\np_t = softmax(y_t)\nL = cross_entropy(y_t, target_t)\n",
    "squared error": "y_t = W_hy @ h_t + b_y\nL = squared_error(y_t, target_t)\n",
}


def ran(name: str, units: int = 3, steps: int = 3, loss: str = "") -> Trace:
    """A cell of `CELLS` on random weights and two inputs, with a readout of three classes where a loss is named."""
    kind, options = CELLS[name]
    cell, _ = named(kind, {"bias": "one", **options})
    out = units - bool(options.get("projection"))
    shapes = {"W_x": (units, 2), "W_h": (units, out)} | ({"W_hr": (out, units), "b_hr": (out,)} if out < units else {})
    draw = np.random.default_rng(7)
    weights = {p: draw.normal(size=shapes.get(p, shapes.get(p[:3], (units,)))) for p in cell.parameters}
    x = draw.normal(size=(steps, 2))
    chosen = {key: value for key, value in options.items() if key != "bias"}
    if not loss:
        return lt.run(weights, x, cell=kind, options=chosen)
    weights |= {"W_hy": draw.normal(size=(3, out)), "b_y": draw.normal(size=3)}
    problem = {"cell": {"kind": kind, **chosen}, "extra": f"input: target_t\n{READOUTS[loss]}", "x": x.tolist()}
    given = {"target_t": np.eye(3)[np.arange(steps) % 3].tolist()}
    return lt.run(problem | {"given": given, "weights": {k: w.tolist() for k, w in weights.items()}})
