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
    spare: what these are in the named cell. loop: how a function of several states is called at each step.
    """

    trace: Trace
    model: Model
    naming: CellNaming
    weights: Mapping[str, Array]
    aliases: Mapping[str, str]
    unread: Mapping[str, Array]
    spare: Mapping[str, Array]
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
        return sentence(self.naming, self.cell, self.unread) + back

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
        state, hidden = trace["c_t" if naming.kind == "lstm" else "h_t"].shape[-1], trace["h_t"].shape[-1]
        sizes = {"W_x": (state, trace["x_t"].shape[-1]), "W_h": (state, hidden), "W_hr": (hidden, state)}
        given = {**self.spare, **self.weights}
        weights = {
            name: given[name] if name in given else np.zeros(sizes.get(name, sizes.get(name[:3], (state,))))
            for name in named_cell(naming.kind, naming.options)[0].parameters
        }
        cell = {"kind": naming.kind, **naming.options, "direction": self.direction}
        model = prepare(weights, cell, name=naming.kind)
        begin = trace.initial.get(f"0/{self.direction}", {})
        return model.run(trace.x, begin.get("h_prev"), begin.get("c_prev"))

    def compare(self) -> Any:
        """Compare with the named cell, the reference: which equation differs, and by how much (docs/diff.md).

        Raises MissingError if no cell is like it, or if the code lacks a matrix without which that cell is the same.
        """
        found, title = conveniences.call("lifted.compare", self.named, self.trace), self.model.header.title
        (parameters,) = self.named.parameters.values()
        lacking = [name for name in parameters if name not in {**self.spare, **self.weights}]
        if found.same and self.naming.unlike and (matrices := [name for name in lacking if name.startswith("W_")]):
            raise MissingError(f"{title} is {self.sentence}: it has no {', '.join(matrices)} to compare the two with")
        return found if title == self.kind else replace(found, names=Remark("diff.names", {"a": self.kind, "b": title}))
