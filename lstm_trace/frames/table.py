"""A trace as a table: its options and their checks, the names and types of its columns, and the columns in pieces.

Frames, Arrow and the file writers each print these pieces in their own way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from inspect import signature
from itertools import chain, islice
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np

from ..base.arrays import Array
from ..cell.network import DIRECTIONS
from ..errors import OptionError, nearest
from ..formulas.numbers import Style
from ..printable import printable
from ..trace.address import STATE, columns_of, line_name
from ..trace.argument_types import misfit
from ..trace.labels import column_name, safe_names, step_labels, unit_names
from ..trace.rows import LineUnits, Selection, TracePart, parts, read_at_each_step, renamed
from ..trace.trace import Trace
from ..view.hand_size import WorkedRow, worked_rows

Shape = Literal["long", "wide", "worked"]
SHAPES: tuple[str, ...] = get_args(Shape)
#: How the columns of the wide shape are named: `c_t[0]`; `c_t_0` for programs that accept only letters and digits;
#: `c_t[rain]` with the problem's label of the unit.
NameStyle = Literal["plain", "safe", "labels"]
NAMES: tuple[str, ...] = get_args(NameStyle)


def check(
    shape: str = "long", with_inputs: bool = False, all_lines: bool = False, names: str = "plain",
    title: bool | str = False,
) -> None:  # fmt: skip
    """Raise OptionError for an unknown table, or an option that does not apply to its shape."""
    if shape not in SHAPES:
        raise OptionError(f"there is no shape {shape!r}{nearest(shape, SHAPES)}; expected {', '.join(SHAPES)}")
    if names not in NAMES:
        raise OptionError(f"there are no names {names!r}{nearest(names, NAMES)}; expected {', '.join(NAMES)}")
    if not isinstance(title, (bool, str)):
        raise misfit("title", "true or false, or a text", title)
    if isinstance(title, str) and not title.strip():
        raise OptionError("the title is empty; expected a text that tells this table from others")
    if with_inputs and shape == "worked":
        raise OptionError("--with-inputs is for the shapes long and wide; worked has the numbers in its formulas")
    if shape == "wide":
        return
    if all_lines:
        raise OptionError(f"--all-lines is for the shape wide; {shape} has every line as it is: leave it out")
    if names != "plain":
        raise OptionError(f"--names {names} is for the shape wide; the columns of {shape} are safe as they are")


def columns(line: str, units: Sequence[int | str], safe: dict[str, str] | None) -> list[str]:
    """The columns of a line, or of a column of a matrix, one per unit. safe: the safe names, if these are requested."""
    name, _, k = line.rstrip("]").partition("[:,") if "[:," in line else (line, "", "")
    entries = [f"{unit},{k}" if k else str(unit) for unit in units]
    if safe is None:
        return [f"{name}[{entry}]" for entry in entries]
    both = (entry.partition(",")[::2] for entry in entries)  # a number has no _, so the names are distinct as well
    return [f"{safe[name]}_r{row}c{column}" if column else f"{safe[name]}_{row}" for row, column in both]


#: The columns after the place of a row; in the shape wide one column per line and unit.
BEHIND = {
    "long": ("line", "op", "unit", "value"),
    "worked": ("line", "unit", "symbol", "formula", "substituted", "value"),
}
#: Optional columns: the token is present if steps have labels; the step and the name of the unit, as a report has them,
#: are present if they can differ from t and unit; row and column, if a value of the trace is a matrix.
TITLE, STEP, TOKEN, VALID, UNIT_NAME = "title", "step", "token", "valid", "unit_name"
ENTRY = "row", "column"
#: The integer type; a larger one if a trace needs it.
WHOLE = {VALID: np.int8, **dict.fromkeys(("t", STEP, "batch"), np.int32)}
WHOLE |= dict.fromkeys(("layer", "unit", *ENTRY), np.int16)
#: Columns of few texts whose order has no meaning; in the others it is the order of computation.
UNORDERED = (TITLE, TOKEN, UNIT_NAME)
#: Maximum number of columns with inputs: that of a spreadsheet.
WIDEST = 1 << 14
#: Maximum length of a title, which is in every row.
LONGEST_TITLE = 200


@dataclass(frozen=True)
class TraceTable:
    """A table of a trace.

    shape: `long`, one row per value; `wide`, one row per step, with one column per line and unit; `worked`, one row per
    value with its formula. with_inputs: include premises (not worked); in the shape wide they are all that a step
    reads. padding: keep the steps beyond a sequence's length, with a column `valid`. all_lines: include unnamed lines
    (wide only); otherwise they have columns only if `only` or the request names them, or if no line has a name. names:
    how columns are named (wide only). title: a first column, the trace's title or another text, that identifies the
    trace in concatenated tables.
    """

    trace: Trace
    shape: str = "long"
    selection: Selection = field(default_factory=Selection)
    with_inputs: bool = False
    padding: bool = False
    all_lines: bool = False
    names: str = "plain"
    title: bool | str = False

    @classmethod
    def selected(cls, trace: Trace, padding: bool = False, **options: Any) -> Self:
        """The table with these options, among them those of its selection: only (or line), layer, direction, steps (or
        t), batch, unit.

        Raises OptionError for an unknown option, or one that does not apply to the shape.
        """
        asked = {name: options.pop(name) for name in signature(check).parameters if name in options}
        check(**asked)
        return cls(trace, selection=Selection(**renamed(options)), padding=padding, **asked)

    def parts(self) -> Iterator[TracePart]:
        """The rows, as parts of the trace. Raises MissingError for an empty selection."""
        found = parts(self.trace, self._chosen, self.with_inputs, self.padding, self.shape != "long")
        return self._fitting(found) if self.with_inputs and self.shape == "wide" else found

    @staticmethod
    def _fitting(found: Iterator[TracePart]) -> Iterator[TracePart]:
        """The parts. Raises OptionError for more columns than a spreadsheet has."""
        parts, widths = list(found), dict[str, int]()
        for entry in (entry for part in parts for entry in part.lines):
            widths[entry.line] = max(widths.get(entry.line, 0), len(entry.units))
        if (count := sum(widths.values())) > WIDEST:
            raise OptionError(
                f"--with-inputs would make {count:,} columns, and at most {WIDEST:,} are written: choose some, "
                "for example --only z_i,x_t,h_prev, or the shape long"
            )
        return iter(parts)

    @cached_property
    def _chosen(self) -> Selection:
        """The selection; in the shape wide, of the lines that are named or requested, if there are any."""
        if self.shape != "wide" or self.all_lines or self.selection.only is not None:
            return self.selection
        asked = {line_name(name) for name in self.trace.header.ask}
        recorded = (line for stage, line, _ in self.trace.recorded() if self.selection.places(stage))
        named = dict.fromkeys(line.name for line in recorded if line.assigned or line.name in asked)
        if named and self.with_inputs:
            read = (name for stage in self.trace.stages for name, *_ in read_at_each_step(self.trace, stage))
            named |= dict.fromkeys(name.partition("[:,")[0] for name in read)
        return replace(self.selection, only=tuple(named)) if named else self.selection

    def filled(self) -> Iterator[TracePart]:
        """The parts with the numbers of the table; those of `parts` have its rows."""
        return self.parts()

    def numbers(self, values: Array) -> dict[str, Array]:
        """The columns of numbers of the shape long, from what the parts have in each row."""
        return {"value": values}

    def number_type(self, name: str) -> Any:
        """The type of a column of numbers."""
        return np.dtype(self.trace.header.dtype)

    @property
    def blank(self) -> frozenset[str]:
        """The columns of numbers in which NaN is an empty cell."""
        return frozenset()

    @property
    def rows(self) -> int:
        """Number of rows of the table, without its header. Raises MissingError for an empty selection."""
        return sum(part.count if self.shape == "wide" else part.size for part in self.parts())

    # -- columns -------------------------------------------------------------------------------------------------

    @property
    def places(self) -> tuple[str, ...]:
        """The columns that identify the place of a row."""
        title, valid = (TITLE,) if self.title is not False else (), (VALID,) if self.padding else ()
        step = (STEP,) if self.trace.header.count_from else ()
        token = (TOKEN,) if self.trace.header.step_labels else ()
        return (*title, "layer", "direction", "t", *step, *token, "batch", *valid)

    @property
    def are_named(self) -> bool:
        """Whether a report may call units otherwise than by their numbers from 0."""
        return bool(self.trace.header.names or self.trace.header.count_from)

    @property
    def behind(self) -> tuple[str, ...]:
        """The columns after the place of a row; none in the shape wide."""
        entry = ENTRY if any(stage.cell.matrices for stage in self.trace.stages) else ()
        units = "unit", *entry, *((UNIT_NAME,) if self.are_named else ())
        return tuple(chain.from_iterable(units if name == "unit" else (name,) for name in BEHIND.get(self.shape, ())))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns. Raises MissingError for an empty selection."""
        return (*self.places, *(self.behind or dict.fromkeys(name for p in self.parts() for name in self.of(p))))

    def of(self, part: TracePart) -> list[str]:
        """The columns for the values of a part in the shape wide. Raises OptionError if labels are not unique."""
        if self.names != "labels":
            return [name for entry in part.lines for name in columns(entry.line, entry.indices, self._safe)]
        return [name for entry in part.lines for name in self._labelled[part.layer, part.direction, entry.line]]

    @cached_property
    def _labelled(self) -> dict[tuple[Any, ...], list[str]]:
        """By layer, direction and line, the columns with the labels of the units, or with numbers from 0."""
        found, units = {}, dict[str, tuple[int, str]]()
        for part in self.parts():
            for entry, names in zip(part.lines, self.unit_names(part, 0), strict=True):
                line, _, k = entry.line.removesuffix("]").partition("[:,")
                if k:
                    column = column_name(self.trace, self.trace.stage(f"{part.layer}/{part.direction}"), line, int(k))
                    names = [f"{name},{column.encode('utf-8', 'replace').decode()}" for name in names]
                heads = found[part.layer, part.direction, entry.line] = columns(line, names, None)
                for head, unit in zip(heads, entry.units, strict=True):
                    if units.setdefault(head, (unit, k)) != (unit, k):
                        raise OptionError(f"--names labels: two units would have the column {head}; use --names plain")
        return found

    def unit_names(self, part: TracePart, first: int | None = None) -> list[list[str]]:
        """For each line of a part, the names of its units as a report has them; nothing if these are their numbers.

        first: the number of the first unit of a line without labels; as in the problem if None.
        """
        if first is None and not self.are_named:
            return []
        stage = None if part.layer is None else self.trace.stage(f"{part.layer}/{part.direction}")
        first = self.trace.header.count_from if first is None else first
        found = []
        for line, _, units, width, _ in part.lines:
            name = line.partition("[:,")[0]
            names = unit_names(self.trace, stage, STATE.get(name, name), width, first)[units.start : units.stop]
            found.append([text.encode("utf-8", "replace").decode() for text in names])
        return found

    @cached_property
    def _safe(self) -> dict[str, str] | None:
        return safe_names(self.trace) if self.names == "safe" else None

    @cached_property
    def texts(self) -> dict[str, tuple[str, ...]]:
        """For each column of few texts, those that occur; for lines and operations in order of computation."""
        parts = list(self.parts())
        there, entries = {part.direction for part in parts}, [entry for part in parts for entry in part.lines]
        return {
            TITLE: (self._title,),
            TOKEN: self.tokens[0],
            "direction": tuple(name for name in DIRECTIONS if name in there),
            "line": tuple(dict.fromkeys(entry.line for entry in entries)),
            "op": tuple(dict.fromkeys(entry.op for entry in entries)),
            UNIT_NAME: tuple(dict.fromkeys(text for part in parts for text in chain(*self.unit_names(part)))),
        }

    @cached_property
    def _title(self) -> str:
        """The text of the column `title`, on one line. Raises OptionError if the trace has none."""
        text = " ".join(printable(self.title if isinstance(self.title, str) else self.trace.header.title).split())
        if self.title is True and not text:
            raise OptionError("the trace has no title for a column of it: give one, --title TEXT (title='…')")
        return text if len(text) <= LONGEST_TITLE else f"{text[: LONGEST_TITLE - 1]}…"

    @cached_property
    def tokens(self) -> tuple[tuple[str, ...], Array]:
        """The distinct labels of steps, and the code of each step's label: (T, B, or 1 if all sequences have the same).

        The code -1 is an empty label.
        """
        rows = [step_labels(self.trace, b) for b in range(len(self.trace.header.step_labels))]
        codes = {text: code for code, text in enumerate(dict.fromkeys(t for row in rows for t in row if t))}
        texts = (text.encode("utf-8", "replace").decode() for text in codes)
        return tuple(texts), np.array([[codes.get(text, -1) for text in row] for row in rows], np.int32).T

    @cached_property
    def whole(self) -> dict[str, Any]:
        """The type of each integer column."""
        last = self.trace.span.stop - 1
        largest = {"layer": 0, "t": last, STEP: last + 1, "batch": self.trace.batch - 1, "unit": 0, VALID: 1}
        for part in self.parts():
            largest["layer"] = max(largest["layer"], part.layer or 0)
            largest["unit"] = max(largest["unit"], *(entry.units[-1] for entry in part.lines))
        largest |= dict.fromkeys(ENTRY, largest["unit"])
        return {name: np.result_type(kind, np.min_scalar_type(-largest[name] - 1)) for name, kind in WHOLE.items()}


def code_type(texts: Sequence[str]) -> Any:
    """The type of a column with the index of each row's text, or -1."""
    return np.min_scalar_type(-max(len(texts), 1))


#: More values than a trace has.
ALL = 1 << 62


class Coded(NamedTuple):
    """A column of few texts: texts[codes[row]]; the code -1 is an empty cell. ordered: whether their order matters."""

    codes: Array
    texts: tuple[str, ...]
    ordered: bool


#: In an integer array -1 is an empty cell; a tuple has one text per row.
Column = Array | Coded | tuple[str, ...]


def pieces(
    table: TraceTable, values: int = ALL, worked: int = ALL, style: Style | None = None
) -> Iterator[dict[str, Column]]:
    """The table in pieces of this many values (in the shape worked: rows), each as columns by name, in order.

    A column of the shape wide that a piece does not have is omitted from it. style: for the numbers in formulas. No
    array is shared with the trace.
    """
    if table.shape == "worked":
        rows = iter(worked_rows(table.trace, table.selection, style, padding=table.padding))
        while some := list(islice(rows, worked)):
            yield _worked(table, some)
    else:
        for piece in (piece for part in table.filled() for piece in part.pieces(values)):
            if table.shape == "long":
                yield _long(table, piece)
            else:  # one row per place, one column per line and unit
                units = zip(table.of(piece), np.array(piece.values.T, order="C"), strict=True)
                yield places(table, piece) | dict(units)


def joined(table: TraceTable) -> dict[str, Column]:
    """The whole table as columns; NaN for empty cells in the shape wide."""
    found = list(pieces(table))
    if len(found) == 1:
        return {name: found[0][name] for name in table.columns}
    rows = [len(piece["t"]) for piece in found]
    return {name: _joined([piece.get(name) for piece in found], rows) for name in table.columns}


def _joined(columns: Sequence[Column | None], rows: Sequence[int]) -> Column:
    there = next(column for column in columns if column is not None)
    if isinstance(there, Coded):
        return there._replace(codes=np.concatenate([c.codes for c in columns if isinstance(c, Coded)]))
    if isinstance(there, tuple):
        return tuple(text for column in columns if column is not None for text in column)
    return np.concatenate(
        [np.full(n, np.nan, there.dtype) if c is None else np.asarray(c) for c, n in zip(columns, rows, strict=True)]
    )


def places(table: TraceTable, part: TracePart) -> dict[str, Column]:
    """The columns that identify each place of a part."""
    at, row = part.places
    none, count = np.full(1, -1), len(at)
    return _places(
        table,
        np.full(count, -1 if part.layer is None else part.layer),
        np.full(count, -1 if part.direction is None else table.texts["direction"].index(part.direction)),
        (none if part.steps is None else np.array(part.steps))[at],
        (none if part.batch is None else np.array(part.batch))[row],
        np.full(count, -1) if part.valid is None else part.valid[at, row],
    )


def _places(
    table: TraceTable, layer: Array, direction: Array, t: Array, batch: Array, valid: Array
) -> dict[str, Column]:
    """The columns of places, given as numbers."""
    step = np.where(t < 0, -1, t + table.trace.header.count_from)
    numbers = {"layer": layer, "t": t, STEP: step, "batch": batch, VALID: valid}
    codes = {"direction": direction, TITLE: np.zeros(len(t), int)}
    if TOKEN in table.places:
        of = table.tokens[1]
        token = of[np.where(t < 0, 0, t - table.trace.first), np.where(batch < of.shape[1], batch, 0)]
        codes[TOKEN] = np.where(t < 0, -1, token)
    return {
        name: numbers[name].astype(table.whole[name]) if name in numbers else _coded(table, name, codes[name])
        for name in table.places
    }


def _coded(table: TraceTable, name: str, codes: Array) -> Coded:
    texts = table.texts[name]
    return Coded(codes.astype(code_type(texts)), texts, name not in UNORDERED)


def _each(column: Column, function: Callable[[Array, int], Array], times: int) -> Column:
    """A column with each value, or the whole, repeated."""
    if isinstance(column, Coded):
        return column._replace(codes=function(column.codes, times))
    return function(np.asarray(column), times)


def _long(table: TraceTable, part: TracePart) -> dict[str, Column]:
    """One row per value."""
    counts = [len(entry.units) for entry in part.lines]
    line = np.repeat(_codes(table, "line", (entry.line for entry in part.lines)), counts)
    op = np.repeat(_codes(table, "op", (entry.op for entry in part.lines)), counts)
    unit = np.concatenate([np.arange(entry.units.start, entry.units.stop) for entry in part.lines])
    return {
        **{name: _each(column, np.repeat, part.width) for name, column in places(table, part).items()},
        "line": _each(_coded(table, "line", line), np.tile, part.count),
        "op": _each(_coded(table, "op", op), np.tile, part.count),
        "unit": np.tile(unit.astype(table.whole["unit"]), part.count),
        **_entry(table, (entry.entries for entry in part.lines), part.count),
        **_unit_name(table, chain(*table.unit_names(part)), part.count),
        **table.numbers(np.array(part.values).reshape(-1)),
    }


def _entry(table: TraceTable, entries: Iterable[tuple[Array, Array]], times: int = 1) -> dict[str, Column]:
    """Rows and columns of the units of lines, repeated as a whole, if the table has them."""
    if ENTRY[0] not in table.behind:
        return {}
    both = zip(ENTRY, zip(*entries, strict=True), strict=True)
    return {name: np.tile(np.concatenate(each).astype(table.whole[name]), times) for name, each in both}


def _unit_name(table: TraceTable, names: Iterable[str], times: int = 1) -> dict[str, Column]:
    """The names of units as a column, repeated as a whole, if the table has it."""
    if UNIT_NAME not in table.behind:
        return {}
    return {UNIT_NAME: _each(_coded(table, UNIT_NAME, _codes(table, UNIT_NAME, names)), np.tile, times)}


def _codes(table: TraceTable, name: str, texts: Iterable[str]) -> Array:
    """The codes of texts of a column."""
    code = {text: at for at, text in enumerate(table.texts[name])}
    return np.array([code[text] for text in texts])


def _worked(table: TraceTable, rows: Sequence[WorkedRow]) -> dict[str, Column]:
    """One row per value, with its formula."""
    of = dict(zip(WorkedRow._fields, zip(*rows, strict=True), strict=True))
    direction = _codes(table, "direction", of["direction"])
    layer, t, batch, valid = (np.array(of[name]) for name in ("layer", "t", "batch", "valid"))
    names: dict[tuple[Any, ...], str] = {}
    for part in table.parts():
        for entry, some in zip(part.lines, table.unit_names(part), strict=False):  # there are none, or all
            line = part.layer, part.direction, entry.line
            names |= {(*line, unit): name for unit, name in zip(entry.units, some, strict=True)}
    named = (names[*row[:2], row.line, row.unit] for row in rows)
    across = (columns_of(table.trace, f"{row.layer}/{row.direction}", row.line) for row in rows)
    units = (LineUnits("", "", range(row.unit, row.unit + 1), 0, c) for row, c in zip(rows, across, strict=True))
    return {
        **_places(table, layer, direction, t, batch, valid),
        "line": _coded(table, "line", _codes(table, "line", of["line"])),
        "unit": np.array(of["unit"]).astype(table.whole["unit"]),
        **_entry(table, (unit.entries for unit in units)),
        **_unit_name(table, named),
        **{name: of[name] for name in ("symbol", "formula", "substituted")},
        "value": np.array(of["value"], table.trace.header.dtype),
    }
