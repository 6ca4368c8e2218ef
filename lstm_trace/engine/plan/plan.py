"""The plan of a stage: which lines leave the time loop, which are combined into one call, where every value is stored.

A plan is derived from the lines by four rules that know no cell:

1. a line that depends on no state is computed for many steps at once, before the loop; a line that no later step
   needs, after it;
2. if the leading terms of a sum in the loop are known before it, they are added before it: the partial sums of a sum
   from left to right are rounded in the same order, wherever they are computed;
3. siblings with the same operation become one call (`fuse`): products of one vector are one product of stacked
matrices;
4. a carried state is not a copy: it is the line that it carries, one row earlier.

Two lines can be neighbours in a call if, at each position, they read equal numbers, parameters (which can be stacked),
the same value, or two values that can be neighbours in the same order as the results; for products the same vector is
preferred. Every value has at most one neighbour on each side, so the neighbours form chains: the order in memory.

Nothing is re-associated and no line is left out. A plan is a value: it contains no weights and no batch size, so one
plan serves every run of a cell with the same sizes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from operator import itemgetter, or_
from textwrap import TextWrapper
from typing import Literal, NamedTuple

from ...cell.lines import Line, expression
from ...cell.ops import OPS
from ...errors import counted

Link = tuple[str, str]  # the second value is stored right after the first


class MemoryColumn(NamedTuple):
    """Where a value is read: the memory of a line (its own; for a state, that of the line that it carries).

    area: values of different areas cannot be neighbours. ahead: the row is one later (a carried line, as it is
    written).
    """

    line: str
    area: str
    width: int
    ahead: bool = False


@dataclass
class NeighbourChains:
    """The neighbours that are fixed so far."""

    right: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    def settled(self, links: Sequence[Link]) -> int:
        """How many of `links` are already fixed."""
        return sum(1 for a, b in links if self.right.get(a) == b)

    def join(self, links: Sequence[Link]) -> bool:
        """Fix all of `links`, or none if one is impossible."""
        done: list[Link] = []
        for a, b in links:
            if self.right.get(a) == b:
                continue
            if a in self.right or b in self.left or a in self.chain(b):
                for x, y in done:
                    del self.right[x], self.left[y]
                return False
            self.right[a], self.left[b] = b, a
            done.append((a, b))
        return True

    def chain(self, first: str) -> Iterator[str]:
        """The values starting at `first`."""
        yield first
        while first in self.right:
            first = self.right[first]
            yield first


@dataclass(eq=False)
class _Group:
    """Lines computed by one call. own: these lines; needs: all lines that they depend on; as bit sets."""

    lines: list[Line]
    own: int
    needs: int


@dataclass
class Groups:
    """The groups so far, by the name of each of their lines."""

    of: dict[str, _Group] = field(default_factory=dict)

    def add(self, line: Line, reads: Sequence[str]) -> None:
        """Add a line as a group of its own; its operands must have been added before."""
        read = [self.of[name] for name in reads if name in self.of]
        needs = reduce(or_, (one.own | one.needs for one in read), 0)
        self.of[line.name] = _Group([line], 1 << len(self.of), needs)

    def can_follow(self, a: Line, b: Line) -> bool:
        """Whether `a` ends a group and `b` begins another, and neither depends on the other.

        Never becomes true again.
        """
        one, two = self.of[a.name], self.of[b.name]
        apart = one is not two and not (one.needs & two.own or two.needs & one.own)
        return apart and one.lines[-1] is a and two.lines[0] is b

    def merge(self, a: Line, b: Line) -> list[Line]:
        """Append the group of `b` to that of `a`; return the lines of both."""
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
    """How two lines could be neighbours: the kind of each operand position, the links that it needs."""

    kinds: tuple[str, ...]
    links: tuple[Link, ...]


def fuse(
    lines: Sequence[Line], columns: Mapping[str, MemoryColumn], parameters: frozenset[str]
) -> tuple[list[list[Line]], NeighbourChains]:
    """Groups of lines, each to be computed by one call, in an order in which they can be computed.

    lines: in order of computation. columns: of every line and state. Lines of different areas are never grouped. Later
    lines choose their order first: their requirements on their operands decide how those are computed. Lines at the
    same distance from the states are paired before others.
    """
    chains = NeighbourChains()
    groups = Groups()
    kinds: dict[str, tuple[str, ...]] = {}  # for groups with more than one line, by the name of each line
    depth: dict[str, int] = {}
    for line in lines:
        groups.add(line, reads := line.reads)
        depth[line.name] = 1 + max((depth.get(name, 0) for name in reads), default=0)
    for level in (True, False):
        later: dict[object, list[Line]] = {}  # lines that could be siblings, starting with the last one
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
                if groups.can_follow(a, b) and chains.join(pair.links):  # some have been paired in the meantime
                    kinds.update((x.name, pair.kinds) for x in groups.merge(a, b))
            siblings.append(line)
    return _ordered(lines, {name: group.lines for name, group in groups.of.items()}), chains


def _pair(a: Line, b: Line, columns: Mapping[str, MemoryColumn], parameters: frozenset[str]) -> _Pair | None:
    """The requirements for `b` to follow `a` in one call; None if it cannot."""
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
            if position == 1 if a.product else OPS[a.op].width != "same":  # a constant: not worth a rule
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
    """The groups ordered so that each comes after its operands, otherwise as early as its first line."""
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


#: `before`, `loop`, `after`, or `scratch`: hidden sums, which are computed before the loop and never recorded.
Area = str
Widths = tuple[tuple[str, int], ...]
Pairs = tuple[tuple[str, str], ...]


class MemorySlot(NamedTuple):
    """The position of a value: starting at column `start` of its area, `width` columns (each as wide as the batch).

    ahead: it is written one row later than the step it belongs to (a carried line), where the next step finds it.
    """

    area: Area
    start: int
    width: int
    ahead: bool = False


class CallOperand(NamedTuple):
    """What a call reads at one position: one name per line, or one for all; or a number."""

    kind: Literal["value", "input", "parameter", "number"]
    names: tuple[str, ...] = ()
    width: int = 1
    number: float = 0.0


class PlannedCall(NamedTuple):
    """One operation on lines that are stored side by side; `constants` as in the lines."""

    op: str
    lines: tuple[str, ...]
    operands: tuple[CallOperand, ...]
    constants: tuple[float, ...]
    width: int


@dataclass(frozen=True, eq=False)
class Plan:
    """The calls before, in and after the time loop, and the position of every line and state that is used.

    columns: number of columns of each area. `scratch` holds partial sums that are not lines: it is never recorded.
    carried: pairs (state, line or hidden copy whose position it shares); a state that is used but never written is not
    listed.
    """

    before: tuple[PlannedCall, ...]
    loop: tuple[PlannedCall, ...]
    after: tuple[PlannedCall, ...]
    places: Mapping[str, MemorySlot]
    columns: Mapping[Area, int]
    states: tuple[str, ...]
    carried: Pairs
    inputs: tuple[str, ...]

    @property
    def calls(self) -> tuple[PlannedCall, ...]:
        """All calls, in the order in which they are made."""
        return (*self.before, *self.loop, *self.after)

    def __str__(self) -> str:
        """The calls of each part, then the order in which the values are stored."""
        parts = (
            ("before the loop, for many steps at once", self.before),
            ("each step", self.loop),
            ("after the loop, for many steps at once", self.after),
        )
        rows: list[str] = []
        for title, calls in parts:
            if calls:
                lines = sum(len(call.lines) for call in calls)
                rows.append(f"{title}: {counted(lines, 'line')} in {counted(len(calls), 'call')}")
                rows += [_wrapped(call.op, call.lines) for call in calls]
        rows.append("memory: what lies side by side")
        homes = {line: f"{line} (read as {state})" for state, line in self.carried}
        order = sorted((n for n in self.places if n not in dict(self.carried)), key=self.places.__getitem__)
        for area in ("before", "scratch", "loop", "after"):
            here = [homes.get(n, n) for n in order if self.places[n].area == area]
            rows += [_wrapped(area, here)] if here else []
        return "\n".join(rows)


@lru_cache(maxsize=256)
def make_plan(lines: tuple[Line, ...], carry: Pairs, sizes: Widths, inputs: Widths, parameters: Widths) -> Plan:
    """Derive the plan of `lines`.

    carry: (state, line that it carries). sizes: the width of every line and of every state that is used. inputs: names
    of the used ones, with their widths. parameters: names of the used ones, with the width of a vector, 0 for a matrix.
    """
    widths = dict((*sizes, *inputs))
    known = {line.name for line in lines}
    read = {name for line in lines for name in line.reads}
    pairs = [(state, line) for state, line in carry if state in read]
    carried, hidden = shared_memory(pairs, _moving(lines, dict(pairs)), known | {n for n, _ in inputs})
    widths |= {copy.name: widths[str(copy.operands[0])] for copy in hidden}
    every = (*lines, *hidden)
    area = _areas(every, dict(carried), read & {s for s, _ in carry})
    every, partial = _prefixes(every, area, {name for name, _ in (*inputs, *parameters)})
    for line in partial:
        area[line.name] = "scratch"
        widths[line.name] = next(widths[x.name] for x in every if line.name in x.reads)
    ahead = {line: state for state, line in carried}
    columns = {x.name: MemoryColumn(x.name, area[x.name], widths[x.name], x.name in ahead) for x in every}
    kept = [s for s, _ in carry if s in read]
    columns |= {state: MemoryColumn(dict(carried).get(state, state), "loop", widths[state]) for state in kept}
    groups, chains = fuse(every, columns, frozenset(name for name, _ in parameters))
    places, totals = _places([x.name for x in every] + kept, columns, chains)
    calls = [_call(group, columns, dict(inputs), dict(parameters)) for group in groups]

    def of(*areas: Area) -> tuple[PlannedCall, ...]:
        return tuple(call for call in calls if area[call.lines[0]] in areas)

    names = tuple(name for name, _ in inputs)
    return Plan(of("before", "scratch"), of("loop"), of("after"), places, totals, tuple(kept), carried, names)


def shared_memory(
    carry: Sequence[tuple[str, str]], inside: Container[str], known: Container[str]
) -> tuple[Pairs, tuple[Line, ...]]:
    """Each state with the line whose memory it shares, and hidden copies for those that cannot share it.

    A line can share its memory with only one state (their initial values differ), and only if it is in the loop.
    inside: the lines in the loop. known: all lines and inputs; in a single step a state may carry a missing line that
    nobody uses.
    """
    pairs: dict[str, str] = {}
    copies: list[Line] = []
    for state, target in carry:
        if target in known:
            if target not in inside or target in pairs.values():
                copies.append(Line(f"next {state}", "copy", (target,)))
                target = copies[-1].name
            pairs[state] = target
    return tuple(pairs.items()), tuple(copies)


def _moving(lines: Sequence[Line], states: Container[str], begin: Iterable[str] = ()) -> set[str]:
    """The lines that depend on a state, or on the lines in `begin`."""
    moving = set(begin)
    for line in lines:
        if any(name in moving or name in states for name in line.reads):
            moving.add(line.name)
    return moving


def _areas(lines: Sequence[Line], carried: Mapping[str, str], states: set[str]) -> dict[str, Area]:
    """Where each line is computed: before the loop, in it (if a carried line needs it), or after it."""
    loop = set(carried.values())
    moving = _moving(lines, states, loop)
    for line in reversed(lines):
        if line.name in loop:
            loop |= moving.intersection(line.reads)
    return {n: "loop" if n in loop else "after" if n in moving else "before" for n in (line.name for line in lines)}


def _prefixes(lines: Sequence[Line], area: Mapping[str, Area], known: set[str]) -> tuple[tuple[Line, ...], list[Line]]:
    """The lines, with the leading terms of each sum in the loop split off as a separate sum if known before it."""
    found: list[Line] = []
    by_sum = {(x.operands, x.constants): x.name for x in lines if x.op == "add" and area[x.name] == "before"}
    changed: list[Line] = []
    for line in lines:
        count = 0
        if line.op == "add" and area[line.name] == "loop":
            ready = [not isinstance(o, str) or o in known or area.get(o) == "before" for o in line.operands]
            count = ready.index(False) if False in ready else 0
        if count < 2:
            changed.append(line)
            continue
        key = line.operands[:count], line.constants[:count]
        if key not in by_sum:
            part = Line("", "add", *key)
            found.append(part._replace(name=f"partial {expression(part)}"))
            by_sum[key] = found[-1].name
        rest = line.operands[count:], line.constants[count:]
        changed.append(line._replace(operands=(by_sum[key], *rest[0]), constants=(1.0, *rest[1])))
    early = [x for x in changed if area[x.name] == "before"]
    return (*early, *found, *(x for x in changed if area[x.name] != "before")), found


def _places(
    names: Iterable[str], columns: Mapping[str, MemoryColumn], chains: NeighbourChains
) -> tuple[dict[str, MemorySlot], dict[Area, int]]:
    """Lay out the chains one after the other, in the order of their first names."""
    totals: dict[Area, int] = {"before": 0, "loop": 0, "after": 0, "scratch": 0}
    own: dict[str, int] = {}
    width = {column.line: column for column in columns.values()}
    for name in names:
        line = columns[name].line
        while line in chains.left:
            line = chains.left[line]
        for member in chains.chain(line) if line not in own else ():
            here = width[member]
            own[member] = totals[here.area]
            totals[here.area] += here.width
    return {n: MemorySlot(c.area, own[c.line], c.width, c.ahead) for n, c in columns.items()}, totals


def _call(
    group: Sequence[Line], columns: Mapping[str, MemoryColumn], inputs: Mapping[str, int], parameters: Mapping[str, int]
) -> PlannedCall:
    """The call that computes `group`."""
    first = group[0]
    width = columns[first.name].width
    operands = []
    for one, *others in zip(*(line.operands for line in group), strict=True):
        names = (str(one), *map(str, others))
        shared = names if len(set(names)) > 1 else names[:1]
        if not isinstance(one, str):
            operands.append(CallOperand("number", number=one))
        elif one in parameters:
            vector = parameters[one]
            spread = width if vector and OPS[first.op].width == "same" else vector
            operands.append(CallOperand("parameter", names, spread))
        elif one in columns:
            operands.append(CallOperand("value", shared, columns[one].width))
        else:
            operands.append(CallOperand("input", shared, inputs[one]))
    return PlannedCall(first.op, tuple(line.name for line in group), tuple(operands), first.constants, width)


def _wrapped(head: str, parts: Sequence[str]) -> str:
    """`head` and the parts, wrapped between parts at the maximum line width."""
    text = "\0| ".join(part.replace(" ", "\0") for part in parts)
    first = f"  {head:<9} "
    wrapper = TextWrapper(80, first, " " * len(first), break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(text).replace("\0", " ")
