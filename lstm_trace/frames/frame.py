"""A table in three forms: a pandas frame, an Arrow table (for polars, DuckDB, Parquet), an xarray Dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import Array
from ..base.extras import missing
from ..cell.network import DIRECTIONS, MEET
from ..errors import OptionError
from ..trace.address import Grid
from ..trace.files.manifest import manifest
from ..trace.labels import step_labels
from ..trace.trace import Trace
from .table import ENTRY, STEP, UNORDERED, VALID, Coded, Column, TraceTable, code_type, joined, pieces

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


#: The index of a wide frame: always the step, the others if there are several.
INDEX = ("layer", "direction", "t", "batch")


def to_frame(trace: Trace, flat: bool = False, **options: Any) -> pd.DataFrame:
    """`frame` of the table with these options, as for `TraceTable.selected`."""
    table = TraceTable.selected(trace, **options)
    if flat and table.shape != "wide":
        raise OptionError(f"flat=True is for the shape wide; the places of {table.shape} are columns as they are")
    return frame(table, flat)


def frame(table: TraceTable, flat: bool = False) -> pd.DataFrame:
    """The table as a frame; values keep the trace's dtype.

    The columns direction, line and op are ordered categoricals, in order of computation; layer and unit are int16, t
    and batch int32, or larger if a trace needs it; if cells are empty (premises), Int16 and Int32. `valid` is boolean.
    In the shape wide the step is the index, together with layer, direction and batch if there are several; all four are
    columns if `flat`, as in a file.
    Raises MissingError if the trace does not contain the selection.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0], [2.0]], ask="z_i", given={"h_t": [0.0]})
    >>> print(frame(TraceTable(trace, "wide")))
       z_i[0]
    t
    0     0.5
    1     1.0
    """
    import pandas as pd

    series = {name: _series(pd, name, column) for name, column in joined(table).items()}
    if table.shape != "wide":
        return pd.DataFrame(series, copy=False)  # the arrays belong to the frame
    if flat:
        return pd.DataFrame(series)
    places, parts = {name: series.pop(name) for name in INDEX}, list(table.parts())
    several = {name: len({getattr(part, name) for part in parts}) > 1 for name in ("layer", "direction")}
    several |= {"t": True, "batch": any(part.batch is not None and len(part.batch) > 1 for part in parts)}
    index = [name for name in INDEX if several[name]]
    keys = pd.MultiIndex.from_arrays([places[name] for name in index], names=index)
    return pd.DataFrame(series, index=keys if len(index) > 1 else keys.get_level_values(0))


def _series(pd: Any, name: str, column: Column) -> Any:
    if isinstance(column, Coded):
        return pd.Categorical.from_codes(column.codes, list(column.texts), ordered=column.ordered)
    if isinstance(column, tuple):
        return list(column)
    empty = column < 0 if column.dtype.kind == "i" else np.zeros(1, bool)
    if name == VALID:
        return pd.arrays.BooleanArray(column > 0, empty) if empty.any() else column > 0
    return pd.arrays.IntegerArray(column, empty) if empty.any() else column


#: Number of values (in the shape worked: rows) in a piece, which bounds memory.
PIECE = 1 << 19
WORKED_PIECE = 1 << 14
#: Key of the manifest in the schema's metadata.
MANIFEST = b"lstm_trace"


def arrow_table(trace: Trace, **options: Any) -> Any:
    """The Arrow table with these options, as for `TraceTable.selected`.

    Raises OptionError if pyarrow is missing, MissingError if the trace does not contain the selection.
    """
    _, tables = arrow(TraceTable.selected(trace, **options), "to_arrow", "use to_frame")
    import pyarrow as pa

    return pa.concat_tables(tables)


def arrow(table: TraceTable, what: str, instead: str = "write .csv") -> tuple[Any, Iterator[Any]]:
    """The schema of a table, and its pieces as Arrow tables.

    what: the purpose, to begin the message. instead: what to do without pyarrow, to end it.
    Raises OptionError if pyarrow is missing, MissingError if the trace does not contain the selection.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise OptionError(missing(what, "pyarrow", instead)) from None
    types = dict.fromkeys(("symbol", "formula", "substituted"), pa.string())
    types |= {name: pa.from_numpy_dtype(kind) for name, kind in table.whole.items()} | {VALID: pa.bool_()}
    for name, texts in table.texts.items():  # ordered dictionaries, as in pandas
        types[name] = pa.dictionary(pa.from_numpy_dtype(code_type(texts)), pa.string(), ordered=name not in UNORDERED)
    about = manifest(table.trace).model_dump_json().encode()
    types = {name: types.get(name) or pa.from_numpy_dtype(table.number_type(name)) for name in table.columns}
    schema, blank = pa.schema(list(types.items()), metadata={MANIFEST: about}), table.blank

    def printed(columns: Mapping[str, Column]) -> Any:
        count = len(columns["t"])
        found = [_column(pa, columns.get(field.name), field.type, count, field.name in blank) for field in schema]
        return pa.table(found, schema=schema)

    return schema, map(printed, pieces(table, PIECE, WORKED_PIECE))


def _column(pa: Any, column: Column | None, kind: Any, rows: int, blank: bool) -> Any:
    """A column as an Arrow array; a column missing from this piece is all null. blank: NaN is null too."""
    if column is None:
        return pa.nulls(rows, kind)
    if isinstance(column, Coded):
        codes = pa.array(column.codes, mask=column.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.texts, pa.string()), ordered=column.ordered)
    if isinstance(column, tuple):
        return pa.array(column, kind)
    empty = column < 0 if column.dtype.kind == "i" else np.isnan(column) if blank else None
    values = column > 0 if pa.types.is_boolean(kind) else column
    return pa.array(values, kind, mask=empty if empty is not None and empty.any() else None)  # no copy without a mask


#: Layer and direction.
Place = tuple[int, str]
#: A line where it was recorded: its units (or the rows and columns of a whole matrix), and its values by (t, batch,
#: unit).
Recorded = dict[Place, tuple[range | Grid, Array]]


def dataset(trace: Trace, padding: bool = False, all_lines: bool = False, **selection: Any) -> xr.Dataset:
    """The lines of a selection; see `Trace.to_xarray`.

    Raises OptionError if xarray is missing, MissingError if the trace does not contain the selection.
    """
    try:
        import xarray as xr
    except ImportError:
        raise OptionError(missing("to_xarray", "xarray", "use to_frame")) from None
    table = TraceTable.selected(trace, shape="wide", padding=True, all_lines=all_lines, **selection)
    lines: dict[str, Recorded] = {}
    ops: dict[str, str] = {}
    for part in table.parts():
        place: Any = part.layer, part.direction  # lines always have both
        order = -1 if part.steps is not None and part.steps.step < 0 else 1
        for entry, values in zip(part.lines, part.arrays, strict=True):
            inside = np.asarray(part.valid)[:, :, None]
            here = np.array(values) if padding else np.where(inside, values, np.nan)
            whole = entry.columns is not None and len(entry.units) == entry.width
            units = (entry.width // entry.columns, entry.columns) if entry.columns and whole else entry.units
            lines.setdefault(entry.line, {})[place] = units, here[::order]
            ops[entry.line] = entry.op
    if not all_lines:  # padded directions that are merged have a y_t each as well, as in `trace["y_t"]`
        lines = {line: {at: there[at] for at in there if at[1] == MEET} or there for line, there in lines.items()}
    window, rows = table.selection.window(trace), table.selection.rows(trace)
    coordinates: dict[str, Any] = {
        "t": np.array(trace.span[window], np.int32),
        "batch": np.arange(rows.start, rows.stop, dtype=np.int32),
        "valid": (("t", "batch"), trace.valid[window, rows, 0] != 0),
    }
    if first := trace.header.count_from:
        coordinates[STEP] = ("t", coordinates["t"] + first)
    if held := len(trace.header.step_labels):  # one list per sequence, or one for all
        labels = [step_labels(trace, b)[window] for b in (range(rows.start, rows.stop) if held > 1 else (0,))]
        texts = np.array(labels, object).T
        coordinates["token"] = ("t", texts[:, 0]) if held == 1 else (("t", "batch"), texts)
    layers = _common(sorted({layer for layer, _ in there}) for there in lines.values())
    directions = _common(sorted({way for _, way in there}, key=DIRECTIONS.index) for there in lines.values())
    every = Counter(units for there in lines.values() for units, _ in there.values() if isinstance(units, range))
    usual = max(every, key=every.__getitem__, default=range(0))
    variables = {}
    for line, there in lines.items():
        for name, (dims, units, values, about) in _variables(line, there, layers, directions).items():
            if isinstance(units, range):
                axes = {"unit" if units == usual else f"unit_{len(units)}": units}
            else:
                axes = {f"{name}_{part}": range(size) for part, size in zip(ENTRY, units, strict=True)}
                values = values.reshape(*values.shape[:-1], *units)
            coordinates |= {axis: np.array(numbers, np.int32) for axis, numbers in axes.items()}
            variables[name] = ((*dims, "t", "batch", *axes), values, {"op": ops[line], **about})
    used = {dim for dims, _, _ in variables.values() for dim in dims}
    coordinates |= {name: found for name, found in (("layer", layers), ("direction", directions)) if name in used}
    about = {"title": trace.header.title, "lstm_trace": manifest(trace).model_dump_json()}
    return xr.Dataset(variables, coordinates, about)


def _common(lists: Iterable[list[Any]]) -> list[Any]:
    """The layers or directions that most lines have, for the coordinate; the first of equally frequent lists."""
    counts = Counter(tuple(found) for found in lists if len(found) > 1)
    return list(counts.most_common(1)[0][0]) if counts else []


def _variables(
    line: str, there: Recorded, layers: list[int], directions: list[str]
) -> Mapping[str, tuple[tuple[str, ...], range | Grid, Array, dict[str, Any]]]:
    """(first dimensions, units, values, attributes) by the name of the variable.

    A single one if every layer and direction of the coordinates has the line with the same width; otherwise one per
    stage.
    """
    down, across = sorted({layer for layer, _ in there}), sorted({way for _, way in there}, key=DIRECTIONS.index)
    units = {units for units, _ in there.values()}
    fit = (len(down) == 1 or down == layers) and (len(across) == 1 or across == directions)
    if not fit or len(units) > 1 or len(there) != len(down) * len(across):
        return {
            f"{layer}/{direction}/{line}": ((), units, values, {"layer": layer, "direction": direction})
            for (layer, direction), (units, values) in there.items()
        }
    values = np.array([[there[layer, direction][1] for direction in across] for layer in down])
    dims: tuple[str, ...] = ()
    about: dict[str, Any] = {}
    for axis, name, found in ((1, "direction", across), (0, "layer", down)):
        if len(found) > 1:
            dims = (name, *dims)
        else:
            about[name] = found[0]
            values = values.squeeze(axis)
    return {line: (dims, units.pop(), values, about)}
