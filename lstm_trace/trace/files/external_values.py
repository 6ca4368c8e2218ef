"""Values printed by another program (a C, Rust or FPGA port), read alongside a trace of ours.

CSV with the columns of our long CSV, or JSON lines `{"t": 0, "line": "i_t", "value": [0.1, 0.2]}`. A field that a row
leaves out (layer, direction, t, batch) must have only one possible value. `t` and `unit` count from 0. In their place,
or beside them if they agree, a row may have `step`, as the problem counts, and `unit_name`, the label of the unit or
its number as the problem counts. Of a matrix, row and column may stand for the unit, and in JSON a value has rows.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...base.display import unguarded
from ...base.files import plain, read_bytes
from ...base.remark import Remark
from ...errors import FileError, nearest, some, within
from ..address import columns_of, index_text, no_entry
from ..labels import unit_names
from ..trace import Trace
from ..window import names

_HEAD = "layer,direction,t,batch,line,unit,value"
_JSON_LINES = (".jsonl", ".ndjson")
_COLUMN = re.compile(r"\[:,([0-9]{1,9})\]$")  # of a sum that is a matrix


def is_external(path: str | Path) -> bool:
    """Whether a file holds values of another program, judged by its suffix."""
    return Path(path).suffix.lower() in (".csv", *_JSON_LINES)


def read_external(path: str | Path, like: Trace) -> tuple[Trace, list[Remark]]:
    """The values in a file as a trace with the premises and equations of `like`.

    Lines without any value in the file are not recorded in the result; if the file has only some values of a line, the
    others are taken from `like`, and a remark says so. Returns the trace and the remarks. Raises FileError naming the
    row.
    """
    text = read_bytes(path).decode("utf-8-sig", errors="replace")
    as_json = Path(path).suffix.lower() in _JSON_LINES or text.lstrip()[:1] == "{"
    values: dict[tuple[str, str], Array] = {}  # a sum has its columns first, as in the rows of the file
    rows: dict[tuple[str, str], Array] = {}  # the file's row of each value, 0 if the file has none
    units = cache(partial(_units, like))  # for every row of a line
    for number, entry in _json_lines(path, text) if as_json else _csv(path, text):
        with within(f"{path}: row {number}"):
            scope, name, index, unit, value = _placed(entry, like, units)
            key = scope, name
            if key not in values:
                known = like.sums[scope][name].T if name in like.sums.get(scope, {}) else like.lines[scope][name]
                values[key] = known.astype(np.float64)
                rows[key] = np.zeros(values[key].shape, int)
            target = (*index, slice(None) if unit is None else unit)
            wide = values[key].shape[-1]
            if unit is None and value.ndim == 0 and wide > 1:
                raise FileError(f"unit is missing, and {name} has {wide} of them")
            if value.shape not in ((), values[key][target].shape):
                raise FileError(f"{value.size} values; {name} has {wide} units")
            if before := int(np.max(rows[key][target])):
                told = f"{scope}/{name}[{','.join('…' if n is None else str(n) for n in (unit, *index))}]"
                if name not in like.sums.get(scope, {}):
                    at = "" if unit is None else index_text((unit,), columns_of(like, scope, name))
                    told = f"{scope}/{like.span[index[0]]}/{index[1]}/{name}{at}"
                raise FileError(f"row {before} already has a value for the same {told}")
            values[key][target] = value
            rows[key][target] = number
    if not values:
        wanted = 'JSON lines {"t": 0, "line": "i_t", "value": [0.1, 0.2]}' if as_json else f"rows below {_HEAD}"
        raise FileError(f"{path}: the file has no values; expected {wanted}")
    found: dict[str, dict[str, dict[str, Array]]] = {"lines": {}, "sums": {}}
    remarks = []
    for (scope, name), array in values.items():
        gathered = name in like.sums.get(scope, {})
        with np.errstate(over="ignore"):  # overflowing values must not hide where the overflow began
            held = (array.T if gathered else array).astype(like.header.dtype)
        found["sums" if gathered else "lines"].setdefault(scope, {})[name] = held
        needed = np.ones(array.shape, bool) if gathered else np.broadcast_to(like.valid != 0, array.shape)  # no padding
        have, whole = int((needed & (rows[scope, name] > 0)).sum()), int(needed.sum())
        if have < whole:
            remarks.append(Remark("diff.partial", {"place": f"{scope}/{name}", "have": have, "whole": whole}))
    header = replace(like.header, plan="foreign")
    return replace(like, lines=found["lines"], sums=found["sums"], header=header), remarks


def _units(like: Trace, scope: str, name: str, width: int) -> dict[str, int]:
    """The units of a line by label, and by number as the problem counts, unless a label is such a number."""
    first = like.header.count_from
    there = unit_names(like, like.stage(scope), name, width, first)
    numbers = [str(unit) for unit in range(first, first + width)]
    found = {} if {*numbers} & {*there} else {text: unit for unit, text in enumerate(numbers)}
    return found | {text: unit for unit, text in reversed([*enumerate(there)])}  # the first of equal labels


def _placed(
    entry: dict[str, Any], like: Trace, units: Callable[[str, str, int], Mapping[str, int]]
) -> tuple[str, str, tuple[int, ...], int | None, Array]:
    """(scope, line, (t, b), unit, value) of one row; for a sum, its column instead of (t, b).

    units: `_units` of `like`. Raises FileError.
    """
    name = unguarded(str(entry.get("line", "")).strip())
    column = _COLUMN.search(name)
    if column and name not in names(like, "lines"):
        name = name[: column.start()]
    known = names(like, "lines", "sums")
    if name not in known:
        raise FileError(f"the reference has no line {name!r}{nearest(name, known)}")
    if entry.get("value") is None:
        raise FileError("no value")
    extents = like.extents(name)
    place: dict[str, Any] = {}
    for part in ("layer", "direction", "t", "batch"):
        values = extents.get({"batch": "b"}.get(part, part), ())
        if not values:
            continue
        found, read, first = entry.get(part, entry.get("b") if part == "batch" else None), part, 0
        if part == "t" and (step := entry.get("step")) not in (None, ""):
            first = like.header.count_from
            if found not in (None, "") and _whole("t", found) != _whole("step", step) - first:
                raise FileError(
                    f"t {found}, from 0, and step {step}, from {first}, are not the same step: leave one out"
                )
            found, read = step, "step"
        if found in (None, ""):
            if len(values) > 1:
                raise FileError(f"{part} is missing, and {name} has {len(values)} of them")
            found = values[0]
        place[part] = str(found).strip() if part == "direction" else _whole(read, found) - first
        if place[part] not in values:
            ends = [end + first if isinstance(end, int) else end for end in (values[0], values[-1])]
            raise FileError(f"{read} {found} does not exist; {name} has {ends[0]} to {ends[1]}")
    scope = f"{place['layer']}/{place['direction']}"
    gathered = like.sums.get(scope, {}).get(name)
    if gathered is None and name not in like.lines.get(scope, {}):
        raise FileError(f"{scope} has no line {name!r}")
    width = like.lines[scope][name].shape[2] if gathered is None else len(gathered)
    at = None if entry.get("unit") in (None, "") else _whole("unit", entry["unit"])
    if at is not None and not 0 <= at < width:
        raise FileError(f"unit {at} does not exist; {name} has {width}")
    if called := str(entry.get("unit_name") or "").strip():
        own = units(scope, name, width).get(called, at)  # or another program's own name beside the number
        if own is None:
            there = unit_names(like, like.stage(scope), name, width, like.header.count_from)
            raise FileError(f"{name} has no unit_name {called!r}; it has {some(there, 5)}")
        if at not in (None, own):
            raise FileError(f"unit {at}, from 0, is not {called} (unit_name) of {name}: leave one of the two out")
        at = own
    grid, held = like.grid(scope, name), entry["value"]
    if grid and all(entry.get(part) not in (None, "") for part in ("row", "column")):
        both = [_whole(part, entry[part]) for part in ("row", "column")]
        if fault := no_entry(name, both, grid):
            raise FileError(fault)
        if at not in (None, both[0] * grid[1] + both[1]):
            raise FileError(f"unit {at} is not row {both[0]}, column {both[1]} of {name}, which has {grid[1]} columns")
        at = both[0] * grid[1] + both[1]
    if grid and isinstance(held, list) and all(isinstance(row, list) for row in held):
        if (shape := (len(held), *{len(row) for row in held})) != grid:
            turned = " It looks transposed." if shape == grid[::-1] else ""
            raise FileError(f"value has (rows, columns) = {shape}; {name} has {grid}.{turned}")
        held = [one for row in held for one in row]
    value = np.array([_number("value", one) for one in held] if isinstance(held, list) else _number("value", held))
    if gathered is None:
        return scope, name, (like.index(place["t"]), place["batch"]), at, value
    if gathered.ndim == 1:
        return scope, name, (), at, value
    wide = gathered.shape[1]
    if column is None or int(column[1]) >= wide:
        raise FileError(f"{name} is a matrix: expected a column of it, {name}[:,0] to {name}[:,{wide - 1}]")
    return scope, name, (int(column[1]),), at, value


def _whole(part: str, found: Any) -> int:
    """An integer; 2.0 is accepted, because tables with missing values write it that way."""
    number = _number(part, found, "a whole number")
    if not number.is_integer():
        raise FileError(f"{part} is {found!r}; expected a whole number")
    return int(number)


def _number(part: str, found: Any, expected: str = "a number") -> float:
    """A number; NaN and infinities may be spelled out."""
    try:
        return float("a truth value" if isinstance(found, bool) else found)
    except (TypeError, ValueError, OverflowError):
        raise FileError(f"{part} is {found!r}; expected {expected}") from None


def _csv(path: str | Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row, entry) of every row; rows are numbered as in an editor."""
    reader = csv.DictReader(io.StringIO(text))
    columns = [str(name).strip() for name in reader.fieldnames or ()]
    if "line" not in columns or "value" not in columns:
        raise FileError(f"{path}: expected the columns {_HEAD}; found {','.join(columns) or 'none'}")
    reader.fieldnames = columns
    for entry in reader:
        if None in entry:
            many = len(columns) + len(entry[None])
            raise FileError(f"{path}: row {reader.line_num}: {many} cells, but there are {len(columns)} columns")
        yield reader.line_num, entry


def _json_lines(path: str | Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, row in enumerate(text.splitlines(), 1):
        if row.strip():
            try:
                entry = json.loads(row)
            except (ValueError, RecursionError) as error:  # also an integer with more digits than Python converts
                raise FileError(f"{path}: row {number}: not JSON: {plain(error)}") from None
            if not isinstance(entry, dict):
                raise FileError(f"{path}: row {number}: expected {{…}}, found {type(entry).__name__}")
            yield number, entry
