"""Two traces laid side by side: the steps and rows that both have, and what keeps them from being aligned whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..base.display import visible
from ..base.remark import Remark
from ..cell.lines import Cell
from ..cell.network import Stage, scope_and_name
from ..errors import LstmTraceError, ShapeError
from ..languages.strings import words
from ..trace.address import INITIAL, columns_of, size_of
from ..trace.grids import as_grid
from ..trace.held import plain_stage, remark_on_holds
from ..trace.labels import step_labels
from ..trace.trace import Trace
from ..trace.window import arrays, between, rows
from .rederive import coarse, differing, values_of


def side_by_side(a: Trace, b: Trace) -> tuple[Trace, Trace]:
    """The steps and rows that both have. Raises ShapeError where they have no step in common."""
    common = range(max(a.first, b.first), min(a.span.stop, b.span.stop))
    if not common:
        raise ShapeError(f"the traces have no step in common: {_spans(a, b).said(words())}")
    first = slice(min(a.batch, b.batch))
    return rows(between(a, common), first), rows(between(b, common), first)


def in_both(a: Trace, b: Trace) -> dict[str, list[str]]:
    """The lines of a that both have, of equal sizes, in computing order, by layer and direction."""
    found: dict[str, list[str]] = {}
    for stage in (stage for stage in a.stages if stage.scope in b.scopes):
        one, two = ({name: _size(trace, stage.scope, name) for name in stage.cell.by_name} for trace in (a, b))
        found[stage.scope] = [name for name, size in one.items() if size is not None and two[name] == size]
    return found


def _size(trace: Trace, scope: str, name: str) -> int | str | None:
    """The size of a line; None if it was neither recorded nor supplied."""
    values = values_of(trace, scope, name)
    return None if values is None else size_of(values.shape[2], columns_of(trace, scope, name))


def padding(a: Trace, b: Trace) -> Array | None:
    """Where a step is padding in both, (T, B, 1); None where it is nowhere. Both have the same steps and rows."""
    if not (a.padded and b.padded):
        return None
    outside: Array = (a.valid == 0) & (b.valid == 0)
    return outside if outside.any() else None


def undecided(a: Trace, b: Trace) -> Remark | None:
    """Why nothing follows from it that no value differs: what is valid in the two; None where it does follow.

    Both have the same steps and rows.
    """
    one, two = (trace.valid[:, :, 0] != 0 for trace in (a, b))
    if not (one | two).any():
        return Remark("diff.unsure.padding")
    places = np.argwhere(one != two)
    if not places.size:
        return None
    t, row = places[0]
    valid, other = ("a", "b") if one[t, row] else ("b", "a")
    return Remark("diff.unsure.valid", {"step": _step(a, t, row), "valid": valid, "other": other, "n": len(places)})


def _step(a: Trace, t: int, row: int) -> Remark:
    """A step of a row, counted as in a."""
    begin = a.header.count_from
    return Remark("diff.at.row" if a.batch > 1 else "diff.at", {"t": begin + a.first + t, "row": begin + row})


def reshaped(a: Trace, b: Trace, scope: str, line: str) -> tuple[Remark, ...]:
    """The operands of a line, as a reads it, that have another shape in b, with both: `W_xi (2, 3) and (2, 2)`."""
    found = []
    cell = a.stage(scope).cell
    gathered = [name for one in cell.sums if one.name == line for name in one.reads]
    for name in cell.by_name[line].reads if line in cell.by_name else gathered:
        with suppress(LstmTraceError):  # b has no such stage's line
            both = [(trace.grid(scope, name), trace.operand(scope, name, slice(0, 1))) for trace in (a, b)]
            shapes = [str(grid or v.shape[0 if name in cell.parameters else 2 :]) for grid, v in both if v is not None]
            if len({*shapes}) == 2:
                found.append(Remark("diff.shapes.two", {"name": name, "a": shapes[0], "b": shapes[1]}))
    return tuple(found)


def unlike(one: Cell, two: Cell, name: str, common: Collection[str]) -> tuple[str | Remark, str | Remark] | None:
    """The first equation that differs, in both cells, of those by which `name` follows from the lines `common`."""
    for place, *texts in _unlike(one, two, (*way(one, name, common), *way(two, name, common))):
        arrow = " " if place.endswith("<-") else " = "
        a, b = (Remark("diff.no.name") if text is None else f"{place}{arrow}{text}" for text in texts)
        return a, b
    return None


def _unlike(one: Cell, two: Cell, places: Iterable[str]) -> Iterator[tuple[str, str | None, str | None]]:
    """The equations at `places` that differ, in both cells; what a state carries is an equation too: `c_prev <-`."""

    def texts(*cells: Cell) -> list[dict[str, str]]:
        return [{**cell.equations, **{f"{state} <-": line for state, line in cell.carry}} for cell in cells]

    whole = texts(one.expanded, two.expanded)  # a function and what it stands for are no difference
    written = texts(one, two)
    for place in dict.fromkeys(places):
        if whole[0].get(place) != whole[1].get(place):
            same = written[0].get(place) == written[1].get(place)  # the function of that name is another
            a, b = (text.get(place) for text in (whole if same else written))
            yield place, a, b


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


def lacking(a: Trace, b: Trace, scope: str, name: str, common: Collection[str]) -> tuple[str | Remark, ...]:
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

    def read(line: str) -> Iterator[str | Remark]:
        for operand in _reads(cell, line):
            if operand in cell.states:
                if operand not in other.cell.states and cell.states[operand] not in {*common, *other.sources}:
                    yield operand
            elif operand in cell.by_name and operand not in common:
                one, two = (_size(trace, scope, operand) for trace in (a, b))
                if not cell.by_name[operand].assigned:
                    yield from read(operand)
                elif one is not None and two is not None:  # both have it, and one is wider
                    yield Remark("diff.wide", {"name": operand, "width": one})
                elif operand not in other.cell.by_name and not there(operand):
                    yield operand

    return tuple({str(one): one for one in read(name)}.values())


def _reads(cell: Cell, name: str) -> tuple[str, ...]:
    return cell.by_name[name].reads if name in cell.by_name else ()


def _spans(a: Trace, b: Trace) -> Remark:
    begin, ends = a.header.count_from, (("first", 0), ("last", -1))
    sides = (("a", a.span), ("b", b.span))
    return Remark("diff.spans", {f"{end}_{side}": begin + of[at] for side, of in sides for end, at in ends})


def notes(a: Trace, b: Trace) -> Iterator[Remark]:
    """What keeps the traces from being aligned whole."""
    if (begin := a.header.count_from) != (other := b.header.count_from):
        yield Remark("diff.counts", {"a": begin, "b": other})
    if a.first != b.first:
        yield Remark("diff.common", {"spans": _spans(a, b)})
    for noun, of_a, of_b in (("steps", a.steps, b.steps), ("rows", a.batch, b.batch)):
        if of_a != of_b and (noun == "rows" or a.first == b.first):
            counted = Remark(f"counted.{noun}", {"n": of_a})
            yield Remark(f"diff.first.{noun}", {"a": counted, "b": of_b, "n": min(of_a, of_b)})
    if (a.span, a.batch) != (b.span, b.batch) and a.sums and b.sums:
        yield Remark("diff.sums")
    held = [remark_on_holds(trace, "holds") or Remark("holds.nothing") for trace in (a, b)]
    if held[0] != held[1]:
        yield from (Remark("diff.holds", {"side": side, "what": what}) for side, what in zip("ab", held, strict=True))
    yield from _other_labels(a, b)
    named = zip(a.header.names.get("y", ()), b.header.names.get("y", ()), strict=False)
    for k, (first, second) in enumerate(named):
        if first != second:
            yield Remark("diff.label.output", {"number": k + begin, "a": visible(first), "b": visible(second)})
            break
    for scope in dict.fromkeys((*a.scopes, *b.scopes)):
        if scope not in a.scopes or scope not in b.scopes:
            yield Remark("diff.only", {"place": scope, "side": "a" if scope in a.scopes else "b"})
            continue
        if equations := list(unlike_equations(a.stage(scope), b.stage(scope))):
            _, one, two = equations[0]
            names = ", ".join(name for name, *_ in equations)
            yield Remark("diff.cells", {"scope": scope, "names": names, "a": one, "b": two})
        mine, yours = ({**trace.lines.get(scope, {}), **trace.sums.get(scope, {})} for trace in (a, b))
        cells = [trace.stage(scope).cell.by_name for trace in (a, b)]
        # products and the like that one of the cells alone has are part of the equations that differ
        inner = {name for one, two in (cells, cells[::-1]) for name in one.keys() - two if not one[name].assigned}
        added = _of_holds(a, scope) | _of_holds(b, scope) | inner
        for side, here, there in (("a", mine, yours), ("b", yours, mine)):
            if missing := tuple(name for name in here if name not in there and name not in added):
                yield Remark("diff.only.several", {"place": scope, "side": side, "names": missing})
        for name in filter(yours.__contains__, mine):
            of_line = mine[name].ndim == 3
            sizes = [_size(t, scope, name) if of_line else str(t.sums[scope][name].shape) for t in (a, b)]
            if sizes[0] != sizes[1]:
                said = dict(zip("ab", sizes, strict=True))
                yield Remark("diff.width" if of_line else "diff.shape", {"place": f"{scope}/{name}", **said})


def unlike_equations(a: Stage, b: Stage) -> Iterator[tuple[str, str | Remark, str | Remark]]:
    """The names whose equations differ in two stages, with both equations; holds are no difference."""
    one, two = (plain_stage(stage).cell for stage in (a, b))
    for name, *texts in _unlike(one, two, (*one.expanded.equations, *two.expanded.equations)):
        mine, yours = (Remark("none") if text is None else text for text in texts)
        yield name, mine, yours


def _of_holds(trace: Trace, place: str) -> set[str]:
    """The names that holds add to a stage. place: begins with its scope."""
    for stage in trace.stages:
        if f"{place}/".startswith(f"{stage.scope}/") and (plain := stage.cell.plain) is not None:
            return {*stage.cell.by_name, *stage.cell.inputs} - {*plain.by_name, *plain.inputs}
    return set()


def _other_labels(a: Trace, b: Trace) -> Iterator[Remark]:
    """The first step that a and b call by two names: they may be runs over two texts."""
    for row in range(min(a.batch, b.batch)) if a.first == b.first else ():
        for t, (one, two) in enumerate(zip(step_labels(a, row), step_labels(b, row), strict=False)):
            if one != two:
                yield Remark("diff.label", {"step": _step(a, t, row), "a": visible(one), "b": visible(two)})
                return


def premises(a: Trace, b: Trace) -> list[Remark]:
    """Premises that differ, with how much; those that one side has alone, whose remarks have a `side`, come last.

    Values are compared in the coarser dtype of the two: a float32 copy of a weight is the same weight.
    """
    differ: list[Remark] = []
    alone: dict[tuple[str, str], list[str]] = {}  # by scope and side
    for _, place, one, two in pairs(a, b):
        if one is None or two is None:
            side, trace = ("a", a) if two is None else ("b", b)
            scope, name = scope_and_name(place)
            if one is not two and name not in _of_holds(trace, place):
                alone.setdefault((scope, side), []).append(name)
        elif one.shape != two.shape:
            differ.append(Remark("diff.shape", {"place": place, "a": str(one.shape), "b": str(two.shape)}))
        elif (off := differing(one, two, coarse(a, b))).any():
            with np.errstate(all="ignore"):
                sizes = np.abs(one.astype(np.float64) - two)[off]
            finite = np.isfinite(sizes)
            at = [int(n) for n in np.unravel_index(np.argmax(off), off.shape)]
            at[0] += b.first if off.ndim == 3 else 0
            counts = {"differing": int(off.sum()), "values": off.size, "first": ",".join(map(str, at))}
            if finite.all():
                differ.append(Remark("diff.values", {"place": place, **counts, "most": f"{sizes.max():.3g}"}))
            else:
                odd = int(np.count_nonzero(~finite))
                differ.append(Remark("diff.values.nonfinite", {"place": place, **counts, "odd": odd}))
    for (scope, side), names in alone.items():
        several = len(names) > 1
        where = (scope or Remark("diff.inputs")) if several else f"{scope}/{names[0]}".lstrip("/")
        fields = {"place": where, "side": side, "names": tuple(names)}
        differ.append(Remark("diff.only.several" if several else "diff.only", fields))
    return differ


def pairs(a: Trace, b: Trace) -> Iterator[tuple[Any, str, Array | None, Array | None]]:
    """(kind, place, in a, in b) of every premise; its kind as in `backpropagation.gradients.Premise`."""
    yield "input", "x", a.x, b.x
    if "mask" in (a.padded, b.padded):  # lengths are a mask too
        one, two = (trace.valid if trace.padded else None for trace in (a, b))
        yield "valid", "mask", one, two
    else:
        yield "valid", "lengths", a.lengths, b.lengths
    for kind, part in (("parameter", "parameters"), ("state", "initial"), ("given", "given")):
        mine, yours = ({(s, n): array for _, s, n, array in arrays(trace, part)} for trace in (a, b))
        for scope, name in mine | yours:
            label = INITIAL.get(name, name) if part == "initial" else name
            one, two = mine.get((scope, name)), yours.get((scope, name))
            turned = part != "parameters" and a.grid(scope, name) != b.grid(scope, name)
            if one is not None and two is not None and turned:
                one, two = as_grid(a, scope, name, one), as_grid(b, scope, name, two)
            yield kind, f"{scope}/{label}", one, two
