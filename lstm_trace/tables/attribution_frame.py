"""A split of a difference as a pandas frame, one row for each entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..backward.attribution import Split
from ..base.arrays import Array
from ..cell.network import layer_and_direction, scope_and_name

if TYPE_CHECKING:
    import pandas as pd

#: Columns that give an entry's address, then its share. `unit` is the row and `input` the column of a matrix.
COLUMNS = ("address", "kind", "layer", "direction", "t", "batch", "name", "unit", "input", "contribution")


class _Part(NamedTuple):
    """Entries of one array, where it stands, and the columns that its axes are."""

    kind: str
    scope: str
    name: str
    axes: tuple[str, ...]
    values: Array


_STEPS = ("t", "batch", "unit")
_AXES = {"input": _STEPS, "lengths": _STEPS, "mask": _STEPS, "given": _STEPS, "state": ("batch", "unit")}


def frame(split: Split) -> pd.DataFrame:
    """One row for each parameter, input, initial state and supplied value, with its `contribution`.

    kind: parameter, input, state, given, lengths, mask; `local` for values that their line does not explain; `rounding`
    (one row) for what float32 rounded away. The contributions add up to `frame.attrs["difference"]` but for
    `frame.attrs["residual"]`, which is rounding; attrs also hold `of`, `value` and `baseline`.
    """
    import pandas as pd

    pieces = [_rows(part, split) for part in _parts(split)]
    if split.rounding:
        pieces.append(pd.DataFrame({"address": ["rounding"], "kind": "rounding", "contribution": [split.rounding]}))
    whole = pd.concat([piece.reindex(columns=list(COLUMNS)) for piece in pieces], ignore_index=True)
    whole = whole.astype(dict.fromkeys(("layer", "t", "batch", "unit", "input"), "Int64"))
    whole.attrs = {
        "of": str(split.of),
        "value": split.value,
        "baseline": split.baseline,
        "difference": split.difference,
        "residual": split.residual,
    }
    return whole


def _parts(split: Split) -> Iterator[_Part]:
    for place, values in split.parts.items():
        scope, name = scope_and_name(place)
        kind = split.kinds[place]
        name = {"input": "x_t", "lengths": "valid", "mask": "valid"}.get(kind, name)
        yield _Part(kind, scope, name, _AXES.get(kind, ("unit", "input"))[: values.ndim], values)
    for place, values in split.local.items():
        scope, name = scope_and_name(place)
        yield _Part("local", scope, name, _AXES["given"], values)


def _rows(part: _Part, split: Split) -> pd.DataFrame:
    """The entries of one part; of `local` only those that are not 0."""
    import pandas as pd

    everywhere = np.ones(part.values.shape, bool)
    at = np.nonzero(part.values if part.kind == "local" else everywhere)
    places: dict[str, Any] = dict(zip(part.axes, at, strict=True))
    if "t" in places:
        places["t"] = places["t"] + split.first
    if "batch" in places:  # the arrays hold one row of the batch: the one of the value
        places["batch"] = np.full(len(at[0]), split.of.b)
    scope = dict(zip(("layer", "direction"), layer_and_direction(part.scope), strict=True)) if part.scope else {}
    return pd.DataFrame(
        {
            "address": _addresses(part, places),
            "kind": part.kind,
            "name": part.name,
            **scope,
            **places,
            "contribution": part.values[at],
        }
    )


def _addresses(part: _Part, columns: dict[str, Any]) -> list[str]:
    """`0/forward/W_xi[0,1]`, `3/0/x_t[1]`, `0/forward/0/h0[1]`."""
    before = [columns[name].tolist() for name in ("t", "batch") if name in columns]
    after = [columns[name].tolist() for name in ("unit", "input") if name in columns]
    lead = "".join([f"{part.scope}/" if part.scope else "", *["%d/"] * len(before), part.name.replace("%", "%%")])
    text = f"{lead}[{','.join(['%d'] * len(after))}]"
    return [text % place for place in zip(*before, *after, strict=True)]
