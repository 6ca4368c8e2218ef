"""The selection that a report shows, in which detail and within which bounds, and what its parts are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeVar

from ..base.arrays import Array, by_key
from ..cell.lines import Line, Operand
from ..cell.network import ADJOINT, VALID, Stage, forward_stages
from ..cell.ops import OPS
from ..documents.blocks import Block, Picture, Text
from ..errors import MissingError, nearest
from ..formulas.numbers import Style
from ..formulas.tree import HELD, SYMBOLIC, Call, Num, Sym, at_step, formula, kept, written_out
from ..formulas.values import Values
from ..languages.strings import Words, words
from ..trace.address import INITIAL, Address
from ..trace.held import plain_stage
from ..trace.labels import Axis, axis, labels, step_label
from ..trace.rows import Selection, parts
from ..trace.trace import Trace
from ..trace.window import names
from .hand_size import ROWS, SCALARS, TERMS, VECTORS, hand_size, matrices_fit
from .line_groups import LineGroup, groups, held_at, with_held

if TYPE_CHECKING:
    from ..backpropagation.training import Training
    from ..explanation.profile import Profile
    from ..formulas.tree import Node

T = TypeVar("T")


class Naming:
    """The names of the places of a trace in a language: what a `View` says of them."""

    trace: Trace
    words: Words

    def unit(self, j: int, width: int, of: Axis = "h") -> str:
        """A unit in words, with its label where the problem gives labels for this many (see `trace.labels`)."""
        key = {"x": "entry", "y": "output"}.get(of, "unit")
        if named := labels(self.trace, of, width):
            return self.words.word(f"{key}.named", j=self.words.nth(j), name=named[j])
        return self.words.word(key, j=self.words.nth(j))

    def label(self, stage: Stage, name: str, j: int, width: int) -> str:
        """A unit of a line in words: an entry of the input, a hidden unit or an output, with its label.

        Of vectors one after the other it is the unit of its own vector, where no two units are then called the same.
        """
        parts, at = self._joined(stage, name, width), j
        for of, size in parts if len({of for of, _ in parts}) == len(parts) else ():
            if at < size:
                return self.unit(at, size, of)
            at -= size
        return self.unit(j, width, axis(self.trace, stage, name))  # also where an operand was not recorded

    def _joined(self, stage: Stage, name: str, width: int) -> list[tuple[Axis, int]]:
        """What the vectors are of which a value is made one after the other, with their widths; a number is a unit."""
        line = stage.cell.by_name.get(name)
        if line is None or line.op != "concat":
            return [(axis(self.trace, stage, name), width)]
        found: list[tuple[Axis, int]] = []
        for operand in line.operands:
            values = self.trace.operand(stage.scope, operand, slice(0, 1))
            size = 1 if values is None else values.shape[-1]
            found += self._joined(stage, operand, size) if isinstance(operand, str) else [("h", 1)]
        return found

    def step(self, t: int, short: bool = False, b: int | None = None) -> str:
        """A step in words, with its label where there is one. b: the row whose label it is; None for all rows."""
        text = self.words.word("step.short" if short else "step", t=self.words.nth(t))
        label = step_label(self.trace, t, b)
        return self.words.word("step.named", step=text, name=label) if label else text

    def place_columns(self) -> list[Text]:
        """The heads of a table's columns that say which step and row it is, as far as there are several."""
        return self._there((Sym("t"),), self.said("column.label"), self.said("column.row"))

    def place_cells(self, t: int, b: int) -> list[Text]:
        """Step and row in the columns of `place_columns`."""
        return self._there((str(self.words.nth(t)),), (step_label(self.trace, t, b),), (str(self.words.nth(b)),))

    def _there(self, step: Text, label: Text, row: Text) -> list[Text]:
        """Those of a step, its label and a row that tell places apart."""
        there = self.trace.steps > 1, bool(self.trace.header.step_labels), self.trace.batch > 1
        return list(compress((step, label, row), there))

    def row(self, b: int) -> str:
        """A sequence of the batch in words."""
        return self.words.word("row", b=self.words.nth(b))

    def at(self, stage: Stage, t: int, node: Node) -> Node:
        """A formula at a step: with the numbers of steps for the indices t and t - 1, where the first step is number 1.

        Counted from 0 the indices stay: the state before the first step would be h_-1.
        """
        if self.words.count_from == 0:
            return node
        owner, now = self.trace.stage(stage.owner), self.words.nth(t)
        return at_step(node, owner.cell.parameters, (now, now + (1 if owner.backwards else -1)))

    def place(self, *stages: Stage) -> str:
        """Layers and directions in words; empty where there is only one."""
        return place_in_words(self.words, stages, forward_stages(self.trace.stages))

    def where(self, stage: Stage | None, t: int | None, b: int | None) -> str:
        """Layer, direction, step and row in words, as far as there are several."""
        found = [self.place(stage)] if stage is not None else []
        if t is not None and (self.trace.span != range(1) or step_label(self.trace, t, b)):
            found.append(self.step(t, b=b))
        if b is not None and self.trace.batch > 1:
            found.append(self.row(b))
        return self.words.comma_list(*found)

    def said(self, key: str, **fields: object) -> Text:
        """The string of `key`, all of whose fields are text."""
        return (self.words.word(key, **fields),)


Detail = Literal["scalar", "compact", "vector", "summary"]

#: So many units of a line, rows and columns of a matrix; in a summary; terms of a sum where one unit was chosen.
UNITS, FEWER, MORE = 8, 5, 16


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
    keys of the table of words. notes: what the notation needs said, after the equations. back: the backward pass, of a
    trace that has one; alone: the part of it that is shown alone (`back`, or its `equations`), empty for the whole.
    course: some updates of the weights, with a view of each of their traces. experiments: blocks that check a split.
    paper: whether it goes on pages of paper. printed: what a page on the screen prints, where that is another view.
    profile: shown instead of worked steps; source: of the trace, in commands. pictured: a section before the worked
    steps. illustration: the picture of the cell, for a document beside which there is a file of it; of a profile that
    of its gates. breadth: the part of a line of A4 that there is for a formula.
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
        """Where values are shown, in computing order: a stage that runs backwards from its last step down."""
        every = ((stage, t, b) for stage in self.stages for t in self.walk(stage) for b in self.rows)
        there = ((self.stage_at(*place), *place[1:]) for place in every)
        return tuple(Place(stage, t, b) for stage, t, b in there if stage is not None)

    def walk(self, stage: Stage) -> Sequence[int]:
        """The shown steps of a stage in computing order."""
        return self.steps[::-1] if stage.backwards else self.steps

    def at_most(self, steps: int) -> Self:
        """The view of at most so many steps."""
        return replace(self, steps=first(self.steps, steps))

    def leading_stages(self, most: int) -> tuple[Stage, ...]:
        """The stages that are shown where there is room for so many: the first, and the last."""
        return first(self.stages, most)

    def stage_at(self, stage: Stage, t: int, b: int) -> Stage | None:
        """A stage as it is shown at a place, the same object wherever that is the same; None where nothing is shown."""
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
            with suppress(MissingError):
                found += replace(self.trace, header=replace(self.trace.header, ask=(text,))).asked()
        return tuple(dict.fromkeys(found))

    def lines(self, stage: Stage) -> list[Line]:
        """The lines of a stage that were recorded and chosen, and have the chosen unit."""
        return lines_of(self.trace, stage, self.chosen)

    def width(self, stage: Stage, name: str) -> int:
        """Units of a value; 1 where it was not recorded."""
        values = self.values.array(stage.scope, name)
        return 1 if values is None else int(values.shape[-1])

    def cost(self, stage: Stage) -> int:
        """Rows that one step of a stage takes, with its heading."""
        if self.detail == "summary":
            return 4 + len(self.groups(stage))
        if self.detail == "vector":
            return 4 + len(self.lines(stage))
        heights = {line.name: len(self.indices(self.width(stage, line.name))) for line in self.lines(stage)}
        if self.detail == "compact":  # each group takes two rows of vectors, two groups stand beside each other
            return 4 + sum(1 + max(heights[line.name] for line in group.lines) for group in self.groups(stage))
        return 4 + len(heights) + sum(heights.values())

    def groups(self, stage: Stage, idle: bool = False) -> list[LineGroup]:
        """The chosen lines of a stage, those that belong together in one group.

        idle: only those that ask whether the step is padding.
        """
        asks = {name for name, source in stage.sources.items() if source == VALID}
        there = {line.name for line in self.lines(stage) if not idle or asks & set(line.reads)}
        found = (g._replace(lines=tuple(x for x in g.lines if x.name in there)) for g in self.grouped(stage))
        return [group for group in found if group.lines]

    def grouped(self, stage: Stage) -> list[LineGroup]:
        """All lines of a stage, those that belong together in one group."""
        kind = self.trace.header.kind
        asked = {address.line for address in self.asked}
        titled = frozenset(x.name for x in stage.lines if self.words.has(f"{kind}.{x.name}") or x.name in asked)
        return groups(stage, titled)

    def leading(self, stage: Stage, group: LineGroup) -> tuple[Line, ...]:
        """The lines of a group that a summary has: what it leads to, or what was recorded of it."""
        return () if group.leader is None else (group.leader,) if group.leader in group.lines else group.lines

    def written(self, stage: Stage, line: Line, leaf: Callable[[Operand], Node]) -> Node:
        """What a line computes; leaf: what stands for an operand."""
        tree = SYMBOLIC[line.op](line, tuple(map(leaf, line.operands)))
        return Call(HELD, (tree,)) if line.call[:1] == (HELD,) else tree

    def num(self, value: Any, name: str = "", given: bool = False) -> Num:
        """A number that no line has, as those of the line `name` are shown, or as those that are given."""
        return Num(self.values.style.show(value, name, given=given), value)

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


def place_in_words(words: Words, stages: Sequence[Stage], every: Sequence[Stage]) -> str:
    """Layers and directions of stages in words; empty where there is only one. every: the forward stages that exist."""
    if len(every) == 1:
        return ""
    found = []
    for direction, numbers in by_key((stage.direction.removeprefix(ADJOINT), stage.layer) for stage in stages).items():
        if len(numbers) == 1:
            place = words.word("layer", n=words.nth(numbers[0]))
        else:
            listed = words.listed([(str(words.nth(n)),) for n in sorted(numbers)])
            place = words.word("layer.many", n="".join(map(str, listed)))
        if any(stage.direction != "forward" for stage in every):
            place = words.word("place", layer=place, direction=words.word(f"direction.{direction}"))
        found.append(place)
    return words.word("semicolon").join(found)


def first(items: tuple[T, ...], most: int) -> tuple[T, ...]:
    """The first items and the last, at most `most`."""
    return items if len(items) <= most else items[:1] if most == 1 else (*items[: most - 1], items[-1])


def lines_of(trace: Trace, stage: Stage, chosen: Selection) -> list[Line]:
    """The lines of a stage that were recorded and chosen, and have the chosen unit."""
    recorded, unit = trace.lines.get(stage.scope, {}), chosen.unit or 0  # as tables have it
    there = (line for line in stage.cell.lines if line.name in recorded and chosen.has(line.name))
    return [line for line in there if unit < recorded[line.name].shape[-1]]


def check_selection(trace: Trace, chosen: Selection) -> None:
    """Raise MissingError for a selection that names what is not there, or leaves nothing."""
    premises = {"x", "x_t", *INITIAL.values(), *names(trace, "parameters", "initial", "given")}
    recorded = names(trace, "lines")
    for name in chosen.names or ():
        if name in premises and name not in recorded:
            raise MissingError(f"{name!r} is a premise, not a line that was computed; it is listed under Given")
    if any(trace.lines.values()) or chosen.names is not None:
        next(parts(trace, chosen, padding=True))


def check_style(trace: Trace, digits: int | Style) -> None:
    """Raise MissingError where decimals are given for a line that is not there."""
    known = [name for stage in trace.stages for name in (*stage.cell.by_name, *stage.cell.inputs)]
    known += names(trace, "parameters", "given")
    for name in digits.lines if isinstance(digits, Style) else ():
        if name not in known:
            raise MissingError(f"digits of {name!r}: there is no such line{nearest(name, known)}")


V = TypeVar("V", bound=View)
#: So many rows of a calculation are shown on paper, of what a person would not work out by hand: less than two pages.
PAPER = 80


def view(
    trace: Trace, detail: Detail | None, digits: int | Style, chosen: Selection, everything: bool, language: str = "en",
    paper: bool = False,
) -> View:  # fmt: skip
    """What is shown of `trace`; without `detail` the size decides. Raises MissingError for a wrong selection.

    paper: whether it goes on pages of paper, where the terms of every single unit are too many.
    """
    check_selection(trace, chosen)
    check_style(trace, digits)
    plain = map(plain_stage, forward_stages(trace.stages))
    stages = tuple(s for s in plain if chosen.places(s) and lines_of(trace, s, chosen))
    steps, batch = trace.span[chosen.window(trace)], range(trace.batch)[chosen.rows(trace)]
    shown = View(
        trace, Values(trace, digits, noise=everything), words(language, trace.header.count_from), chosen,
        detail or "scalar", everything, stages, tuple(steps), tuple(batch), paper=paper,
    )  # fmt: skip
    return fitted(shown, detail)


def fitted(shown: V, detail: Detail | None) -> V:
    """The view in a detail, that for which there is room if None, and with as many layers, steps and rows as fit.

    What the selection names stays whole.
    """
    chosen = shown.chosen
    shown = replace(shown, detail=detail or _detail(shown))
    whole = detail == "vector" or (detail == "compact" and not shown.filled)
    if whole and chosen.unit is not None:
        shown = replace(shown, detail="scalar")  # one unit is no vector; its sums are too long within one another
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
    """The detail for which there is room; on paper nothing is shown by single terms."""
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
    widest = max((shown.width(stage, line.name) for stage, line in lines), default=0)
    sums = [(stage, line) for stage, line in lines if line.product or OPS[line.op].reduces]
    terms = [shown.width(stage, str(line.operands[line.summed])) for stage, line in sums]
    matrices = [array for stage in stages for array in shown.trace.parameters.get(stage.scope, {}).values()]
    every = shown.chosen.unit is None
    return {
        "units": every and widest > (shown.units or 0),
        "terms": shown.detail == "scalar" and max([widest] if shown.whole else terms, default=0) > (shown.terms or 0),
        "matrices": any((every and array.shape[0] > UNITS) or array.shape[-1] > UNITS for array in matrices),
    }
