"""Back-propagation through time as an explanation: a worked solution, and the gradient of everything as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np

from ..backpropagation.gradients import backward, by_address
from ..backpropagation.run import line_gradients
from ..backpropagation.target import loss_of, target
from ..base.arrays import Array
from ..cell.network import Stage
from ..documents.rows import STEP_LABEL, Entries, Grid, Run, every
from ..engine.plan_choice import pieces
from ..engine.rerun import in_arithmetic
from ..errors import OptionError
from ..plot.kinds.curves import gradient_figure as gradient_picture
from ..report import explained
from ..report.report import PRINTERS, report
from ..trace.trace import Trace
from .explanation import Explanation

_COLUMNS = ("address", "kind", "gradient")


@dataclass(frozen=True)
class Gradient(Explanation):
    """The gradients as a table; in the formats of a report the worked solution.

    back: the trace with its way back. options: those of a report.
    """

    back: Trace | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def pieces(self, form: str, file: str = "") -> Iterator[str]:
        """`csv`, `json`, or a format of a report. Raises OptionError, MissingError for a wrong selection."""
        if form not in PRINTERS:
            return super().pieces(form)
        assert self.back is not None
        return iter(
            [report(self.back, form, **self.options, pictured=explained.before_worked(self.figure, form, file))]
        )

    def markdown(self, digits: int = 8, file: str = "") -> str:
        """The worked solution."""
        return "".join(self.pieces("md", file))


def gradient(
    trace: Trace,
    of: str | None = None,
    seed: Any = None,
    equations: bool = False,
    arithmetic: str | None = None,
    **options: Any,
) -> Gradient:
    """The gradient of the value at `of`, or of the weighting `seed` of the output, with respect to everything.

    The rows are the lines in the order of the walk (last step first), then the premises. equations: those of the way
    back alone. arithmetic: compute both ways in it. options: see `Gradient`.
    Raises OptionError unless exactly one of `of` and `seed` is given.
    """
    if (of is None) == (seed is None):
        raise OptionError("gradient needs either the address of a value (of) or weights of the output (seed)")
    if arithmetic is not None:
        trace = in_arithmetic(trace, arithmetic)
    back = backward(trace, output=None if seed is None else np.asarray(seed), of=of)
    value = of if of is None or loss_of(trace, of) else target(trace, of)
    found = by_address(back)
    blocks = [(name, float(np.abs(a).sum()), float(np.abs(a).max(initial=0.0))) for name, a in found.items()]
    blocks.sort(key=lambda row: -row[1])
    columns = _COLUMNS if not trace.header.step_labels else ("address", STEP_LABEL, *_COLUMNS[1:])
    return Gradient(
        title=f"Gradient of {value or 'the weighted output'}",
        sentences=tuple(
            f"largest at {name}: {biggest:.6g} (sizes add up to {size:.6g})" for name, size, biggest in blocks[:3]
        ),
        columns=columns,
        rows=Entries(columns, lambda: [*_lines(trace, line_gradients(back)), _premises(found)]),
        more=(Explanation("By block", (), ("block", "sum of sizes", "largest"), blocks, ranked=("sum of sizes",)),),
        ranked=("gradient",),
        figure=cache(partial(gradient_picture, trace, of, language=options.get("language", "en"), output=seed)),
        back=back,
        options={"alone": "equations" if equations else "back", **options},
    )


def _lines(trace: Trace, found: dict[str, dict[str, Array]]) -> Iterator[Run]:
    """The gradients of the lines that are not 0, in the order of the walk, some steps at a time."""
    for stage in reversed(trace.stages):
        here = found.get(stage.scope, {})
        names = [line.name for line in reversed(stage.cell.lines) if line.name in here]
        each = sum(here[name][0].size for name in names)
        for some in pieces(trace.steps, each, not stage.backwards):
            steps = trace.span[some] if stage.backwards else trace.span[some][::-1]
            yield _visited([_line(trace, stage, name, here[name], steps) for name in names])


def _line(trace: Trace, stage: Stage, name: str, values: Array, steps: range) -> Grid:
    first, last = trace.index(min(steps)), trace.index(max(steps))
    axes = (("t", steps), ("batch", range(values.shape[1])), ("unit", range(values.shape[2])))
    address = f"{stage.scope}/%d/%d/{name.replace('%', '%%')}[%d]"
    cells = {"gradient": values[first : last + 1][:: steps.step]}
    return Grid(address, axes, {"kind": "line"}, cells, labels=trace.header.step_labels)


def _visited(lines: Sequence[Grid]) -> Run:
    """What is not 0 of lines that have the same steps: step by step, and at each of them line by line."""

    def order() -> Array:
        places, steps, start = [], [], 0
        for grid in lines:
            there = np.flatnonzero(grid.values["gradient"])
            places.append(start + there)
            steps.append((there // grid.values["gradient"][0].size).astype(np.min_scalar_type(len(grid.axes[0][1]))))
            start += grid.size
        return np.concatenate(places)[np.argsort(np.concatenate(steps), kind="stable")]

    return Run(tuple(lines), sum(int(np.count_nonzero(grid.values["gradient"])) for grid in lines), order)


def _premises(found: dict[str, Array]) -> Run:
    return every(
        Grid(
            f"{name.replace('%', '%%')}[{','.join(['%d'] * values.ndim)}]",
            tuple((str(axis), range(n)) for axis, n in enumerate(values.shape)),
            {"kind": "premise"},
            {"gradient": values},
        )
        for name, values in found.items()
    )
