"""What the columns of an input are: their names here, and whether a row is a step or a whole sequence."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...errors import FileError, ShapeError, nearest
from ..arrow import compute, pa
from ..rows import SEQUENCE, STEP, TOKEN

#: x as one column of lists, or as a column for each input.
X, WIDE = "x", re.compile(r"x_(0|[1-9]\d{0,6})")
#: Columns that a part has of its own.
_TAKEN = ("layer", "direction")


class Names(NamedTuple):
    """What columns are called in a file: the sequence's, x or the stem of `x_0`, …, that of the numbers of tokens."""

    id: str = SEQUENCE
    x: str = X
    ids: str | None = None

    def ours(self, name: str) -> str:
        """What a column is called here; empty for one that is left out, since another one is called so."""
        if name == self.id:
            return SEQUENCE
        ours = X + name.removeprefix(self.x)
        if name.startswith(self.x) and re.fullmatch(rf"x|{WIDE.pattern}", ours):
            return ours
        if re.fullmatch(rf"{SEQUENCE}|x|{WIDE.pattern}|__index_level_.*", name):
            return ""
        return f"{name}_" if name in _TAKEN else name


class Columns(NamedTuple):
    """The columns that are read: our names by those of the file, and those of them that have a value for each step.

    A row is a whole sequence where there are such.
    """

    names: dict[str, str]
    lists: tuple[str, ...]

    def renamed(self, table: Any) -> Any:
        """A table of the file, or some columns of it, by our names."""
        there = [name for name in self.names if name in table.column_names]
        return table.select(there).rename_columns([self.names[name] for name in there])

    def lengths(self, table: Any) -> Array | None:
        """The steps of each row of a table with our names; None where a row is a step."""
        name = next((name for name in table.column_names if name in self.lists), None)
        return None if name is None else list_lengths(table.column(name))

    def steps(self, table: Any, where: str) -> Any:
        """A row for each step, from a table with our names. Raises ShapeError."""
        counts = self.lengths(table)
        if counts is None:
            return table
        check_full(table, where)
        repeated, found = pa.array(np.repeat(np.arange(len(counts)), counts)), {}
        for name in table.column_names:
            column = table.column(name)
            if name not in self.lists:
                found[name] = column.take(repeated)
                continue
            wrong = np.flatnonzero(list_lengths(column) != counts)
            if wrong.size:
                k = int(wrong[0])
                raise ShapeError(
                    f"{where}: sequence {table.column(SEQUENCE)[k].as_py()!r}: {name} has "
                    f"{len(column[k])} values and there are {counts[k]} steps; expected one for each"
                )
            found[name] = compute.list_flatten(column)
        firsts = np.repeat(np.cumsum(counts) - counts, counts)
        return pa.table({STEP: pa.array(np.arange(len(firsts), dtype=np.int32) - firsts)} | found)


def columns_of(schema: Any, names: Names, where: str) -> Columns:
    """The columns of a file that are read; what is nested deeper than a value for each step is left out.

    Raises FileError where none says of what sequence a row is.
    """
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    if twice:
        raise FileError(f"{where}: there are two columns {twice[0]!r}; rename or remove one of them")
    ours = {field.name: names.ours(field.name) for field in schema}
    if SEQUENCE not in ours.values():
        raise FileError(
            f"{where}: there is no column {names.id!r}, which says of what sequence a row is"
            f"{nearest(names.id, ours, 'there are')}; name it with --id (id=)"
        )
    depths = {name: _depth(schema.field(name).type) for name in ours}
    whole = any(depths[n] == 1 + (o == X) for n, o in ours.items() if o in (X, TOKEN, STEP, names.ids))
    kept = {n: o for n, o in ours.items() if o and depths[n] <= whole + (o == X) and _plain(schema.field(n).type)}
    for name, count in Counter(kept.values()).items():
        if count > 1:
            both = " and ".join(repr(n) for n, o in kept.items() if o == name)
            raise FileError(f"{where}: the columns {both} would both be {name!r} in the states; rename or remove one")
    return Columns(kept, tuple(o for n, o in kept.items() if whole and depths[n]))


def check_full(table: Any, where: str, before: int | None = None) -> None:
    """Raise ShapeError for the first empty cell. before: rows of the file before this table, to count them."""
    for name in table.column_names:
        if table.column(name).null_count:
            row = compute.index(table.column(name).is_null(), True).as_py()
            place = spot(table, row) if before is None else f"row {before + row}"
            raise ShapeError(f"{where}: {place}: {name} is empty; expected a value in every row")


def spot(table: Any, row: int) -> str:
    """A row of a table, or of a part of one, as a message calls it."""
    said = f"sequence {table.column(SEQUENCE)[row].as_py()!r}"
    return f"{said}, t = {table.column(STEP)[row].as_py()}" if STEP in table.column_names else said


def is_text(kind: Any) -> bool:
    """Whether it is a type of texts, plain or by a dictionary."""
    return str(kind.value_type if pa.types.is_dictionary(kind) else kind) in ("string", "large_string", "string_view")


def is_number(kind: Any) -> bool:
    """Whether it is a type of numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def list_lengths(column: Any) -> Array:
    """How many values the list in each row has."""
    return compute.list_value_length(column).to_numpy(zero_copy_only=False)


def _depth(kind: Any) -> int:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return 1 + _depth(kind.value_type) if any(is_list(kind) for is_list in lists) else 0


def _plain(kind: Any) -> bool:
    return _plain(kind.value_type) if _depth(kind) else is_text(kind) or is_number(kind) or pa.types.is_temporal(kind)
