"""The batched run of the search is the line-by-line run: h and c of every variant, for every option of readings."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.mistakes.identify import SEARCHED, as_stored, blocks_of, simulate
from lstm_trace.weights.read import Found

H, INPUTS, T, B = 4, 3, 5, 2
OPTIONS: list[dict[str, Any]] = [
    {},
    {"bias": "none"},
    {"bias": "two"},
    {"clip": 0.5},
    {"cell_clip": 0.3},
    {"output_clip": 0.2},
    {"peephole": True},
    {"peephole": True, "clip": 0.5},
    {"coupled": True},
    {"coupled": True, "peephole": True},
    {"forget_bias": 0.75},
    {"gate_activation": "hard_sigmoid"},
    {"candidate_activation": "relu", "output_activation": "relu"},
    {"candidate_activation": "softsign", "output_activation": "linear"},
    {"candidate_activation": "scaled_tanh(1.5, 0.5)"},
]


def weights_of(options: dict[str, Any]) -> dict[str, Any]:
    """Random weights of the gates that a model with these options has."""
    rng = np.random.default_rng(3)
    found: dict[str, Any] = {}
    for gate in "ico" if options.get("coupled") else "ifco":
        found |= {f"W_x{gate}": rng.normal(size=(H, INPUTS)), f"W_h{gate}": rng.normal(size=(H, H))}
        biases = {"none": (), "two": ("b_x", "b_h")}.get(options.get("bias", ""), ("b_",))
        found |= {f"{name}{gate}": rng.normal(size=H) for name in biases}
        if options.get("peephole") and gate != "c":
            found[f"w_c{gate}"] = rng.normal(size=H)
    return found


@pytest.mark.few(0)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: ", ".join(f"{k} {v}" for k, v in options.items()))
@pytest.mark.parametrize("states", [False, True])
def test_every_variant_is_the_run_line_by_line(options: dict[str, Any], states: bool) -> None:
    weights = weights_of(options)
    found = Found("", "", {f"0/forward/{key}": values for key, values in weights.items()}, options)
    blocks, reading = blocks_of(found), as_stored(found)
    rng = np.random.default_rng(4)
    x, h0, c0 = rng.normal(size=(T, B, INPUTS)), *(rng.normal(size=(2, B, H)) * states)
    biases = (0.0, 1.0, reading.forget_bias) if "f" in blocks.gates else (0.0,)
    variants = [("".join(order), extra) for order in permutations(blocks.gates) for extra in biases]
    steps = list(simulate(blocks, reading, variants, x, h0, c0))
    assert len(steps) == T
    for at, (order, extra) in enumerate(variants):
        stems = {key[:-1] for key in weights if not key.startswith("w_c")}  # the order is that of all but peepholes
        own = {f"{stem}{gate}": weights[f"{stem}{blocks.gates[order.index(gate)]}"]
               for stem in stems for gate in blocks.gates}  # fmt: skip
        own |= {key: values for key, values in weights.items() if key.startswith("w_c")}
        cell = {"kind": "lstm", **options, **({"forget_bias": extra} if "f" in blocks.gates else {})}
        trace = lt.prepare(own, cell=cell).run(x, h0=h0[None], c0=c0[None], plan="lines")
        lines = trace.lines["0/forward"]
        for t, (h, c) in enumerate(steps):
            np.testing.assert_allclose(h[at], lines["h_t"][t], rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(c[at], lines["c_t"][t], rtol=1e-12, atol=1e-14)


def test_every_option_of_readings_is_compared() -> None:
    assert {name for options in OPTIONS for name in options} == set(SEARCHED)
