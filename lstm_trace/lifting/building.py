"""A cell from the values of its states: recognised, written, and prepared with its weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.variants import named as named_cell
from ..model.model import Model
from ..model.sources import prepare
from .expressions import Expr
from .naming import CellNaming, recognised
from .reading import Reader
from .tape import Ids, Tape
from .writing import EquationWriter


class BuiltCell(NamedTuple):
    """A cell with its weights. lines: of each state, and of each other value, by its name; output: of the output."""

    model: Model
    naming: CellNaming
    weights: Mapping[str, Array]
    aliases: Mapping[str, str]
    unread: Mapping[str, Array]
    lines: Mapping[str, str]
    output: str


def built(
    reader: Reader, states: Mapping[str, Expr], others: Mapping[str, Expr], dtype: Any, title: str,
    returned: Iterable[Ids],
) -> BuiltCell:  # fmt: skip
    """The cell. states: `h` and `c` to their new values; others: further values to be computed, by name; returned: all
    that the function returns.
    """
    tape = reader.tape

    def label(weight: Expr) -> str:
        """What the code calls a weight, or the one that it is cut from."""
        owner = int(tape.owners(weight.leaf.reshape(-1)[:1])[0])
        return tape.given.get(tape.nodes[owner].start, "")

    naming = recognised(states, reader.called, label)
    values = {name: expr for expr, name in naming.lines.items()}
    order = named_cell(naming.kind, naming.options)[0].equations if naming.kind else {}
    roots = {name: values[name] for name in order if name in values}
    roots |= {f"{name}_t": expr for name, expr in states.items()} | {**others}
    text = EquationWriter(naming, reader.called, label, ("x_t", *(f"{name}_prev" for name in states)))
    names = text.write(roots)
    lines = {name: names[f"{name}_t"] for name in states} | {name: names[name] for name in others}
    carry = ", ".join(f"{name}_prev <- {lines[name]}" for name in states)
    rows = [*text.rows, f"carry: {carry}", f"output: {lines[next(iter(states))]}"]
    weights = {name: tape.values[expr.leaf].astype(dtype) for name, expr in text.weights.items()}
    exact = naming.kind and not naming.unlike and not naming.lacking and not others
    cell = {"kind": naming.kind, **naming.options} if exact else {"equations": "\n".join(rows)}
    model = prepare(weights, cell, name=title)
    return BuiltCell(model, naming, weights, text.aliases, _unread(tape, returned), lines, lines[next(iter(states))])


def _unread(tape: Tape, returned: Iterable[Ids]) -> dict[str, Array]:
    """The weights that nothing returned is computed from."""
    used, todo = np.zeros(tape.size, bool), [ids.reshape(-1) for ids in returned]
    while todo:
        ids = todo.pop()
        ids = ids[~used[ids]]
        used[ids] = True
        todo += [one.reshape(-1) for k in {*tape.owners(ids)} for one in tape.nodes[k].operands]
    weights = [node for node in tape.nodes if node.op == "weight" and not used[node.numbers].any()]
    return {tape.given[one.start]: tape.values[one.numbers].reshape(one.shape) for one in weights}
