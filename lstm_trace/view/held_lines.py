"""A stage as it is shown at one step of a row: lines that can be held there as such only where they are.

Where nothing of it is held, a line is what its equation says. Elsewhere it is `held(c_t⁰)`: of what its equation gives,
c_t⁰, some values are replaced.
"""

from __future__ import annotations

from dataclasses import replace

from ..cell.lines import Line, names_of
from ..cell.network import Stage
from ..formulas.symbols import Symbol
from ..formulas.tree import HELD, Baseline, Call, value
from ..trace.held import plain_stage, status
from ..trace.trace import Trace


def held_at(trace: Trace, stage: Stage, t: int, b: int, unit: int | None = None) -> frozenset[str]:
    """The lines of which some values, or this unit, are held at step t of row b."""
    found = set()
    for line in names_of(stage.cell):
        held = status(trace, stage, line, t, b)
        if held is not None and (held.any() if unit is None else unit < held.size and held[unit]):
            found.add(line)
    return frozenset(found)


def with_held(stage: Stage, held: frozenset[str]) -> Stage:
    """The stage as it is shown where these lines are held, and no others."""
    names, plain = names_of(stage.cell), plain_stage(stage)
    if not held:
        return plain
    lines: list[Line] = []
    for line in plain.cell.lines:
        if line.name not in held:
            lines.append(line)
            continue
        free = names[line.name].free
        lines += [line._replace(name=free), Line(line.name, "copy", (free,), (), (HELD, free))]
    computed = None
    if plain.computed is not None:
        computed = tuple(x.name for x in lines if x.name in plain.computed or x.name not in plain.cell.by_name)
    return replace(plain, cell=replace(plain.cell, lines=tuple(lines)), computed=computed)


def held_symbols(trace: Trace) -> dict[str, Symbol]:
    """How what holds a line is printed: c_t⁰ is what its equation gives, held(c_t) whether it is held."""
    found = {}
    for stage in trace.stages:
        for line, names in names_of(stage.cell).items():
            plain = stage.cell.plain or stage.cell
            printed = value(line, plain)
            found[names.free] = Symbol(node=Baseline(printed))
            found[names.hold] = found[names.scale] = Symbol(node=Call(HELD, (printed,)))
            found |= {name: Symbol(name=name) for name in (names.to, names.by)}
    return found
