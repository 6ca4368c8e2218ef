"""Splits of a value or a difference as explanations: by block, by step, by entry, beside the measures in common use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..backpropagation.attribution import Split, secants, split
from ..base.arrays import Array
from ..errors import OptionError, counted
from ..explanation.contribution import POINTS, Baseline, Pair, Shares, affordable, baseline_of, check_points
from ..report.report import pdf, report
from ..trace.operands import total
from ..trace.trace import Trace
from .attribution_frame import COLUMNS, grids
from .entries import Entries, largest_first
from .explanation import Explanation

#: The formats of the worked solution.
WORKED = ("text", "html", "tex", "typ")
_NOTE = (
    "A contribution is a part of value − baseline value. The contributions add up; a product is split in equal halves "
    "between its factors, and other complete splits exist (docs/attribution.md)."
)


@dataclass(frozen=True)
class Contributions(Explanation):
    """A split as a table; in the formats of a report that are no tables the worked solution.

    worked: makes the trace with the slopes between both. options: those of a report.
    """

    worked: Callable[[], Trace] | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def pieces(self, form: str) -> Iterator[str]:
        """`md`, `csv`, `json`, or the worked solution in `WORKED`. Raises OptionError, MissingError."""
        if form in WORKED:
            return iter([report(self._solution(), form, alone="back", **self.options)])
        if self.options:
            names = ", ".join(self.options)
            raise OptionError(f"{names}: of the worked solution of a split, and {form} is its table; "
                              f"write it as {', '.join(WORKED)} or pdf")  # fmt: skip
        return super().pieces(form)

    def pdf(self) -> bytes:
        """The worked solution as a PDF. Raises OptionError without the extra `[pdf]`."""
        return pdf(self._solution(), alone="back", **self.options)

    def _solution(self) -> Trace:
        assert self.worked is not None
        return self.worked()


@np.errstate(all="ignore")
def difference(a: Trace, b: Trace, of: str) -> Contributions:
    """The difference of one value, b's minus a's, split exactly over parameters, inputs and states."""
    found = split(a, b, of)
    return Contributions(
        title=f"Difference of {found.of}",
        sentences=(*_totals(found, "a", "b"), *_leaders(found)),
        columns=COLUMNS,
        rows=_entries(found, {}),
        shown=("address", "contribution"),
        notes=(_NOTE,),
        more=(_by_block(found), _by_step(found)),
        ranked=("contribution",),
        worked=lambda: secants(a, b, of),
    )


@np.errstate(all="ignore")
def value(
    trace: Trace,
    of: str,
    baseline: Baseline = "zero-input",
    points: int | Literal["auto"] = "auto",
    **options: Any,
) -> Contributions:
    """A value against a baseline, split exactly over inputs, steps and states; gradient x input and integrated
    gradients stand beside it. points: of the path of integrated gradients; `auto`: 50, fewer for a large trace.
    options: see `Contributions`.
    """
    if points != "auto":
        check_points(points)
    count = affordable(trace) if points == "auto" else points
    base, row = baseline_of(trace, baseline, of)
    found = split(base, trace, of, row)
    pair = Pair.of_traces(trace, base, row, of)
    del base  # all its lines
    others: dict[str, Shares] = {"gradient_x_input": pair.gradient_times_input()}
    notes = [_NOTE]
    try:
        others["integrated_gradients"] = pair.integrated_gradients(count)
    except OptionError as error:  # no straight path leads to a baseline with other weights; the exact split stands
        notes.append(f"No integrated gradients: {error}.")
    gaps = [
        f"{name.replace('_', ' ')}: the contributions leave {other.gap:.3g} unexplained"
        for name, other in others.items()
    ]
    if points == "auto" and count < POINTS and "integrated_gradients" in others:
        gaps[-1] += f" ({counted(count, 'point')} of the path instead of {POINTS}, for a trace of this size)"

    def worked() -> Trace:
        base, row = baseline_of(trace, baseline, of)  # anew: a baseline has as many lines as the trace
        return secants(base, trace, of, row)

    return Contributions(
        title=f"Contributions to {found.of}",
        sentences=(*_totals(found, "the baseline", "the trace"), *_leaders(found), *gaps),
        columns=(*COLUMNS, *others),
        rows=_entries(found, {name: other.parts for name, other in others.items()}),
        shown=("address", "contribution", *others),
        notes=tuple(notes),
        more=(_by_block(found), _by_step(found)),
        ranked=("contribution", *others),
        worked=worked,
        options=options,
    )


def _totals(found: Split, a: str, b: str) -> Iterable[str]:
    yield f"{found.of}: {a} has {found.baseline!r}, {b} has {found.value!r}, the difference is {found.difference!r}"
    yield f"the parts add up to {found.total!r}; residual {found.residual:.2g} (rounding)"
    local = total(found.local.values())
    if local:
        yield f"{local:.6g} of it comes from values that differ from their own equation (kind local)"


def _leaders(found: Split) -> Iterable[str]:
    parts = sorted(_blocks(found), key=lambda item: -abs(item[1]))[:3]
    told = [f"{name} {part:+.6g}" for name, part in parts if part]
    if told:
        yield f"largest: {', '.join(told)}"
    steps = _by_step(found).rows
    if len(steps) > 1 and any(row[3] for row in steps):
        step = max(steps, key=lambda row: abs(row[3]))
        yield f"the step that contributed most is t = {step[0]}: {step[3]:+.6g}"
    timed = {name for name, kind in found.kinds.items() if kind in ("parameter", "input", "given")}
    rest = [f"{name} {part:+.6g}" for name, part in _blocks(found) if part and name not in timed]
    if rest:
        yield f"of no step: {', '.join(rest)}"


def _blocks(found: Split) -> list[tuple[str, float]]:
    return [(name, float(np.sum(part))) for name, part in _arrays(found)]


def _arrays(found: Split) -> list[tuple[str, Array]]:
    parts = [*found.parts.items(), *((f"{name} (local)", part) for name, part in found.local.items())]
    return [*parts, ("rounding of float32", np.array(found.rounding))]


def _by_block(found: Split) -> Explanation:
    size = found.size or 1.0
    rows = [(n, float(np.sum(part)), float(np.abs(part).sum()) / size) for n, part in _arrays(found) if np.any(part)]
    rows.sort(key=lambda row: -abs(row[1]))
    return Explanation("By block", (), ("block", "contribution", "share"), rows, ranked=("contribution",))


def _by_step(found: Split) -> Explanation:
    """What came in at each step: through the parameters used there, and the inputs read there."""
    steps = max((len(values) for values in found.by_step.values()), default=0)
    inputs = [(name, part) for name, part in found.parts.items() if found.kinds[name] in ("input", "given")]
    steps = max([steps, *(len(part) for _, part in inputs)])
    through = np.zeros(steps)
    read = np.zeros(steps)
    for values in found.by_step.values():
        through[: len(values)] += values
    for _, part in inputs:
        read[: len(part)] += part.reshape(len(part), -1).sum(axis=1)
    rows = [(found.first + t, float(through[t]), float(read[t]), float(through[t] + read[t])) for t in range(steps)]
    columns = ("t", "parameters", "inputs", "together")
    return Explanation("By step", (), columns, rows, ranked=("together", "parameters", "inputs"), timed=True)


def _entries(found: Split, others: Mapping[str, Mapping[str, Array]]) -> Entries:
    """One row for each entry that is not 0 by every measure, the largest contribution first."""
    measures = ("contribution", *others)
    return Entries((*COLUMNS, *others), lambda: [largest_first(list(grids(found, others)), measures)])
