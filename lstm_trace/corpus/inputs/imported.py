"""Sequences that are not in Parquet: written as such once, beside the states, with a row for each step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from ...base.writing import written
from ...errors import FileError, ShapeError
from ...weights.guards import told
from ..arrow import pa, parquet
from ..rows import SEQUENCE
from .columns import WIDE, Names, X, columns_of
from .readers import Row
from .table_file import hashed

#: Steps that are gathered before they are written.
GATHERED = 1 << 14
_WRONG = (pa.lib.ArrowException, ValueError, TypeError, OverflowError)


def kept(folder: Path, name: str, write: Callable[[IO[bytes]], Any], origin: str = "") -> Path:
    """A file of the folder, which is not written over what another run has left there: a hash is part of its name.

    origin: hash of what it is made from; what is there of the same already is kept. Of its content, if it is empty.
    """
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    stem, _, suffix = name.partition(".")
    path = folder.absolute() / f"{stem}-{origin[:16] or uuid4().hex}.{suffix}"
    if origin and path.exists():
        return path
    with written(path, "wb", durable=True) as file:
        write(file)
    return path if origin else path.replace(path.with_name(f"{stem}-{hashed([path], [])[:16]}.{suffix}"))


def imported(rows: Iterable[Row], names: Names, folder: Path, where: str, origin: str = "") -> Path:
    """The file of some sequences or steps, see `kept`. Raises FileError, ShapeError; then nothing is left."""

    def write(file: IO[bytes]) -> None:
        schema = columns = out = None
        with told(where, *_WRONG):
            try:
                for group in _groups(rows):
                    table = _table(group, schema, names, where)
                    schema, columns = table.schema, columns or columns_of(table.schema, names, where)
                    steps = columns.steps(columns.renamed(table), where)
                    few = [field.name for field in steps.schema if field.name != X]
                    look = {"compression": "zstd", "compression_level": 1, "use_dictionary": few}
                    out = out or parquet.ParquetWriter(file, steps.schema, **look)
                    out.write_table(steps)
            finally:
                if out is not None:
                    out.close()
        if out is None:
            raise FileError(f"{where}: there are no sequences in it")

    return kept(folder, "_inputs.parquet", write, origin)


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    held: list[Row] = []
    steps = 0
    for row in rows:
        held.append({name: _plain(value) for name, value in row.items()})
        steps += max((len(v) for v in held[-1].values() if hasattr(v, "__len__") and not isinstance(v, str)), default=1)
        if steps >= GATHERED:
            yield held
            held, steps = [], 0
    if held:
        yield held


def _table(group: list[Row], schema: Any, names: Names, where: str) -> Any:
    """A row for each; the types are those of the first group, but that numbers of x are never whole."""
    known = set(group[0] if schema is None else schema.names)
    for row in group:
        if row.keys() != known:
            other = min(row.keys() ^ known, key=str)
            raise ShapeError(f"{where}: {_called(row, names)}: expected what the first has; {other!r} differs")
    try:
        if schema is None:
            found = pa.Table.from_pylist(group).schema
            schema = pa.schema([f.with_type(_floats(f.type)) if _is_x(names.ours(f.name)) else f for f in found])
        return pa.Table.from_pylist(group, schema=schema)
    except _WRONG as error:
        for row in group if schema is not None else ():
            try:
                pa.Table.from_pylist([row], schema=schema)
            except _WRONG as own:
                raise ShapeError(f"{where}: {_called(row, names)}: {str(own)[:200]}") from None
        raise ShapeError(f"{where}: {_called(group[0], names)} and the next: {str(error)[:200]}") from None


def _plain(value: Any) -> Any:
    """An array as Arrow takes it: it knows lists of arrays with one axis, and values without any."""
    axes = getattr(value, "ndim", 1)
    return value if axes == 1 else list(value) if axes else value.item()


def _called(row: Row, names: Names) -> str:
    return f"sequence {row.get(names.id, row.get(SEQUENCE))!r}"


def _is_x(name: str) -> bool:
    return name == X or WIDE.fullmatch(name) is not None


def _floats(kind: Any) -> Any:
    if pa.types.is_list(kind):
        return pa.list_(_floats(kind.value_type))
    return pa.float64() if pa.types.is_integer(kind) else kind
