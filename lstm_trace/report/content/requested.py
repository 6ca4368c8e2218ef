"""What was asked for, as far as a report shows it."""

from __future__ import annotations

from ...cell.network import Stage
from ...documents.blocks import Text
from ...formulas.plain import Plain
from ...formulas.tree import Sym, heading
from ...trace.address import Address
from ...view.view import View


def wanted(shown: View) -> list[tuple[Stage, Address]]:
    """What was asked for, as far as the selection has it."""
    found = []
    for address in shown.asked:
        stage = shown.trace.stage(address.scope)
        there = stage in shown.stages and shown.chosen.has(address.line)
        values = shown.trace.lines[address.scope].get(address.line) if there and address.unit is None else None
        there = there and (values is None or bool(shown.indices(values.shape[-1])))
        if there and address.t in (None, *shown.steps) and address.b in (None, *shown.rows):
            found.append((stage, address))
    return found


def name_of(shown: View, stage: Stage, address: Address) -> Text:
    """An asked line in words: its symbol, and where, as far as that is not clear."""
    line = stage.cell.by_name.get(address.line)
    symbol, t = Sym(address.line) if line is None else heading(line, stage.cell), address.t
    plain = Plain(shown.trace.header.symbols)
    if t is not None and plain(at := shown.at(stage, t, symbol)) != plain(symbol):
        symbol, t = at, None  # its index says the step
    where = shown.where(stage, t, address.b)
    unit = address.unit[0] if address.unit is not None else shown.chosen.unit
    values = shown.values.array(stage.scope, address.line)
    width = 1 if values is None else values.shape[-1]
    if unit is not None and width > 1:
        label = shown.label(stage, address.line, unit, width)
        where = shown.words.word("list").join(filter(None, (where, label)))
    return (symbol, aside) if (aside := shown.words.aside(where)) else (symbol,)
