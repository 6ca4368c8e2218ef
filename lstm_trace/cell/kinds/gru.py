"""The GRU (Cho et al. 2014): a reset gate and an update gate, and no cell state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .kind import Kind, apply, clipped


@dataclass(frozen=True)
class GRU(Kind):
    """Options of the cell `gru`: reset gate r, update gate u, candidate h.

    bias: as for `lstm`. reset_after: the reset gate multiplies W_hh h + b_hh (PyTorch, cuDNN; Keras' default, ONNX's
    linear_before_reset), not h (Cho et al. 2014, equation 8).
    update: what the update gate does with its share of the old state: keep (Cho et al. 2014, equation 7; PyTorch,
    Keras, ONNX) or write over it (Chung et al. 2014).
    clip: bound of the input of both gates and of the candidate (ONNX). gate_activation, candidate_activation: as for
    `lstm`.
    """

    gates = "ruh"

    reset_after: bool = False
    update: Literal["keep", "write"] = "keep"
    clip: float | None = None
    gate_activation: str = "sigmoid"
    candidate_activation: str = "tanh"

    def equations(self) -> str:
        """The cell as text."""
        rows = []
        for gate, name in (("r", "r_t"), ("u", "u_t"), ("h", "h_tilde")):
            x, h, b = self.terms(gate, "(r_t * h_prev)" if gate == "h" and not self.reset_after else "h_prev")
            if gate == "h" and self.reset_after:
                h = [f"r_t * ({' + '.join(h)})"]
            activation = self.candidate_activation if gate == "h" else self.gate_activation
            rows.append(f"z_{gate} = {' + '.join([*x, *h, *b])}")
            rows.append(f"{name} = {apply(activation, clipped(f'z_{gate}', self.clip))}")
        old, new = ("u_t", "(1 - u_t)") if self.update == "keep" else ("(1 - u_t)", "u_t")
        rows.append(f"h_t = {old} * h_prev + {new} * h_tilde")
        return "\n".join([*rows, "carry: h_prev <- h_t", "output: h_t"])
