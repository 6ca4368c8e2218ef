"""The equations of every cell, once each, and what the functions in them are."""

from __future__ import annotations

from collections.abc import Iterator

from ...cell.lines import Cell, Line
from ...cell.network import Stage
from ...documents.blocks import Block, Chain, Chains, Derivation, Heading, Para, Row
from ...formulas.tree import HELD, Node, Sym, formula
from ...view.view import View
from ..compact.cuts import Cut
from ..compact.plan import in_symbols, plan
from .definitions import definitions

#: Name and formula to how it is printed; layers that have an equation in common have it once.
Equations = dict[tuple[str, Node], Row]


def equations(shown: View) -> Iterator[Block]:
    """Those of one cell after the other; then the functions, and what the notation needs said."""
    yield Heading(2, shown.said("equations"))
    found: list[tuple[Stage, Equations]] = []
    used: dict[Line, Cell] = {}
    whole = shown.detail == "compact" or shown.tight
    for stage in shown.stages:
        needed = stage.cell.closure((line.name for line in shown.lines(stage)), carried=False)
        used |= {line: stage.cell for line in stage.lines if line.name in needed}
        used |= {
            x: s.cell for s, *_ in shown.places if s.scope == stage.scope for x in s.lines if x.call[:1] == (HELD,)
        }
        found.append((stage, (_of_chains if whole else _of_lines)(shown, stage, needed)))
    seen: set[tuple[str, Node]] = set()
    for _, own in found:
        new = {key: row for key, row in own.items() if key not in seen}
        if new and seen:
            places = [stage for stage, others in found if new.keys() <= others.keys()]
            yield Para(shown.words.text("layer.more", place=shown.place(*places)))
        if new:
            rows = tuple(new.values())
            yield Chains(tuple(Chain((), (row,)) for row in rows)) if whole else Derivation(tuple((r,) for r in rows))
        seen |= new.keys()
    for block in definitions(used, shown.words):
        if not whole:
            yield block
        elif isinstance(block, Derivation):
            yield Chains(tuple(Chain((), rows) for rows in block.lines))
        elif block != Para(shown.said("where")):
            yield block
    yield from shown.notes


def _of_lines(shown: View, stage: Stage, needed: frozenset[str]) -> Equations:
    """An equation for each line with a name, and for each state that is carried on."""
    rows: Equations = {}
    for line in stage.lines:
        if line.assigned and line.name in needed:
            right = formula(line, stage.cell)
            rows[line.name, right] = Row((Sym(line.name),), (("=", right),))
    for state, target in stage.cell.carry:
        if target in needed and not stage.cell.by_name[target].assigned:
            right = formula(stage.cell.by_name[target], stage.cell)
            rows[state, right] = Row((Sym(state),), (("←", right),))
    return rows


def _of_chains(shown: View, stage: Stage, needed: frozenset[str]) -> Equations:
    """An equation for each value that is worked out in one chain."""
    rows: Equations = {}
    for _, lines in plan(shown, stage):
        for one in lines:
            line, right = one.line if isinstance(one, Cut) else one, in_symbols(stage, one)
            if line.assigned and line.name in needed:
                rows[line.name, right] = Row((Sym(line.name),), (("=", right),))
    return rows
