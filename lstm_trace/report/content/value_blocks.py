"""Values of inputs, states, lines and answers as blocks, used by several sections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from ...cell.lines import Line, Operand
from ...cell.network import Stage, X
from ...documents.blocks import Code, Para, Premises, Row, Table, Text
from ...documents.excerpt import excerpt, left_out
from ...formulas.plain import Plain
from ...formulas.printer import alone
from ...formulas.tree import Dots, Mat, Node, Num, Sym, Vec, heading, kept, numbers, value
from ...trace.address import Address
from ...trace.labels import axis, labels
from ...view.hand_size import TABLE
from ...view.view import Place, View

#: Up to this many inputs, a table of states has them too.
NARROW = 3


def wanted(shown: View) -> Iterator[tuple[Stage, Address]]:
    """The lines that were asked for, as far as the selection contains them."""
    for address in shown.asked:
        stage = shown.trace.stage(address.scope)
        if stage in shown.stages and shown.chosen.has(address.line):
            values = shown.trace.lines[address.scope].get(address.line) if address.unit is None else None
            there = address.t in (None, *shown.steps) and address.b in (None, *shown.rows)
            if there and (values is None or shown.indices(values.shape[-1])):
                yield stage, address


def name_of(shown: View, stage: Stage, address: Address) -> Text:
    """An asked line in words: its symbol, and its place as far as that is not clear."""
    line = stage.cell.by_name.get(address.line)
    symbol, t = Sym(address.line) if line is None else heading(line, stage.cell), address.t
    plain = Plain(shown.trace.header.symbols)
    if t is not None and plain(at := shown.at(stage, t, symbol)) != plain(symbol):
        symbol, t = at, None  # its index states the step
    where = shown.where(stage, t, address.b)
    unit = address.unit[0] if address.unit is not None else shown.chosen.unit
    width = shown.width(stage, address.line)
    if unit is not None and width > 1:
        label = shown.label(stage, address.line, unit, width)
        where = shown.words.comma_list(where, label)
    return (symbol, aside) if (aside := shown.words.aside(where)) else (symbol,)


def read(shown: View, stage: Stage, lines: Sequence[Line] | None = None) -> list[str]:
    """The inputs and states that lines of a stage read, the shown ones if None, as far as they were recorded."""
    reads = {name for line in (shown.lines(stage) if lines is None else lines) for name in line.reads}
    names = [*stage.cell.inputs, *stage.cell.states]
    return [n for n in names if n in reads and shown.values.array(stage.scope, n) is not None]


def vectors(shown: View, stage: Stage, names: list[str], t: int, b: int) -> Premises:
    """Values at one step and row, side by side."""
    found = ((name, shown.values.vector(stage.scope, name, t, b, shown.units)) for name in names)
    return Premises((tuple((shown.at(stage, t, value(name, stage.cell)), exact(shown, v), v) for name, v in found),))


def beside(shown: View, stage: Stage, name: str) -> Premises | None:
    """The values of a line or input at the shown steps side by side, each with its step as its index.

    None if a table shows more: if units have labels, if there are several rows, or if steps are not counted from 1.
    """
    values = shown.values.array(stage.scope, name)
    if values is None or shown.words.count_from == 0 or len(shown.rows) > 1 or shown.chosen.unit is not None:
        return None
    named = labels(shown.trace, axis(shown.trace, stage, name), values.shape[-1]) or shown.trace.header.step_labels
    if named or len(shown.steps) > TABLE:
        return None
    b = shown.rows[0]
    there = [t for t in shown.steps if name in stage.cell.inputs or shown.counts(t, b)]
    items = [(t, shown.values.vector(stage.scope, name, t, b, shown.units)) for t in there]
    symbol = value(name, stage.cell)
    return Premises((tuple((shown.at(stage, t, symbol), exact(shown, v), v) for t, v in items),)) if items else None


def by_step(shown: View, stage: Stage, name: str) -> Table:
    """The values of a line or input as a table, a row for each shown step and row of the batch.

    For a line the steps of padding are left out, unless everything is shown.
    """
    pairs = [(t, b) for t in shown.steps for b in shown.rows if name in stage.cell.inputs or shown.counts(t, b)]
    places: list[tuple[int, int] | None] = []
    for at in kept(len(pairs), None if shown.everything else TABLE):
        gap = at is not None and places and (last := places[-1]) is not None and pairs[at][0] > last[0] + 1
        places += [None] if gap and "steps" in shown.cut else []
        places.append(None if at is None else pairs[at])
    return over_steps(shown, stage, [name], places)


def state_columns(shown: View, stage: Stage) -> list[str]:
    """What the table over all steps has of a stage: a narrow input, then what was asked for, or states and output."""
    inputs = [n for n in read(shown, stage) if stage.sources.get(n) == X and shown.width(stage, n) <= NARROW]
    lines = [line.name for line in shown.lines(stage)]
    asked = {address.line for address in shown.asked if address.scope == stage.scope}
    states = {*stage.carried, stage.unpadded(stage.cell.output)}
    some = asked if asked - states - {stage.cell.output} else states
    found = lines if shown.chosen.names is not None else [name for name in lines if name in some]
    return [*inputs, *(found or lines)]


def wide_columns(shown: View) -> list[str]:
    """The lines in the tables over all steps of which some units are left out."""
    if shown.chosen.unit is not None or shown.units is None:
        return []
    each = ((stage, name) for stage in shown.stages for name in state_columns(shown, stage))
    return [*dict.fromkeys(name for stage, name in each if shown.width(stage, name) > shown.units)]


def over_steps(shown: View, stage: Stage, names: Sequence[str], places: Sequence[tuple[int, int] | None]) -> Table:
    """The values of lines and inputs as a table, a row for each place (step and sequence), dots for None."""
    head = shown.place_columns()
    first = len(head)
    columns: list[tuple[str, int | None]] = []
    for name in names:
        width, of = shown.width(stage, name), axis(shown.trace, stage, name)
        named = labels(shown.trace, of, width) if of != "h" else ()
        for k in shown.entries(stage, name) if name in stage.cell.by_name else kept(width, shown.units):
            columns.append((name, k))
            if k is None:
                head.append(("…",))
            elif name in stage.cell.inputs and named:
                head.append((named[k],))
            elif name in stage.cell.inputs or (width > 1 and len(names) > 1):
                head.append((value(name, stage.cell), f"[{shown.entry(stage, name, k)}]"))
            else:
                head.append((shown.label(stage, name, k, width) if width > 1 else value(name, stage.cell),))

    def cells(t: int, b: int) -> tuple[Text, ...]:
        return tuple((Dots() if k is None else shown.values.num(stage.scope, x, t, b, (k,)),) for x, k in columns)

    dots: tuple[Text, ...] = tuple((Dots("down"),) for _ in head)
    rows = (dots if place is None else (*shown.place_cells(*place), *cells(*place)) for place in places)
    return Table(tuple(head), tuple(rows), first)


def shortened(shown: View) -> Iterator[Para]:
    """What was left out, if anything, and which option shows it."""
    words = shown.words
    options = {"layers": "--layer N", "steps": "--steps A:B", "rows": "--batch B", "units": "--unit J"}
    options |= {"terms": "", "matrices": "", "detail": "--detail scalar"}
    # what a long run leaves out is not said as if it were missing: its table has all steps
    if not (cut := shown.cut - ({"steps", "detail"} if shown.tabled else set())):
        return
    worked = shown.tabled and shown.eventful is not None and "units" in shown.eventful.cut
    lines = words.listed([(Sym(name),) for name in wide_columns(shown)]) if shown.tabled and not worked else ()
    keys = {key: f"{key}.of" if lines and key == "units" else key for key in options if key in cut}
    what = [words.text(f"short.{keys[key]}", option=Code(options[key]), lines=lines) for key in keys]
    yield Para(words.text("short", what=words.listed(what), all=Code("--all")))


def units_beside(shown: View, place: Place, lines: Sequence[Line]) -> Table:
    """The values of lines at one place as a table, a row for each line and a column for each shown unit."""
    stage, t, b = place
    widths = {line.name: shown.width(stage, line.name) for line in lines}
    widest = max(widths.values())
    columns = shown.indices(widest)

    def cell(name: str, j: int | None) -> Text:
        if j is None:
            return (Dots(),)
        return (shown.values.num(stage.scope, name, t, b, (j,)),) if j < widths[name] else ("",)

    head: tuple[Text, ...] = (("",), *(("…",) if j is None else (shown.unit(j, widest),) for j in columns))
    rows = (((symbol(shown, place, line),), *(cell(line.name, j) for j in columns)) for line in lines)
    return Table(head, tuple(rows))


def chain(shown: View, place: Place, line: Line) -> Row:
    """Symbol = formula = formula with vectors = value."""
    parts = list(formulas(shown, place, line))
    put_in = _substituted(shown, place, line)
    vector, sign = result(shown, place, line.name)
    if put_in is not None and put_in != vector:
        parts.append(("=", put_in))
        units = [unit for unit in shown.entries(place.stage, line.name) if unit is not None]
        found = (shown.values.scalar(place.stage, line, *place[1:], unit, shown.terms, shown.whole) for unit in units)
        sign = "=" if all(scalar.relation == "=" for scalar in found) else "≈"
    parts.append((sign, vector))
    return Row((symbol(shown, place, line),), tuple(parts))


def symbol(shown: View, place: Place, line: Line) -> Node:
    """The symbol of a line at a place."""
    return shown.at(place.stage, place.t, heading(line, place.stage.cell))


def formulas(shown: View, place: Place, line: Line) -> Iterator[tuple[str, Node]]:
    """A line in symbols at a place, each part with the sign before it."""
    return ((sign, shown.at(place.stage, place.t, node)) for sign, node in shown.formulas(place.stage, line))


def _substituted(shown: View, place: Place, line: Line) -> Node | None:
    """The formula with vectors instead of names, matrices by name; None if an operand was not recorded."""
    stage, t, b = place
    if any(shown.values.array(stage.scope, operand) is None for operand in line.operands):
        return None
    missing = []  # operands that are written out within it

    def part(operand: Operand) -> Node:
        """The value of an operand."""
        if not isinstance(operand, str):
            return shown.values.num(stage.scope, operand, None, None, ())
        values = shown.values.array(stage.scope, operand)
        if values is None:
            missing.append(operand)
        if values is None or values.ndim == 2:
            return Sym(operand)
        step, row = (t, b) if values.ndim == 3 else (None, None)
        return alone(shown.values.vector(stage.scope, operand, step, row, shown.units))

    tree = shown.written(stage, line, part)
    return None if missing or (shown.whole and isinstance(tree, Vec | Num)) else tree


def exact(shown: View, value: Vec | Mat) -> str:
    """The sign before a value: = if every shown entry is exact."""
    return "=" if all(map(shown.values.is_exact, numbers(value))) else "≈"


def column(units: Sequence[int | None], entry: Callable[[int], Node]) -> Vec:
    """Some entries of a vector, with dots for those that are left out."""
    return Vec(tuple(Dots("down") if j is None else entry(j) for j in units))


#: A row of a table, or a line of a derivation.
Cells = TypeVar("Cells", bound="tuple[Text, ...] | tuple[Row, ...]")


def excerpted(
    shown: View, sizes: Sequence[float], row: Callable[[int], Cells], timed: bool = False
) -> tuple[list[Cells], list[Para]]:
    """The rows of a long table with dots for those that are left out, with their number and size.

    sizes: of every row. row: the content of a row. timed: as for `excerpt`.
    """
    entries = excerpt(sizes, len(sizes) if shown.everything else TABLE, timed)
    rows = [None if isinstance(entry, range) else row(entry) for entry in entries]
    first: Any = next(filter(None, rows), ())
    dots: Any = tuple(Row((Dots("down"),)) if isinstance(cell, Row) else (Dots("down"),) for cell in first)
    shown_rows = [dots if cells is None else cells for cells in rows]
    if not (missing := left_out(entries)):
        return shown_rows, []
    largest = shown.num(max(sizes[k] for k in missing))
    note = shown.words.text("back.left", n=shown.words.number(len(missing)), dots=Dots("down"), largest=largest)
    return shown_rows, [Para(note)]


def result(shown: View, place: Place, name: str, units: Sequence[int | None] | None = None) -> tuple[Vec | Mat, str]:
    """The value of a line at a place, and the sign before it. units: some of them; those that are shown if None."""
    stage, t, b = place
    found: Vec | Mat
    if units is None and shown.chosen.unit is None:
        found = shown.values.vector(stage.scope, name, t, b, shown.units)
    else:
        units = shown.entries(stage, name) if units is None else units
        found = column(units, lambda j: shown.values.num(stage.scope, name, t, b, (j,)))
    return found, exact(shown, found)
