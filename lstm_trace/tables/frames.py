"""A trace as pandas frames: long, wide, worked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from ..base.arrays import Array
from ..cell.network import DIRECTIONS
from ..errors import OptionError, nearest
from ..trace.rows import LONG, Part, Selection, parts
from ..trace.trace import Trace

if TYPE_CHECKING:
    import pandas as pd

Shape = Literal["long", "wide", "worked"]
SHAPES: tuple[str, ...] = get_args(Shape)

#: What names the row of the wide shape; a column for each line and unit follows.
WIDE = ("layer", "direction", "t", "batch")
#: Columns of the worked shape.
WORKED = ("layer", "direction", "t", "batch", "line", "unit", "symbol", "formula", "substituted", "value")
#: Column that tells padding, where it is kept: 1 for a step of the sequence, 0 for padding.
VALID = "valid"


class Coded(NamedTuple):
    """A column of few texts: text[codes[row]]; the code -1 is an empty cell."""

    codes: Array
    texts: tuple[str, ...]


def check_shape(shape: str, with_inputs: bool) -> None:
    """Raise OptionError for a shape that there is not, or premises in a shape that has no place for them."""
    if shape not in SHAPES:
        raise OptionError(f"there is no shape {shape!r}{nearest(shape, SHAPES)}; expected {', '.join(SHAPES)}")
    if with_inputs and shape != "long":
        raise OptionError(f"premises (--with-inputs) have rows in the shape long only, not in {shape}")


def with_valid(names: Sequence[str], padding: bool) -> tuple[str, ...]:
    """The columns of a shape, with `valid` behind the place where padding is kept."""
    return (*names[: len(WIDE)], *((VALID,) if padding else ()), *names[len(WIDE) :])


def selected(
    trace: Trace,
    shape: str = "long",
    with_inputs: bool = False,
    padding: bool = False,
    flat: bool = False,
    **selection: Any,
) -> pd.DataFrame:
    """`frame` of a selection whose parts are named: only, layer, direction, steps, batch, unit."""
    return frame(trace, shape, Selection(**selection), with_inputs, padding, flat)


def frame(
    trace: Trace,
    shape: str = "long",
    selection: Selection | None = None,
    with_inputs: bool = False,
    padding: bool = False,
    flat: bool = False,
) -> pd.DataFrame:
    """The selection as a frame; values keep the trace's dtype.

    long: one row for each value, columns layer, direction, t, batch, line, op, unit, value; `with_inputs` adds
    premises, for which whole numbers may be missing (dtype Int64). wide: one row for each layer, direction, step and
    batch row, one column for each line and unit (`c_t[0]`), NaN where a layer has no such line; the step is the index,
    with layer, direction and batch row where there are several, and all four are columns if `flat`, as in a file.
    worked: one row for each value with its symbol, its formula and the formula with numbers. padding: keep the steps
    that are no part of their sequence, with a column `valid`, 1 or 0, behind `batch`.
    Raises MissingError for a selection that is not there, OptionError for an unknown shape.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0], [2.0]], ask="z_i", given={"h_t": [0.0]})
    >>> print(frame(trace, "wide", Selection(only="z_i")))
       z_i[0]
    t
    0     0.5
    1     1.0
    """
    import pandas as pd

    check_shape(shape, with_inputs)
    if flat and shape != "wide":
        raise OptionError(f"flat=True is for the shape wide; the places of {shape} are columns as they are")
    if shape == "worked":
        from ..view.worked_rows import WorkedRow, worked_rows

        rows = worked_rows(trace, selection, padding=padding)
        return pd.DataFrame(rows, columns=list(WorkedRow._fields))[list(with_valid(WORKED, padding))]
    there = list(parts(trace, selection, with_inputs, padding, shape == "wide"))
    columns = long_columns(there) if shape == "long" else wide_columns(there)
    series = {name: _series(pd, column) for name, column in columns.items()}
    if shape != "wide" or flat:
        return pd.DataFrame(series)
    places = {name: series.pop(name) for name in WIDE}
    index = [name for name in WIDE if name == "t" or _several(name, there)]
    keys = pd.MultiIndex.from_arrays([places[name] for name in index], names=index)
    return pd.DataFrame(series, index=keys if len(index) > 1 else keys.get_level_values(0))


def _several(name: str, there: Sequence[Part]) -> bool:
    """Whether the parts have more than one layer, direction or batch row."""
    if name == "batch":
        return any(part.batch is not None and len(part.batch) > 1 for part in there)
    return len({getattr(part, name) for part in there}) > 1


def _series(pd: Any, column: Array | Coded) -> Any:
    if isinstance(column, Coded):
        texts = pd.Series([*column.texts, None]).array  # the last stands for the code -1
        return texts.take(column.codes % len(texts))
    if column.dtype.kind == "i" and (column < 0).any():
        return pd.arrays.IntegerArray(column.astype(np.int64), column < 0)
    return column


def long_columns(there: Sequence[Part]) -> dict[str, Array | Coded]:
    """The columns of the long shape for some parts; -1 is an empty cell."""
    lines = list(dict.fromkeys(entry.line for part in there for entry in part.lines))
    ops = list(dict.fromkeys(entry.op for part in there for entry in part.lines))
    at_line, at_op = ({text: code for code, text in enumerate(texts)} for texts in (lines, ops))
    found: dict[str, list[Array]] = {}
    for part in there:
        counts = [len(entry.units) for entry in part.lines]
        each = {
            "line": np.repeat([at_line[entry.line] for entry in part.lines], counts),
            "op": np.repeat([at_op[entry.op] for entry in part.lines], counts),
            "unit": np.concatenate([np.arange(entry.units.start, entry.units.stop) for entry in part.lines]),
        }
        columns = {
            **{name: np.repeat(column, part.width) for name, column in place_columns(part).items()},
            **{name: np.tile(codes, part.count) for name, codes in each.items()},
            "value": part.values.reshape(-1),
        }
        for name, column in columns.items():
            found.setdefault(name, []).append(column)
    joined = {name: _joined(arrays) for name, arrays in found.items()}
    texts = {"direction": DIRECTIONS, "line": tuple(lines), "op": tuple(ops)}
    order = with_valid(LONG, VALID in joined)
    return {name: Coded(joined[name], texts[name]) if name in texts else joined[name] for name in order}


def place_columns(part: Part) -> dict[str, Array]:
    """Layer, direction (code), t and batch of each place, and `valid` where padding is kept; -1 for what it has not."""
    at, row = part.places
    none = np.full(1, -1)
    found = {
        "layer": np.full(len(at), -1 if part.layer is None else part.layer),
        "direction": np.full(len(at), -1 if part.direction is None else DIRECTIONS.index(part.direction)),
        "t": (none if part.steps is None else np.array(part.steps))[at],
        "batch": (none if part.batch is None else np.array(part.batch))[row],
    }
    if part.padding:
        found[VALID] = np.full(len(at), -1) if part.valid is None else part.valid[at, row].astype(int)
    return found


def wide_names(there: Sequence[Part]) -> list[str]:
    """The value columns of the wide shape: `line[unit]`, in computing order."""
    return list(dict.fromkeys(f"{e.line}[{unit}]" for part in there for e in part.lines for unit in e.units))


def wide_columns(there: Sequence[Part]) -> dict[str, Array | Coded]:
    """The columns of the wide shape for some parts."""
    each = [place_columns(part) for part in there]
    places = {name: _joined([columns[name] for columns in each]) for name in each[0]}
    names = wide_names(there)
    values = np.full((len(names), len(places["t"])), np.nan, there[0].arrays[0].dtype)
    at_name, begin = {name: row for row, name in enumerate(names)}, 0
    for part in there:
        rows = [at_name[f"{e.line}[{unit}]"] for e in part.lines for unit in e.units]
        values[rows, begin : begin + part.count] = part.values.T
        begin += part.count
    return {**places, "direction": Coded(places["direction"], DIRECTIONS), **dict(zip(names, values, strict=True))}


def _joined(arrays: Sequence[Array]) -> Array:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
