"""The selection that a report shows, in which detail and within which limits, and the names of its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeVar

from ..base.arrays import Array
from ..cell.lines import Line, Operand
from ..cell.network import VALID, Stage, forward_stages
from ..cell.ops import OPS
from ..documents.blocks import Block, Picture
from ..errors import MissingError, nearest
from ..formulas.numbers import Style
from ..formulas.tree import HELD, SYMBOLIC, Call, Key, Node, Num, formula, kept, written_out
from ..formulas.values import Values
from ..languages.strings import Words, words_for
from ..trace.address import INITIAL, Address
from ..trace.held import plain_stage
from ..trace.rows import Selection, parts
from ..trace.trace import Trace
from ..trace.window import names
from .hand_size import MATRIX, ROWS, SCALARS, TERMS, VECTORS, hand_size, matrices_fit
from .line_groups import LineGroup, groups, held_at, with_held
from .naming import Naming

if TYPE_CHECKING:
    from ..backpropagation.training import Training
    from ..explanation.profile import Profile
    from ..report.compact.plan import Plan

T = TypeVar("T")


Detail = Literal["scalar", "compact", "vector", "summary"]

#: Maximum number of units of a line, rows and columns of a matrix; in a summary; of terms of a sum for one chosen unit.
UNITS, FEWER, MORE = 8, 5, 16


class Place(NamedTuple):
    """One layer and direction at one step, for one sequence of the batch."""

    stage: Stage
    t: int
    b: int


class Source(NamedTuple):
    """What a trace is opened from, in terms of commands.

    name: the file. options: those with which it is opened, as typed. run: whether it has to be run, and is not an
    existing trace.
    """

    name: str = "SOURCE"
    options: tuple[str, ...] = ()
    run: bool = False


#: Source of a trace made in Python, or read from standard input.
UNNAMED = Source()


@dataclass(frozen=True)
class View(Naming):
    """A trace together with the selection that is shown.

    stages, steps, rows: the shown ones; everything: whether no limit applies. cut: parts left out because of limits, as
    keys of the table of words. notes: remarks about the notation, after the equations. mistakes:
    what is said of those that the trace has on purpose. back: the backward pass, if the
    trace has one; alone: the part of it that is shown exclusively (`back`, or its `equations`), empty for the whole.
    tabled: whether states are a table over all steps, as in a long run; overview: what its units and steps did;
    eventful: the steps of it that are worked in full.
    course: some updates of the weights, with a view of each of their traces. experiments: blocks that check a split.
    paper: whether it is for pages of paper. printed: what a page on the screen prints, if that is another view.
    profile: shown instead of worked steps; source: of the trace, in commands. pictured: a section before the worked
    steps.
    illustration: the picture of the cell, for a document with a separate picture file; in a profile, that of its gates.
    breadth: the fraction of a line of A4 available for a formula.
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
    mistakes: tuple[Block, ...] = ()
    back: View | None = None
    alone: str = ""
    tabled: bool = False
    overview: Profile | None = None
    eventful: View | None = None
    course: tuple[Training, tuple[View, ...]] | None = None
    experiments: tuple[Block, ...] = ()
    paper: bool = False
    printed: View | None = None
    profile: Profile | None = None
    pictured: tuple[Block, ...] = ()
    illustration: Picture | None = None
    source: Source = UNNAMED
    breadth: float = 1.0

    @property
    def title(self) -> str:
        """The author's title, or a generic one."""
        return self.trace.header.title or self.words.word("untitled" if self.profile is None else "profile.untitled")

    @property
    def tight(self) -> bool:
        """Whether it is typeset to need few pages of paper."""
        return self.paper and self.detail in ("compact", "summary")

    @property
    def small(self) -> bool:
        """Whether it is set in small type, since it is a run of many steps on paper."""
        return self.tabled and self.paper

    @property
    def single(self) -> bool:
        """Whether there is one layer, direction, step and sequence, so that all given values are in one place."""
        return len(forward_stages(self.trace.stages)) == self.trace.steps == self.trace.batch == 1

    @cached_property
    def every_step(self) -> tuple[int, ...]:
        """The steps that were chosen, including those that are left out."""
        return tuple(self.trace.span[self.chosen.window(self.trace)])

    @cached_property
    def every_row(self) -> tuple[int, ...]:
        """The sequences that were chosen, including those that are left out."""
        return tuple(range(self.trace.batch)[self.chosen.rows(self.trace)])

    @cached_property
    def stop(self) -> tuple[int, int] | None:
        """The step and the sequence of the first value that is not finite, if both are among those that were chosen."""
        found = self.trace.not_finite
        if found is None or found.address.t not in self.every_step or found.address.b not in self.every_row:
            return None
        return found.address.t, found.address.b

    @property
    def brief(self) -> bool:
        """Whether nothing is worked, and the table is all that is shown."""
        return self.tabled and self.eventful is None

    @property
    def worked(self) -> tuple[Place, ...]:
        """The places that are worked: below a table the eventful ones, on a page on which they fold all."""
        if self.eventful is not None and self.printed is None:
            return self.eventful.places
        return () if self.brief else self.places

    #: Whether unnamed values are written within the lines that use them, and not as separate lines.
    whole = False

    @cached_property
    def filled(self) -> bool:
        """Whether the matrices are small enough to be shown with their numbers in a formula."""
        return matrices_fit(self.trace)

    @property
    def units(self) -> int | None:
        """Maximum number of units shown of a line."""
        return None if self.everything else FEWER if self.detail == "summary" else UNITS

    @property
    def terms(self) -> int | None:
        """Maximum number of terms shown of a sum; more if one unit was chosen."""
        return None if self.everything else MORE if self.chosen.unit is not None else TERMS

    @cached_property
    def plans(self) -> dict[tuple[str, tuple[str, ...]], Plan]:
        """Cached results of `compact.plan` for the stages of this view: requested at every step, and always the
        same.
        """
        return {}

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Where values are shown, in order of computation: a stage that runs backwards from its last step down."""
        every = ((stage, t, b) for stage in self.stages for t in self.walk(stage) for b in self.rows)
        there = ((self.stage_at(*place), *place[1:]) for place in every)
        return tuple(Place(stage, t, b) for stage, t, b in there if stage is not None)

    def walk(self, stage: Stage) -> Sequence[int]:
        """The shown steps of a stage in order of computation."""
        return self.steps[::-1] if stage.backwards else self.steps

    def at_most(self, steps: int) -> Self:
        """The view limited to a number of steps."""
        return replace(self, steps=first(self.steps, steps))

    def leading_stages(self, most: int) -> tuple[Stage, ...]:
        """The stages to show if there is room for this many: the first ones, and the last."""
        return first(self.stages, most)

    def stage_at(self, stage: Stage, t: int, b: int) -> Stage | None:
        """A stage as shown at a place, the same object wherever it is the same; None if nothing is shown."""
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
        """The requested lines that were recorded: a trace may contain only some of its lines."""
        found: list[Address] = []
        for text in self.trace.header.ask:
            with suppress(MissingError):
                found += replace(self.trace, header=replace(self.trace.header, ask=(text,))).asked()
        return tuple(dict.fromkeys(found))

    def lines(self, stage: Stage) -> list[Line]:
        """The lines of a stage that were recorded and selected, and have the selected unit."""
        return lines_of(self.trace, stage, self.chosen)

    def width(self, stage: Stage, name: str) -> int:
        """Units of a value; 1 if it was not recorded."""
        values = self.values.array(stage.scope, name)
        return 1 if values is None else int(values.shape[-1])

    def cost(self, stage: Stage) -> int:
        """Number of rows that one step of a stage takes, including its heading."""
        if self.detail == "summary":
            return 4 + len(self.groups(stage))
        if self.detail == "vector":
            return 4 + len(self.lines(stage))
        heights = {line.name: len(self.entries(stage, line.name)) for line in self.lines(stage)}
        if self.detail == "compact":  # each group takes two rows of vectors, and two groups are side by side
            return 4 + sum(1 + max(heights[line.name] for line in group.lines) for group in self.groups(stage))
        return 4 + len(heights) + sum(heights.values())

    def groups(self, stage: Stage, idle: bool = False) -> list[LineGroup]:
        """The selected lines of a stage, in groups that belong together.

        idle: only those that depend on whether the step is padding.
        """
        asks = {name for name, source in stage.sources.items() if source == VALID}
        there = {line.name for line in self.lines(stage) if not idle or asks & set(line.reads)}
        found = (g._replace(lines=tuple(x for x in g.lines if x.name in there)) for g in self.grouped(stage))
        return [group for group in found if group.lines]

    def grouped(self, stage: Stage) -> list[LineGroup]:
        """All lines of a stage, in groups that belong together."""
        kind = self.trace.header.kind
        asked = {address.line for address in self.asked}
        titled = frozenset(x.name for x in stage.lines if self.words.has(f"{kind}.{x.name}") or x.name in asked)
        return groups(stage, titled)

    def leading(self, stage: Stage, group: LineGroup) -> tuple[Line, ...]:
        """The lines of a group in a summary: its result, or the recorded ones."""
        return () if group.leader is None else (group.leader,) if group.leader in group.lines else group.lines

    def written(self, stage: Stage, line: Line, leaf: Callable[[Operand], Node]) -> Node:
        """The expression of a line; leaf: returns the node for an operand."""
        tree = SYMBOLIC[line.op](line, tuple(map(leaf, line.operands)))
        return Call(HELD, (tree,)) if line.call[:1] == (HELD,) else tree

    def num(self, value: Any, name: str = "", given: bool = False, key: Key | tuple[()] = ()) -> Num:
        """A number that belongs to no line, displayed like those of the line `name`, or like given ones.

        key: its place in the trace, if it has one.
        """
        return Num(self.values.style.show(value, name, given=given), value, key)

    def formulas(self, stage: Stage, line: Line) -> Iterator[tuple[str, Node]]:
        """A line in symbols, after its heading; the value of a composite function also expanded."""
        if line.assigned:
            yield "=", formula(line, stage.cell)
        if (whole := written_out(line, stage.cell)) is not None:
            yield "=", whole

    def indices(self, width: int) -> list[int | None]:
        """The units shown of a line, None for dots."""
        if self.chosen.unit is not None:
            return [self.chosen.unit] if self.chosen.unit < width else []
        return kept(width, self.units)

    def entries(self, stage: Stage, name: str) -> list[int | None]:
        """The units shown of a line, all of those of a matrix of hand size; None for dots."""
        width, grid = self.width(stage, name), self.trace.grid(stage.scope, name)
        if grid and self.chosen.unit is None and grid[0] <= MATRIX[0] and grid[1] <= MATRIX[1]:
            return list(range(width))
        return self.indices(width)

    def extent(self, stage: Stage, name: str) -> int:
        """How many units of a line are shown if none is left out; of a matrix that is drawn, rows or columns."""
        grid = self.trace.grid(stage.scope, name)
        drawn = grid and (self.detail != "scalar" or None not in self.entries(stage, name))
        return max(grid) if grid and drawn else self.width(stage, name)

    def idle(self, place: Place) -> bool:
        """Whether only the lines that keep the states are shown at a place, because it is padding."""
        short = not self.everything and self.chosen.names is None and VALID in place.stage.sources.values()
        return short and self.padding(place.t, place.b)

    def padding(self, t: int, b: int) -> bool:
        """Whether step t is padding in sequence b."""
        return not self._valid[self.trace.index(t), b, 0]

    def counts(self, t: int, b: int) -> bool:
        """Whether step t of sequence b is among the answers: padding is not, unless everything is shown."""
        return self.everything or not self.padding(t, b)

    @cached_property
    def _valid(self) -> Array:
        return self.trace.valid


def first(items: tuple[T, ...], most: int) -> tuple[T, ...]:
    """The first items and the last, at most `most`."""
    return items if len(items) <= most else items[:1] if most == 1 else (*items[: most - 1], items[-1])


def lines_of(trace: Trace, stage: Stage, chosen: Selection) -> list[Line]:
    """The lines of a stage that were recorded and selected, and have the selected unit."""
    recorded, unit = trace.lines.get(stage.scope, {}), chosen.unit or 0  # as in tables
    there = (line for line in stage.cell.lines if line.name in recorded and chosen.has(line.name))
    return [line for line in there if unit < recorded[line.name].shape[-1]]


def check_selection(trace: Trace, chosen: Selection) -> None:
    """Raise MissingError if a selection names something that does not exist, or is empty."""
    premises = {"x", "x_t", *INITIAL.values(), *names(trace, "parameters", "initial", "given")}
    recorded = names(trace, "lines")
    for name in chosen.names or ():
        if name in premises and name not in recorded:
            raise MissingError(f"{name!r} is a premise, not a line that was computed; it is listed under Given")
    if any(trace.lines.values()) or chosen.names is not None:
        next(parts(trace, chosen, padding=True))


def check_style(trace: Trace, digits: int | Style) -> None:
    """Raise MissingError if decimals are given for a line that does not exist."""
    known = [name for stage in trace.stages for name in (*stage.cell.by_name, *stage.cell.inputs)]
    known += names(trace, "parameters", "given")
    for name in digits.lines if isinstance(digits, Style) else ():
        if name not in known:
            raise MissingError(f"digits of {name!r}: there is no such line{nearest(name, known)}")


V = TypeVar("V", bound=View)
#: Maximum number of rows of a calculation on paper beyond hand size: less than two pages.
PAPER = 80


def view(
    trace: Trace, detail: Detail | None, digits: int | Style, chosen: Selection, everything: bool,
    language: str | None = None, paper: bool = False,
) -> View:  # fmt: skip
    """What is shown of `trace`; without `detail` the size decides. Raises MissingError for an invalid selection.

    language: by default that of the trace. paper: whether it is for pages of paper, where the terms of every single
    unit are too many.
    """
    check_selection(trace, chosen)
    check_style(trace, digits)
    plain = map(plain_stage, forward_stages(trace.stages))
    stages = tuple(s for s in plain if chosen.places(s) and lines_of(trace, s, chosen))
    steps, batch = trace.span[chosen.window(trace)], range(trace.batch)[chosen.rows(trace)]
    shown = View(
        trace, Values(trace, digits, noise=everything), words_for(trace, language), chosen,
        detail or "scalar", everything, stages, tuple(steps), tuple(batch), paper=paper,
    )  # fmt: skip
    return fitted(shown, detail)


def fitted(shown: V, detail: Detail | None) -> V:
    """The view in a detail (if None, one that fits), and with as many layers, steps and sequences as fit.

    Parts named in the selection are kept completely.
    """
    chosen = shown.chosen
    shown = replace(shown, detail=detail or _detail(shown))
    whole = detail == "vector" or (detail == "compact" and not shown.filled)
    if whole and chosen.unit is not None:
        shown = replace(shown, detail="scalar")  # a unit is not a vector; nested sums would be too long
    if shown.everything:
        return shown
    bound = PAPER if detail is None and shown.paper and not hand_size(shown.trace, chosen) else ROWS
    cost = {stage.scope: shown.cost(stage) for stage in shown.stages}
    stages, rows = shown.stages, shown.rows
    if chosen.layer is None:
        stages = shown.leading_stages(max(bound // max(max(cost.values(), default=1), 1), 1))
    room = max(bound // max(sum(cost[stage.scope] for stage in stages), 1), 1)
    longest = max((len(shown.walk(stage)) for stage in shown.stages), default=1)
    if chosen.batch is None and longest * len(rows) > room:
        rows = first(rows, max(room // longest, 1 if room < 4 else 2))
    most = max(room // max(len(rows), 1), 1)
    cut = {
        "layers": len(stages) < len(shown.stages),
        "steps": chosen.steps is None and longest > most,
        "rows": len(rows) < len(shown.rows),
        "detail": detail is None and shown.detail != "scalar" and not (shown.detail == "compact" and shown.filled),
        **_narrowed(shown, stages),
    }
    fewer = shown.at_most(most) if cut["steps"] else shown
    return replace(fewer, stages=stages, rows=rows, cut=frozenset(key for key, is_cut in cut.items() if is_cut))


def _detail(shown: View) -> Detail:
    """The detail that fits; on paper nothing is shown term by term."""
    chosen = shown.chosen
    if shown.paper and hand_size(shown.trace, chosen):
        return "compact"
    if shown.everything:
        return "scalar"
    if shown.paper:
        cost = sum(replace(shown, detail="compact").cost(stage) for stage in shown.stages)
        fits = len(shown.steps) * len(shown.rows) * cost <= PAPER
        return "compact" if fits and chosen.unit is None else "summary"
    places = [(stage, len(shown.rows) * len(shown.walk(stage))) for stage in shown.stages]
    lines = [(times, shown.width(stage, x.name)) for stage, times in places for x in shown.lines(stage)]
    if sum(times * (1 if chosen.unit is not None else width) for times, width in lines) <= SCALARS:
        return "scalar"
    return "vector" if sum(times for times, _ in lines) <= VECTORS else "summary"


def _narrowed(shown: View, stages: tuple[Stage, ...]) -> dict[str, bool]:
    """Whether units, terms of sums, or rows and columns of matrices are left out."""
    lines = [(stage, line) for stage in stages for line in shown.lines(stage)]
    widest = max((shown.extent(stage, line.name) for stage, line in lines), default=0)
    sums = [(stage, line) for stage, line in lines if line.product or line.memory or OPS[line.op].reduces]
    terms = [shown.width(stage, str(line.operands[line.summed])) for stage, line in sums]
    matrices = [array for stage in stages for array in shown.trace.parameters.get(stage.scope, {}).values()]
    every = shown.chosen.unit is None
    return {
        "units": every and widest > (shown.units or 0),
        "terms": shown.detail == "scalar" and max([widest] if shown.whole else terms, default=0) > (shown.terms or 0),
        "matrices": any((every and array.shape[0] > UNITS) or array.shape[-1] > UNITS for array in matrices),
    }
