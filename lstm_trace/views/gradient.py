"""Back-propagation through time as an explanation: the gradient of every line, and of every premise."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import OptionError
from ..trace import Trace
from ..walks.gradients import Weightings, add_value, gradients, line_gradients, one_value, weighting
from .table_report import Explanation


def gradient(trace: Trace, of: str | None = None, seed: Any = None) -> Explanation:
    """The gradient of the value at `of`, or of the weighting `seed` of the output, with respect to everything.

    The rows are the lines in the order of the walk (last step first), then the premises.
    Raises OptionError unless exactly one of the two is given.
    """
    if (of is None) == (seed is None):
        raise OptionError("gradient needs either the address of a value (of) or weights of the output (seed)")
    seeds: Weightings = {} if seed is None else weighting(trace, output=np.asarray(seed))
    target = "the weighted output"
    if of is not None:
        value = one_value(trace, of)
        add_value(trace, seeds, value)
        target = str(value)
    found = gradients(trace, output=seed, of=of)
    rows = [*_lines(trace, line_gradients(trace, seeds)), *_premises(found)]
    blocks = [(name, float(np.abs(a).sum()), float(np.abs(a).max(initial=0.0))) for name, a in found.items()]
    blocks.sort(key=lambda row: -row[1])
    return Explanation(
        title=f"Gradient of {target}",
        sentences=tuple(
            f"largest at {name}: {biggest:.6g} (sizes add up to {size:.6g})" for name, size, biggest in blocks[:3]
        ),
        columns=("address", "kind", "gradient"),
        rows=rows,
        more=(Explanation("By block", (), ("block", "sum of sizes", "largest"), blocks),),
    )


def _lines(trace: Trace, found: dict[str, dict[str, Any]]) -> list[tuple[str, str, float]]:
    rows = []
    for stage in reversed(trace.stages):
        here = found.get(stage.scope, {})
        order = range(trace.steps) if stage.direction == "reverse" else range(trace.steps - 1, -1, -1)
        for t in order:
            for line in reversed(stage.cell.lines):
                if line.name in here:
                    values = here[line.name][t]
                    for (b, j), value in np.ndenumerate(values):
                        if value:
                            rows.append((f"{stage.scope}/{t}/{b}/{line.name}[{j}]", "line", float(value)))
    return rows


def _premises(found: dict[str, Any]) -> list[tuple[str, str, float]]:
    return [
        (f"{name}[{','.join(map(str, at))}]", "premise", float(value))
        for name, array in found.items()
        for at, value in np.ndenumerate(array)
    ]
