"""A stack of bidirectional LSTM layers over one sequence, written out in numpy: the top layer's output at each step.

Shares no code with the package; for tests that run a network many times with other inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def direction(
    w: Mapping[str, np.ndarray], x: np.ndarray, h: np.ndarray, c: np.ndarray, order: Sequence[int]
) -> np.ndarray:
    """h_t at every step of `order`, and 0 at the others. x: (T, I)."""
    found = np.zeros((len(x), len(h)))
    for t in order:
        z = {g: w[f"W_x{g}"] @ x[t] + w[f"W_h{g}"] @ h + w[f"b_{g}"] for g in "ifco"}
        c = sigmoid(z["f"]) * c + sigmoid(z["i"]) * np.tanh(z["c"])
        h = found[t] = sigmoid(z["o"]) * np.tanh(c)
    return found


def outputs(
    weights: Mapping[str, np.ndarray],
    x: np.ndarray,
    initial: Mapping[str, np.ndarray],
    valid: Sequence[bool] | None = None,
) -> np.ndarray:
    """The output of the top layer, (T, D·H), 0 at padding.

    weights: by `layer/direction/name`; initial: as `layer/direction/h0`, (H,); valid: which steps are no padding.
    """
    scopes = sorted({key.rsplit("/", 1)[0] for key in weights})
    steps = [t for t in range(len(x)) if valid is None or valid[t]]
    below = x
    for layer in sorted({int(scope.split("/")[0]) for scope in scopes}):
        halves = []
        for scope in (s for s in scopes if s.startswith(f"{layer}/")):
            w = {key.rsplit("/", 1)[1]: value for key, value in weights.items() if key.startswith(f"{scope}/")}
            order = steps[::-1] if scope.endswith("reverse") else steps
            halves.append(direction(w, below, initial[f"{scope}/h0"], initial[f"{scope}/c0"], order))
        below = np.concatenate(halves, axis=1)
    return below
