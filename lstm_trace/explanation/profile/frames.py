"""The profile of a model as pandas frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...trace.labels import axis, labels, step_labels
from ..activity import Activity

if TYPE_CHECKING:
    import pandas as pd

    from ..activity import LineStatistics
    from .profile import Profile, StageProfile

UNITS = (
    *("layer", "direction", "line", "unit", "label", "mean", "least", "most", "largest", "t", "batch"),
    *("half_life", "kept", "dead", "follows"),
)
STEPS = (
    *("layer", "direction", "t", "batch", "token", "change", "times", "forgets", "line", "unit", "before", "after"),
)


def gates(found: Profile) -> pd.DataFrame:
    """A row for each unit of each gate: what `explain(trace, how="gates")` has, of gates alone."""
    import pandas as pd

    rows = [
        (part.stage.layer, part.stage.direction, *unit[1:])
        for part in found.parts
        for units in part.gates.values()
        for unit in units
    ]
    return pd.DataFrame(rows, columns=["layer", "direction", *Activity._fields[1:]])


def units(found: Profile) -> pd.DataFrame:
    """A row for each unit of each carried line and of the output."""
    return _joined(UNITS, [_units(found, part, line) for part in found.parts for line in part.lines])


def _joined(columns: Sequence[str], frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The frames below one another; where there is none, one without rows."""
    import pandas as pd

    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(columns))


def _units(found: Profile, part: StageProfile, line: LineStatistics) -> pd.DataFrame:
    import pandas as pd

    width = len(line.mean)
    named = labels(found.trace, axis(found.trace, part.stage, line.name), width)
    nothing = np.full(width, np.nan)
    columns: dict[str, Any] = {
        "layer": part.stage.layer,
        "direction": part.stage.direction,
        "line": line.name,
        "unit": np.arange(width),
        "label": list(named) or [""] * width,
        "mean": line.mean,
        "least": line.least,
        "most": line.most,
        "largest": line.largest,
        "t": line.at[:, 0] + found.trace.first,
        "batch": line.at[:, 1],
        "half_life": nothing if line.kept is None else line.kept.half_life,
        "kept": nothing if line.kept is None else line.kept.mean,
        "dead": part.dead if line is part.output else np.zeros(width, bool),
        "follows": part.follows[line.name].share if line.name in part.follows else nothing,
    }
    return pd.DataFrame(columns)[list(UNITS)]


def steps(found: Profile) -> pd.DataFrame:
    """A row for each valid step of each row, in each layer and direction."""
    import pandas as pd

    frames = []
    for part in found.parts:
        if part.moves is None:
            continue
        t, b = np.nonzero(~np.isnan(part.moves.change) | found.valid)
        at = t, b
        named = [step_labels(found.trace, row) or [""] * found.trace.steps for row in found.rows]
        forgets = part.forgets
        columns: dict[str, Any] = {
            "layer": part.stage.layer,
            "direction": part.stage.direction,
            "t": t + found.trace.first,
            "batch": b + found.rows.start,
            "token": [named[row][step] for step, row in zip(t.tolist(), b.tolist(), strict=True)],
            "change": part.moves.change[at],
            "times": part.moves.times[at],
            "forgets": np.nan if forgets is None else forgets[at],
            "line": part.moves.name,
            "unit": part.moves.unit[at],
            "before": part.moves.before[at],
            "after": part.moves.after[at],
        }
        frames.append(pd.DataFrame(columns)[list(STEPS)])
    return _joined(STEPS, frames)


def layers(found: Profile) -> pd.DataFrame:
    """A row for each layer and direction; the mean of each gate is a column of its name."""
    import pandas as pd

    rows = [{"layer": part.stage.layer, "direction": part.stage.direction, **part.summary} for part in found.parts]
    return pd.DataFrame(rows)
