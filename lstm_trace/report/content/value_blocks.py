"""Values of inputs, states and lines as blocks, which several sections have."""

from __future__ import annotations

from collections.abc import Sequence

from ...cell.network import Stage
from ...formulas.blocks import Premises, Table, Text
from ...formulas.tree import Dots, Node, Num, Sym, kept, value
from .view import TABLE, View


def read(shown: View, stage: Stage) -> list[str]:
    """The inputs and states that the shown lines of a stage read, as far as they were recorded."""
    reads = {name for line in shown.lines(stage) for name in line.reads}
    names = [*stage.cell.inputs, *stage.cell.states]
    return [n for n in names if n in reads and shown.values.array(stage.scope, n) is not None]


def vectors(shown: View, stage: Stage, names: list[str], t: int, b: int) -> Premises:
    """Values at one step and row, side by side."""
    items: list[tuple[Node, str, Node]] = []
    for name in names:
        vector = shown.values.vector(stage.scope, name, t, b, shown.units)
        exact = all(shown.values.is_exact(entry) for entry in vector.entries if isinstance(entry, Num))
        items.append((shown.at(stage, t, value(name, stage.cell)), "=" if exact else "≈", vector))
    return Premises((tuple(items),))


def by_step(shown: View, stage: Stage, name: str, labels: Sequence[str] = ()) -> Table:
    """The values of a line or input as a table, a row for each shown step and row of the batch.

    labels: one for each column, or none. Of a line the steps of padding are left out, unless everything is shown.
    """
    values = shown.values.array(stage.scope, name)
    assert values is not None
    width = values.shape[-1]
    columns = shown.indices(width) if name in stage.cell.by_name else kept(width, shown.units)
    head: list[Text] = []
    if shown.trace.steps > 1:
        head.append((Sym("t"),))
    if shown.trace.batch > 1:
        head.append(shown.said("column.row"))
    places = len(head)
    for k in columns:
        if k is None:
            head.append(("…",))
        elif name in stage.cell.inputs:
            head.append((labels[k],) if labels else (Sym(name), f"[{shown.words.nth(k)}]"))
        else:
            head.append((shown.unit(k, width),))
    rows: list[tuple[Text, ...]] = []
    pairs = [(t, b) for t in shown.steps for b in shown.rows if name in stage.cell.inputs or shown.counts(t, b)]
    for at in kept(len(pairs), None if shown.everything else TABLE):
        if at is None:
            rows.append(tuple((Dots("down"),) for _ in head))
            continue
        t, b = pairs[at]
        nth = shown.words.nth
        first = [(str(nth(t)),)] * (shown.trace.steps > 1) + [(str(nth(b)),)] * (shown.trace.batch > 1)
        cells = [(Dots(),) if k is None else (shown.values.num(stage.scope, name, t, b, (k,)),) for k in columns]
        rows.append((*first, *cells))
    return Table(tuple(head), tuple(rows), places)
