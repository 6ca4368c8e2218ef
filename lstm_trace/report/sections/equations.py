"""The equations of every cell, once each, and what the functions in them are."""

from __future__ import annotations

from collections.abc import Iterator

from ...cell.lines import Cell, Line
from ...cell.network import Stage
from ...formulas.blocks import Block, Derivation, Heading, Para, Row
from ...formulas.tree import Node, Sym, formula
from ..content.view import View
from .definitions import definitions


def equations(shown: View) -> Iterator[Block]:
    """Those of one cell after the other; then the functions, and what the notation needs said."""
    yield Heading(2, shown.said("equations"))
    found: list[tuple[Stage, dict[tuple[str, Node], tuple[Row, ...]]]] = []
    used: dict[Line, Cell] = {}
    for stage in shown.stages:
        needed = stage.cell.closure((line.name for line in shown.lines(stage)), carried=False)
        rows: dict[tuple[str, Node], tuple[Row, ...]] = {}
        for line in stage.lines:
            if line.name not in needed:
                continue
            used[line] = stage.cell
            right = formula(line, stage.cell)
            if line.assigned:
                rows[line.name, right] = (Row((Sym(line.name),), (("=", right),)),)
        for state, target in stage.cell.carry:
            if target in needed and not stage.cell.by_name[target].assigned:
                right = formula(stage.cell.by_name[target], stage.cell)
                rows[state, right] = (Row((Sym(state),), (("←", right),)),)
        found.append((stage, rows))
    seen: set[tuple[str, Node]] = set()
    for _, rows in found:
        new = {key: row for key, row in rows.items() if key not in seen}
        if new and seen:
            places = [stage for stage, others in found if new.keys() <= others.keys()]
            yield Para(shown.words.text("layer.more", place=shown.place(*places)))
        if new:
            yield Derivation(tuple(new.values()))
        seen |= new.keys()
    yield from definitions(used, shown.words)
    yield from shown.notes
