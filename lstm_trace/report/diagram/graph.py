"""The dataflow graph of a cell, found from its lines: what a diagram draws.

A gate with its products is one box; what joins gates and states is one circle for each operation; states enter at one
side and leave at the other. Cells of many lines are folded further, a box for each group of lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from ...cell.lines import Cell, Line
from ...cell.network import Stage
from ...cell.ops import OPS
from ...formulas.symbols import FUNCTIONS
from ...formulas.symbols import sign as function_sign
from ...formulas.tree import Node, Sym, heading, number, value
from ...view.line_groups import LineGroup, groups

#: So many operations are drawn one by one; beyond, each group of lines is one box.
MOST = 16


@dataclass(frozen=True)
class DiagramNode:
    """A node of the graph.

    kind: `source` (input or state), `box` (lines that were folded), `circle` (one operation), `sink` (what is carried
    on or given out). line: the name whose values it shows. label: its symbol; None where it has no name of its own.
    sign: the operation that stands in it. operand: the number or parameter that stands in it, too, at the {} of the
    sign. lines: all lines that it stands for, the last of them its own.
    """

    key: str
    kind: Literal["source", "box", "circle", "sink"]
    line: str
    label: Node | None
    sign: str = ""
    lines: tuple[Line, ...] = ()
    operand: Node | None = None


@dataclass(frozen=True)
class Edge:
    """From one spot to another, by key."""

    source: str
    target: str


@dataclass(frozen=True)
class CellGraph:
    """The graph of a cell: spots in computing order, sources first and sinks last."""

    spots: tuple[DiagramNode, ...]
    edges: tuple[Edge, ...]


#: Operation to what stands in its circle; functions have their own sign.
SIGNS: dict[str, Callable[[Line], str]] = {
    **{name: lambda line: FUNCTIONS[line.op][1] for name, op in OPS.items() if op.function},
    "matvec": lambda line: "W",
    "vecmat": lambda line: "W",
    "add": lambda line: "−" if len(line.constants) == 2 and line.constants[1] < 0 else "+",
    "mul": lambda line: "⊙",
    "div": lambda line: "÷",
    "neg": lambda line: "−",
    "copy": lambda line: "=",
    "concat": lambda line: "[ ; ]",
    "slice": lambda line: "[{:.0f}:{:.0f}]".format(*line.constants),
    "greater": lambda line: ">",
}


def flow(stage: Stage) -> CellGraph:
    """The graph of the lines that a stage computes."""
    cell = stage.cell
    found = groups(stage, frozenset())
    whole = [group for group in found if not _is_box(group, cell)]
    folded = {id(group) for group in found if _is_box(group, cell)}
    for group in sorted(whole, key=lambda g: -len(g.lines)):  # the largest first, until few enough are left
        if len(folded) + sum(len(_parts(g, cell)) for g in found if id(g) not in folded) <= MOST:
            break
        folded.add(id(group))
    spots: list[DiagramNode] = []
    for group in found:
        parts = _shared(group, cell) if id(group) in folded else _parts(group, cell)
        spots += [_spot(lines, cell) for lines in parts]
    owner = {line.name: spot.key for spot in spots for line in spot.lines}
    return CellGraph(*_joined(stage, spots, owner))


def _is_box(group: LineGroup, cell: Cell) -> bool:
    """Whether a group ends in a function of one value, or is one minus another gate: what is drawn as a gate."""
    leader = group.leader
    if leader is None or not leader.assigned:
        return False
    return cell.is_gate(leader) or bool(leader.call) or (bool(OPS[leader.op].function) and OPS[leader.op].arity == 1)


def _shared(group: LineGroup, cell: Cell) -> list[tuple[Line, ...]]:
    """A group as one part; what other groups read too ([h; x] of all gates) is a part of its own, with all it needs."""
    left = list(group.lines)
    parts: list[tuple[Line, ...]] = []
    for line in group.lines[:-1]:
        if all(reader in group.lines for reader in cell.readers.get(line.name, ())):
            continue
        needed = cell.closure([line.name], carried=False)
        parts.append(tuple(other for other in left if other.name in needed))
        left = [other for other in left if other.name not in needed]
    return [*(part for part in parts if part), tuple(left)]


def _parts(group: LineGroup, cell: Cell) -> list[tuple[Line, ...]]:
    """The lines of a group one by one; a sum takes in the products with parameters that only it reads."""
    taken: set[str] = set()
    parts: list[tuple[Line, ...]] = []
    for line in reversed(group.lines):
        if line.name in taken:
            continue
        inner = [
            other
            for other in group.lines
            if line.op == "add" and other.name in line.operands and _is_weighted(other, cell) and not other.assigned
            and len(cell.readers[other.name]) == 1
        ]  # fmt: skip
        taken |= {other.name for other in inner}
        parts.insert(0, (*inner, line))
    return parts


def _is_weighted(line: Line, cell: Cell) -> bool:
    """Whether a line is a product with a parameter."""
    return (line.product or line.op == "mul") and any(name in cell.parameters for name in line.reads)


def _spot(lines: tuple[Line, ...], cell: Cell) -> DiagramNode:
    line = lines[-1]
    label = heading(line, cell) if line.assigned else None
    if line.call and line.assigned:
        return DiagramNode(line.name, "box", line.name, label, function_sign(str(line.call[0]))[1], lines)
    if len(lines) > 1 or line.product or (OPS[line.op].function and line.assigned and OPS[line.op].arity == 1):
        sign = SIGNS[line.op](line) if OPS[line.op].function else ""
        return DiagramNode(line.name, "box", line.name, label, sign, lines)
    sign, operand = _sign(line, cell)
    return DiagramNode(line.name, "circle", line.name, label, sign, lines, operand)


def _sign(line: Line, cell: Cell) -> tuple[str, Node | None]:
    """The operation with the number or parameter that it takes, where it takes one: `1 −`, `+ b`, `× 0.5`."""
    sign = SIGNS[line.op](line)
    if len(line.operands) != 2 or OPS[line.op].function:
        return sign, None
    first, second = (not isinstance(o, str) or o in cell.parameters for o in line.operands)
    if not (first or second):
        return sign, None
    operand = line.operands[0 if first else 1]
    fixed = value(operand, cell) if isinstance(operand, str) else number(operand)
    if line.op == "mul":
        return f"{sign if isinstance(operand, str) else '×'} {{}}", fixed
    return (f"{{}} {sign}" if first else f"{sign} {{}}"), fixed


def _joined(
    stage: Stage, spots: list[DiagramNode], owner: dict[str, str]
) -> tuple[tuple[DiagramNode, ...], tuple[Edge, ...]]:
    """Sources, spots and sinks, with the edges between them."""
    cell = stage.cell
    states = sorted(stage.states, key=lambda state: _weighed(cell, state))  # what is only gated lies on top
    sources = [name for name in (*states, *stage.inputs) if name in stage.reads]
    begin = [DiagramNode(f"in:{name}", "source", name, Sym(name)) for name in sources]
    named = {**owner, **{name: f"in:{name}" for name in sources}}
    edges: dict[Edge, None] = {}
    for spot in spots:
        for name in (name for line in spot.lines for name in line.reads):
            if name in named and named[name] != spot.key:
                edges[Edge(named[name], spot.key)] = None
    ends: list[DiagramNode] = []
    carried = dict.fromkeys((*states, *(state for state in cell.states if state not in states)))
    targets = {state: cell.states[state] for state in carried}
    for state, line in (*targets.items(), ("", cell.output)):
        if line not in owner or (not state and line in targets.values()):
            continue
        label = heading(cell.by_name[line], cell) if cell.by_name[line].assigned else Sym(state)
        end = DiagramNode(f"out:{state or line}", "sink", line, label, "next" if state else "out")
        ends.append(end)
        edges[Edge(owner[line], end.key)] = None
    return (*begin, *spots, *ends), tuple(edges)


def _weighed(cell: Cell, state: str) -> int:
    """In how many matrix products, or vectors for them, a state stands."""
    return sum(bool(line.product) or line.op == "concat" for line in cell.readers.get(state, ()))


def reached(edges: Iterable[Edge], key: str) -> list[str]:
    """The spots from which an edge leads to `key`."""
    return [edge.source for edge in edges if edge.target == key]
