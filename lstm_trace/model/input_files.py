"""Input sequences, initial states and lengths from files: .npy, .npz, .csv, .tsv, .parquet, .json."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import to_array
from ..base.extras import missing
from ..base.files import read_bytes, read_data
from ..errors import FileError, MissingError, OptionError, ShapeError, nearest
from ..trace.files import trace_file
from ..trace.holds.values import as_number
from ..trace.trace import Trace
from ..weights.formats.npz import load_npy, members
from ..weights.guards import afford, archive, told

#: What to do with a text file that is too large.
LARGER = "give the array as .npy"
SUFFIXES = (".npy", ".npz", ".csv", ".tsv", ".parquet", ".json")


class Input(NamedTuple):
    """An array from a file, and the names of its columns where the file has them."""

    values: Any
    names: tuple[str, ...] = ()


def read_input(path: str | Path, key: str | None = None) -> Input:
    """The array in a file; a table gives a row for each step and a column for each input.

    key: which array of several (.npz, a JSON mapping), or which columns of a table, with commas between. '-' reads
    JSON from standard input. Raises FileError, MissingError (which arrays there are), OptionError (a key where nothing
    has a name), ShapeError.
    """
    suffix = Path(path).suffix.lower() if str(path) != "-" else ".json"
    if suffix == ".npy":
        _nameless(key, path)
        return Input(_numbers(load_npy(path), str(path)))
    if suffix == ".npz":
        with archive(path) as opened:
            arrays = members(path, opened)
            name = _chosen(list(arrays), key, path)
            return Input(_numbers(np.asarray(arrays[name]), f"{path}: {name}"))
    if suffix in (".csv", ".tsv"):
        return _columns(_csv(path, "\t" if suffix == ".tsv" else ","), key, path)
    if suffix == ".parquet":
        return _columns(_parquet(path), key, path)
    if suffix == ".json":
        return Input(_json(path, key))
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
            if not path.is_file():
                raise OptionError(f"hold {address!r}: {value!r} is no finite number, no multiple as *0.5, and no file")
            if path not in traces:
                traces[path] = trace_file.load(path)
            value = traces[path]
        found[address] = value
    return found


def _chosen(names: Sequence[str], key: str | None, path: Any) -> str:
    if key is not None and key in names:
        return key
    if key is None and len(names) == 1:
        return names[0]
    problem = f"no array {key!r}{nearest(key, names)}" if key is not None else "several arrays"
    raise MissingError(f"{path}: {problem}; choose one with --key: {', '.join(names[:12])}")


def _nameless(key: str | None, path: Any) -> None:
    if key is not None:
        raise OptionError(
            f"{path}: --key {key} chooses among names, and the file is one array without any; leave it out"
        )


def _numbers(values: Any, where: str) -> Any:
    if values.dtype.kind not in "fiub":
        raise ShapeError(f"{where} has the dtype {values.dtype}; expected numbers")
    return values


def _json(path: str | Path, key: str | None) -> Any:
    data = read_data(path, read_bytes(path, LARGER))
    if isinstance(data, dict):
        name = _chosen([str(k) for k in data], key or ("x" if "x" in data else None), path)
        data, where = data[name], f"{path}: {name}"
    else:
        _nameless(key, path)
        where = str(path)
    try:
        return to_array(data)
    except ValueError as error:
        raise ShapeError(f"{where}: {error}") from None


def _csv(path: str | Path, separator: str) -> tuple[list[str], Any]:
    """Names of the columns (none without a heading) and the numbers, a row for each step."""
    try:
        text = read_bytes(path, LARGER).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
    except csv.Error as error:
        raise FileError(f"{path}: {error}") from None
    heading = rows.pop(0) if rows and not all(map(_is_number, rows[0])) else []
    if not rows:
        raise FileError(f"{path}: no rows of numbers")
    width = len(heading or rows[0])
    values = np.empty((len(rows), width))
    for at, row in enumerate(rows):
        line = at + 1 + bool(heading)
        if len(row) != width:
            raise ShapeError(f"{path}: row {line} has {len(row)} columns where the first has {width}")
        wrong = next((k for k, cell in enumerate(row) if not _is_number(cell)), None)
        if wrong is not None:
            name = heading[wrong] if heading else f"column {wrong + 1}"
            hint = "; a decimal comma? write a point" if "," in row[wrong] else ""
            raise ShapeError(f"{path}: row {line}, {name}: expected a number, found {row[wrong]!r}{hint}")
        values[at] = [float(cell) for cell in row]
    return [name.strip() for name in heading], values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _parquet(path: str | Path) -> tuple[list[str], Any]:
    try:
        import pyarrow.lib
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingError(missing(str(path), "pyarrow")) from None
    with told(path, pyarrow.lib.ArrowException, ValueError, TypeError):
        opened = parquet.ParquetFile(path)
        schema = opened.schema_arrow
        wrong = [f"{f.name} ({f.type})" for f in schema if not _is_numeric(f.type)]
        if wrong:
            raise ShapeError(f"{path}: columns that are not numbers: {', '.join(wrong[:6])}; choose others with --key")
        groups = [opened.metadata.row_group(at) for at in range(opened.metadata.num_row_groups)]
        afford(
            opened.metadata.num_rows * max(len(schema), 1) * 8,
            sum(group.total_byte_size for group in groups),
            str(path),
        )
        table = opened.read()
        nulls = [name for name in table.column_names if table.column(name).null_count]
        if nulls:
            raise ShapeError(f"{path}: {nulls[0]} has {table.column(nulls[0]).null_count} empty cells")
        columns = [table.column(name).to_numpy() for name in table.column_names]
        return table.column_names, np.stack(columns, axis=-1) if columns else np.empty((0, 0))


def _is_numeric(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind))


def _columns(table: tuple[list[str], Any], key: str | None, path: Any) -> Input:
    names, values = table
    if key is None:
        return Input(values, tuple(names))
    wanted = [part.strip() for part in key.split(",")]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise MissingError(
            f"{path}: no column {missing[0]!r}{nearest(missing[0], names)}; there are {', '.join(names) or 'no names'}"
        )
    return Input(values[:, [names.index(name) for name in wanted]], tuple(wanted))
