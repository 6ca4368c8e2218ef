"""Tables with a row for each step, of whatever file: which sequences are in them, and the rows of a part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...base.arrays import LONGEST, Array
from ...errors import FileError, ShapeError
from ...weights.guards import told
from ..arrow import compute, pa
from ..rows import SEQUENCE, STEP, TOKEN, Index, Rows
from .columns import WIDE, X, check_full, is_number, is_text, list_lengths, spot

_STEPS = "0, 1, 2, …, and an id of its own for each sequence"


def indexed(tables: Iterable[tuple[Any, Array | None]], where: str) -> Index:
    """The sequences in tables with `seq_id`, perhaps with `t`, that come with the steps of each row; None: a step each.

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
                gaps = np.flatnonzero(~new & (np.diff(t, prepend=last_t) != 1))
                if gaps.size:
                    k = int(gaps[0])
                    said = f"t is {t[k]} after {t[k - 1] if k else last_t} in the same sequence"
                    raise ShapeError(f"{where}: row {count + k}: {said}; expected {_STEPS}")
                last_t = t[-1]
        empty = np.flatnonzero(lengths < 1)
        if empty.size:
            raise ShapeError(f"{where}: row {count + empty[0]}: {spot(table, int(empty[0]))} has no steps")
        ends = steps + np.cumsum(lengths, dtype=np.int64)
        ids += found.filter(pa.array(new)).chunks
        before.append((ends - lengths)[new])
        places.append(count + np.flatnonzero(new))
        count, steps = count + table.num_rows, int(ends[-1])
    if not count:
        raise FileError(f"{where}: there are no sequences in it")
    every = pa.chunked_array(ids)
    if len(every.unique()) < len(every):
        counts = every.value_counts()
        twice = counts.field(0)[int(np.argmax(counts.field(1).to_numpy() > 1))].as_py()
        raise ShapeError(
            f"{where}: the sequence {twice!r} is in two places; sort the rows by sequence and step, and give each "
            "sequence an id of its own"
        )
    return Index(every.to_numpy(), np.diff(np.concatenate([*before, [steps]])), np.concatenate([*places, [count]]))


def rows(table: Any, x: Array, where: str) -> Rows:
    """The rows of a part, from a table with a row for each step, and x (R, I). Raises FileError, ShapeError."""
    found = _ids(table, where)
    starts = np.concatenate([[0], np.flatnonzero(_changes(found)) + 1])
    lengths = np.diff(starts, append=len(found))
    t = np.arange(len(found), dtype=np.int32) - np.repeat(starts, lengths)
    if STEP in table.column_names:
        said = _t(table, where)
        wrong = np.flatnonzero(said - t != np.repeat(said[starts], lengths))
        if wrong.size:
            raise ShapeError(f"{where}: {spot(table, int(wrong[0]))}: expected {_STEPS}")
        t = said
    if not np.isfinite(x).all():
        r, k = np.argwhere(~np.isfinite(x))[0]
        raise ShapeError(f"{where}: {spot(table, int(r))}: x[{k}] is {x[r, k]}; expected a finite number")
    names = [n for n in table.column_names if n not in (SEQUENCE, STEP, X) and not WIDE.fullmatch(n)]
    more = {name: _array(table, name, where) for name in names}
    token = more.pop(TOKEN, None)
    ids = found.take(pa.array(starts)).to_numpy()
    return Rows(ids, lengths, x, t, token if token is None else token.cast(pa.string()), more)


def inputs(table: Any, where: str, width: int = 0) -> Array | None:
    """x of a table with a row for each step, (R, I); None where it has none. width: I; of the first row if 0.

    Raises ShapeError.
    """
    names = sorted((name for name in table.column_names if WIDE.fullmatch(name)), key=lambda name: int(name[2:]))
    if names and names[-1] != f"x_{len(names) - 1}":
        absent = next(k for k, name in enumerate(names) if name != f"x_{k}")
        raise ShapeError(f"{where}: there is {names[-1]} and no x_{absent}; expected x_0, x_1, … without a gap")
    names = names or [X] * (X in table.column_names)
    kinds = [table.schema.field(name).type for name in names]
    if not names:
        return None
    lists = names == [X] and hasattr(kinds[0], "value_type")
    numbers = [kinds[0].value_type] if lists else kinds
    other = [kind for kind in numbers if not is_number(kind)]
    if other:
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
    wrong = np.flatnonzero(list_lengths(column) != width)
    if wrong.size:
        r = int(wrong[0])
        said = f"x has {len(column[r])} numbers; expected I = {width}"
        raise ShapeError(f"{where}: {spot(batch, r)}: {said}")
    values = column.flatten()
    if values.null_count:
        r = compute.index(values.is_null(), True).as_py() // width
        raise ShapeError(f"{where}: {spot(batch, r)}: a number of x is empty")
    return values.to_numpy(zero_copy_only=False).reshape(-1, width)


def _array(table: Any, name: str, where: str) -> Any:
    """A column as an array of Arrow; of texts no longer than a label may be. Raises FileError."""
    found = table.column(name).unify_dictionaries().combine_chunks()
    if not is_text(found.type):
        return found
    texts = found.dictionary if pa.types.is_dictionary(found.type) else found
    with told(f"{where}: {name}", pa.ArrowInvalid):
        texts.validate(full=True)  # nobody has looked whether they are UTF-8
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
