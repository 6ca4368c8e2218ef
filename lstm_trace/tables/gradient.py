"""Back-propagation through time as an explanation: a worked solution, and the gradient of everything as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backward.gradients import backward, by_address, loss_of, one_value
from ..backward.run import line_gradients
from ..cell.arithmetic import decimals
from ..engine.rerun import in_arithmetic
from ..errors import OptionError
from ..formulas.numbers import DIGITS
from ..report.report import PRINTERS, pdf, report
from ..trace.trace import Trace
from .explanation import Explanation


@dataclass(frozen=True)
class Gradient(Explanation):
    """The gradients as a table; in the formats of a report the worked solution.

    back: the trace with its way back. options: those of a report.
    """

    back: Trace | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def render(self, form: str) -> str:
        """`csv`, `json`, or a format of a report. Raises OptionError, MissingError for a wrong selection."""
        if form not in PRINTERS:
            return super().render(form)
        assert self.back is not None
        return report(self.back, form, **self.options)

    def markdown(self, digits: int = 8) -> str:
        """The worked solution."""
        return self.render("md")

    def pdf(self) -> bytes:
        """The worked solution as a PDF. Raises OptionError without the extra `[pdf]`."""
        assert self.back is not None
        return pdf(self.back, **self.options)


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
        if "digits" not in options and "significant" not in options:
            options["digits"] = max(DIGITS, decimals(trace.header.arithmetic))
    back = backward(trace, output=None if seed is None else np.asarray(seed), of=of)
    value = of if of is None or loss_of(trace, of) else one_value(trace, of)
    found = by_address(back)
    rows = [*_lines(trace, line_gradients(back)), *_premises(found)]
    blocks = [(name, float(np.abs(a).sum()), float(np.abs(a).max(initial=0.0))) for name, a in found.items()]
    blocks.sort(key=lambda row: -row[1])
    return Gradient(
        title=f"Gradient of {value or 'the weighted output'}",
        sentences=tuple(
            f"largest at {name}: {biggest:.6g} (sizes add up to {size:.6g})" for name, size, biggest in blocks[:3]
        ),
        columns=("address", "kind", "gradient"),
        rows=rows,
        more=(Explanation("By block", (), ("block", "sum of sizes", "largest"), blocks, ranked=("sum of sizes",)),),
        ranked=("gradient",),
        back=back,
        options={"alone": "equations" if equations else "back", **options},
    )


def _lines(trace: Trace, found: dict[str, dict[str, Any]]) -> list[tuple[str, str, float]]:
    rows = []
    for stage in reversed(trace.stages):
        here = found.get(stage.scope, {})
        order = trace.span if stage.backwards else trace.span[::-1]
        for t in order:
            for line in reversed(stage.cell.lines):
                if line.name in here:
                    values = here[line.name][trace.index(t)]
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
