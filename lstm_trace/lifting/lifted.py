"""A lifted cell: its equations, its weights and its trace, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from itertools import groupby
from typing import Any

import numpy as np

from ..base import conveniences
from ..base.arrays import Array
from ..base.remark import Remark
from ..cell.lines import Cell
from ..cell.variants import named as named_cell
from ..errors import MissingError
from ..model.model import Model
from ..model.sources import prepare
from ..trace.trace import Trace
from .naming import CellNaming
from .sentence import sentence


@dataclass(frozen=True, eq=False, repr=False)
class Lifted:
    """A step function as a cell.

    trace: of the given input. weights: by the names of the equations. aliases: a line's or weight's name to that in the
    code. unread: weights, and parts of weights, that nothing returned is computed from, by their names in the code.
    spare: what these are in the named cell. begin: the initial states that were given, (B, n), by name. loop: how a
    function of several states is called at each step.
    """

    trace: Trace
    model: Model
    naming: CellNaming
    weights: Mapping[str, Array]
    aliases: Mapping[str, str]
    unread: Mapping[str, Array]
    spare: Mapping[str, Array]
    begin: Mapping[str, Array]
    loop: str = ""

    def __repr__(self) -> str:
        return f"<Lifted {self.model.header.title}: {self.sentence}>"

    def __str__(self) -> str:
        rows = self.cell.text.splitlines()
        wide = max(map(len, rows))
        names = [self.aliases.get(row.partition(" = ")[0], "") for row in rows]
        rows = [f"{row:{wide}}  # {name}" if name else row for row, name in zip(rows, names, strict=True)]
        called = [(name, f"{name} = {self.aliases[name]}") for name in self.weights if name in self.aliases]
        gates = [", ".join(text for _, text in each) for _, each in groupby(called, lambda pair: pair[0][-1])]
        loop = [f"each step: {self.loop}"] * bool(self.loop)
        return "\n".join([f"{self.model.header.title}: {self.sentence}", *loop, "", *rows, *gates])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    @property
    def cell(self) -> Cell:
        """The equations."""
        return self.model.cell

    @property
    def kind(self) -> str:
        """The named cell that it is, or is a variant of: `lstm`, `gru` or `rnn`; empty for a cell of its own."""
        return self.naming.kind

    @property
    def direction(self) -> str:
        """`reverse` if it reads x from its last step to its first; else `forward`."""
        return self.trace.stages[0].direction

    @property
    def sentence(self) -> str:
        """What it is, in words."""
        back = "; it reads x from its last step to its first" if self.direction == "reverse" else ""
        return sentence(self.naming, self.cell, self.unread, self.aliases) + back

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

        A weight that the code has and does not read is used too; a bias that it lacks is zero.

        Raises MissingError if the cell is not like a named one, or if it lacks a matrix that the named cell has.
        """
        naming, trace = self.naming, self.trace
        title = f"{self.model.header.title} is {self.sentence}"
        if not naming.kind:
            raise MissingError(f"{title}: no named cell is like it")
        state, hidden = trace["c_t" if naming.kind == "lstm" else "h_t"].shape[-1], trace["h_t"].shape[-1]
        sizes = {"W_x": (state, trace["x_t"].shape[-1]), "W_h": (state, hidden), "W_hr": (hidden, state)}
        names = named_cell(naming.kind, naming.options)[0].parameters
        weights = {name: array for name, array in {**self.spare, **self.weights}.items() if name in names}
        lacking = []
        for name in names:
            shape = sizes.get(name, sizes.get(name[:3], (state,)))
            if name.startswith(("b_", "w_", "beta_")):  # without them a cell is the same as with zeros
                weights.setdefault(name, np.zeros(shape))
            elif name not in weights or weights[name].shape != shape:
                lacking.append(name)
        if lacking:
            raise MissingError(f"{title}: it has no {', '.join(lacking)} to compare the two with")
        cell = {"kind": naming.kind, **naming.options, "direction": self.direction}
        model = prepare(weights, cell, name=naming.kind)
        return model.run(trace.x, self.begin.get("h"), self.begin.get("c"))

    def compare(self) -> Any:
        """Compare with the named cell, the reference: which equation differs, and by how much (docs/diff.md).

        Raises MissingError as `named` does.
        """
        found, title = conveniences.call("lifted.compare", self.named, self.trace), self.model.header.title
        return found if title == self.kind else replace(found, names=Remark("diff.names", {"a": self.kind, "b": title}))
