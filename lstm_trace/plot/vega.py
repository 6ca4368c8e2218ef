"""What the Vega-Lite specifications of pictures share: https://vega.github.io/schema/vega-lite/v5.json."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .colours import Scale
from .furniture import wrapped

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
#: Steps up to which each value of a curve is a point too.
POINTS = 25
#: So many rows of values a specification has at most: they weigh about 50 bytes each.
MOST = 20_000


def whole(title: str, caption: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """A specification from its data, marks and encodings. caption: stands below the title, as does `found["note"]`."""
    rest = {key: value for key, value in found.items() if key != "note"}
    lines = [*wrapped(caption, 100), *wrapped(str(found.get("note", "")), 100)]
    shown: Any = {"text": title, "anchor": "start", **({"subtitle": lines} if lines else {})}
    return {"$schema": SCHEMA, "title": shown, **rest}


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as JSON holds them; null for what is no finite number."""
    columns = [(str(name), list(map(plain, frame[name].tolist()))) for name in frame]
    names = [name for name, _ in columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*(values for _, values in columns), strict=True)]


def plain(value: Any) -> Any:
    """A value as JSON holds it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def field(name: str, kind: str, title: str | None = None, **more: Any) -> dict[str, Any]:
    """An encoding of a field. name: of the column. kind: `quantitative`, `ordinal` or `nominal`."""
    escaped = name.replace("\\", "\\\\").replace(".", "\\.").replace("[", "\\[").replace("]", "\\]")
    return {"field": escaped, "type": kind, **({"title": title} if title is not None else {}), **more}


def colour(scale: Scale) -> dict[str, Any]:
    """The scale of an encoding by colour: what lies beyond has the colour of the end."""
    kind = {"type": "log"} if scale.logarithmic else {}
    return {**kind, "domain": [scale.low, scale.high], "clamp": True, "scheme": "blueorange" if scale.two else "blues"}


def steps_between_extremes(steps: int, series: int) -> int:
    """How many steps of each curve share a lowest and a highest value, so that a specification stays small."""
    return 1 if steps * series <= MOST else -(-2 * steps * series // MOST)


def curves(frame: pd.DataFrame, names: Mapping[str, str], size: int, y: dict[str, Any]) -> dict[str, Any]:
    """A panel of curves.

    Args:
        frame: its index is the step.
        names: those of its columns that are drawn, and what they are called.
        size: see `steps_between_extremes`.
        y: the encoding of the values.
    """
    rows: list[dict[str, Any]] = []
    for column, name in names.items():
        values = frame[column].to_numpy(np.float64)
        kept = range(len(values)) if size == 1 else _ends(values, size)
        rows += [{"t": int(frame.index[k]), "line": name, "value": plain(float(values[k]))} for k in kept]
    return {
        "data": {"values": rows},
        "mark": {"type": "line", "point": len(frame) <= POINTS, "tooltip": True},
        "encoding": {
            "x": field("t", "quantitative", "t", axis={"tickMinStep": 1, "format": "d"}),
            "y": y,
            "color": field("line", "nominal", "", sort=list(names.values())),
        },
    }


def _ends(values: Any, size: int) -> Iterable[int]:
    """Of each `size` values the places of the lowest and the highest, in order; of none that is finite the first."""
    for at in range(0, len(values), size):
        part = values[at : at + size]
        there = np.isfinite(part).any()
        yield from sorted({at + int(np.nanargmin(part)), at + int(np.nanargmax(part))}) if there else [at]
