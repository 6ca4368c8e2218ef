"""The plan of a stage: which lines leave the time loop, which become one call, where every value lies.

A plan is derived from the lines by four rules that know no cell:

1. a line that depends on no state is computed for many steps at once, before the loop; a line on which no later step
   depends, after it;
2. of a sum in the loop, the leading terms that are known before it are added before it: the partial sums of a sum
   from left to right are rounded in the same order, wherever they are computed;
3. siblings become one call (`fusion`): products of one vector are one product of stacked matrices;
4. a carried state is no copy: it is the line that it carries, one row earlier.

Nothing is re-associated and no line is left out. A plan is a value: it holds no weights and no batch size, so one
plan serves every run of a cell with the same sizes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from textwrap import TextWrapper
from typing import Literal, NamedTuple

from ...cell.lines import Line, expression
from ...cell.ops import OPS
from ...errors import counted
from .fusion import Column, NeighbourChains, fuse

#: `before`, `loop`, `after`, or `scratch`: hidden sums, which are computed before the loop and never recorded.
Area = str
Widths = tuple[tuple[str, int], ...]


class Slot(NamedTuple):
    """Where a value lies: from column `start` of its area on, `width` columns (each as wide as the batch).

    ahead: it is written one row later than the step it belongs to (a carried line), where the next step finds it.
    """

    area: Area
    start: int
    width: int
    ahead: bool = False


class CallOperand(NamedTuple):
    """What a call reads at one position: one name for each of its lines, or one for all; or a number."""

    kind: Literal["value", "input", "parameter", "number"]
    names: tuple[str, ...] = ()
    width: int = 1
    number: float = 0.0


class PlannedCall(NamedTuple):
    """One operation on lines that lie side by side; `constants` as in the lines."""

    op: str
    lines: tuple[str, ...]
    operands: tuple[CallOperand, ...]
    constants: tuple[float, ...]
    width: int


@dataclass(frozen=True, eq=False)
class Plan:
    """The calls before, in and after the time loop, and the place of every line and state that is read.

    columns: how many each area has. `scratch` holds partial sums that are no lines: it is never recorded. carried:
    pairs (state, line or hidden copy whose place it shares); a state that is read but never written is not there.
    """

    before: tuple[PlannedCall, ...]
    loop: tuple[PlannedCall, ...]
    after: tuple[PlannedCall, ...]
    places: Mapping[str, Slot]
    columns: Mapping[Area, int]
    states: tuple[str, ...]
    carried: tuple[tuple[str, str], ...]
    inputs: tuple[str, ...]

    @property
    def calls(self) -> tuple[PlannedCall, ...]:
        """All of them, in the order in which they are made."""
        return (*self.before, *self.loop, *self.after)

    def __str__(self) -> str:
        return describe(self)


@lru_cache(maxsize=256)
def make_plan(
    lines: tuple[Line, ...], carry: tuple[tuple[str, str], ...], sizes: Widths, inputs: Widths, parameters: Widths
) -> Plan:
    """Derive the plan of `lines`.

    carry: (state, line that it carries). sizes: the width of every line and of every state that is read. inputs: names
    that are read, with their widths. parameters: names that are read, with the width of a vector, 0 for a matrix.
    """
    widths = dict((*sizes, *inputs))
    known = {line.name for line in lines}
    read = {name for line in lines for name in line.reads}
    pairs = [(state, line) for state, line in carry if state in read]
    carried, hidden = shared_memory(pairs, _moving(lines, dict(pairs)), known | {n for n, _ in inputs})
    for copy in hidden:
        widths[copy.name] = widths[str(copy.operands[0])]
    every = (*lines, *hidden)
    area = _areas(every, dict(carried), read & {s for s, _ in carry})
    every, partial = _prefixes(every, area, {name for name, _ in (*inputs, *parameters)})
    for line in partial:
        area[line.name] = "scratch"
        widths[line.name] = next(widths[x.name] for x in every if line.name in x.reads)
    ahead = {line: state for state, line in carried}
    columns = {x.name: Column(x.name, area[x.name], widths[x.name], x.name in ahead) for x in every}
    kept = [s for s, _ in carry if s in read]
    for state in kept:
        columns[state] = Column(dict(carried).get(state, state), "loop", widths[state])
    groups, chains = fuse(every, columns, frozenset(name for name, _ in parameters))
    places, totals = _places([x.name for x in every] + kept, columns, chains)
    calls = [_call(group, columns, dict(inputs), dict(parameters)) for group in groups]

    def of(*areas: Area) -> tuple[PlannedCall, ...]:
        return tuple(call for call in calls if area[call.lines[0]] in areas)

    names = tuple(name for name, _ in inputs)
    return Plan(of("before", "scratch"), of("loop"), of("after"), places, totals, tuple(kept), carried, names)


def shared_memory(
    carry: Sequence[tuple[str, str]], inside: Container[str], known: Container[str]
) -> tuple[tuple[tuple[str, str], ...], tuple[Line, ...]]:
    """Each state with the line whose memory it shares, and hidden copies for those that cannot share it.

    A line serves one state only (their initial values differ), and only a line of the loop. inside: these lines.
    known: all lines and inputs; in a single step a state may carry what is not there, and nobody reads it.
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
    """The lines that depend on a state, or on those of `begin`."""
    moving = set(begin)
    for line in lines:
        if any(name in moving or name in states for name in line.reads):
            moving.add(line.name)
    return moving


def _areas(lines: Sequence[Line], carried: Mapping[str, str], states: set[str]) -> dict[str, Area]:
    """Where each line is computed: before the loop, in it (a carried line needs it), or after it."""
    by_name = {line.name: line for line in lines}
    loop: set[str] = set(carried.values())
    moving = _moving(lines, states, loop)
    open_names = list(loop)
    while open_names:
        for name in by_name[open_names.pop()].reads:
            if name in moving and name in by_name and name not in loop:
                loop.add(name)
                open_names.append(name)
    return {n: "loop" if n in loop else "after" if n in moving else "before" for n in by_name}


def _prefixes(lines: Sequence[Line], area: Mapping[str, Area], known: set[str]) -> tuple[tuple[Line, ...], list[Line]]:
    """The lines with the leading terms of each sum in the loop as a sum of its own, where they are known before it."""
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
    names: Iterable[str], columns: Mapping[str, Column], chains: NeighbourChains
) -> tuple[dict[str, Slot], dict[Area, int]]:
    """Lay the chains out one after the other, in the order of their first names."""
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
    places = {n: Slot(c.area, own[c.line], c.width, c.ahead) for n, c in columns.items()}
    return places, totals


def _call(
    group: Sequence[Line], columns: Mapping[str, Column], inputs: Mapping[str, int], parameters: Mapping[str, int]
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


def describe(plan: Plan) -> str:
    """The plan as text: the calls of each part, then the order in which the values lie."""
    parts = (
        ("before the loop, for many steps at once", plan.before),
        ("each step", plan.loop),
        ("after the loop, for many steps at once", plan.after),
    )
    rows: list[str] = []
    for title, calls in parts:
        if calls:
            lines = sum(len(call.lines) for call in calls)
            rows.append(f"{title}: {counted(lines, 'line')} in {counted(len(calls), 'call')}")
            rows += [_wrapped(call.op, call.lines) for call in calls]
    rows.append("memory: what lies side by side")
    homes = {line: f"{line} (read as {state})" for state, line in plan.carried}
    lonely = [s for s in plan.states if s not in dict(plan.carried)]
    order = sorted({*homes, *lonely, *(n for n in plan.places if n not in plan.states)}, key=lambda n: plan.places[n])
    for area in ("before", "scratch", "loop", "after"):
        here = [homes.get(n, n) for n in order if plan.places[n].area == area]
        rows += [_wrapped(area, here)] if here else []
    return "\n".join(rows)


def _wrapped(head: str, parts: Sequence[str]) -> str:
    """`head` and the parts, broken between parts where a row is full."""
    text = "\0| ".join(part.replace(" ", "\0") for part in parts)
    first = f"  {head:<9} "
    wrapper = TextWrapper(80, first, " " * len(first), break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(text).replace("\0", " ")
