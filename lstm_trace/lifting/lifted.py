"""A lifted cell: its equations, its weights and its trace, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..base import conveniences
from ..base.arrays import Array
from ..cell.lines import Cell, number
from ..cell.variants import named as named_cell
from ..errors import MissingError
from ..model.model import Model
from ..model.sources import prepare
from ..trace.trace import Trace
from .naming import CellNaming, gate_letter

_KINDS = {"lstm": "an LSTM", "gru": "a GRU", "rnn": "a simple RNN"}
_GATES = {
    "i_t": "input gate", "f_t": "forget gate", "o_t": "output gate", "c_tilde": "candidate", "r_t": "reset gate",
    "u_t": "update gate", "h_tilde": "candidate",
}  # fmt: skip
_SQUASHING = ("sigmoid", "tanh", "relu", "softplus", "elu", "exp")


@dataclass(frozen=True, eq=False, repr=False)
class Lifted:
    """A step function as a cell.

    trace: of the given input. weights: by the names of the equations. aliases: a line's name to that of the variable in
    the code. unread: weights that nothing returned is computed from, by their names in the code.
    """

    trace: Trace
    model: Model
    naming: CellNaming
    weights: Mapping[str, Array]
    aliases: Mapping[str, str]
    unread: Mapping[str, Array]

    def __repr__(self) -> str:
        return f"<Lifted {self.model.header.title}: {self.sentence}>"

    @property
    def cell(self) -> Cell:
        """The equations."""
        return self.model.cell

    @property
    def kind(self) -> str:
        """The named cell that it is, or is a variant of: `lstm`, `gru` or `rnn`; empty for a cell of its own."""
        return self.naming.kind

    @property
    def sentence(self) -> str:
        """What it is, in words."""
        naming, cell = self.naming, self.cell
        end = f"; {', '.join(self.unread)} {'is' if len(self.unread) == 1 else 'are'} not read" if self.unread else ""
        if not naming.kind:
            return f"a cell of its own with the states {', '.join(cell.states)}{end}"
        squashed, others = [], []
        for name in (*naming.unlike, *naming.lacking):
            op = cell.by_name[name].op if name in cell.by_name else ""
            part = "state" if (naming.kind, name) == ("rnn", "h_t") else _GATES.get(name, "")
            if part and op in _SQUASHING:
                squashed.append(f"whose {part} is squashed by {op}")
            else:
                others.append(name)
        said = [*self._options(), *squashed, *([f"but for {', '.join(others)}"] if others else [])]
        return f"{_KINDS[naming.kind]} {', '.join(said)}".strip() + end

    def _options(self) -> list[str]:
        options = self.naming.options
        said = []
        if "reset_after" in options:
            said.append(f"whose reset gate stands {'after' if options['reset_after'] else 'before'} the product")
        said += ["with peepholes"] if options.get("peephole") else []
        said += ["with coupled gates"] if options.get("coupled") else []
        if bias := options.get("forget_bias"):
            said.append(f"with {number(bias)} added to the forget gate")
        if bound := options.get("cell_clip"):
            said.append(f"whose cell state is clipped at {number(bound)}")
        return said

    def run(self, x: Any, h0: Any = None, c0: Any = None, **arguments: Any) -> Trace:
        """Trace another input, without running the function again.

        Args:
            x: (T, I) or (T, B, I).
            h0: the initial hidden state, (B, H); zeros if None.
            c0: the initial cell state.
            arguments: others of `Model.run`.
        """
        return self.model.run(x, h0, c0, **arguments)

    @cached_property
    def named(self) -> Trace:
        """The trace of the named cell with the same weights, input and states.

        A weight that the code has and does not read is used too; one that it lacks is zero.

        Raises MissingError if the cell is not like a named one.
        """
        naming, trace = self.naming, self.trace
        if not naming.kind:
            raise MissingError(f"{self.model.header.title} is {self.sentence}: no named cell is like it")
        begin = trace.initial["0/forward"]
        width, inputs = begin["h_prev"].shape[-1], trace["x_t"].shape[-1]
        sizes = {"W_x": (width, inputs), "W_h": (width, width)}
        weights = {
            name: self.weights[name] if name in self.weights else self._lacking(name, sizes.get(name[:3], (width,)))
            for name in named_cell(naming.kind, naming.options)[0].parameters
        }
        model = prepare(weights, {"kind": naming.kind, **naming.options}, name=naming.kind)
        return model.run(trace["x_t"], begin["h_prev"], begin.get("c_prev"))

    def _lacking(self, name: str, shape: tuple[int, ...]) -> Array:
        """A weight of the named cell that the equations lack: one of those that they do not read, or zeros."""
        for label, array in self.unread.items():
            if gate_letter(self.kind, label) == name[-1] and array.size == np.prod(shape):
                return array.reshape(shape)
        return np.zeros(shape)

    def compare(self) -> Any:
        """Compare with the named cell, the reference: which equation differs, and by how much (docs/diff.md)."""
        return conveniences.call("lifted.compare", self.named, self.trace)
