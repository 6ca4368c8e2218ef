"""Values that a foreign program printed (a C, Rust or FPGA port), read beside a trace of ours.

CSV with the columns of our long CSV, or JSON lines `{"t": 0, "line": "i_t", "value": [0.1, 0.2]}`. What a row leaves
out (layer, direction, t, batch) there must be only one of.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .cell.ops import Array
from .errors import FileError, LstmTraceError, nearest
from .files import read_bytes
from .trace import Trace

_COLUMNS = ("layer", "direction", "t", "batch", "line", "unit", "value")
_PLACES = ("layer", "direction", "t", "batch")


def is_foreign(path: str | Path) -> bool:
    """Whether a file holds values of a foreign program: by its suffix."""
    return Path(path).suffix.lower() in (".csv", ".jsonl", ".ndjson")


def read_foreign(path: str | Path, like: Trace) -> tuple[Trace, list[str]]:
    """The values in a file as a trace with the premises and equations of `like`.

    Lines of which the file has no value are not recorded in the result; where it has some values of a line, the
    others are those of `like`, which a remark says. Gives the trace and the remarks. Raises FileError with the row.
    """
    text = read_bytes(path).decode("utf-8-sig", errors="replace")
    entries = _json_lines(path, text) if text.lstrip()[:1] == "{" else _csv(path, text)
    values: dict[tuple[str, str], Array] = {}
    given: dict[tuple[str, str], Array] = {}
    for number, entry in entries:
        try:
            scope, name, index, unit, value = _placed(entry, like)
        except (LstmTraceError, ValueError, TypeError) as error:
            raise FileError(f"{path}: row {number}: {error}") from None
        key = scope, name
        if key not in values:
            values[key] = like.lines[scope][name].astype(np.float64)
            given[key] = np.zeros(values[key].shape, bool)
        target = (*index, slice(None) if unit is None else unit)
        if value.shape not in ((), values[key][target].shape):
            width = values[key].shape[2]
            raise FileError(f"{path}: row {number}: {value.size} values; {name} has {width} units")
        values[key][target] = value
        given[key][target] = True
    if not values:
        raise FileError(f"{path}: no values in it; expected the columns {','.join(_COLUMNS)} or JSON lines")
    lines: dict[str, dict[str, Array]] = {}
    remarks = []
    for (scope, name), array in values.items():
        with np.errstate(over="ignore"):  # values that have run away do not hide where that began
            lines.setdefault(scope, {})[name] = array.astype(like.header.dtype)
        have = int(given[scope, name].sum())
        if have < array.size:
            remarks.append(f"{scope}/{name}: {have} of {array.size} values are in the file")
    return replace(like, lines=lines, header=replace(like.header, plan="foreign")), remarks


def _placed(entry: dict[str, Any], like: Trace) -> tuple[str, str, tuple[int, int], int | None, Array]:
    """(scope, line, (t, b), unit, value) of one row."""
    name = str(entry.get("line", "")).strip()
    known = {n: None for values in like.lines.values() for n in values}
    if name not in known:
        raise ValueError(f"no line {name!r} in the reference{nearest(name, known)}")
    if "value" not in entry:
        raise ValueError("no value")
    extents = like.extents(name)
    place: dict[str, Any] = {}
    for part in _PLACES:
        values = extents[{"batch": "b"}.get(part, part)]
        text = entry.get(part, entry.get("b") if part == "batch" else None)
        if text in (None, ""):
            if len(values) > 1:
                raise ValueError(f"{part} is missing, and {name} has {len(values)} of them")
            place[part] = values[0]
        else:
            place[part] = str(text) if part == "direction" else int(text)
            if place[part] not in values:
                raise ValueError(f"{part} {text} is not there; {name} has {values[0]} to {values[-1]}")
    scope = f"{place['layer']}/{place['direction']}"
    if name not in like.lines.get(scope, {}):
        raise ValueError(f"{scope} has no line {name!r}")
    unit = entry.get("unit")
    width = like.lines[scope][name].shape[2]
    at = None if unit in (None, "") else int(unit)
    if at is not None and not 0 <= at < width:
        raise ValueError(f"unit {at} is not there; {name} has {width}")
    value = np.asarray(entry["value"], np.float64)
    return scope, name, (like.index(place["t"]), place["batch"]), at, value


def _csv(path: str | Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text))
    columns = [str(name).strip() for name in reader.fieldnames or ()]
    if "line" not in columns or "value" not in columns:
        raise FileError(f"{path}: expected the columns {','.join(_COLUMNS)}; found {','.join(columns) or 'none'}")
    reader.fieldnames = columns
    yield from enumerate(reader, 2)


def _json_lines(path: str | Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, row in enumerate(text.splitlines(), 1):
        if row.strip():
            try:
                entry = json.loads(row)
            except (json.JSONDecodeError, RecursionError) as error:
                raise FileError(f"{path}: row {number}: {error}") from None
            if not isinstance(entry, dict):
                raise FileError(f"{path}: row {number}: expected {{…}}, found {type(entry).__name__}")
            yield number, entry
