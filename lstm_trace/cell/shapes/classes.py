"""Which sizes the equations of a cell force to be equal, and what each given array says of them.

Sizes that must be equal form a class (union-find). Each given array is evidence for its classes; the majority wins, so
that one wrong array among many is named rather than the right ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..lines import Cell, Line
from ..ops import OPS

Key = tuple[str, int]  # (name, axis); values and vectors have axis 0 only, a matrix 0 (rows) and 1 (columns)


@dataclass
class Classes:
    """Keys whose sizes are equal (union-find)."""

    parent: dict[Key, Key] = field(default_factory=dict)

    def find(self, key: Key) -> Key:
        """The key that stands for all of its class."""
        self.parent.setdefault(key, key)
        while self.parent[key] != key:
            self.parent[key] = key = self.parent[self.parent[key]]
        return key

    def join(self, a: Key, b: Key) -> None:
        """Make two classes one."""
        self.parent[self.find(a)] = self.find(b)


def kinds_of(
    cell: Cell, parameters: Mapping[str, tuple[int, ...]], widths: Mapping[str, int], computed: set[str]
) -> dict[str, bool | None]:
    """For each name whether it broadcasts (True: its width is 1, False: it is wider, None: that is not known).

    Wide operands of one line have one width, and the line has it too; a name of width 1 ties nothing. A state
    broadcasts where its line does though the state is taken to: so that H = 1 is no special case.
    """
    narrow = {
        state for state, line in cell.carry if widths.get(state) == 1 or (state not in widths and line in computed)
    }
    wide = {state for state in cell.states if widths.get(state, 1) > 1}
    while True:
        states = {s: False if s in wide else True if s in narrow else None for s in cell.states}
        found = _pass(cell, parameters, widths, states)
        more = {state for state, line in cell.carry if found[line] is False} - wide
        if not more:
            return found
        wide |= more


def _pass(
    cell: Cell,
    parameters: Mapping[str, tuple[int, ...]],
    widths: Mapping[str, int],
    states: Mapping[str, bool | None],
) -> dict[str, bool | None]:
    kinds: dict[str, bool | None] = {n: parameters[n] == (1,) if n in parameters else None for n in cell.parameters}
    kinds |= {n: widths[n] == 1 if n in widths else None for n in cell.inputs} | dict(states)
    for line in cell.lines:
        reads = [kinds.get(name) for name in line.reads]
        if line.product:
            size = parameters.get(line.product[0], (0, 0))[line.op == "vecmat"]
            kinds[line.name] = size == 1 if size else None
        elif line.op == "slice":
            kinds[line.name] = line.constants[1] - line.constants[0] == 1
        elif OPS[line.op].reduces:
            kinds[line.name] = True
        elif line.op == "concat":
            kinds[line.name] = False if len(line.operands) > 1 or False in reads else reads[0] if reads else True
        else:
            if line.op == "add" and any(kinds[p] is False for p in _products(cell, line)):
                # products added to wider products do not broadcast: a matrix of one row there is a mistake
                kinds |= dict.fromkeys(_products(cell, line), False)
                reads = [kinds.get(name) for name in line.reads]
            kinds[line.name] = False if False in reads else None if None in reads else True
    return kinds


def _products(cell: Cell, line: Line) -> list[str]:
    return [name for name in line.reads if name in cell.by_name and cell.by_name[name].product]


def unified(cell: Cell, kinds: Mapping[str, bool | None]) -> Classes:
    """Classes of sizes that the equations force to be equal."""
    classes = Classes()
    for line in cell.lines:
        if line.product:
            matrix, vector = line.product
            own = int(line.op == "vecmat")  # the axis of the matrix that the result has
            classes.join((matrix, 1 - own), (vector, 0))
            classes.join((line.name, 0), (matrix, own))
        elif OPS[line.op].width == "same":
            for name in line.reads:
                if kinds.get(name) is False or kinds[line.name] is True:
                    classes.join((line.name, 0), (name, 0))
    for state, target in cell.carry:
        if kinds[state] == kinds[target]:
            classes.join((state, 0), (target, 0))
    return classes


def evidence_of(
    classes: Classes,
    kinds: Mapping[str, bool | None],
    parameters: Mapping[str, tuple[int, ...]],
    widths: Mapping[str, tuple[int, str]],
) -> dict[Key, list[tuple[int, str]]]:
    """Sizes that the arrays give to each class: the input's first, the states' last, where votes are equal."""
    found: list[tuple[Key, int, str]] = []
    early = [name for name, (_, source) in widths.items() if source == "from x" or "/" in source]
    found += [((name, 0), *widths[name]) for name in early]
    found += [((n, axis), size, f"from {n}") for n, shape in parameters.items() for axis, size in enumerate(shape)]
    found += [((name, 0), *widths[name]) for name in widths if name not in early]
    found += [((name, 0), 1, f"`{name}` is one number") for name, kind in kinds.items() if kind is True]
    evidence: dict[Key, list[tuple[int, str]]] = {}
    for key, size, source in found:
        evidence.setdefault(classes.find(key), []).append((size, source))
    return evidence


def read_by_slices(cell: Cell, classes: Classes) -> dict[Key, int]:
    """How many units a vector must have so that all its slices are parts of it."""
    least: dict[Key, int] = {}
    for line in cell.lines:
        if line.op == "slice":
            key = classes.find((str(line.operands[0]), 0))
            least[key] = max(least.get(key, 0), int(line.constants[1]))
    return least


def majority(sizes: list[int], least: int) -> int:
    """The size that most arrays give, among those that are large enough where there are such."""
    return Counter([size for size in sizes if size >= least] or sizes).most_common(1)[0][0]


def add_concats(cell: Cell, classes: Classes, sizes: dict[Key, int]) -> None:
    """Give every slice its width, and every concatenation the sum of its operands' widths."""
    for line in cell.lines:
        if line.op == "slice":
            sizes[classes.find((line.name, 0))] = int(line.constants[1] - line.constants[0])
        if line.op == "concat":
            parts = [sizes.get(classes.find((o, 0)), 0) if isinstance(o, str) else 1 for o in line.operands]
            if all(parts):
                sizes[classes.find((line.name, 0))] = sum(parts)
