"""A trace as an xarray Dataset: a variable for each line, by step, batch row and unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import Array
from ..base.extras import missing
from ..cell.network import DIRECTIONS, MEET
from ..errors import OptionError
from ..trace.files.manifest import manifest
from ..trace.labels import step_labels
from ..trace.rows import Selection
from ..trace.trace import Trace
from .table import Table

if TYPE_CHECKING:
    import xarray as xr

#: Layer and direction.
Place = tuple[int, str]
#: A line where it was recorded: its units, and its values by (t, batch, unit).
Recorded = dict[Place, tuple[range, Array]]


def dataset(trace: Trace, padding: bool = False, all_lines: bool = False, **selection: Any) -> xr.Dataset:
    """The lines of a selection; see `Trace.to_xarray`.

    Raises OptionError where xarray is missing, MissingError for a selection that is not there.
    """
    try:
        import xarray as xr
    except ImportError:
        raise OptionError(missing("to_xarray", "xarray", "use to_frame")) from None
    chosen = Selection(**selection)
    table = Table(trace, "wide", chosen, padding=True, all_lines=all_lines)
    lines: dict[str, Recorded] = {}
    ops: dict[str, str] = {}
    for part in table.parts():
        assert part.layer is not None  # premises have none, and these are lines
        assert part.direction is not None
        assert part.steps is not None
        for entry, values in zip(part.lines, part.arrays, strict=True):
            inside = np.asarray(part.valid)[:, :, None]
            here = np.array(values) if padding else np.where(inside, values, np.nan)
            lines.setdefault(entry.line, {})[part.layer, part.direction] = entry.units, here[:: part.steps.step]
            ops[entry.line] = entry.op
    if not all_lines:  # of padded directions that meet each has a y_t as well, as in `trace["y_t"]`
        lines = {line: {at: there[at] for at in there if at[1] == MEET} or there for line, there in lines.items()}
    window, rows = chosen.window(trace), chosen.rows(trace)
    coordinates: dict[str, Any] = {
        "t": np.array(trace.span[window], np.int32),
        "batch": np.arange(rows.start, rows.stop, dtype=np.int32),
        "valid": (("t", "batch"), trace.valid[window, rows, 0] != 0),
        **_tokens(trace, window, rows),
    }
    layers = _common({layer for layer, _ in there} for there in lines.values())
    directions = _common({direction for _, direction in there} for there in lines.values())
    widths = Counter(units for there in lines.values() for units, _ in there.values())
    usual = widths.most_common(1)[0][0]
    variables = {}
    for line, there in lines.items():
        for name, (dims, units, values, about) in _variables(line, there, layers, directions).items():
            unit = "unit" if units == usual else f"unit_{len(units)}"
            coordinates[unit] = np.array(units, np.int32)
            variables[name] = ((*dims, "t", "batch", unit), values, {"op": ops[line], **about})
    used = {dim for dims, _, _ in variables.values() for dim in dims}
    coordinates |= {name: found for name, found in (("layer", layers), ("direction", directions)) if name in used}
    about = {"title": trace.header.title, "lstm_trace": manifest(trace).model_dump_json()}
    return xr.Dataset(variables, coordinates, about)


def _common(sets: Iterable[set[Any]]) -> list[Any]:
    """What most lines have several of, layers or directions: the coordinate. The first of those that as many have."""
    counts = Counter(tuple(sorted(found, key=_order)) for found in sets if len(found) > 1)
    return list(counts.most_common(1)[0][0]) if counts else []


def _order(part: int | str) -> int:
    return DIRECTIONS.index(part) if isinstance(part, str) else part


def _variables(
    line: str, there: Recorded, layers: list[int], directions: list[str]
) -> Mapping[str, tuple[tuple[str, ...], range, Array, dict[str, Any]]]:
    """(first dimensions, units, values, attributes) by the name of the variable.

    One where every layer and direction of the coordinates has the line, as wide as the others; else one for each place.
    """
    down = sorted({layer for layer, _ in there})
    across = sorted({direction for _, direction in there}, key=_order)
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
    for name, found in (("direction", across), ("layer", down)):
        if len(found) > 1:
            dims = (name, *dims)
        else:
            about[name] = found[0]
            values = values.squeeze(1 if name == "direction" else 0)
    return {line: (dims, units.pop(), values, about)}


def _tokens(trace: Trace, window: slice, rows: slice) -> dict[str, Any]:
    """The labels of steps, where they have any: of each row, or of all rows the same."""
    held = len(trace.header.step_labels)
    if not held:
        return {}
    labels = [step_labels(trace, b)[window] for b in (range(rows.start, rows.stop) if held > 1 else (0,))]
    found = np.array(labels, object).T
    return {"token": ("t", found[:, 0]) if held == 1 else (("t", "batch"), found)}
