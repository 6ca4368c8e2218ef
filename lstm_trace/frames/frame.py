"""A trace as a pandas frame that takes little: ordered categoricals, small whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.display import guarded
from ..errors import OptionError
from ..printable import printable
from ..trace.rows import TracePart
from ..trace.trace import Trace
from .columns import Coded, Column, joined
from .table import VALID, Table

if TYPE_CHECKING:
    import pandas as pd

#: The places that are the index of a wide frame: the step always, the others where there are several.
INDEX = ("layer", "direction", "t", "batch")


def selected(trace: Trace, flat: bool = False, **options: Any) -> pd.DataFrame:
    """`frame` of the table by its options, as `Table.selected` has them."""
    table = Table.selected(trace, **options)
    if flat and table.shape != "wide":
        raise OptionError(f"flat=True is for the shape wide; the places of {table.shape} are columns as they are")
    return frame(table, flat)


def frame(table: Table, flat: bool = False) -> pd.DataFrame:
    """The table as a frame; values keep the trace's dtype.

    The columns direction, line and op are ordered categoricals, in computing order; layer and unit are int16, t and
    batch int32, larger where a trace needs it; where cells are empty (premises), they are Int16 and Int32. `valid` is
    true or false. In the shape wide the step is the index, with layer, direction and batch row where there are several;
    all four are columns if `flat`, as in a file.
    Raises MissingError for a selection that is not there.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0], [2.0]], ask="z_i", given={"h_t": [0.0]})
    >>> print(frame(Table(trace, "wide")))
       z_i[0]
    t
    0     0.5
    1     1.0
    """
    import pandas as pd

    series = {name: _series(pd, name, column) for name, column in joined(table).items()}
    if table.shape != "wide":
        return pd.DataFrame(series, copy=False)  # the arrays are the frame's own
    if flat:
        return pd.DataFrame(series)
    places, there = {name: series.pop(name) for name in INDEX}, list(table.parts())
    index = [name for name in INDEX if name == "t" or _several(name, there)]
    keys = pd.MultiIndex.from_arrays([places[name] for name in index], names=index)
    return pd.DataFrame(series, index=keys if len(index) > 1 else keys.get_level_values(0))


def _several(name: str, there: Sequence[TracePart]) -> bool:
    """Whether the parts have more than one layer, direction or batch row."""
    if name == "batch":
        return any(part.batch is not None and len(part.batch) > 1 for part in there)
    return len({getattr(part, name) for part in there}) > 1


def _series(pd: Any, name: str, column: Column) -> Any:
    if isinstance(column, Coded):
        return pd.Categorical.from_codes(column.codes, list(column.texts), ordered=column.ordered)
    if isinstance(column, tuple):
        return list(column)
    empty = column < 0 if column.dtype.kind == "i" else np.zeros(1, bool)
    if name == VALID:
        return pd.arrays.BooleanArray(column > 0, empty) if empty.any() else column > 0
    return pd.arrays.IntegerArray(column, empty) if empty.any() else column


def csv(frame: pd.DataFrame) -> str:
    """A frame as CSV, without its index; no text of it is a formula for a spreadsheet."""
    texts = frame.apply(lambda column: column if column.dtype.kind in "iufb" else column.astype(object).map(_cell))
    return printable(texts.rename(columns=guarded).to_csv(index=False, lineterminator="\n"))


def _cell(value: Any) -> Any:
    return guarded(value) if isinstance(value, str) else value
