"""To which gate the page says that a weight belongs: what the reply of a run says of it."""

from __future__ import annotations

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.runs.describing import described

CUSTOM = """\
z_t = sigmoid(W_z @ x_t + U_z @ h_prev + b_z)
z_f = W_f @ x_t
n_t = tanh(W_n @ x_t + z_f)
h_t = (1 - z_t) * h_prev + z_t * n_t
carry: h_prev <- h_t
output: h_t
"""


@pytest.mark.parametrize(
    ("name", "gate"), [("W_z", "z"), ("U_z", "z"), ("b_z", "z"), ("W_f", "f"), ("W_n", "n")]
)  # z_t is the gate z, not "t"; z_f what goes into the gate f
def test_the_gate_of_a_custom_weight(name: str, gate: str) -> None:
    weights = {w: np.eye(2) for w in ("W_z", "U_z", "W_f", "W_n")} | {"b_z": [0.0, 0.0]}
    found = described(lt.run(weights, [[1.0, 2.0]], cell={"equations": CUSTOM}), 8)
    assert next(one.gate for one in found["premises"] if one.name == name) == gate
