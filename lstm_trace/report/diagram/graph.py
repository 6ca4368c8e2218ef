"""The dataflow graph of a cell, found from its lines: what a diagram draws.

A gate with its products is one box; what joins gates and states is one circle for each operation; states enter on one
side and leave on the other. Cells of many lines are folded further, into a box for each group of lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ...cell.lines import Cell, Line
from ...cell.network import VALID, Stage
from ...cell.ops import OPS
from ...formulas.symbols import FUNCTIONS, sign as function_sign
from ...formulas.tree import Node, Sym, heading, number, value
from ...view.line_groups import LineGroup, groups

#: How many operations are drawn one by one; beyond that, each group of lines is one box.
MOST = 16


@dataclass(frozen=True)
class DiagramNode:
    """A node of the graph.

    kind: `source` (input or state), `box` (lines that were folded), `circle` (one operation), `sink` (what is carried
    on or given out). line: the name whose values it shows. label: its symbol; None if it has no name of its own.
    sign: the operation drawn in it. operand: the number or parameter drawn in it as well, at the {} of the sign.
    lines: all lines that it represents, its own last.
    """

    key: str
    kind: Literal["source", "box", "circle", "sink"]
    line: str
    label: Node | None
    sign: str = ""
    lines: tuple[Line, ...] = ()
    operand: Node | None = None


class Edge(NamedTuple):
    """From one spot to another, by key."""

    source: str
    target: str


class CellGraph(NamedTuple):
    """The graph of a cell: spots in computing order, sources first and sinks last."""

    spots: tuple[DiagramNode, ...]
    edges: tuple[Edge, ...]


#: The sign in the circle of an operation; functions have their own sign.
SIGNS: dict[str, Callable[[Line], str]] = {
    **{name: lambda line: FUNCTIONS[line.op][1] for name, op in OPS.items() if op.function},
    **dict.fromkeys(("matvec", "vecmat"), lambda line: "W"),
    "outer": lambda line: "⊗",
    **dict.fromkeys(("memvec", "vecmem"), lambda line: "·"),
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
    folded = [_is_box(group, cell) for group in found]
    whole = [at for at, is_box in enumerate(folded) if not is_box]
    for at in sorted(whole, key=lambda k: -len(found[k].lines)):  # the largest first, until few enough are left
        if sum(1 if fold else len(_parts(g, cell)) for g, fold in zip(found, folded, strict=True)) <= MOST:
            break
        folded[at] = True
    parts = (_shared(g, cell) if fold else _parts(g, cell) for g, fold in zip(found, folded, strict=True))
    spots = [_spot(lines, cell) for some in parts for lines in some]
    owner = {line.name: spot.key for spot in spots for line in spot.lines}
    return CellGraph(*_joined(stage, spots, owner))


def _is_box(group: LineGroup, cell: Cell) -> bool:
    """Whether a group ends in a function of one value, or is one minus another gate: those are drawn as gates."""
    leader = group.leader
    if leader is None or not leader.assigned:
        return False
    return cell.is_gate(leader) or bool(leader.call) or (bool(OPS[leader.op].function) and OPS[leader.op].arity == 1)


def _shared(group: LineGroup, cell: Cell) -> list[tuple[Line, ...]]:
    """A group as one part; what other groups read too ([h; x] of all gates) is a separate part, with all it needs."""
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
    """The lines of a group one by one; a sum absorbs the products with parameters that only it reads."""
    taken: set[str] = set()
    parts: list[tuple[Line, ...]] = []
    for line in reversed(group.lines):
        if line.name in taken:
            continue
        read = [x for x in group.lines if line.op == "add" and x.name in line.operands and not x.assigned]
        products = (x for x in read if (x.product or x.op == "mul") and not cell.parameters.keys().isdisjoint(x.reads))
        inner = [x for x in products if len(cell.readers[x.name]) == 1]
        taken |= {other.name for other in inner}
        parts.insert(0, (*inner, line))
    return parts


def _spot(lines: tuple[Line, ...], cell: Cell) -> DiagramNode:
    line = lines[-1]
    label, op = heading(line, cell) if line.assigned else None, OPS[line.op]
    if line.call and line.assigned:
        sign = function_sign(str(line.call[0]))[1]
    elif len(lines) > 1 or line.product or (op.function and line.assigned and op.arity == 1):
        sign = SIGNS[line.op](line) if op.function else ""
    else:
        sign, operand = _sign(line, cell)
        return DiagramNode(line.name, "circle", line.name, label, sign, lines, operand)
    return DiagramNode(line.name, "box", line.name, label, sign, lines)


def _sign(line: Line, cell: Cell) -> tuple[str, Node | None]:
    """The operation with the number or parameter that it takes, if it takes one: `1 −`, `+ b`, `× 0.5`."""
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
    return f"{{}} {sign}" if first else f"{sign} {{}}", fixed


def _joined(
    stage: Stage, spots: list[DiagramNode], owner: dict[str, str]
) -> tuple[tuple[DiagramNode, ...], tuple[Edge, ...]]:
    """Sources, spots and sinks, with the edges between them."""
    cell = stage.cell

    def products(state: str) -> int:
        """How many matrix products, or vectors in their place, a state occurs in."""
        return sum(bool(line.product) or line.op == "concat" for line in cell.readers.get(state, ()))

    states = sorted(stage.states, key=products)  # a state that is only gated lies on top
    sources = [name for name in (*states, *stage.inputs) if name in stage.reads]
    begin = [DiagramNode(f"in:{name}", "source", name, Sym(name)) for name in sources]
    named = {**owner, **{name: f"in:{name}" for name in sources}}
    read = ((named.get(name), spot.key) for spot in spots for line in spot.lines for name in line.reads)
    edges = dict.fromkeys(Edge(source, target) for source, target in read if source and source != target)
    ends: list[DiagramNode] = []
    targets = {state: cell.states[state] for state in dict.fromkeys((*states, *cell.states))}
    for state, line in (*targets.items(), ("", cell.output)):
        if line not in owner or (not state and line in targets.values()):
            continue
        label = _carried(stage, cell.by_name[line], state)
        end = DiagramNode(f"out:{state or line}", "sink", line, label, "next" if state else "out")
        ends.append(end)
        edges[Edge(owner[line], end.key)] = None
    return (*begin, *spots, *ends), tuple(edges)


def _carried(stage: Stage, line: Line, state: str) -> Node:
    """What a state becomes: the symbol of the line, and of one that keeps it at padding the new one."""
    cell = stage.cell
    keeps = line.op == "where" and not line.assigned and line.operands[2] == state
    if keeps and stage.sources.get(str(line.operands[0])) == VALID:
        line = cell.by_name.get(str(line.operands[1]), line)
    return heading(line, cell) if line.assigned else Sym(state)


def reached(edges: Iterable[Edge], key: str) -> list[str]:
    """The spots that an edge leads from to `key`."""
    return [edge.source for edge in edges if edge.target == key]
