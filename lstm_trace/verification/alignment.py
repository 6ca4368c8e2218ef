"""Two traces laid side by side: the steps and rows that both have, and what keeps them from being aligned whole."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.display import visible
from ..cell.lines import Cell
from ..cell.network import scope_and_name
from ..errors import LstmTraceError, ShapeError, counted, some
from ..trace.address import INITIAL
from ..trace.held import held_in_words, plain_stage
from ..trace.labels import step_labels
from ..trace.trace import Trace
from ..trace.window import arrays, between, rows
from .rederive import coarse, differing, values_of


def side_by_side(a: Trace, b: Trace) -> tuple[Trace, Trace]:
    """The steps and rows that both have. Raises ShapeError where they have no step in common."""
    common = range(max(a.first, b.first), min(a.span.stop, b.span.stop))
    if not common:
        raise ShapeError(f"the traces have no step in common: {_spans(a, b)}")
    first = slice(min(a.batch, b.batch))
    return rows(between(a, common), first), rows(between(b, common), first)


def in_both(a: Trace, b: Trace) -> dict[str, list[str]]:
    """The lines of a that both have, with equal widths, in computing order, by layer and direction."""
    found: dict[str, list[str]] = {}
    for stage in (stage for stage in a.stages if stage.scope in b.scopes):
        values = ({name: values_of(trace, stage.scope, name) for name in stage.cell.by_name} for trace in (a, b))
        one, two = ({name: v.shape[2] for name, v in here.items() if v is not None} for here in values)
        found[stage.scope] = [name for name, width in one.items() if two.get(name) == width]
    return found


def padding(a: Trace, b: Trace) -> Array | None:
    """Where a step is padding in both, (T, B, 1); None where it is nowhere. Both have the same steps and rows."""
    if not (a.padded and b.padded):
        return None
    outside: Array = (a.valid == 0) & (b.valid == 0)
    return outside if outside.any() else None


def undecided(a: Trace, b: Trace) -> str:
    """Why nothing follows from it that no value differs: what is valid in the two; empty where it does follow.

    Both have the same steps and rows.
    """
    if not (a.padded or b.padded):
        return ""
    one, two = (trace.valid[:, :, 0] != 0 for trace in (a, b))
    if not (one | two).any():
        return "nothing but padding is compared: no step is valid in either"
    places = np.argwhere(one != two)
    if not places.size:
        return ""
    t, row = places[0]
    valid, other = ("a", "b") if one[t, row] else ("b", "a")
    where = f" of row {row}" if a.batch > 1 else ""
    more = f" (the first of {len(places):,} such steps)" if len(places) > 1 else ""
    return f"step {a.first + t}{where} counts in {valid} and is padding in {other}{more}, where another output is given"


def reshaped(a: Trace, b: Trace, scope: str, line: str) -> tuple[str, ...]:
    """The operands of a line, as a reads it, that have another shape in b, with both: `W_xi (2, 3) and (2, 2)`."""
    found = []
    cell = a.stage(scope).cell
    gathered = [name for one in cell.sums if one.name == line for name in one.reads]
    for name in cell.by_name[line].reads if line in cell.by_name else gathered:
        with suppress(LstmTraceError):  # b has no such stage's line
            values = [trace.operand(scope, name, slice(0, 1)) for trace in (a, b)]
            shapes = [v.shape[0 if name in cell.parameters else 2 :] for v in values if v is not None]
            if len({*shapes}) == 2:
                found.append(f"{name} {shapes[0]} and {shapes[1]}")
    return tuple(found)


def unlike(one: Cell, two: Cell, name: str, common: Collection[str]) -> tuple[str, str] | None:
    """The first equation that differs, in both cells, of those by which `name` follows from the lines `common`.

    What a state carries is an equation too.
    """

    def texts(*cells: Cell) -> list[dict[str, str]]:
        return [{**cell.equations, **{f"{state} <-": line for state, line in cell.carry}} for cell in cells]

    whole = texts(one.expanded, two.expanded)  # a function and what it stands for are no difference
    written = texts(one, two)
    for place in dict.fromkeys((*way(one, name, common), *way(two, name, common))):
        if whole[0].get(place) != whole[1].get(place):
            same = written[0].get(place) == written[1].get(place)  # the function of that name is another
            arrow = " " if place.endswith("<-") else " = "
            one_side, two_side = (
                f"{place}{arrow}{text[place]}" if place in text else "nothing of that name"
                for text in (whole if same else written)
            )
            return one_side, two_side
    return None


def way(cell: Cell, name: str, common: Collection[str]) -> Iterator[str]:
    """`name` and what it is derived through: names of equations, and `c_prev <-` for what a state carries."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        here = waiting.pop()
        if here in found:
            continue
        found[here] = None
        for operand in cell.by_name[here].reads if here in cell.by_name else ():
            if operand in cell.states:
                found[f"{operand} <-"] = None
                operand = cell.states[operand]
            if operand not in common:
                waiting.append(operand)
    yield from found


def lacking(a: Trace, b: Trace, scope: str, name: str, common: Collection[str]) -> tuple[str, ...]:
    """What a's equation of `name` reads by a name and b has not: lines that do not follow from what b has either, with
    a's equations, and states. A weight is no such: where equations differ, a's are put in.
    """
    stage, other = a.stage(scope), b.stage(scope)
    cell = stage.cell

    def there(line: str) -> bool:
        """Whether b has all that a line of a follows from."""
        reads = {operand for place in way(cell, line, common) for operand in _reads(cell, place)}
        mine, yours = (trace.parameters.get(stage.owner, {}) for trace in (a, b))
        fit = all(n in yours and n in mine and yours[n].shape == mine[n].shape for n in reads & cell.parameters.keys())
        return fit and reads & {*cell.states, *stage.sources} <= {*other.cell.states, *other.sources}

    def read(line: str) -> Iterator[str]:
        for operand in _reads(cell, line):
            if operand in cell.states:
                if operand not in other.cell.states and cell.states[operand] not in common:
                    yield operand
            elif operand in cell.by_name and operand not in common:
                one, two = (values_of(trace, scope, operand) for trace in (a, b))
                if not cell.by_name[operand].assigned:
                    yield from read(operand)
                elif one is not None and two is not None:  # both have it, and one is wider
                    yield f"{operand} of width {one.shape[2]}"
                elif operand not in other.cell.by_name and not there(operand):
                    yield operand

    return tuple(dict.fromkeys(read(name)))


def _reads(cell: Cell, name: str) -> tuple[str, ...]:
    return cell.by_name[name].reads if name in cell.by_name else ()


def _spans(a: Trace, b: Trace) -> str:
    return ", ".join(f"{side} holds steps {t.span[0]} to {t.span[-1]}" for side, t in (("a", a), ("b", b)))


def _compared(n: int) -> str:
    return "the first is compared" if n == 1 else f"the first {n} are compared"


def notes(a: Trace, b: Trace) -> Iterator[str]:
    """What keeps the traces from being aligned whole."""
    if a.first != b.first:
        yield f"{_spans(a, b)}; the common ones are compared"
    elif a.steps != b.steps:
        yield f"a has {counted(a.steps, 'step')}, b has {b.steps}; {_compared(min(a.steps, b.steps))}"
    if a.batch != b.batch:
        yield f"a has {counted(a.batch, 'row')}, b has {b.batch}; {_compared(min(a.batch, b.batch))}"
    if (a.span, a.batch) != (b.span, b.batch) and a.sums and b.sums:
        yield "sums over all steps and rows (gradients of parameters) are not compared: these are not the same"
    held = [held_in_words(trace) for trace in (a, b)]
    if held[0] != held[1]:
        yield from (f"{side} holds {text or 'nothing'}" for side, text in zip("ab", held, strict=True))
    yield from _other_labels(a, b)
    for scope in dict.fromkeys((*a.scopes, *b.scopes)):
        if scope not in a.scopes or scope not in b.scopes:
            yield f"{scope} is only in {'a' if scope in a.scopes else 'b'}"
            continue
        cells = [plain_stage(trace.stage(scope)).cell for trace in (a, b)]
        one, two = (cell.expanded.equations for cell in cells)
        if one != two:
            names = [n for n in dict.fromkeys((*one, *two)) if one.get(n) != two.get(n)]
            name = names[0]
            if cells[0].equations.get(name) != cells[1].equations.get(name):  # else a function means another
                one, two = (cell.equations for cell in cells)
            sides = f"a: {one.get(name, 'none')}, b: {two.get(name, 'none')}"
            yield f"{scope}: the cells differ in {', '.join(names)} ({sides})"
        mine, yours = ({**trace.lines.get(scope, {}), **trace.sums.get(scope, {})} for trace in (a, b))
        added = _of_holds(a, scope) | _of_holds(b, scope)
        for side, here, there in (("a", mine, yours), ("b", yours, mine)):
            if missing := [name for name in here if name not in there and name not in added]:
                yield f"{scope}: only in {side}: {some(missing, 5)}"
        for name in filter(yours.__contains__, mine):
            sizes = [held[name].shape[2:] or held[name].shape for held in (mine, yours)]
            if sizes[0] != sizes[1] and mine[name].ndim == 3:
                yield f"{scope}/{name}: a has width {sizes[0][0]}, b has width {sizes[1][0]}"
            elif sizes[0] != sizes[1]:
                yield f"{scope}/{name}: a has shape {sizes[0]}, b has shape {sizes[1]}"


def _of_holds(trace: Trace, place: str) -> set[str]:
    """The names that holds add to a stage. place: begins with its scope."""
    for stage in trace.stages:
        if f"{place}/".startswith(f"{stage.scope}/") and (plain := stage.cell.plain) is not None:
            return {*stage.cell.by_name, *stage.cell.inputs} - {*plain.by_name, *plain.inputs}
    return set()


def _other_labels(a: Trace, b: Trace) -> Iterator[str]:
    """The first step that a and b call by two names: they may be runs over two texts."""
    for row in range(min(a.batch, b.batch)) if a.first == b.first else ():
        for t, (one, two) in enumerate(zip(step_labels(a, row), step_labels(b, row), strict=False)):
            if one != two:
                where = f" of row {row}" if a.batch > 1 else ""
                yield f"step {a.first + t}{where} is called ‘{visible(one)}’ in a, ‘{visible(two)}’ in b"
                return


class PremiseDifference(NamedTuple):
    """How premises of a layer and direction (of none, the inputs) differ in two traces; `str` is the sentence.

    side: `a` or `b`, where only that one has them; then there may be several names, else one. shapes: of the two, where
    these differ. differing, values: how many values differ, of how many; most: the largest difference; first: the index
    of the first value that differs.
    """

    scope: str
    names: tuple[str, ...]
    side: str = ""
    shapes: tuple[tuple[int, ...], ...] = ()
    differing: int = 0
    values: int = 0
    most: float = 0.0
    first: tuple[int, ...] = ()

    def __str__(self) -> str:
        place = f"{self.scope}/{self.names[0]}" if self.scope else self.names[0]
        if len(self.names) > 1:
            return f"{self.scope or 'inputs'}: only in {self.side}: {some(self.names, 5)}"
        if self.side:
            return f"{place} is only in {self.side}"
        if self.shapes:
            return f"{place}: a has shape {self.shapes[0]}, b has shape {self.shapes[1]}"
        at = ",".join(map(str, self.first))
        return f"{place}: {self.differing} of {self.values} differ, by at most {self.most:.3g}; first [{at}]"


def premises(a: Trace, b: Trace) -> list[PremiseDifference]:
    """Premises that differ, with how much; those that one side has alone come last.

    Values are compared in the coarser dtype of the two: a float32 copy of a weight is the same weight.
    """
    differ: list[PremiseDifference] = []
    alone: dict[tuple[str, str], list[str]] = {}  # by scope and side
    for place, one, two in _pairs(a, b):
        scope, name = scope_and_name(place)
        if one is None or two is None:
            side, trace = ("a", a) if two is None else ("b", b)
            if one is not two and name not in _of_holds(trace, place):
                alone.setdefault((scope, side), []).append(name)
        elif one.shape != two.shape:
            differ.append(PremiseDifference(scope, (name,), shapes=(one.shape, two.shape)))
        elif (off := differing(one, two, coarse(a, b))).any():
            with np.errstate(all="ignore"):
                gap = float(np.nanmax(np.abs(one.astype(np.float64) - two), initial=0.0))
            at = [int(n) for n in np.unravel_index(np.argmax(off), off.shape)]
            at[0] += b.first if off.ndim == 3 else 0
            differ.append(PremiseDifference(scope, (name,), "", (), int(off.sum()), off.size, gap, tuple(at)))
    return differ + [PremiseDifference(scope, tuple(names), side) for (scope, side), names in alone.items()]


def _pairs(a: Trace, b: Trace) -> Iterator[tuple[str, Array | None, Array | None]]:
    """(place, in a, in b) of every premise."""
    yield "x", a.x, b.x
    if "mask" in (a.padded, b.padded):  # lengths are a mask too
        one, two = (trace.valid if trace.padded else None for trace in (a, b))
        yield "mask", one, two
    else:
        yield "lengths", a.lengths, b.lengths
    for part in ("parameters", "initial", "given"):
        mine, yours = ({(s, n): array for _, s, n, array in arrays(trace, part)} for trace in (a, b))
        for scope, name in mine | yours:
            label = INITIAL.get(name, name) if part == "initial" else name
            yield f"{scope}/{label}", mine.get((scope, name)), yours.get((scope, name))
