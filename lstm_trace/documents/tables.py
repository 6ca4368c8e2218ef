"""A long table: a document shows the rows that matter, a file has all of them, as CSV or JSON.

The choice of rows and their order is made on the arrays. An entry gets its address only if it is shown or written: from
a template, one per array, and in pieces. Two million weights do not become two million tuples.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..base.arrays import Array, word
from ..base.display import guarded, visible
from ..formulas.tree import Num
from ..languages.strings import Words
from ..printable import json_text, printable
from .blocks import Block, Para, Table, Text, marked
from .excerpt import excerpt

if TYPE_CHECKING:
    import pandas as pd

#: Maximum number of rows of a long table in a document.
SHOWN = 40
#: Columns whose cells are clear without the column's name.
SPEAKING = ("address", "block", "source", "direction")
#: The first cell of a line that represents rows left out.
DOTS = "⋮"
#: Rows written at once: some megabytes of text.
PIECE = 1 << 15
#: The column of addresses.
ADDRESS = "address"
#: The column with the labels of the steps: literal in files, visible in tables.
STEP_LABEL = "token"
#: Columns of numbers from 0 that documents count as the problem does; and those that files have beside two of them,
#: counted and named, if these can differ.
COUNTED, STEP, UNIT_NAME = ("t", "sequence", "unit", "input"), "step", "unit_name"
#: The column with the labels of units, which are displayed like those of steps.
UNIT_LABEL = "label"


@dataclass(frozen=True)
class LongTable:
    """A table with any number of rows, which are tuples of numbers, text or None, or are read from arrays.

    columns: their names. shown: the columns shown in a document; all if empty. notes: text below it, where names in
    backquotes are columns. heading: if it is one of several.

    Selection of rows if there are many: ranked: the columns whose magnitudes decide; the first is named in the note
    about the others. timed: whether the rows run over time. adds: whether the values of `ranked` can be added.
    bounds: by column the largest number that is shown; larger ones become `> 430`. said: by column a function that
    makes the text of a value in a document, in its language; files have the values unchanged.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    heading: str = ""
    shown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ranked: tuple[str, ...] = ()
    timed: bool = False
    adds: bool = True
    bounds: Mapping[str, float] = field(default_factory=dict)
    said: Mapping[str, Callable[[Any, Words], Any]] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """The notes and the rows as plain data."""
        rows = [{k: word(v) for k, v in zip(self.columns, row, strict=True)} for row in self.rows]
        return {"notes": self.notes, "rows": rows}

    def to_frame(self) -> pd.DataFrame:
        """All rows as a pandas frame."""
        import pandas as pd

        if isinstance(self.rows, Entries):
            return self.rows.frame()
        return pd.DataFrame(list(self.rows), columns=list(self.columns))

    def blocks(self, words: Words, digits: int = 6, most: int = SHOWN, complete: str = "rows.all") -> Iterator[Block]:
        """At most `most` rows, and a note on what was left out; only the notes if there are none.

        digits: significant digits of its numbers. complete: key of the sentence that names the files with all rows.
        """
        if not self.rows:
            yield from (Para(marked(note)) for note in self.notes)
            return
        names, lines, left = self.excerpt(words, most)
        whole = [line for line in lines if line[0] != DOTS]
        numeric = {k for k in range(len(names)) if all(isinstance(line[k], int | float | Num | None) for line in whole)}
        texts = frozenset(k for k, name in enumerate(names) if name not in self.bounds and k not in numeric)
        rows = tuple(tuple(_text(value, digits) for value in line) for line in lines)
        yield Table(tuple((heading(name, words),) for name in names), rows, 1, texts)
        if left:
            yield Para((f"{left}{words.word('stop')} {words.word(complete)}",))
        yield from (Para(marked(note)) for note in self.notes)

    def excerpt(self, words: Words, most: int) -> tuple[list[str], list[list[Any]], str]:
        """The shown columns, rows of their values in at most `most` lines, and a note on what was left out.

        If values can be added, a gap has a line with their sums.
        """
        names = self.shown or self.columns
        ranked = {name: self._column(name) for name in self.ranked}
        sizes = np.max(np.abs([*ranked.values()]), axis=0) if ranked else np.ones(len(self.rows))
        entries = excerpt(sizes, most, self.timed, self.adds and bool(ranked))
        places = [self.columns.index(name) for name in names]
        rows = iter(self._take([entry for entry in entries if isinstance(entry, int)]))
        lines: list[list[Any]] = []
        for entry in entries:
            if isinstance(entry, int):
                row = next(rows)
                lines.append([self._seen(name, row[k], words) for name, k in zip(names, places, strict=True)])
            elif self.adds and ranked:
                sums = {name: float(column[entry.start : entry.stop].sum()) for name, column in ranked.items()}
                lines.append([self._seen(name, sums.get(name), words) if at else DOTS for at, name in enumerate(names)])
        return list(names), lines, self._left(words, ranked, [one for one in entries if isinstance(one, range)])

    def texts(self, style: RowStyle) -> Iterator[str]:
        """All rows as text, some at a time."""
        if isinstance(self.rows, Entries):
            yield from self.rows.texts(style)
        else:
            yield from (style.row(self.columns, list(map(style.cell, row))) for row in self.rows)

    def _seen(self, name: str, value: Any, words: Words) -> Any:
        """A value as shown in a table: a label made visible, a number beyond its bound as such."""
        if name in self.said and value is not None:
            return self.said[name](value, words)
        if name in self.bounds and value is not None and value > self.bounds[name]:
            return f"> {self.bounds[name]:g}"
        if name in COUNTED and isinstance(value, int):
            return words.nth(value)
        if name in (ADDRESS, "block", "where", "first") and value is not None:
            return words.address(value)
        return visible(value) if name in (STEP_LABEL, UNIT_LABEL) and isinstance(value, str) else value

    def _take(self, places: Sequence[int]) -> list[tuple[Any, ...]]:
        """The rows at some places, in ascending order."""
        return self.rows.take(places) if isinstance(self.rows, Entries) else [self.rows[at] for at in places]

    def _column(self, name: str) -> Array:
        if isinstance(self.rows, Entries):
            return self.rows.numbers(name)
        place = self.columns.index(name)
        return np.array([row[place] or 0.0 for row in self.rows], np.float64)

    def _left(self, words: Words, ranked: dict[str, Array], gaps: Sequence[range]) -> str:
        """The note on the rows in the gaps: how many, how large, and where the largest is."""
        if not gaps:
            return ""
        count = words.number(sum(map(len, gaps)))
        if not ranked:
            return words.word("rows.left.first", n=count)
        gone = {name: np.concatenate([column[g.start : g.stop] for g in gaps]) for name, column in ranked.items()}
        name, column = next(iter(gone.items()))
        if self.adds:
            sizes, total = np.abs(column), f"{float(column.sum()) + 0.0:.3g}"
            more = {"name": heading(name, words), "total": total}
        else:
            sizes = np.max(np.abs([*gone.values()]), axis=0)
            more = {"names": words.word("or").join(heading(name, words) for name in ranked)}
        told = words.word("rows.left.sum" if self.adds else "rows.left", n=count, most=f"{sizes.max():.3g}", **more)
        return told + self._where(words, gaps, sizes)

    def _where(self, words: Words, gaps: Sequence[range], sizes: Array) -> str:
        """The largest of the rows in the gaps by name: `(line f_t, unit 3)`; empty if all are 0."""
        at = int(np.argmax(sizes))
        if sizes[at] == 0:
            return ""
        row = self._take([next(islice(chain(*gaps), at, None))])[0]
        names = self.shown or self.columns
        names = names[: names.index(self.ranked[0])]
        cells = [(name, self._seen(name, row[self.columns.index(name)], words)) for name in names]
        said = ((name, value) for name, value in cells if isinstance(value, int | str))
        texts = (str(value) if name in SPEAKING else f"{heading(name, words)} {value}" for name, value in said)
        return f" ({', '.join(texts)})"


def heading(column: str, words: Words) -> str:
    """A column's name as shown in a table: in the language's words, or with spaces.

    >>> from lstm_trace.languages.strings import words
    >>> heading("integrated_gradients", words()), heading("gradient_x_input", words()), heading("c_t[3]", words())
    ('integrated gradients', 'gradient × input', 'c_t[3]')
    """
    if words.has(f"column.{column}"):
        return words.word(f"column.{column}")
    return column if column.endswith("]") else column.replace("_", " ")


def _text(value: Any, digits: int) -> Text:
    if value is None:
        return ()
    if isinstance(value, Num):
        return (value,)
    return (f"{value + 0.0:.{digits}g}" if isinstance(value, float) else str(value),)  # -0.0 is 0 to a reader


# -- rows from arrays --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EntryGrid:
    """One array, or several of the same shape side by side.

    address: of an entry, with `%d` for its number along each axis: `0/forward/%d/%d/h_t[%d]`.
    axes: for each axis its column and its numbers. fixed: the values common to all entries, by column.
    values: the arrays by column. A column that a grid does not have is empty; partial: the columns that are empty
    where they are NaN. labels: of the steps, as in a header; `STEP_LABEL` is empty if there is no step. beside:
    by column, what the numbers along an axis are called otherwise: the axis, and what 0, 1, … are called.
    """

    address: str
    axes: tuple[tuple[str, range], ...]
    fixed: Mapping[str, str | int]
    values: Mapping[str, Array]
    partial: frozenset[str] = frozenset()
    labels: Sequence[Sequence[str]] = ()
    beside: Mapping[str, tuple[str, Array]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(np.prod([len(numbers) for _, numbers in self.axes], dtype=np.int64))

    def index(self, places: Array) -> tuple[Array, ...]:
        """The index of the entries at `places` in C order."""
        return np.unravel_index(places, [len(numbers) for _, numbers in self.axes]) if self.axes else ()

    def read(self, places: Array) -> dict[str, Array]:
        """The columns of the entries at `places`: their numbers along each axis, the labels of their steps, values."""
        index = self.index(places)
        found: dict[str, Array] = {n: r.start + r.step * at for (n, r), at in zip(self.axes, index, strict=True)}
        found |= {column: called[found[axis]] for column, (axis, called) in self.beside.items()}
        if self.labels and "t" in found:
            batch = found["batch"].tolist() if len(self.labels) > 1 else [0] * len(places)
            rows = ((self.labels[b], t) for b, t in zip(batch, found["t"].tolist(), strict=True))
            found[STEP_LABEL] = np.array([row[t] if t < len(row) else "" for row, t in rows], object)
        for name, values in self.values.items():
            found[name] = np.broadcast_to(np.asarray(values[index], np.float64), places.shape)
        return found

    def template(self, columns: Sequence[str], style: RowStyle) -> tuple[str, list[str]]:
        """The text of a row with `%d` and `%s` for its numbers, and the names of those numbers in order."""
        cells: list[str] = []
        names: list[str] = []
        axes = [name for name, _ in self.axes]
        labelled = (STEP_LABEL,) if self.labels and "t" in axes else ()
        for column in columns:
            if column == ADDRESS:
                cells.append(style.cell(self.address))
                names += axes
            elif column in (*axes, *self.values, *self.beside, *labelled):
                cells.append("%s")
                names.append(column)
            else:
                cells.append(style.cell(self.fixed.get(column)).replace("%", "%%"))
        return style.row(columns, cells), names


class Run(NamedTuple):
    """Some consecutive rows: a number of entries of the grids.

    order: returns the position of each among the entries of all grids; called when the rows are needed.
    """

    grids: tuple[EntryGrid, ...]
    rows: int
    order: Callable[[], Array]


def every(grids: Iterable[EntryGrid]) -> Run:
    """All entries in the order of the arrays."""
    found = tuple(grids)
    count = sum(grid.size for grid in found)
    return Run(found, count, lambda: np.arange(count))


def largest_first(grids: Sequence[EntryGrid], columns: Sequence[str]) -> Run:
    """The entries with a nonzero value in one of `columns`, sorted by the magnitude in the first, largest first.

    Equal ones keep their order; NaN comes last, and so do entries without a value in the first column.
    """
    order = ordered(grids, columns, lambda grid, there: -np.abs(np.ravel(grid.values[columns[0]])[there]))
    return Run(tuple(grids), len(order), lambda: order)


def ordered(grids: Sequence[EntryGrid], columns: Sequence[str], key: Callable[[EntryGrid, Array], Array]) -> Array:
    """The positions of the entries with a nonzero value in one of `columns`, by a key; equal ones keep their order.

    key: of the entries of a grid at some places.
    """
    places, keys, start = [np.empty(0, np.int64)], [], 0
    for grid in grids:
        arrays = [grid.values[name] for name in columns if name in grid.values]
        there = np.flatnonzero(np.logical_or.reduce([array != 0 for array in arrays]))
        places.append(start + there)
        keys.append(key(grid, there))
        start += grid.size
    return np.concatenate(places)[np.argsort(np.concatenate(keys or places), kind="stable")]


class Entries(Sequence[tuple[Any, ...]]):
    """Rows of `columns` as a sequence of tuples that are made on access; an empty cell is None.

    runs: returns the rows; called when they are needed.
    """

    def __init__(self, columns: Sequence[str], runs: Callable[[], Iterable[Run]]) -> None:
        self.columns = tuple(columns)
        self._runs = runs

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The runs that have rows."""
        return tuple(run for run in self._runs() if run.rows)

    def __len__(self) -> int:
        return sum(run.rows for run in self.runs)

    def __getitem__(self, at: Any) -> Any:
        places = range(len(self))[at]
        return self.take(places) if isinstance(places, range) else self.take([places])[0]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for run, order in self._pieces():
            yield from self._tuples(run, order)

    def take(self, places: Iterable[int]) -> list[tuple[Any, ...]]:
        """The rows at `places`, in ascending order."""
        wanted = np.fromiter(places, np.int64)
        found: list[tuple[Any, ...]] = []
        begin = 0
        for run in self.runs:
            here = wanted[(begin <= wanted) & (wanted < begin + run.rows)] - begin
            if here.size:
                found += self._tuples(run, run.order()[here])
            begin += run.rows
        return found

    def numbers(self, column: str) -> Array:
        """The values of `column` in float64; an empty cell is 0."""
        found = np.zeros(len(self))
        begin = 0
        for run in self.runs:
            for grid, inside, places in _groups(run, run.order()):
                if column in grid.values:
                    found[begin + inside] = grid.values[column][grid.index(places)]
            begin += run.rows
        return found

    def texts(self, style: RowStyle) -> Iterator[str]:
        """The text of the rows, some at a time."""
        for run, order in self._pieces():
            rows = np.empty(len(order), object)
            for grid, inside, places in _groups(run, order):
                template, names = grid.template(self.columns, style)
                cells = {name: _texts(grid, name, cells, style) for name, cells in grid.read(places).items()}
                rows[inside] = list(map(template.__mod__, zip(*(cells[name] for name in names), strict=True)))
            yield style.between.join(rows.tolist())

    def frame(self) -> pd.DataFrame:
        """The rows as a pandas frame; integers become float64 if the column has empty cells."""
        import pandas as pd

        text = pd.Series(["", None]).dtype  # str from pandas 3 on
        grids = [grid for run in self.runs for grid in run.grids]
        whole = {name for grid in grids for name, _ in grid.axes} | {STEP}
        whole |= {name for grid in grids for name, value in grid.fixed.items() if isinstance(value, int)}
        numeric = whole.union(*(grid.values for grid in grids))
        found: dict[str, list[Any]] = {name: [] for name in self.columns}
        for run, order in self._pieces():
            for name, column in self._columns(run, order, numeric).items():
                found[name].append(column if name in numeric else pd.Series(column, dtype=text))
        columns: dict[str, Any] = {}
        for name in self.columns:
            if not (parts := found.pop(name)) or name not in numeric:
                columns[name] = pd.concat(parts, ignore_index=True) if parts else []
                continue
            column = np.concatenate(parts)
            columns[name] = column.astype(np.int64) if name in whole and not np.isnan(column).any() else column
        return pd.DataFrame(columns, copy=False)

    def _columns(self, run: Run, order: Array, numeric: Container[str] = ()) -> dict[str, Array]:
        """The columns of some rows. An empty cell is NaN in numeric columns, and None in others."""
        found = {name: np.full(len(order), np.nan if name in numeric else None) for name in self.columns}
        for grid, inside, places in _groups(run, order):
            read = grid.read(places)
            cells: dict[str, Any] = {**grid.fixed, **read}
            if ADDRESS in found:
                numbers = [read[name].tolist() for name, _ in grid.axes]
                cells[ADDRESS] = [grid.address % at for at in zip(*numbers, strict=True)] or [grid.address % ()]
            for name in found.keys() & cells.keys():
                partial = name in grid.partial and name not in numeric
                found[name][inside] = np.where(np.isnan(cells[name]), None, cells[name]) if partial else cells[name]
        return found

    def _pieces(self) -> Iterator[tuple[Run, Array]]:
        for run in self.runs:
            order = run.order()
            yield from ((run, order[at : at + PIECE]) for at in range(0, len(order), PIECE))

    def _tuples(self, run: Run, order: Array) -> list[tuple[Any, ...]]:
        return list(zip(*(column.tolist() for column in self._columns(run, order).values()), strict=True))


def _groups(run: Run, order: Array) -> Iterator[tuple[EntryGrid, Array, Array]]:
    """The rows of each grid: the grid, their positions in `order`, and their places in the grid."""
    ends = np.cumsum([grid.size for grid in run.grids])
    which = np.searchsorted(ends, order, side="right")
    for k in np.flatnonzero(np.bincount(which, minlength=len(run.grids))).tolist():
        grid, inside = run.grids[k], np.flatnonzero(which == k)
        yield grid, inside, order[inside] - (ends[k] - grid.size)


def _texts(grid: EntryGrid, name: str, cells: Array, style: RowStyle) -> list[Any]:
    """The cells of a column in the form of `EntryGrid.template`."""
    if name in grid.values and name not in grid.partial:
        return style.floats(cells)
    values: list[Any] = cells.tolist()
    if name in (STEP_LABEL, UNIT_NAME):
        return [*map(style.text, values)]
    return [style.cell(None if v != v else v) for v in values] if name in grid.partial else values


# -- rows as text ------------------------------------------------------------------------------------------------------


class RowStyle(NamedTuple):
    """cell: the text of one value; row: that of a row, from its columns and cells; between: separates two rows.

    floats: converts float64 values so that `%s` prints the text that `cell` returns; text: any text as written in a
    row.
    """

    cell: Callable[[Any], str]
    row: Callable[[Sequence[str], Sequence[str]], str]
    between: str
    floats: Callable[[Array], list[Any]]
    text: Callable[[str], str]


def _csv_cell(value: Any) -> str:
    """Floats with enough digits to read back equal; empty for None."""
    if isinstance(value, str):
        return guarded(value)
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def _csv_row(columns: Sequence[str], cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return printable(text.getvalue())


def _json_row(columns: Sequence[str], cells: Sequence[str]) -> str:
    """A row as `json_text(…, indent=1)` writes it in a list within an object."""
    pairs = (f"   {json_text(name)}: {cell}" for name, cell in zip(columns, cells, strict=True))
    return "  {\n" + ",\n".join(pairs) + "\n  }"


def _json_floats(values: Array) -> list[Any]:
    return values.tolist() if np.isfinite(values).all() else [json_text(word(value)) for value in values.tolist()]


#: Of a single text as of one of two: an empty one would be quoted.
CSV = RowStyle(
    _csv_cell, _csv_row, "", np.ndarray.tolist, lambda text: _csv_row((), [guarded(text), ""]).removesuffix(",\n")
)
#: NaN and infinities are words.
JSON = RowStyle(lambda value: json_text(word(value)), _json_row, ",\n", _json_floats, json_text)


def frame_as_csv(frame: pd.DataFrame) -> str:
    """A frame as CSV, without its index; none of its texts is a formula for a spreadsheet."""

    def cell(value: Any) -> Any:
        return guarded(value) if isinstance(value, str) else value

    texts = frame.apply(lambda column: column if column.dtype.kind in "iufb" else column.astype(object).map(cell))
    return printable(texts.rename(columns=guarded).to_csv(index=False, lineterminator="\n"))
