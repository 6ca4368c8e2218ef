"""The plain recurrent cell (Elman 1990)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from .kind import Kind, apply


@dataclass(frozen=True)
class RNN(Kind):
    """Options of the cell `rnn`, which has one set of weights: `W_xh`, `W_hh`, and `b_h`, or `b_xh` and `b_hh`.

    bias, activation: as for `lstm`.
    """

    gates = "h"

    activation: str = "tanh"

    def equations(self) -> str:
        """The cell as text."""
        rows = [f"z_h = {' + '.join(chain(*self.terms('h')))}", f"h_t = {apply(self.activation, 'z_h')}"]
        return "\n".join([*rows, "carry: h_prev <- h_t", "output: h_t"])
