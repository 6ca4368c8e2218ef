"""A split of a difference as the rows of a table, one for each entry, and as a pandas frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..backpropagation.attribution import Split
from ..base.arrays import Array
from ..cell.network import layer_and_direction, scope_and_name
from ..documents.rows import Entries, Grid, Run, every

if TYPE_CHECKING:
    import pandas as pd

#: Columns that give an entry's address, then its share. `unit` is the row and `input` the column of a matrix.
COLUMNS = ("address", "kind", "layer", "direction", "t", "batch", "name", "unit", "input", "contribution")

_STEPS = ("t", "batch", "unit")
_AXES = {"input": _STEPS, "lengths": _STEPS, "mask": _STEPS, "given": _STEPS, "state": ("batch", "unit")}


def frame(split: Split) -> pd.DataFrame:
    """One row for each parameter, input, initial state and supplied value, with its `contribution`.

    kind: parameter, input, state, given, lengths, mask; `local` for values that their line does not explain; `rounding`
    (one row) for what float32 rounded away. The contributions add up to `frame.attrs["difference"]` but for
    `frame.attrs["residual"]`, which is rounding; attrs also hold `of`, `value` and `baseline`.
    """
    whole = Entries(COLUMNS, lambda: _runs(split)).frame()
    whole = whole.astype(dict.fromkeys(("layer", "t", "batch", "unit", "input"), "Int64"))
    whole.attrs = {
        "of": str(split.of),
        "value": split.value,
        "baseline": split.baseline,
        "difference": split.difference,
        "residual": split.residual,
    }
    return whole


def _runs(split: Split) -> Iterator[Run]:
    """All entries; of `local` those that are not 0."""
    for grid in grids(split):
        if grid.fixed["kind"] == "local":
            there = np.flatnonzero(grid.values["contribution"])
            yield Run((grid,), len(there), lambda there=there: there)  # type: ignore[misc]
        else:
            yield every([grid])


def grids(
    split: Split,
    others: Mapping[str, Mapping[str, Array]] | None = None,
    partial: Mapping[str, Mapping[str, Array]] | None = None,
    labels: Sequence[Sequence[str]] = (),
) -> Iterator[Grid]:
    """Every array of the split.

    others: parts by other measures, by column and address; what is in none of their parts is 0. They do not measure
    what is local, nor rounding. partial: likewise, but empty where there is no part, or NaN in it. labels: of the
    steps.
    """
    for place, part in split.parts.items():
        scope, name = scope_and_name(place)
        kind = split.kinds[place]
        name = {"input": "x_t", "lengths": "valid", "mask": "valid"}.get(kind, name)
        nothing = np.broadcast_to(0.0, part.shape)
        beside = {column: found.get(place, nothing) for column, found in (others or {}).items()}
        some = {column: found[place] for column, found in (partial or {}).items() if place in found}
        axes = _AXES.get(kind, ("unit", "input"))[: part.ndim]
        yield _grid(split, kind, scope, name, axes, {"contribution": part, **beside}, some, labels)
    for place, part in split.local.items():
        yield _grid(split, "local", *scope_and_name(place), _STEPS, {"contribution": part}, {}, labels)
    if split.rounding:
        yield Grid("rounding", (), {"kind": "rounding"}, {"contribution": np.array(split.rounding)})


def _grid(
    split: Split,
    kind: str,
    scope: str,
    name: str,
    axes: tuple[str, ...],
    values: Mapping[str, Array],
    partial: Mapping[str, Array],
    labels: Sequence[Sequence[str]],
) -> Grid:
    """`0/forward/W_xi[0,1]`, `3/0/x_t[1]`, `0/forward/0/h0[1]`."""
    begin = {"t": split.first, "batch": split.of.b}  # the arrays hold one row of the batch: the one of the value
    shape = values["contribution"].shape
    numbers = [range(begin.get(axis, 0), begin.get(axis, 0) + n) for axis, n in zip(axes, shape, strict=True)]
    before = "%d/" * len({"t", "batch"}.intersection(axes))
    after = ",".join("%d" for axis in axes if axis in ("unit", "input"))
    lead = f"{scope}/" if scope else ""
    fixed: dict[str, str | int] = {"kind": kind, "name": name}
    if scope:
        fixed["layer"], fixed["direction"] = layer_and_direction(scope)
    address = f"{lead}{before}{name.replace('%', '%%')}[{after}]"
    return Grid(
        address, tuple(zip(axes, numbers, strict=True)), fixed, {**values, **partial}, frozenset(partial), labels
    )
