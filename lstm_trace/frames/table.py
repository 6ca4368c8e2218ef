"""A trace as a table: its options and their checks, the names and types of its columns, and the columns in pieces.

Frames, Arrow and the file writers each print these pieces in their own way.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from inspect import signature
from itertools import islice
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from ..base.arrays import Array
from ..cell.network import DIRECTIONS
from ..errors import OptionError, nearest
from ..formulas.numbers import Style
from ..printable import printable
from ..trace.address import line_name
from ..trace.argument_types import misfit
from ..trace.labels import step_labels
from ..trace.rows import Selection, TracePart, parts
from ..trace.trace import Trace
from ..view.hand_size import WorkedRow, worked_rows

Shape = Literal["long", "wide", "worked"]
SHAPES: tuple[str, ...] = get_args(Shape)
#: How the columns of the wide shape are named: `c_t[0]`, or `c_t_0` for programs that accept only letters and digits.
NameStyle = Literal["plain", "safe"]
NAMES: tuple[str, ...] = get_args(NameStyle)


def check(
    shape: str = "long", with_inputs: bool = False, all_lines: bool = False, names: str = "plain",
    title: bool | str = False,
) -> None:  # fmt: skip
    """Raise OptionError for an unknown table, or an option that does not apply to its shape."""
    if shape not in SHAPES:
        raise OptionError(f"there is no shape {shape!r}{nearest(shape, SHAPES)}; expected {', '.join(SHAPES)}")
    if names not in NAMES:
        raise OptionError(f"there are no names {names!r}{nearest(names, NAMES)}; expected {' or '.join(NAMES)}")
    if not isinstance(title, (bool, str)):
        raise misfit("title", "true or false, or a text", title)
    if isinstance(title, str) and not title.strip():
        raise OptionError("the title is empty; expected a text that tells this table from others")
    if with_inputs and shape != "long":
        raise OptionError(f"premises (--with-inputs) have rows in the shape long only, not in {shape}")
    if shape == "wide":
        return
    if all_lines:
        raise OptionError(f"--all-lines is for the shape wide; {shape} has every line as it is: leave it out")
    if names == "safe":
        raise OptionError(f"--names safe is for the shape wide; the columns of {shape} are safe as they are")


#: Stata accepts 32 characters; a unit's number of up to five digits follows.
LONGEST = 26
#: The name of a product consists only of its factors: `W_xi @ x_t` is `W_xi_x_t`.
_SPELLED = (("+", "plus"), ("-", "minus"), ("/", "over"), (">", "above"), ("<", "below"), ("=", "equals"))


def safe_names(trace: Trace) -> dict[str, str]:
    """For each line of the trace a name of ASCII letters, digits and `_`, at most 26 long, that begins with a letter.

    All are distinct, even ignoring case. They follow from the equations: a part of a trace has the same names.

    >>> import lstm_trace as lt
    >>> safe_names(lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0]], ask="i_t"))["W_xi @ x_t"]
    'W_xi_x_t'
    """
    lines = dict.fromkeys(line for stage in trace.stages for line in stage.cell.lines)
    return resolved([*(line.name for line in lines if line.assigned), *(line.name for line in lines)])


def resolved(lines: Iterable[str]) -> dict[str, str]:
    """A safe name for each line; if several would have the same, the first keeps it and the others are numbered."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    counts: dict[str, int] = {}
    for line in dict.fromkeys(lines):
        text = unicodedata.normalize("NFKD", line).encode("ascii", "ignore").decode()
        for sign, word in _SPELLED:
            text = text.replace(sign, f" {word} ")
        text = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "line"
        stem = name = (text if text[0].isalpha() else f"n{text}")[:LONGEST].rstrip("_")
        while name.casefold() in taken:
            counts[stem] = counts.get(stem, 1) + 1
            number = f"_{counts[stem]}"
            name = stem[: LONGEST - len(number)] + number
        taken.add(name.casefold())
        found[line] = name
    return found


def columns(line: str, units: Sequence[int], safe: dict[str, str] | None) -> list[str]:
    """The columns of a line, one per unit. safe: the names to use, if safe names are requested."""
    if safe is None:
        return [f"{line}[{unit}]" for unit in units]
    return [f"{safe[line]}_{unit}" for unit in units]  # the number has no _, so these are distinct as well


#: The columns after the place of a row; in the shape wide one column per line and unit.
BEHIND = {
    "long": ("line", "op", "unit", "value"),
    "worked": ("line", "unit", "symbol", "formula", "substituted", "value"),
}
#: Optional columns; the token is present if steps have labels.
TITLE, TOKEN, VALID = "title", "token", "valid"
#: The integer type; a larger one if a trace needs it.
WHOLE = {"layer": np.int16, "t": np.int32, "batch": np.int32, "unit": np.int16, VALID: np.int8}
#: Columns of few texts whose order has no meaning; in the others it is the order of computation.
UNORDERED = (TITLE, TOKEN)
#: Maximum length of a title, which is in every row.
LONGEST_TITLE = 200


@dataclass(frozen=True)
class TraceTable:
    """A table of a trace.

    shape: `long`, one row per value; `wide`, one row per step, with one column per line and unit; `worked`, one row per
    value with its formula. with_inputs: include premises (long only). padding: keep the steps beyond a sequence's
    length, with a column `valid`. all_lines: include unnamed lines (wide only); otherwise they have columns only if
    `only` or the request names them, or if no line has a name. names: `safe` for columns made of letters, digits and
    `_` (wide only). title: a first column, the trace's title or another text, that identifies the trace in concatenated
    tables.
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
    def selected(cls, trace: Trace, padding: bool = False, **options: Any) -> TraceTable:
        """The table with these options, among them those of its selection: only, layer, direction, steps, batch, unit.

        Raises OptionError for an unknown option, or one that does not apply to the shape.
        """
        asked = {name: options.pop(name) for name in signature(check).parameters if name in options}
        check(**asked)
        return cls(trace, selection=Selection(**options), padding=padding, **asked)

    def parts(self) -> Iterator[TracePart]:
        """The rows, as parts of the trace. Raises MissingError for an empty selection."""
        return parts(self.trace, self._chosen, self.with_inputs, self.padding, self.shape != "long")

    @cached_property
    def _chosen(self) -> Selection:
        """The selection; in the shape wide, of the lines that are named or requested, if there are any."""
        if self.shape != "wide" or self.all_lines or self.selection.only is not None:
            return self.selection
        asked = {line_name(name) for name in self.trace.header.ask}
        recorded = (line for stage, line, _ in self.trace.recorded() if self.selection.places(stage))
        named = tuple(dict.fromkeys(line.name for line in recorded if line.assigned or line.name in asked))
        return replace(self.selection, only=named) if named else self.selection

    @property
    def rows(self) -> int:
        """Number of rows of the table, without its header. Raises MissingError for an empty selection."""
        return sum(part.count if self.shape == "wide" else part.size for part in self.parts())

    # -- columns -------------------------------------------------------------------------------------------------

    @property
    def places(self) -> tuple[str, ...]:
        """The columns that identify the place of a row."""
        title, valid = (TITLE,) if self.title is not False else (), (VALID,) if self.padding else ()
        token = (TOKEN,) if self.trace.header.step_labels else ()
        return (*title, "layer", "direction", "t", *token, "batch", *valid)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns. Raises MissingError for an empty selection."""
        return (*self.places, *(BEHIND.get(self.shape) or dict.fromkeys(n for p in self.parts() for n in self.of(p))))

    def of(self, part: TracePart) -> list[str]:
        """The columns for the values of a part in the shape wide."""
        return [name for entry in part.lines for name in columns(entry.line, entry.units, self._safe)]

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
        largest = {"layer": 0, "t": self.trace.span.stop - 1, "batch": self.trace.batch - 1, "unit": 0, VALID: 1}
        for part in self.parts():
            largest["layer"] = max(largest["layer"], part.layer or 0)
            largest["unit"] = max(largest["unit"], *(entry.units[-1] for entry in part.lines))
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
        for piece in (piece for part in table.parts() for piece in part.pieces(values)):
            if table.shape == "long":
                yield _long(table, piece)
            else:  # one row per place, one column per line and unit
                units = zip(table.of(piece), np.array(piece.values.T, order="C"), strict=True)
                yield places(table, piece) | dict(units)


def joined(table: TraceTable) -> dict[str, Column]:
    """The whole table as columns; NaN for empty cells in the shape wide."""
    found = list(pieces(table))
    if len(found) == 1:
        return found[0]
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
    numbers = {"layer": layer, "t": t, "batch": batch, VALID: valid}
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
    lines, ops = (_at(table, name) for name in ("line", "op"))
    line = np.repeat([lines[entry.line] for entry in part.lines], counts)
    op = np.repeat([ops[entry.op] for entry in part.lines], counts)
    unit = np.concatenate([np.arange(entry.units.start, entry.units.stop) for entry in part.lines])
    return {
        **{name: _each(column, np.repeat, part.width) for name, column in places(table, part).items()},
        "line": _each(_coded(table, "line", line), np.tile, part.count),
        "op": _each(_coded(table, "op", op), np.tile, part.count),
        "unit": np.tile(unit.astype(table.whole["unit"]), part.count),
        "value": np.array(part.values).reshape(-1),
    }


def _at(table: TraceTable, name: str) -> dict[str, int]:
    return {text: code for code, text in enumerate(table.texts[name])}


def _worked(table: TraceTable, rows: Sequence[WorkedRow]) -> dict[str, Column]:
    """One row per value, with its formula."""
    of = dict(zip(WorkedRow._fields, zip(*rows, strict=True), strict=True))
    directions, lines = (_at(table, name) for name in ("direction", "line"))
    direction = np.array([directions[name] for name in of["direction"]])
    layer, t, batch, valid = (np.array(of[name]) for name in ("layer", "t", "batch", "valid"))
    return {
        **_places(table, layer, direction, t, batch, valid),
        "line": _coded(table, "line", np.array([lines[name] for name in of["line"]])),
        "unit": np.array(of["unit"]).astype(table.whole["unit"]),
        **{name: of[name] for name in ("symbol", "formula", "substituted")},
        "value": np.array(of["value"], table.trace.header.dtype),
    }
