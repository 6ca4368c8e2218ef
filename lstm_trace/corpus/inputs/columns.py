"""The meaning of the columns of an input: their names here, and whether a row is a step or a whole sequence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import LONGEST, Array
from ...errors import FileError, ShapeError, nearest
from ...weights.guards import told
from ..rows import SEQUENCE, STEP, TOKEN, Rows, SequenceIndex, compute, pa

#: x as one column of lists, or as a column for each input.
X, WIDE = "x", re.compile(r"x_(0|[1-9][0-9]{0,6})")
#: Columns that every part has.
_TAKEN = ("layer", "direction")


class Names(NamedTuple):
    """The names of columns in a file: of the sequence, of x or the stem of `x_0`, …, of the numbers of tokens."""

    id: str = SEQUENCE
    x: str = X
    ids: str | None = None

    def ours(self, name: str) -> str:
        """Our name of a column; empty for a column that is left out because another one has that name."""
        if name == self.id:
            return SEQUENCE
        ours = X + name.removeprefix(self.x)
        if name.startswith(self.x) and re.fullmatch(rf"x|{WIDE.pattern}", ours):
            return ours
        if re.fullmatch(rf"{SEQUENCE}|x|{WIDE.pattern}|__index_level_.*", name):
            return ""
        return f"{name}_" if name in _TAKEN else name


class Columns(NamedTuple):
    """The columns that are read: our names by those in the file, and which of them have a value for each step.

    If there are any of those, a row is a whole sequence.
    """

    names: dict[str, str]
    lists: tuple[str, ...]

    def renamed(self, table: Any) -> Any:
        """A table of the file, or some of its columns, with our names."""
        there = [name for name in self.names if name in table.column_names]
        return table.select(there).rename_columns([self.names[name] for name in there])

    def lengths(self, table: Any) -> Array | None:
        """The steps of each row of a table with our names; None if a row is a step."""
        name = next((name for name in table.column_names if name in self.lists), None)
        return None if name is None else list_lengths(table.column(name))

    def steps(self, table: Any, where: str) -> Any:
        """A row for each step, from a table with our names. Raises ShapeError."""
        if (counts := self.lengths(table)) is None:
            return table
        check_full(table, where)
        repeated, found = pa.array(np.repeat(np.arange(len(counts)), counts)), {}
        for name in table.column_names:
            column = table.column(name)
            if name not in self.lists:
                found[name] = column.take(repeated)
                continue
            if (k := first(list_lengths(column) != counts)) is not None:
                said = f"{name} has {len(column[k])} values for {counts[k]} steps; expected one for each step"
                raise ShapeError(f"{where}: sequence {table.column(SEQUENCE)[k].as_py()!r}: {said}")
            found[name] = compute.list_flatten(column)
        firsts = np.repeat(np.cumsum(counts) - counts, counts)
        return pa.table({STEP: pa.array(np.arange(len(firsts), dtype=np.int32) - firsts)} | found)


def columns_of(schema: Any, names: Names, where: str) -> Columns:
    """The columns of a file that are read; what is nested deeper than a value for each step is left out.

    Raises FileError if no column says which sequence a row belongs to.
    """
    if twice := [name for name, count in Counter(schema.names).items() if count > 1]:
        raise FileError(f"{where}: there are two columns {twice[0]!r}; rename or remove one of them")
    ours = {field.name: names.ours(field.name) for field in schema}
    if SEQUENCE not in ours.values():
        said = f"there is no column {names.id!r}, which says which sequence a row belongs to"
        raise FileError(f"{where}: {said}{nearest(names.id, ours, 'there are')}; name it with --id (id=)")
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
    """How a message refers to a row of a table, or of a part of one."""
    said = f"sequence {table.column(SEQUENCE)[row].as_py()!r}"
    return f"{said}, t = {table.column(STEP)[row].as_py()}" if STEP in table.column_names else said


def first(wrong: Array) -> int | None:
    """The first place at which something is true; None if it is nowhere true."""
    return int(np.argmax(wrong)) if wrong.any() else None


def is_text(kind: Any) -> bool:
    """Whether a type is text, plain or by a dictionary."""
    return str(kind.value_type if pa.types.is_dictionary(kind) else kind) in ("string", "large_string", "string_view")


def is_number(kind: Any) -> bool:
    """Whether a type is numeric."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def list_lengths(column: Any) -> Array:
    """How many values the list in each row has."""
    return compute.list_value_length(column).to_numpy(zero_copy_only=False)


def _depth(kind: Any) -> int:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return 1 + _depth(kind.value_type) if any(is_list(kind) for is_list in lists) else 0


def _plain(kind: Any) -> bool:
    return _plain(kind.value_type) if _depth(kind) else is_text(kind) or is_number(kind) or pa.types.is_temporal(kind)


_STEPS = "0, 1, 2, …, and an id of its own for each sequence"


def indexed(tables: Iterable[tuple[Any, Array | None]], where: str) -> SequenceIndex:
    """The sequences in tables with `seq_id`, possibly with `t`, that come with the steps of each row; None: one step
    each.

    Raises FileError, ShapeError with the first row that is wrong.
    """
    ids, before, places, last, last_t, count, steps = [], [], [], None, -1, 0, 0
    for table, lengths in tables:
        check_full(table, where, count)
        found, new = _ids(table, where), np.ones(table.num_rows, bool)
        if lengths is None:
            new = np.concatenate([[found[0].as_py() != last], _changes(found)])
            lengths, last = np.ones(table.num_rows, np.int64), found[-1].as_py()
            if STEP in table.column_names:
                t = _t(table, where)
                if (k := first(~new & (np.diff(t, prepend=last_t) != 1))) is not None:
                    said = f"t is {t[k]} after {t[k - 1] if k else last_t} in the same sequence"
                    raise ShapeError(f"{where}: row {count + k}: {said}; expected {_STEPS}")
                last_t = t[-1]
        if (k := first(lengths < 1)) is not None:
            raise ShapeError(f"{where}: row {count + k}: {spot(table, k)} has no steps")
        ends = steps + np.cumsum(lengths, dtype=np.int64)
        ids += found.filter(pa.array(new)).chunks
        before.append((ends - lengths)[new])
        places.append(count + np.flatnonzero(new))
        count, steps = count + table.num_rows, int(ends[-1])
    if not count:
        raise FileError(f"{where}: it contains no sequences")
    every = pa.chunked_array(ids)
    counts = every.value_counts()
    if (k := first(counts.field(1).to_numpy() > 1)) is not None:
        said = f"the sequence {counts.field(0)[k].as_py()!r} is in two places; sort the rows by sequence and step"
        raise ShapeError(f"{where}: {said}, and give each sequence an id of its own")
    begin = np.concatenate([*before, [steps]])
    return SequenceIndex(every.to_numpy(), np.diff(begin), np.concatenate([*places, [count]]))


def rows(table: Any, x: Array, where: str) -> Rows:
    """The rows of a part, from a table with a row for each step, and x (R, I). Raises FileError, ShapeError."""
    found = _ids(table, where)
    starts = np.concatenate([[0], np.flatnonzero(_changes(found)) + 1])
    lengths = np.diff(starts, append=len(found))
    t = np.arange(len(found), dtype=np.int32) - np.repeat(starts, lengths)
    if STEP in table.column_names:
        said = _t(table, where)
        if (r := first(said - t != np.repeat(said[starts], lengths))) is not None:
            raise ShapeError(f"{where}: {spot(table, r)}: expected {_STEPS}")
        t = said
    if (at := first(~np.isfinite(x))) is not None:
        r, k = divmod(at, x.shape[1])
        raise ShapeError(f"{where}: {spot(table, r)}: x[{k}] is {x[r, k]}; expected a finite number")
    names = [n for n in table.column_names if n not in (SEQUENCE, STEP, X) and not WIDE.fullmatch(n)]
    more = {name: _array(table, name, where) for name in names}
    token = more.pop(TOKEN, None)
    ids = found.take(pa.array(starts)).to_numpy()
    return Rows(ids, lengths, x, t, token if token is None else token.cast(pa.string()), more)


def inputs(table: Any, where: str, width: int = 0) -> Array | None:
    """x of a table with a row for each step, (R, I); None if it has none. width: I; that of the first row if 0.

    Raises ShapeError.
    """
    names = sorted((name for name in table.column_names if WIDE.fullmatch(name)), key=lambda name: int(name[2:]))
    if (k := first(np.array([name != f"x_{k}" for k, name in enumerate(names)]))) is not None:
        raise ShapeError(f"{where}: there is {names[-1]} and no x_{k}; expected x_0, x_1, … without a gap")
    names = names or [X] * (X in table.column_names)
    if not names:
        return None
    kinds = [table.schema.field(name).type for name in names]
    lists = names == [X] and hasattr(kinds[0], "value_type")
    numbers = [kinds[0].value_type] if lists else kinds
    if other := [kind for kind in numbers if not is_number(kind)]:
        raise ShapeError(f"{where}: x has the type {other[0]}; expected numbers")
    width = (width or len(table.column(X)[0])) if lists else len(names)
    dtype = np.result_type(np.float32, *{kind.to_pandas_dtype() for kind in numbers})
    x, at = np.empty((table.num_rows, width), dtype), 0
    for batch in table.to_batches():
        here, at = x[at : at + len(batch)], at + len(batch)
        if lists:
            here[:] = _flat(batch, width, where)
        else:
            for k, name in enumerate(names):
                here[:, k] = batch.column(name).to_numpy(zero_copy_only=False)
    return x


def _flat(batch: Any, width: int, where: str) -> Array:
    column = batch.column(X)
    if (r := first(list_lengths(column) != width)) is not None:
        raise ShapeError(f"{where}: {spot(batch, r)}: x has {len(column[r])} numbers; expected I = {width}")
    values = column.flatten()
    if values.null_count:
        r = compute.index(values.is_null(), True).as_py() // width
        raise ShapeError(f"{where}: {spot(batch, r)}: a number of x is empty")
    return values.to_numpy(zero_copy_only=False).reshape(-1, width)


def _array(table: Any, name: str, where: str) -> Any:
    """A column as an array of Arrow; no text in it may be longer than a label. Raises FileError."""
    found = table.column(name).unify_dictionaries().combine_chunks()
    if not is_text(found.type):
        return found
    texts = found.dictionary if pa.types.is_dictionary(found.type) else found
    with told(f"{where}: {name}", pa.ArrowInvalid):
        texts.validate(full=True)  # nothing has checked that they are UTF-8
    most = compute.max(compute.utf8_length(texts)).as_py() or 0
    if most > LONGEST:
        raise FileError(f"{where}: {name} has a text of {most:,} characters; expected {LONGEST:,} at most")
    return found.cast(pa.string())


def _ids(table: Any, where: str) -> Any:
    column = table.column(SEQUENCE)
    if is_text(column.type):
        return pa.chunked_array([_array(table, SEQUENCE, where)])
    if not pa.types.is_integer(column.type):
        raise FileError(f"{where}: {SEQUENCE} has the type {column.type}; expected whole numbers or texts")
    return column.cast(pa.int64())


def _t(table: Any, where: str) -> Array:
    with told(f"{where}: {STEP}", pa.ArrowInvalid):
        return table.column(STEP).cast(pa.int32()).to_numpy()


def _changes(ids: Any) -> Array:
    return compute.not_equal(ids[1:], ids[:-1]).to_numpy()
