"""What of a trace a report shows: the selection, the detail, and bounds that keep it readable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..base.arrays import Array
from ..cell.lines import Line
from ..cell.network import VALID, Stage, forward_stages
from ..errors import MissingError
from ..formulas.blocks import Block, Picture
from ..formulas.tree import Node, formula, kept, written_out
from ..formulas.values import Values
from ..languages.strings import Words
from ..trace.address import Address
from ..trace.rows import Selection
from ..trace.trace import Trace
from .hand_size import matrices_fit
from .held_lines import held_at, with_held
from .line_groups import Group, groups
from .naming import Naming
from .worked_rows import TERMS

if TYPE_CHECKING:
    from ..backpropagation.training import Training
    from ..explanation.account import Account
    from ..explanation.profile import Profile

Detail = Literal["scalar", "compact", "vector", "summary"]

#: So many units of a line, rows and columns of a matrix; in a summary; terms of a sum where one unit was chosen.
UNITS, FEWER, MORE = 8, 5, 16
#: So many rows of a table.
TABLE = 12


class Place(NamedTuple):
    """One layer and direction at one step, for one row of the batch."""

    stage: Stage
    t: int
    b: int


class Source(NamedTuple):
    """What a trace is opened from, as commands have it.

    name: the file. options: those with which it is opened, as they are typed. run: whether that is a run, and not a
    trace that is there already.
    """

    name: str = "SOURCE"
    options: tuple[str, ...] = ()
    run: bool = False


#: Of a trace that was made from Python, or came by standard input.
UNNAMED = Source()


@dataclass(frozen=True)
class View(Naming):
    """A trace with what is shown of it.

    stages, steps, rows: those that are shown; everything: whether no bound applies. cut: what the bounds left out, as
    keys of the table of words. notes: what the notation needs said, after the equations. back: the way back, where the
    trace has one; alone: what of that is shown alone (`back`, or its `equations`), empty for the whole. course:
    some updates of the weights, with a view of each of their traces. told: of a split, what experiments say. paper:
    whether it goes on pages of paper. printed: of a page on the screen what it prints, where that is another view.
    profile: shown instead of worked steps; source: of the trace, in commands. pictured: a section before the
    worked steps. illustration: the picture of the cell, for a document beside which there is a file of it; of a profile
    that of its gates. breadth: the part of a line of A4 that there is for a formula.
    """

    trace: Trace
    values: Values
    words: Words
    chosen: Selection
    detail: Detail
    everything: bool
    stages: tuple[Stage, ...]
    steps: tuple[int, ...]
    rows: tuple[int, ...]
    cut: frozenset[str] = frozenset()
    notes: tuple[Block, ...] = ()
    back: View | None = None
    alone: str = ""
    course: tuple[Training, tuple[View, ...]] | None = None
    told: Account | None = None
    paper: bool = False
    printed: View | None = None
    profile: Profile | None = None
    pictured: tuple[Block, ...] = ()
    illustration: Picture | None = None
    source: Source = UNNAMED
    breadth: float = 1.0

    @property
    def title(self) -> str:
        """The author's title, or what a report is."""
        untitled = "untitled" if self.profile is None else "profile.untitled"
        return self.trace.header.title or self.words.word(untitled)

    @property
    def tight(self) -> bool:
        """Whether it is set so that few pages of paper are needed."""
        return self.paper and self.detail in ("compact", "summary")

    @property
    def single(self) -> bool:
        """Whether there is one layer, direction, step and row, so that all that is given stands in one place."""
        return len(forward_stages(self.trace.stages)) == self.trace.steps == self.trace.batch == 1

    #: Whether values without a name stand in the lines that read them, and not as lines of their own.
    whole = False

    @cached_property
    def filled(self) -> bool:
        """Whether the matrices are small enough to stand with their numbers in a formula."""
        return matrices_fit(self.trace)

    @property
    def units(self) -> int | None:
        """How many units of a line are shown."""
        return None if self.everything else FEWER if self.detail == "summary" else UNITS

    @property
    def terms(self) -> int | None:
        """How many terms of a sum are shown; more where one unit was chosen."""
        return None if self.everything else MORE if self.chosen.unit is not None else TERMS

    @cached_property
    def plans(self) -> dict[tuple[str, tuple[str, ...]], Any]:
        """What `compact.plan` found for the stages of this view: it is asked for at every step, and always the same."""
        return {}

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Where values are shown, in computing order: the reverse direction from the last step down."""
        return tuple(
            Place(self._at(stage, t, b), t, b)
            for stage in self.stages
            for t in (reversed(self.steps) if stage.backwards else self.steps)
            for b in self.rows
        )

    def _at(self, stage: Stage, t: int, b: int) -> Stage:
        """A stage as it is shown at a place, the same object wherever that is the same."""
        whole = self.trace.stage(stage.scope)
        if whole.cell.plain is None:
            return stage
        held = held_at(self.trace, whole, t, b)
        if (stage.scope, held) not in self._stages:
            self._stages[stage.scope, held] = with_held(whole, held) if held else stage
        return self._stages[stage.scope, held]

    @cached_property
    def _stages(self) -> dict[tuple[str, frozenset[str]], Stage]:
        return {}

    @cached_property
    def asked(self) -> tuple[Address, ...]:
        """What was asked for, as far as it was recorded: a trace may hold some of its lines only."""
        found: list[Address] = []
        for text in self.trace.header.ask:
            try:
                found += replace(self.trace, header=replace(self.trace.header, ask=(text,))).asked()
            except MissingError:
                continue
        return tuple(dict.fromkeys(found))

    def lines(self, stage: Stage) -> list[Line]:
        """The lines of a stage that were recorded and chosen, and have the chosen unit."""
        return lines_of(self.trace, stage, self.chosen)

    def groups(self, stage: Stage, idle: bool = False) -> list[Group]:
        """The chosen lines of a stage, those that belong together in one group.

        idle: only those that ask whether the step is padding.
        """
        asks = {name for name, source in stage.sources.items() if source == VALID}
        there = {line.name for line in self.lines(stage) if not idle or asks & set(line.reads)}
        found = (g._replace(lines=tuple(x for x in g.lines if x.name in there)) for g in self.grouped(stage))
        return [group for group in found if group.lines]

    def grouped(self, stage: Stage) -> list[Group]:
        """All lines of a stage, those that belong together in one group."""
        kind = self.trace.header.kind
        asked = {address.line for address in self.asked}
        titled = frozenset(x.name for x in stage.lines if self.words.has(f"{kind}.{x.name}") or x.name in asked)
        return groups(stage, titled)

    def formulas(self, stage: Stage, line: Line) -> Iterator[tuple[str, Node]]:
        """What a line is in symbols, after its heading; the value of a composite function also without that."""
        if line.assigned:
            yield "=", formula(line, stage.cell)
        if (whole := written_out(line, stage.cell)) is not None:
            yield "=", whole

    def indices(self, width: int) -> list[int | None]:
        """The units that are shown of a line, None for dots."""
        if self.chosen.unit is not None:
            return [self.chosen.unit] if self.chosen.unit < width else []
        return kept(width, self.units)

    def idle(self, place: Place) -> bool:
        """Whether only the lines that keep the states are shown at a place, since it is padding."""
        short = not self.everything and self.chosen.names is None and VALID in place.stage.sources.values()
        return short and self.padding(place.t, place.b)

    def padding(self, t: int, b: int) -> bool:
        """Whether step t is padding in row b."""
        return not self._valid[self.trace.index(t), b, 0]

    def counts(self, t: int, b: int) -> bool:
        """Whether step t of row b is among the answers: padding is none, unless everything is shown."""
        return self.everything or not self.padding(t, b)

    @cached_property
    def _valid(self) -> Array:
        return self.trace.valid


def lines_of(trace: Trace, stage: Stage, chosen: Selection) -> list[Line]:
    """The lines of a stage that were recorded and chosen, and have the chosen unit."""
    recorded = trace.lines.get(stage.scope, {})
    there = [line for line in stage.cell.lines if line.name in recorded and chosen.has(line.name)]
    if chosen.unit is None:
        return there
    return [line for line in there if chosen.unit < recorded[line.name].shape[-1]]  # as tables have it
