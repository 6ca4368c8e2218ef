"""Two traces as one table: every value that both have, how far it is off, and where the difference comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..errors import OptionError, nearest
from ..trace.rows import TracePart, parts
from ..trace.trace import Trace
from ..trace.window import between
from ..verification.alignment import in_both, padding, premises
from ..verification.differences import Gap, Spread, find_gaps, sum_gaps
from ..verification.rederive import values_of
from .table import TraceTable

SHAPES = ("long", "wide")
#: The columns of numbers in the shape long. `difference` is b - a, `own` the part that is b's own, `inherited` the part
#: that comes from its operands.
NUMBERS = ("a", "b", "difference", "own", "inherited")


@dataclass(frozen=True)
class DifferenceTable(TraceTable):
    """A table of the values that two traces with the same steps and sequences have, compared as by `compare`.

    shape: `long`, one row per value with the columns of `NUMBERS`; `wide`, one row per step, with a column per line and
    unit, which holds b - a. A difference that is not finite is an empty cell, and so are its parts, which are empty as
    well if an operand was not recorded. Steps that are padding in both have no rows. sides: a and b; trace: what both
    have of a.
    """

    sides: tuple[Trace, Trace] = field(kw_only=True)

    @classmethod
    def between(cls, *sides: Trace, **options: Any) -> DifferenceTable:
        """The table of b compared with a. options: fields of the table. Raises OptionError for another shape, or if
        there are no traces.
        """
        if not sides:
            said = "weights were compared, and no values: give the models an input (--input X, in Python x=…)"
            raise OptionError(said)
        a, b = sides
        if (shape := options.get("shape", "long")) not in SHAPES:
            raise OptionError(f"there is no shape {shape!r}{nearest(shape, SHAPES)}; expected {' or '.join(SHAPES)}")
        common, outside = in_both(a, b), padding(a, b)
        labels = a.header.step_labels or b.header.step_labels
        there = replace(
            a,
            header=replace(a.header, step_labels=labels),
            lines={s: {n: v for n in names if (v := values_of(a, s, n)) is not None} for s, names in common.items()},
            sums={s: {n: v for n, v in of.items() if n in b.sums.get(s, {})} for s, of in a.sums.items()},
            lengths=None,
            mask=None if outside is None else ~outside[:, :, 0],
        )
        return cls(there, sides=(a, b), **options)

    @property
    def columns(self) -> tuple[str, ...]:
        """See `TraceTable.columns`."""
        names = super().columns
        return names if self.shape == "wide" else (*(n for n in names if n not in ("op", "value")), *NUMBERS)

    @property
    def blank(self) -> frozenset[str]:
        """See `TraceTable.blank`."""
        return frozenset(self.columns if self.shape == "wide" else NUMBERS[2:])

    def number_type(self, name: str) -> Any:
        """See `TraceTable.number_type`."""
        return np.dtype(self.sides["ab".index(name)].header.dtype if name in ("a", "b") else np.float64)

    def numbers(self, values: Array) -> dict[str, Array]:
        """See `TraceTable.numbers`."""
        return {name: np.ascontiguousarray(values[name]) for name in NUMBERS}

    def filled(self) -> Iterator[TracePart]:
        """See `TraceTable.filled`: the traces are compared some steps at a time."""
        a, b = self.sides
        for stage, steps, gaps, _ in find_gaps(a, b, in_both(a, b), bool(premises(a, b))):
            there = between(self.trace, a.span[steps])
            lines = {gap.line.name: self._compared(gap) for gap in gaps if self._chosen.has(gap.line.name)}
            if lines and there.valid.any():
                yield from parts(replace(there, lines={stage.scope: lines}, sums={}))
        for stage in a.stages if self.shape == "long" else ():
            shapes = self.trace.sums.get(stage.scope, {})
            gaps = [gap for gap, _ in sum_gaps(a, b, stage, Spread(a.steps, a.batch))]
            sums = {gap.line.name: self._compared(gap).reshape(shapes[gap.line.name].shape) for gap in gaps}
            if sums:
                yield from parts(replace(self.trace, lines={}, sums={stage.scope: sums}))

    @np.errstate(all="ignore")
    def _compared(self, gap: Gap) -> Array:
        """A line at some steps: records of `NUMBERS`, or b - a alone in the shape wide."""
        a, b = gap.a.wide, gap.b.wide
        derived = np.nan if gap.by_a is None or gap.lacking else gap.by_a.wide
        each = {"difference": b - a, "own": b - derived, "inherited": derived - a}
        each = {name: np.where(np.isfinite(values), values, np.nan) for name, values in each.items()}
        if self.shape == "wide":
            return each["difference"]
        found = np.empty(a.shape, [(name, self.number_type(name)) for name in NUMBERS])
        for name, values in {"a": gap.a.value, "b": gap.b.value, **each}.items():
            found[name] = values
        return found
