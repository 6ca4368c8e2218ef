"""Which lines become one call: siblings of one operation whose operands and results can lie side by side in memory.

Nothing here knows a cell. Two lines can stand next to each other in a call where, at each position, they read equal
numbers, parameters (which can be stacked), the same value, or two values that can be neighbours in the same order as
the results; products rather read the same vector. Every value has at most one neighbour on each side, so the
neighbours form chains: the order in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import itemgetter, or_
from typing import NamedTuple

from ...cell.lines import Line
from ...cell.ops import OPS

Link = tuple[str, str]  # the second value lies right after the first


class Column(NamedTuple):
    """Where a value is read: the memory of a line (its own; a state has that of the line that it carries).

    area: values of different areas cannot be neighbours. ahead: the row is one later (a carried line, as it is
    written).
    """

    line: str
    area: str
    width: int
    ahead: bool = False


@dataclass
class NeighbourChains:
    """The neighbours that have been settled so far."""

    right: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    def settled(self, links: Sequence[Link]) -> int:
        """How many of `links` hold already."""
        return sum(1 for a, b in links if self.right.get(a) == b)

    def join(self, links: Sequence[Link]) -> bool:
        """Make every one of `links` hold, or none where one cannot."""
        done: list[Link] = []
        for a, b in links:
            if self.right.get(a) == b:
                continue
            if a in self.right or b in self.left or self._last(b) == a:
                for x, y in done:
                    del self.right[x], self.left[y]
                return False
            self.right[a], self.left[b] = b, a
            done.append((a, b))
        return True

    def _last(self, name: str) -> str:
        while name in self.right:
            name = self.right[name]
        return name

    def chain(self, first: str) -> Iterator[str]:
        """The values from `first` on."""
        yield first
        while first in self.right:
            first = self.right[first]
            yield first


@dataclass(eq=False)
class _Group:
    """Lines that one call computes. own: these lines; needs: those that they need, through any others; as bits."""

    lines: list[Line]
    own: int
    needs: int


@dataclass
class Groups:
    """The groups so far, by the name of each of their lines."""

    of: dict[str, _Group] = field(default_factory=dict)

    def add(self, line: Line, reads: Sequence[str]) -> None:
        """Begin with a line by itself; those that it reads are there already."""
        read = [self.of[name] for name in reads if name in self.of]
        needs = reduce(or_, (one.own | one.needs for one in read), 0)
        self.of[line.name] = _Group([line], 1 << len(self.of), needs)

    def can_follow(self, a: Line, b: Line) -> bool:
        """Whether `a` ends a group and `b` begins another, and neither group needs the other. Once no, always no."""
        one, two = self.of[a.name], self.of[b.name]
        apart = one is not two and not (one.needs & two.own or two.needs & one.own)
        return apart and one.lines[-1] is a and two.lines[0] is b

    def merge(self, a: Line, b: Line) -> list[Line]:
        """Let the group of `b` follow that of `a`; the lines of both."""
        one, two = self.of[a.name], self.of[b.name]
        one.lines += two.lines
        one.own |= two.own
        one.needs |= two.needs
        self.of.update((line.name, one) for line in two.lines)
        for other in self.of.values():
            if other.needs & one.own:
                other.needs |= one.own | one.needs
        return one.lines


class _Pair(NamedTuple):
    """How two lines could follow each other: the kind of each operand position, the neighbours that it needs."""

    kinds: tuple[str, ...]
    links: tuple[Link, ...]


def fuse(
    lines: Sequence[Line], columns: Mapping[str, Column], parameters: frozenset[str]
) -> tuple[list[list[Line]], NeighbourChains]:
    """Groups of lines, each to be computed by one call, in an order in which they can be computed.

    lines: in computing order. columns: of every line and state. Lines of different areas are never one group.
    Later lines choose their order first: what they need of their operands decides how those are computed. Lines that
    are equally many steps away from the states find each other before others do.
    """
    chains = NeighbourChains()
    groups = Groups()
    kinds: dict[str, tuple[str, ...]] = {}  # of the groups with more than one line, by the name of each of them
    depth: dict[str, int] = {}
    for line in lines:
        groups.add(line, reads := line.reads)
        depth[line.name] = 1 + max((depth.get(name, 0) for name in reads), default=0)
    for level in (True, False):
        later: dict[object, list[Line]] = {}  # lines that could be siblings, from the last one back
        for line in reversed(lines):
            column = columns[line.name]
            key = column.area, line.op, line.constants, column.width, len(line.operands), level and depth[line.name]
            siblings = later.setdefault(key, [])
            pairs = [(a, b) for x in siblings for a, b in ((line, x), (x, line)) if groups.can_follow(a, b)]
            fits = [(a, b, pair) for a, b in pairs if (pair := _pair(a, b, columns, parameters)) is not None]
            # products of one vector first, then those that need the fewest new neighbours
            by = [(bool(a.product) and "each" in pair.kinds, -chains.settled(pair.links)) for a, b, pair in fits]
            for _, (a, b, pair) in sorted(zip(by, fits, strict=True), key=itemgetter(0)):
                if any(kinds.get(x.name, pair.kinds) != pair.kinds for x in (a, b)):
                    continue
                if groups.can_follow(a, b) and chains.join(pair.links):  # some have found others meanwhile
                    kinds.update((x.name, pair.kinds) for x in groups.merge(a, b))
            siblings.append(line)
    return _ordered(lines, {name: group.lines for name, group in groups.of.items()}), chains


def _pair(a: Line, b: Line, columns: Mapping[str, Column], parameters: frozenset[str]) -> _Pair | None:
    """What it takes for `b` to follow `a` in one call; None where it cannot."""
    kinds: list[str] = []
    links: list[Link] = [(columns[a.name].line, columns[b.name].line)]
    if columns[a.name].ahead != columns[b.name].ahead or OPS[a.op].width == "concat":
        return None
    for position, (x, y) in enumerate(zip(a.product or a.operands, b.product or b.operands, strict=True)):
        if not isinstance(x, str) or not isinstance(y, str):
            if x != y:
                return None
            kinds.append("number")
        elif x in parameters or y in parameters:
            if not (x in parameters and y in parameters):
                return None
            if OPS[a.op].width in ("one", "slice") or (a.product and position == 1):  # a constant: not worth a rule
                return None
            kinds.append("parameter")
        elif x == y:
            if not a.product and x in columns and columns[x].width == columns[a.name].width:
                return None  # numpy takes 0.77 µs for (2, 32) times (1, 32), and 0.23 for each pair of (32,)
            kinds.append("same")
        elif x not in columns or y not in columns:
            return None
        else:
            here, there = columns[x], columns[y]
            if (here.area, here.width, here.ahead) != (there.area, there.width, there.ahead):
                return None
            kinds.append("each")
            links.append((here.line, there.line))
    return _Pair(tuple(kinds), tuple(links))


def _ordered(lines: Sequence[Line], group: Mapping[str, list[Line]]) -> list[list[Line]]:
    """The groups so that each stands after all that it reads, otherwise as early as its first line."""
    order: list[list[Line]] = []
    state: dict[int, bool] = {}  # False: entered, True: placed
    for start in lines:
        stack = [group[start.name]]
        while stack:
            here = stack[-1]
            if id(here) not in state:
                state[id(here)] = False
                needed = (group[n] for line in here for n in line.reads if n in group)
                stack.extend(g for g in needed if id(g) not in state)
            else:
                stack.pop()
                if not state[id(here)]:
                    state[id(here)] = True
                    order.append(here)
    return order
