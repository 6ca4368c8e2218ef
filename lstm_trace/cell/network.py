"""A network is a list of stages in order of computation: one cell per layer and direction, and where they are merged.

A stage uses the input, another stage's line, or supplied values; there is nothing else between cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

from ..errors import MissingError, OptionError
from .lines import Cell, Line
from .named_cells import nearest_line
from .variants import Merge, Padding, extended, joined, masked, supplied as fed

Scope = str  # `layer/direction`
X, VALID, GIVEN = "x", "valid", "given"  # sources that are not another stage's line
ADJOINT = "adjoint-"  # prefix of the direction of an adjoint stage, before that of its stage
SEED = "seed_"  # prefix of an adjoint's inputs that hold weights
#: The stage in which the two directions of a layer are merged.
MEET = "joined"
#: Directions of the stages of a run, and of their adjoints.
Direction = Literal["forward", "reverse", "joined", "adjoint-forward", "adjoint-reverse", "adjoint-joined"]
DIRECTIONS: tuple[str, ...] = get_args(Direction)


def scope_and_name(text: str) -> tuple[str, str]:
    """The scope (`layer/direction`) and the name of a weight or line; a bare name, and `x`, have an empty scope.

    >>> scope_and_name("1/reverse/W_xi"), scope_and_name("W_xi")
    (('1/reverse', 'W_xi'), ('', 'W_xi'))
    """
    scope, _, name = text.rpartition("/")
    return scope, name


def layer_and_direction(scope: str) -> tuple[int, str]:
    """The parts of a scope.

    >>> layer_and_direction("1/reverse")
    (1, 'reverse')
    """
    layer, _, direction = scope.partition("/")
    return int(layer), direction


def extent(scopes: Iterable[str]) -> tuple[int, tuple[str, ...]]:
    """The number of layers, and the directions of each.

    >>> extent(["0/forward", "0/reverse", "0/joined", "1/forward", "1/reverse"])
    (2, ('forward', 'reverse'))
    """
    parts = [layer_and_direction(scope) for scope in scopes]
    found = {direction for _, direction in parts}
    return 1 + max((layer for layer, _ in parts), default=-1), tuple(d for d in ("forward", "reverse") if d in found)


@dataclass(frozen=True)
class Stage:
    """One cell of the network in its position.

    sources: for each input of the cell the source of its values: `x`, `valid`, `given`, or `scope/line`.
    computed: names of the lines that are computed here, in order; None for all.
    """

    layer: int
    direction: str  # forward, reverse or joined; adjoint-forward, … for the adjoint of such a stage
    cell: Cell
    sources: Mapping[str, str]
    computed: tuple[str, ...] | None = None

    @cached_property
    def scope(self) -> str:
        """`layer/direction`, the first two parts of every address."""
        return f"{self.layer}/{self.direction}"

    @cached_property
    def backwards(self) -> bool:
        """Whether it goes from the last step to the first."""
        return self.direction in ("reverse", f"{ADJOINT}forward", f"{ADJOINT}{MEET}")

    @cached_property
    def is_adjoint(self) -> bool:
        """Whether it is the adjoint of another stage."""
        return self.direction.startswith(ADJOINT)

    def borrows(self, name: str) -> bool:
        """Whether an input is a value of the stage whose adjoint this is: under its own name, or `at_tanh_c_t`."""
        return self.is_adjoint and scope_and_name(self.sources.get(name, ""))[0] == self.owner

    @cached_property
    def weights(self) -> tuple[str, ...]:
        """The inputs of an adjoint that hold the weights of L; other supplied values come from another trace."""
        given = (name for name in self.cell.inputs if self.sources.get(name) == GIVEN)
        return tuple(name for name in given if self.is_adjoint and name.startswith(SEED))

    def has(self, name: str) -> bool:
        """Whether it has a line, input or state `name` of its own."""
        cell = self.cell
        return name in cell.by_name or name in cell.states or (name in cell.inputs and not self.borrows(name))

    @cached_property
    def ends(self) -> tuple[str, ...]:
        """The named lines, apart from the output and what it depends on, that no other line of the same step reads:
        what added equations end in. To keep a state at padding does not count as reading.
        """
        cell = self.cell.plain or self.cell
        carried = set(cell.states.values())
        reading = (line.reads for line in cell.lines if line.assigned or line.name not in carried)
        inner = cell.closure([cell.output]).union(*reading)
        return tuple(line.name for line in cell.lines if line.assigned and line.name not in inner)

    def answers(self, recorded: Mapping[Scope, Iterable[str]]) -> tuple[str, ...]:
        """What is requested of the last stage if nothing else is: its output, and what its equations end in."""
        there, output = {*recorded.get(self.scope, ())}, self.cell.output
        shown = f"{self.scope}/{output}" if self.direction == MEET else output
        return (*[shown] * (output in there), *(name for name in self.ends if name in there))

    def unpadded(self, name: str) -> str:
        """A line; if padding replaces a state by its previous value or zero, the line that the cell computes for it."""
        line = (self.cell.plain or self.cell).by_name.get(name)
        if line is None or line.op != "where" or self.sources.get(str(line.operands[0])) != VALID:
            return name
        return str(line.operands[1])

    @cached_property
    def carried(self) -> tuple[str, ...]:
        """The lines carried to the next step, each once: ignoring padding, those that the cell computes."""
        return tuple(dict.fromkeys(self.unpadded(line) for _, line in (self.cell.plain or self.cell).carry))

    @cached_property
    def owner(self) -> Scope:
        """The scope whose parameters it uses: for an adjoint, that of the stage whose adjoint it is."""
        return f"{self.layer}/{self.direction.removeprefix(ADJOINT)}"

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The computed lines, in order."""
        if self.computed is None:
            return self.cell.lines
        return tuple(self.cell.by_name[name] for name in self.computed)

    @cached_property
    def active(self) -> Cell:
        """The cell with only the computed lines; a state whose line is not computed becomes an input.

        That happens in a single step, whose carried values are not requested.
        """
        if self.computed is None:
            return self.cell
        there = {*self.computed, *self.cell.inputs}
        carry = tuple((state, line) for state, line in self.cell.carry if line in there)
        fed = tuple(state for state, line in self.cell.carry if line not in there)
        known = (*self.cell.declared, *(state for state in fed if state in self.cell.matrices))
        inputs = (*self.cell.inputs, *fed)
        return replace(self.cell, lines=self.lines, carry=carry, inputs=inputs, declared=known)

    def through(self, line: Line) -> Iterator[str]:
        """The operands of a line, direct or through unnamed lines."""
        for name in line.reads:
            yield name
            if name in self.cell.by_name and not self.cell.by_name[name].assigned:
                yield from self.through(self.cell.by_name[name])

    @cached_property
    def reads(self) -> frozenset[str]:
        """Every name that a computed line uses."""
        return frozenset(name for line in self.lines for name in line.reads)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that computed lines use."""
        return tuple(name for name in self.cell.parameters if name in self.reads)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The inputs that computed lines or carried states use, including supplied lines."""
        carried = {self.cell.states[s] for s in self.states}
        return tuple(name for name in self.cell.inputs if name in self.reads or name in carried)

    @cached_property
    def states(self) -> tuple[str, ...]:
        """The carried states that computed lines use."""
        return tuple(state for state in self.cell.states if state in self.reads)


def stack(
    cell: Cell, layers: int = 1, directions: Sequence[str] = ("forward",), merge: Merge = "concat",
    padding: Padding | None = None, extra: str = "", given: Mapping[str, Iterable[str]] | None = None,
    reverse: Cell | None = None,
) -> tuple[Stage, ...]:  # fmt: skip
    """The stages of `layers` layers of `cell`.

    reverse: the cell of the reverse direction, if it differs. padding: the rule for padded steps; None if there are
    none.
    extra: equations added to the last stage. given: for each scope the lines that are supplied instead of computed.
    Raises OptionError if directions that are not merged would feed another layer, CellError for an invalid `extra`.
    """
    if merge == "none" and layers > 1 and len(directions) > 1:
        raise OptionError("merge: none leaves two outputs, so no layer can follow; use concat, sum, mean or product")
    added = [row.partition("=")[0].strip() for row in extra.splitlines()]
    cells = {"forward": cell, "reverse": reverse or cell}
    inner = {d: masked(one, padding, added) if padding else one for d, one in cells.items()}
    supplied = {scope: tuple(names) for scope, names in (given or {}).items()}
    stages: list[Stage] = []

    def add(layer: int, direction: str, own: Cell, sources: Mapping[str, str], last: bool) -> str:
        """Add a stage; return the address of its output."""
        here = extended(own, extra, padding is not None) if extra and last and layer == layers - 1 else own
        names = supplied.get(f"{layer}/{direction}", ())
        found = {name: sources.get(name, GIVEN) for name in here.inputs} | dict.fromkeys(names, GIVEN)
        stages.append(Stage(layer, direction, fed(here, names), found))
        return f"{layer}/{direction}/{own.output}"

    meets = len(directions) > 1 and merge != "none"
    source = X
    for layer in range(layers):
        ends = {d: add(layer, d, inner[d], {"x_t": source, VALID: VALID}, not meets) for d in directions}
        source = ends[directions[0]]
        if meets:
            source = add(layer, MEET, joined(merge), {**{f"y_{d}": e for d, e in ends.items()}, VALID: VALID}, True)
    known = {stage.scope for stage in stages}
    if lost := [scope for scope in supplied if scope not in known]:
        raise MissingError(f"given lines name {lost[0]!r}, which is unknown; there are {', '.join(sorted(known))}")
    return tuple(stages)


def forward_stages(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """The stages that are not adjoints."""
    return tuple(stage for stage in stages if not stage.is_adjoint)


def restrict(stages: Sequence[Stage], wanted: Iterable[tuple[str, str]], carried: bool) -> tuple[Stage, ...]:
    """The stages with only the lines that `wanted` (scope, line) depends on; stages without any are left out.

    carried: whether a step depends on the previous one (False for a single step).
    """
    asked = set(wanted)
    kept: list[Stage] = []
    for stage in reversed(stages):
        names = {line for scope, line in asked if scope == stage.scope}
        closure = stage.cell.closure(names, carried)
        if names:
            small = replace(stage, computed=tuple(line.name for line in stage.cell.lines if line.name in closure))
            asked |= {scope_and_name(stage.sources[name]) for name in small.inputs}
            kept.append(small)
    return tuple(reversed(kept))


def counted_at_padding(stages: Sequence[Stage]) -> dict[str, set[str]]:
    """By scope, the lines whose values at padding are used: outputs and kept values, and everything derived from them.

    Other values that a cell computes there are discarded: `where(valid, h_t, 0)` drops them. A higher layer still reads
    the output of the lower one, and discards its own results.
    """
    found: dict[str, set[str]] = {}
    for stage in stages:
        cell, of = stage.cell, {name: scope_and_name(source) for name, source in stage.sources.items()}
        masked = VALID in stage.sources.values()
        there = {cell.output, *cell.states.values()}
        fixed = {*cell.parameters, *(name for name, source in stage.sources.items() if source == GIVEN)}
        below = {name for name, (scope, line) in of.items() if not masked and line in found.get(scope, ())}
        for line in cell.lines:
            chosen = line.op == "where" and stage.sources.get(str(line.operands[0])) == VALID
            follows = not there.union(below).isdisjoint(line.reads) and {*line.reads} <= there | below | fixed
            if chosen or follows:
                there.add(line.name)
        found[stage.scope] = there
    return found


def find(stages: Sequence[Stage], name: str) -> list[str]:
    """Scopes that have the line, input or state `name`.

    Raises MissingError, which suggests the nearest name, if there is none.
    """
    scopes = [s.scope for s in stages if s.has(name)]
    if not scopes:
        known = dict.fromkeys(n for s in stages for n in (*s.cell.by_name, *s.cell.inputs, *s.cell.states))
        raise MissingError(f"there is no line {name!r}{nearest_line(name, known, 'there are')}")
    return scopes
