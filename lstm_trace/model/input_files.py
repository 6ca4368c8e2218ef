"""Input sequences, initial states, lengths and labels from files: .npy, .npz, .csv, .tsv, .parquet, .json."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import as_texts, to_array
from ..base.extras import missing
from ..base.files import read_bytes, read_data
from ..base.writing import read_from
from ..errors import FileError, MissingError, OptionError, ShapeError, nearest
from ..trace.files import trace_file
from ..trace.holding import as_number
from ..trace.trace import Trace
from ..weights.formats.npz import load_npy, members
from ..weights.guards import afford, archive, told

#: What to do with a text file that is too large.
LARGER = "give the array as .npy"
SUFFIXES = (".npy", ".npz", ".csv", ".tsv", ".parquet", ".json")


class Input(NamedTuple):
    """An array from a file, the names of its columns where the file has them, and the labels of its steps."""

    values: Any
    names: tuple[str, ...] = ()
    tokens: Any = None


class Wanted(NamedTuple):
    """What is read of a file that has several arrays or columns.

    role: what it is for, which is its name where no `key` is given: x, h0, mask, …. key: which array, or which columns
    of a table, with commas between. token_column: the array or column with the labels of the steps. others: names of
    arrays and columns that are read for something else, and are no input.
    """

    role: str = "x"
    key: str | None = None
    token_column: str | None = None
    others: tuple[str, ...] = ()

    def among(self, names: Iterable[str]) -> list[str]:
        """Those that may be meant."""
        return [name for name in names if name != self.token_column and name not in self.others]


def read_input(
    path: str | Path,
    key: str | None = None,
    token_column: str | None = None,
    role: str = "x",
    others: tuple[str, ...] = (),
) -> Input:
    """The array in a file; a table gives a row for each step and a column for each input.

    key, token_column, role, others: see `Wanted`. Dates and numbers among the labels of steps become texts. '-' reads
    JSON from standard input. Raises FileError, MissingError (which arrays there are), OptionError (a key where nothing
    has a name), ShapeError.
    """
    suffix = Path(path).suffix.lower() if str(path) != "-" else ".json"
    wanted = Wanted(role, key, token_column, others)
    if suffix == ".npy":
        _nameless(key, token_column, path)
        return Input(_numbers(load_npy(path), str(path)))
    if suffix == ".npz":
        with archive(path) as opened:
            arrays = members(path, opened)
            name = _chosen(list(arrays), wanted, path)
            values = _numbers(np.asarray(arrays[name]), f"{path}: {name}")
            return Input(values, (), _tokens(arrays, token_column, path))
    if suffix in (".csv", ".tsv"):
        return _csv(path, "\t" if suffix == ".tsv" else ",", wanted)
    if suffix == ".parquet":
        return _parquet(path, wanted)
    if suffix == ".json":
        return _json(path, wanted)
    raise FileError(f"{path}: arrays are read from {', '.join(SUFFIXES)}")


def read_holds(hold: Mapping[str, Any], folder: str | Path = "") -> dict[str, Any]:
    """What is to be held, with a trace for each path of one. folder: the one that paths begin in.

    Raises OptionError for a text that is neither a number, a multiple nor the path of a file; FileError for a file
    that is no trace.
    """
    found: dict[str, Any] = {}
    traces: dict[Path, Trace] = {}
    for address, value in hold.items():
        if isinstance(value, str) and as_number(value) is None:
            path = Path(folder, value.strip())
            if not os.path.isfile(path):  # False also for what can be no path
                there = f"{path.absolute()} is no file" if os.path.exists(path) else f"there is no {path.absolute()}"
                raise OptionError(
                    f"hold {address!r}: {value!r} is not a finite number, a multiple such as *0.5, or an existing "
                    f"file: {there}; save a trace there with lstm-trace run, or give its path"
                )
            if path not in traces:
                read_from(path)
                traces[path] = trace_file.load(path)
            value = traces[path]
        found[address] = value
    return found


def _chosen(there: Sequence[str], wanted: Wanted, path: Any) -> str:
    """The name of one of several arrays. Raises MissingError."""
    names, key = wanted.among(there), wanted.key
    if key is None and wanted.role in names:
        return wanted.role
    if key is not None and key in names:
        return key
    if key is None and len(names) == 1:
        return names[0]
    listed = ", ".join(names[:12])
    if wanted.role != "x":
        raise MissingError(f"{path}: several arrays, and none is called {wanted.role}: {listed}")
    problem = f"no array {key!r}{nearest(key, names)}" if key is not None else "several arrays"
    raise MissingError(f"{path}: {problem}; choose one with --key: {listed}")


def _nameless(key: str | None, token_column: str | None, path: Any) -> None:
    for option, name in (("--key", key), ("--token-column", token_column)):
        if name is not None:
            raise OptionError(
                f"{path}: {option} {name} chooses among names, and the file is one array without any; leave it out"
            )


def _tokens(arrays: Any, name: str | None, path: Any) -> Any:
    """The labels in one of several arrays. Raises MissingError, ShapeError."""
    if name is None:
        return None
    if name not in arrays:
        raise _no_labels(name, list(arrays), path, "array")
    values = arrays[name]
    return _labels(np.asarray(values) if hasattr(values, "dtype") else values, name, path)


def _no_labels(name: str, known: Sequence[str], path: Any, what: str) -> MissingError:
    there = ", ".join(known[:12]) or "no names"
    return MissingError(f"{path}: no {what} {name!r} for --token-column{nearest(name, known)}; there are {there}")


def _labels(values: Any, name: str, path: Any) -> list[Any]:
    """Labels of the steps. Raises ShapeError for what is no text, number or date."""
    try:
        return as_texts(values)
    except ValueError as error:
        raise ShapeError(f"{path}: {name}: {error}") from None


def _numbers(values: Any, where: str) -> Any:
    if values.dtype.kind not in "fiub":
        raise ShapeError(f"{where} has the dtype {values.dtype}; expected numbers")
    return values


def _json(path: str | Path, wanted: Wanted) -> Input:
    data, tokens = read_data(path, read_bytes(path, LARGER)), None
    if isinstance(data, dict):
        tokens = _tokens(data, wanted.token_column, path)
        name = _chosen([str(k) for k in data], wanted, path)
        data, where = data[name], f"{path}: {name}"
    else:
        _nameless(wanted.key, wanted.token_column, path)
        where = str(path)
    try:
        return Input(to_array(data), (), tokens)
    except ValueError as error:
        raise ShapeError(f"{where}: {error}") from None


def _csv(path: str | Path, separator: str, wanted: Wanted) -> Input:
    """The numbers, a row for each step; the names of the columns are those of a heading."""
    try:
        text = read_bytes(path, LARGER).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
    except csv.Error as error:
        raise FileError(f"{path}: {error}") from None
    heading = [name.strip() for name in rows.pop(0)] if rows and not all(map(_is_number, rows[0])) else []
    if not rows:
        raise FileError(f"{path}: no rows of numbers")
    width = len(heading or rows[0])
    token_column = wanted.token_column
    fed = _fed(heading, wanted, path)
    columns = list(range(width)) if fed is None else [heading.index(name) for name in fed]
    values = np.empty((len(rows), len(columns)))
    for at, row in enumerate(rows):
        line = at + 1 + bool(heading)
        if len(row) != width:
            raise ShapeError(f"{path}: row {line} has {len(row)} columns where the first has {width}")
        wrong = next((k for k in columns if not _is_number(row[k])), None)
        if wrong is not None:
            name = heading[wrong] if heading else f"column {wrong + 1}"
            hint = "; a decimal comma? write a point" if re.fullmatch(r"\s*[-+]?[\d.]*,\d+\s*", row[wrong]) else ""
            if not hint and heading and not any(_is_number(other[wrong]) for other in rows if len(other) == width):
                hint = f"; labels of the steps? --token-column {name!r}"
            raise ShapeError(f"{path}: row {line}, {name}: expected a number, found {row[wrong]!r}{hint}")
        values[at] = [float(row[k]) for k in columns]
    labels = None if token_column is None else [row[heading.index(token_column)] for row in rows]
    return Input(values, tuple(fed or ()), labels)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _fed(names: Sequence[str], asked: Wanted, path: Any) -> list[str] | None:
    """The columns of a table that are input; None for all of a table whose columns have no names."""
    key, token_column = asked.key, asked.token_column
    if token_column is not None and token_column not in names:
        raise _no_labels(token_column, names, path, "column")
    if key is None and asked.role != "x" and asked.role in names:
        return [asked.role]
    if key is None:
        return asked.among(names) or None
    wanted = [part.strip() for part in key.split(",")]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise MissingError(
            f"{path}: no column {missing[0]!r}{nearest(missing[0], names)}; there are {', '.join(names) or 'no names'}"
        )
    if token_column in wanted:
        raise OptionError(
            f"{path}: --key and --token-column both name {token_column}: a column is input, or holds the labels of the "
            "steps"
        )
    return wanted


def _parquet(path: str | Path, wanted: Wanted) -> Input:
    token_column = wanted.token_column
    try:
        import pyarrow.lib
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingError(missing(str(path), "pyarrow")) from None
    with told(path, pyarrow.lib.ArrowException, ValueError, TypeError):
        opened = parquet.ParquetFile(path)
        schema = opened.schema_arrow
        fed = _fed(schema.names, wanted, path) or []
        wrong = [f"{f.name} ({f.type})" for f in schema if f.name in fed and not _is_numeric(f.type)]
        if wrong:
            raise ShapeError(f"{path}: columns that are not numbers: {', '.join(wrong[:6])}; choose others with --key")
        groups = [opened.metadata.row_group(at) for at in range(opened.metadata.num_row_groups)]
        afford(
            opened.metadata.num_rows * max(len(schema), 1) * 8,
            sum(group.total_byte_size for group in groups),
            str(path),
        )
        table = opened.read([*fed, *([] if token_column is None else [token_column])])
        nulls = [name for name in fed if table.column(name).null_count]
        if nulls:
            raise ShapeError(f"{path}: {nulls[0]} has {table.column(nulls[0]).null_count} empty cells")
        columns = [table.column(name).to_numpy() for name in fed]
        labels = None if token_column is None else table.column(token_column).to_pylist()
        values = np.stack(columns, axis=-1) if columns else np.empty((0, 0))
        return Input(values, tuple(fed), None if labels is None else _labels(labels, str(token_column), path))


def _is_numeric(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind))
