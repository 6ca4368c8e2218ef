"""LSTM layers written out in numpy, one row at a time, in which any value can be overwritten where it is worked out.

Shares no code with the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

#: Called with scope, line, step, row and value: what stands in the value's place.
Hook = Callable[[str, str, int, int, Any], Any]


def direction(
    w: Mapping[str, Any], scope: str, x: Any, b: int, order: Sequence[int], hook: Hook, found: dict[str, Any]
) -> None:
    """One direction over one row. x: (T, I). Puts every line that has a name, and y_t, into `found`."""
    units, out = w["W_hi"].shape[0], w["W_hi"].shape[1]
    h, c = np.zeros(out), np.zeros(units)
    for t in order:
        at: dict[str, Any] = {}

        def put(name: str, value: Any, t: int = t, at: dict[str, Any] = at) -> Any:
            at[name] = hook(scope, name, t, b, value)
            return at[name]

        for g, squash in (("i", "i_t"), ("f", "f_t"), ("c", "c_tilde"), ("o", "o_t")):
            into = put(f"W_x{g} @ x_t", w[f"W_x{g}"] @ x[t])
            z = put(f"z_{g}", into + put(f"W_h{g} @ h_prev", w[f"W_h{g}"] @ h) + w[f"b_{g}"])
            put(squash, np.tanh(z) if g == "c" else 1 / (1 + np.exp(-z)))
        kept, written = put("f_t * c_prev", at["f_t"] * c), put("i_t * c_tilde", at["i_t"] * at["c_tilde"])
        c = put("c_t", kept + written)
        if "W_hr" in w:
            h = put("h_t", w["W_hr"] @ (at["o_t"] * put("tanh(c_t)", np.tanh(c))))
        else:
            h = put("h_t", at["o_t"] * put("tanh(c_t)", np.tanh(c)))
        for name, value in at.items():
            found.setdefault(f"{scope}/{name}", {})[t, b] = value


def network(weights: Mapping[str, Any], x: Any, lengths: Sequence[int], hook: Hook) -> dict[str, Any]:
    """Every value of bidirectional layers over a padded batch, by `scope/line` and (step, row). x: (T, B, I)."""
    found: dict[str, Any] = {}
    layers = 1 + max(int(key.split("/")[0]) for key in weights)
    for b, length in enumerate(lengths):
        below = x[:, b]
        for layer in range(layers):
            halves = []
            for way in ("forward", "reverse"):
                scope = f"{layer}/{way}"
                w = {key.rsplit("/", 1)[1]: a for key, a in weights.items() if key.startswith(f"{scope}/")}
                steps = range(length) if way == "forward" else range(length - 1, -1, -1)
                direction(w, scope, below, b, steps, hook, found)
                out = w["W_hi"].shape[1]
                halves.append([found[f"{scope}/h_t"][t, b] if t < length else np.zeros(out) for t in range(len(x))])
            below = np.concatenate([np.array(half) for half in halves], axis=1)
            for t in range(length):
                below[t] = found.setdefault(f"{layer}/joined/y_t", {})[t, b] = hook(
                    f"{layer}/joined", "y_t", t, b, below[t]
                )
    return found


def random_network(
    seed: int, inputs: int = 3, units: int = 4, out: int | None = None, layers: int = 2
) -> dict[str, Any]:
    """Weights of two bidirectional layers; out: the units of a projection."""
    rng = np.random.default_rng(seed)
    given, found = inputs, {}
    for layer in range(2):
        for way in ("forward", "reverse"):
            for g in "ifco":
                found[f"{layer}/{way}/W_x{g}"] = rng.normal(size=(units, given)) * 0.7
                found[f"{layer}/{way}/W_h{g}"] = rng.normal(size=(units, out or units)) * 0.7
                found[f"{layer}/{way}/b_{g}"] = rng.normal(size=units)
            if out is not None:
                found[f"{layer}/{way}/W_hr"] = rng.normal(size=(out, units))
        given = 2 * (out or units)
    return found
