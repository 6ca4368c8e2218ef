"""The sLSTM of xLSTM (Beck et al. 2024): exponential gates and a normaliser."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Literal

from .kind import Kind


@dataclass(frozen=True)
class SLSTM(Kind):
    """Options of the cell `slstm` (Beck et al. 2024, equations 8 to 17): exponential gates and a normaliser n.

    bias: as for `lstm`. forget_activation: sigmoid or exp. stabilised: with the stabiliser m of equations 15 to 17,
    which leaves h as it is and keeps exp from overflowing. The states c, n and m are carried beside h.
    """

    gates = "ifco"

    forget_activation: Literal["sigmoid", "exp"] = "sigmoid"
    stabilised: bool = True

    def equations(self) -> str:
        """The cell as text; log(sigmoid(z)) is written -softplus(-z), which does not underflow."""
        rows = [f"z_{gate} = {' + '.join(chain(*self.terms(gate)))}" for gate in self.gates]
        if self.stabilised:
            rows += [
                f"log_f = {'z_f' if self.forget_activation == 'exp' else '-softplus(-z_f)'}",
                "m_t = max(log_f + m_prev, z_i)",
                "i_t = exp(z_i - m_t)",
                "f_t = exp(log_f + m_prev - m_t)",
            ]
        else:
            rows += ["i_t = exp(z_i)", f"f_t = {self.forget_activation}(z_f)"]
        rows += [
            "c_tilde = tanh(z_c)",
            "o_t = sigmoid(z_o)",
            "c_t = f_t * c_prev + i_t * c_tilde",
            "n_t = f_t * n_prev + i_t",
            "q_t = c_t / n_t",
            "h_t = o_t * q_t",
            f"carry: h_prev <- h_t, c_prev <- c_t, n_prev <- n_t{', m_prev <- m_t' if self.stabilised else ''}",
            "output: h_t",
        ]
        return "\n".join(rows)
