"""Values of a trace as a result; for the terminal as a compact table: what fits on a screen, and what does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..base.arrays import Array, to_list
from ..base.display import cells as columns
from ..cell.network import layer_and_direction
from ..documents.blocks import Block, Heading, Para, Table
from ..documents.formats import Show
from ..documents.result import Result
from ..formulas.numbers import show
from ..languages.strings import Words, words_for
from ..printable import printable
from ..trace.address import line_name
from ..trace.held import remark_on_holds
from ..trace.labels import axis, step_label, step_labels
from ..trace.rows import Selection, TracePart, parts
from ..trace.trace import Trace
from .frame import frame
from .table import STEP, TraceTable

if TYPE_CHECKING:
    import pandas as pd

#: More units than this never get a column each, however wide the terminal.
MANY = 16
#: Title, header, rule, the lines about what is left out, and the prompt.
AROUND = 6
STATISTICS = ("units", "min", "mean", "max")
_NAME, _SHORTEST, _LABEL = 32, 8, 10  # width of a line's name: maximum, minimum when cut; maximum of a unit's label
_TOKEN = 16  # maximum width of a step's label in columns
_DECIMALS = 2  # the minimum, in a narrow terminal

_COLUMN = re.compile(r"\[:,([0-9]+)\]$")  # of a sum over all steps that is a matrix

Place = tuple[int, str, int | None, int | None]  # layer, direction, t, batch; a sum over all steps has no t and batch
PLACES = ("layer", "direction", "t", "b")


class TerminalRow(NamedTuple):
    """One line at one place; without values if it represents rows left out.

    row: that of a matrix, whose columns the units are. first: the place of unit 0 among the numbers of the line.
    """

    place: Place | None
    line: str = "…"
    units: range = range(0)
    values: Array = np.zeros(0)
    row: int | None = None
    first: int = 0


@dataclass(frozen=True)
class TerminalTable:
    """The printed table, as texts.

    places: number of columns before the line's name; `token` has the labels of the steps. asked: number of requested
    rows.
    left_out: what did not fit, in words; may be empty. texts: left-aligned columns.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    places: int
    asked: frozenset[int]
    left_out: str
    texts: tuple[str, ...] = ("direction", "token")


@dataclass(frozen=True, eq=False, repr=False)
class ValueTable(Result):
    """Selected values of a trace. JSON and CSV have all of them, with all digits.

    digits: decimals in text. height: lines of the screen that text must fit; None for all rows.
    """

    trace: Trace
    selection: Selection
    digits: int = 6
    height: int | None = None

    def terminal(self, words: Words, columns: int, colours: bool) -> str:
        """As many rows as fit, or all."""
        return printed(table(self.trace, self.selection, columns, self.height, self.digits, words), columns, colours)

    def blocks(self, words: Words, show: Show) -> Iterator[Block]:
        """The table with as many rows as a document shows, and what was left out."""
        height = None if self.height is None else show.rows + AROUND
        found = table(self.trace, self.selection, 10 * show.rows, height, self.digits, words)
        yield Heading(1, (found.title,))
        texts = frozenset(at for at, name in enumerate(found.head) if name in found.texts or at == found.places)
        rows = tuple(tuple((cell.strip(),) for cell in row) for row in found.rows)
        yield Table(tuple((name,) for name in found.head), rows, found.places + 1, texts)
        if found.left_out:
            yield Para((found.left_out,))

    def frame(self) -> pd.DataFrame:
        """The long shape: one row per value."""
        return frame(TraceTable(self.trace, selection=self.selection))

    def facts(self) -> dict[str, Any]:
        """Every line at every place, with its values from the unit `unit` on; step and units also as the problem counts
        and names them.
        """
        trace, rows, there = self.trace, [], [_by_line(part) for part in parts(self.trace, self.selection)]
        of_part, names = TraceTable(trace, selection=self.selection).unit_names, dict[tuple[Any, ...], list[str]]()
        for part in there:
            for entry, called in zip(part.lines, of_part(part), strict=False):  # no names if they are numbers from 0
                names[part.layer or 0, part.direction or "", entry.line] = called
        labels = [step_labels(trace, b) for b in range(trace.batch)] if trace.header.step_labels else []
        for place, line, units, values, _, first in _rows(there, None):
            layer, direction, t, b = place or (0, "", None, None)
            token = labels[b or 0][trace.index(t)] if labels and t is not None else None
            step = None if t is None else t + trace.header.count_from
            here = {"layer": layer, "direction": direction, "t": t, STEP: step, "batch": b, "token": token}
            some = names.get((layer, direction, line))
            named = {"line": line, "unit": first + units.start, "unit_names": some and some[first:][: len(values)]}
            rows.append({**here, **named, "values": to_list(values)})
        return {"title": _title(trace, self.words()), "rows": rows}


def table(
    trace: Trace, selection: Selection | None = None, width: int = 80, height: int | None = 24, digits: int = 6,
    words: Words | None = None,
) -> TerminalTable:  # fmt: skip
    """The selection as a table that fits into `height` lines of `width` characters (None: all rows).

    One row per line and step, one column per unit; if the units do not fit, their min, mean and max. If the rows do not
    fit, unnamed lines are left out first, then all but the carried ones, then steps.
    Raises MissingError if the trace does not contain the selection.
    """
    words, there = words or words_for(trace), [_by_line(part) for part in parts(trace, selection)]
    room = None if height is None else max(height - AROUND, 3)
    asked = {line_name(name) for name in trace.header.ask}
    may_drop = selection is None or selection.names is None
    rows = list(_rows(there if room is None else _lines_that_fit(trace, there, asked, room, may_drop), room))
    places = [(PLACES[k], k, 0) for k, numbers in enumerate(_numbers(there)) if len(numbers) > 1]
    if first := words.count_from:
        places = [(STEP, k, first) if name == "t" else (name, k, 0) for name, k, _ in places]
    labels = ["token"] if trace.header.step_labels else []
    names = (*(name for name, *_ in places), *labels, "line")
    lines = (_COLUMN.sub(lambda column: f"[:,{words.nth(int(column[1]))}]", row.line) for row in rows)
    called = [
        line if row.row is None else f"{line}[{words.nth(row.row)},:]" for row, line in zip(rows, lines, strict=True)
    ]
    left = [(*_left(trace, rows, at, places), _cut(line, _NAME)) for at, line in enumerate(called)]
    head, cells = _by_unit(trace, rows, digits, words)
    if not head or _over(width, names, left, head, cells) > 0:
        head, cells = _by_statistics(rows, digits)
        if (over := _over(width, names, left, head, cells)) > 0:
            most = max(max(len(row[-1]) for row in left) - over, _SHORTEST)
            left = [(*row[:-1], _cut(row[-1], most)) for row in left]
            # a cut name is still recognisable, a cut number is not
            if digits > _DECIMALS and _over(width, names, left, head, cells) > 0:
                return table(trace, selection, width, height, digits - 1, words)
    held = remark_on_holds(trace, "explanation.held")
    return TerminalTable(
        _cut(_title(trace, words), width),
        (*names, *head),
        tuple((*a, *b) for a, b in zip(left, cells, strict=True)),
        len(names) - 1,
        frozenset(at for at, row in enumerate(rows) if row.line in asked),
        " ".join(filter(None, [held and held.said(words), _left_out(there, rows, words)])),
    )


def printed(found: TerminalTable, columns: int, colours: bool) -> str:
    """The table as a terminal of that width shows it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    drawn = Drawn(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for at, name in enumerate(found.head):
        side = "left" if name in found.texts or at == found.places else "right"
        drawn.add_column(Text(name), justify=side, no_wrap=True)  # type: ignore[arg-type]
    for at, row in enumerate(found.rows):
        drawn.add_row(*(Text(cell) for cell in row), style="bold" if at in found.asked else None)
    screen = Console(file=(text := StringIO()), width=columns, highlight=False, force_terminal=colours)
    below = [Text(found.left_out, style="italic")] if found.left_out else []
    screen.print(Text(found.title), drawn, *below, sep="\n")
    return text.getvalue()


# -- which rows --------------------------------------------------------------------------------------------------------


def _lines_that_fit(
    trace: Trace, there: Sequence[TracePart], asked: set[str], room: int, may_drop: bool
) -> Sequence[TracePart]:
    """The parts with as many of their lines as leave room for the first and the last step of each part."""
    carried = {name for stage in trace.stages for name in (stage.cell.output, *stage.cell.states.values())}
    choices: list[Callable[[str], bool]] = [
        lambda name: True,
        lambda name: name.isidentifier() or name in asked,
        carried.union(asked).__contains__,
    ]
    kept = there
    for choice in choices if may_drop else ():
        kept = [part for part in (_only(part, choice) for part in there) if part.lines] or kept
        if sum(len(part.lines) * min(part.count, 2) + (part.count > 2) for part in kept) <= room:
            break
    return kept


def _by_line(part: TracePart) -> TracePart:
    """The part with one array per line, also if it has the columns of a matrix in one, and per row of a matrix that
    has few numbers.
    """
    arrays, lines = part.arrays, part.lines
    if len(arrays) != len(lines):
        ends = [*accumulate(len(entry.units) for entry in lines)]
        arrays = tuple(np.split(part.arrays[0], ends[:-1], axis=-1))
    found = []
    for entry, array in zip(lines, arrays, strict=True):
        units, step = entry.units, entry.columns if entry.columns and entry.width <= MANY else entry.width
        for at in range(units.start // step * step, units.stop, step):
            some = range(max(at, units.start), min(at + step, units.stop))
            found.append((entry._replace(units=some), array[..., some.start - units.start : some.stop - units.start]))
    lines, arrays = zip(*found, strict=True)
    return replace(part, lines=lines, arrays=arrays)


def _only(part: TracePart, choice: Callable[[str], bool]) -> TracePart:
    at = [k for k, entry in enumerate(part.lines) if choice(entry.line)]
    return replace(part, lines=tuple(part.lines[k] for k in at), arrays=tuple(part.arrays[k] for k in at))


def _rows(kept: Sequence[TracePart], room: int | None) -> Iterator[TerminalRow]:
    """Rows of every part: all places, or the first ones and the last."""
    left = room
    for k, part in enumerate(kept):
        lines, groups = len(part.lines), part.count
        every = (row for at in range(groups) for row in _group(part, at))
        if left is None:
            yield from every
            continue
        share = max(left // (len(kept) - k), min(lines, left))
        if lines * groups <= share:
            rows = list(every)
        elif (fit := (share - 1) // lines) >= 2:
            rows = [row for at in range(fit - 1) for row in _group(part, at)]
            rows += [TerminalRow(None), *_group(part, groups - 1)]
        else:
            rows = list(_group(part, 0))[:share]
        left -= len(rows)
        yield from rows


def _group(part: TracePart, at: int) -> Iterator[TerminalRow]:
    t, b = (int(axis[at]) for axis in part.places)
    step, row = part.steps[t] if part.steps else None, part.batch[b] if part.batch else None
    place = (part.layer or 0, part.direction or "", step, row)
    for entry, array in zip(part.lines, part.arrays, strict=True):
        rows, whole = {unit // (entry.columns or entry.width) for unit in entry.units}, entry.columns is None
        at_row = None if whole or len(rows) > 1 else rows.pop()
        shift = (at_row or 0) * (entry.columns or 0)
        units = range(entry.units.start - shift, entry.units.stop - shift)
        yield TerminalRow(place, entry.line, units, array[t, b], at_row, shift)


def _numbers(there: Sequence[TracePart]) -> tuple[set[int | str], ...]:
    """The existing layers, directions, steps and sequences."""
    return (
        {part.layer or 0 for part in there},
        {part.direction or "" for part in there},
        {part.steps[k] for part in there if part.steps for k in set(part.places[0].tolist())},
        {part.batch[k] for part in there if part.batch for k in set(part.places[1].tolist())},
    )


def _left_out(there: Sequence[TracePart], rows: Sequence[TerminalRow], words: Words) -> str:
    """What did not fit, and how to see it; empty if everything is shown."""
    shown = [row for row in rows if row.place is not None]
    padding = any(part.valid is not None and not part.valid.all() for part in there)
    told = words.word("show.padding") if padding else ""
    if len(shown) == sum(len(part.lines) * part.count for part in there):
        return told
    counts = {"line": (len({entry.line for part in there for entry in part.lines}), len({row.line for row in shown}))}
    for k, (what, numbers) in enumerate(zip(PLACES, _numbers(there), strict=True)):
        counts[what] = (len(numbers), len({row.place[k] for row in shown if row.place} - {None}))
    gone = [
        words.word(f"show.left.{what}", n=words.number(of - seen), all=words.number(of))
        for what, (of, seen) in counts.items()
        if of > seen
    ]
    left = words.word("show.left", what=words.comma_list(*gone) or words.word("show.left.rows"))
    return f"{left} {told}".rstrip()


# -- which columns -----------------------------------------------------------------------------------------------------


def _left(trace: Trace, rows: Sequence[TerminalRow], at: int, places: Sequence[tuple[str, int, int]]) -> list[str]:
    """The place of a row, with the label of its step if steps have labels; empty if the row above has the same.

    places: of each column its name, which of `PLACES` it has, and what is added to it.
    """
    here, labels = rows[at].place, bool(trace.header.step_labels)
    if here is None or (at and here == rows[at - 1].place):
        return [""] * (len(places) + labels)
    token = "" if here[2] is None else step_label(trace, here[2], here[3], _TOKEN)
    numbers = ((here[k], first) for _, k, first in places)
    told = (number + first if first and isinstance(number, int) else number for number, first in numbers)
    return ["" if one is None else str(one) for one in told] + [token] * labels


def _by_unit(
    trace: Trace, rows: Sequence[TerminalRow], digits: int, words: Words
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """One column per unit, with its label if there is one; no columns if there are too many."""
    widths = {len(row.units) and row.units.stop for row in rows} - {0}
    units = sorted({unit for row in rows for unit in row.units})
    if len(units) > MANY:
        return (), []
    stages = {layer_and_direction(stage.scope): stage for stage in trace.stages}
    lines = {(row.place[:2], row.line) for row in rows if row.place is not None}
    sorts = {axis(trace, stages[place], line.partition("[:,")[0]) for place, line in lines if place in stages}
    alike = len(sorts) == 1 and all(row.row is None for row in rows)
    labels = trace.header.names.get(sorts.pop(), ()) if alike else ()  # if all are units of the same kind
    named = len(labels) == max(widths) or (len(units) == 1 and units[0] < len(labels))
    head = tuple(_cut(labels[unit], _LABEL) if named else f"[{words.nth(unit)}]" for unit in units)
    columns = [
        _aligned([show(row.values[unit - row.units.start], digits) if unit in row.units else "" for row in rows])
        for unit in units
    ]
    return head, list(zip(*columns, strict=True))


def _by_statistics(rows: Sequence[TerminalRow], digits: int) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The number of units, and their smallest, mean and largest value."""
    found = []
    with np.errstate(invalid="ignore", over="ignore"):  # the mean of inf and -inf is NaN, and is shown as such
        for row in rows:
            numbers = (row.values.min(), row.values.mean(dtype=np.float64), row.values.max()) if row.values.size else ()
            found.append([str(show(number, digits)) for number in numbers] or [""] * 3)
    counts = [str(len(row.units)) if row.values.size else "" for row in rows]
    return STATISTICS, list(zip(counts, *(_aligned(column) for column in zip(*found, strict=True)), strict=True))


def _aligned(shown: Sequence[Any]) -> list[str]:
    """Numbers as texts of equal width with aligned decimal points."""
    halves = [str(number).partition(".") for number in shown]
    after = max(len(part) for _, _, part in halves)
    return [f"{whole}{point}{part:<{after}}" if point else f"{whole}{'':{after + 1}}" for whole, point, part in halves]


def _over(
    width: int, names: tuple[str, ...], left: Sequence[tuple[str, ...]], head: tuple[str, ...], cells: Sequence[Any]
) -> int:
    """By how many characters the widest row, with two spaces between columns, exceeds `width`."""
    rows = [(*names, *head), *((*a, *b) for a, b in zip(left, cells, strict=True))]
    return sum(max(map(columns, column)) + 2 for column in zip(*rows, strict=True)) - 2 - width


def _title(trace: Trace, words: Words) -> str:
    header = trace.header
    directions = " + ".join(dict.fromkeys(s.direction for s in trace.stages if s.direction != "joined"))
    stack = words.count("show.layers", len({stage.layer for stage in trace.stages}), directions=directions)
    first, last = words.nth(trace.first), words.nth(trace.span[-1])
    window = words.word("show.window", first=first, last=last) if trace.first else ""
    sizes = f"{header.kind}, {header.dtype}, {stack}, T = {trace.steps}{window}, B = {trace.batch}"
    return f"{header.title} · {sizes}" if header.title else sizes


def _cut(text: str, width: int) -> str:
    """At most `width` characters, none of which controls the terminal (a file may contain anything)."""
    clean = " ".join(printable(text).split())
    return clean if len(clean) <= width else clean[: width - 1] + "…"
