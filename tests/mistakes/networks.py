"""Networks whose numbers tell mistakes apart: no weight is zero, sequences have states, several steps and units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import lstm_trace as lt

T, B, I, H = 6, 3, 4, 4  # noqa: E741  # the sizes of the docs
BOTH = ("forward", "reverse")
GATES = {"lstm": "ifco", "gru": "ruh", "rnn": "h"}


def weights(
    kind: str, layers: int = 1, directions: tuple[str, ...] = ("forward",), two: bool = False, units: int = H,
    seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Weights of a network, drawn so that all values differ; two: with two biases for each gate."""
    drawn = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for layer in range(layers):
        for direction in directions:
            width = I if layer == 0 else units * len(directions)
            for gate in GATES[kind]:
                here: dict[str, tuple[int, ...]] = {f"W_x{gate}": (units, width), f"W_h{gate}": (units, units)}
                names = (f"b_x{gate}", f"b_h{gate}") if two else (f"b_{gate}",)
                here |= dict.fromkeys(names, (units,))
                found |= {f"{layer}/{direction}/{name}": drawn.normal(0, 0.7, shape) for name, shape in here.items()}
    return found


#: The networks: kind, options, layers and directions, two biases, lengths.
NETWORKS: dict[str, dict[str, Any]] = {
    "lstm": {},
    "lstm of two biases": {"two": True},
    "lstm with peepholes and clip": {"options": {"peephole": True, "clip": 0.8}},
    "lstm with a projection": {"options": {"projection": True}},
    "lstm with layer norm": {"options": {"layer_norm": True}},
    "lstm with lengths": {"lengths": [6, 2, 4]},
    "lstm 2 x 2": {"layers": 2, "directions": BOTH},
    "gru": {"kind": "gru"},
    "gru that resets after": {"kind": "gru", "options": {"reset_after": True}, "two": True},
    "gru, both directions": {"kind": "gru", "directions": BOTH, "lengths": [6, 2, 4]},
    "rnn": {"kind": "rnn"},
    "rnn of two layers": {"kind": "rnn", "layers": 2},
    "rnn of added directions": {"kind": "rnn", "directions": BOTH, "options": {"merge": "sum"}},
    "rnn of averaged directions": {"kind": "rnn", "directions": BOTH, "options": {"merge": "mean"}},
    "rnn of multiplied directions": {"kind": "rnn", "directions": BOTH, "options": {"merge": "product"}},
    "gru without biases that resets after": {"kind": "gru", "options": {"reset_after": True}, "bias": False},
    "lstm with other functions": {
        "options": {"gate_activation": "hard_sigmoid(0.3, 0.4)", "candidate_activation": "leaky_relu(0.2)"}
    },
    "lstm with a forget bias": {"options": {"forget_bias": 1.0, "cell_clip": 0.5}},
    "rows times matrices": {"equations": "h_t = tanh(x_t @ W_x + h_prev @ W_h + b)\ncarry: h_prev <- h_t\noutput: h_t"},
}


def network(name: str, seed: int = 0, scale: float = 1.0) -> lt.Trace:
    """A run of one of the networks, with every line. scale: of x."""
    facts = NETWORKS[name]
    if "equations" in facts:
        drawn = np.random.default_rng(seed)
        own = {name: drawn.normal(0, 0.7, shape) for name, shape in (("W_x", (I, H)), ("W_h", (H, H)), ("b", (H,)))}
        x, h0 = scale * drawn.normal(0, 0.9, (T, B, I)), drawn.normal(0, 0.6, (1, B, H))
        return lt.run(own, x, h0, cell={"equations": facts["equations"]}, plan="lines")
    kind, layers, directions = facts.get("kind", "lstm"), facts.get("layers", 1), facts.get("directions", ("forward",))
    drawn = np.random.default_rng(seed + 1)
    given = weights(kind, layers, directions, facts.get("two", False), seed=seed)
    options: Mapping[str, Any] = facts.get("options", {})
    width = 3 if options.get("projection") else H
    if options.get("projection"):
        given |= {f"0/forward/W_h{g}": drawn.normal(0, 0.7, (H, width)) for g in GATES[kind]}
        given["0/forward/W_hr"] = drawn.normal(0, 0.7, (width, H))
    if options.get("layer_norm"):
        given |= {f"0/forward/{name}_{g}": drawn.normal(0.5, 0.5, H) for g in GATES[kind] for name in ("gamma", "beta")}
        given = {name: values for name, values in given.items() if "/b_" not in name}
    if not facts.get("bias", True):
        given = {name: values for name, values in given.items() if "/b_" not in name}
    if options.get("peephole"):
        given |= {f"0/forward/w_c{g}": drawn.normal(0, 0.7, H) for g in "ifo"}
    count = layers * len(directions)
    states: dict[str, Any] = {"h0": drawn.normal(0, 0.6, (count, B, width))}
    if kind == "lstm":
        states["c0"] = drawn.normal(0, 0.6, (count, B, H))
    x = scale * drawn.normal(0, 0.9, (T, B, I))
    return lt.run(given, x, cell=kind, options=options, lengths=facts.get("lengths"), plan="lines", **states)
