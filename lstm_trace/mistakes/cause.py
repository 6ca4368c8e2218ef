"""Why a line of another program differs: the mistakes of the table with which its values follow from its own operands.

The candidates run as for `identify`, but every line that the other program gave is replaced by what it gave as soon as
it is computed: what comes later, and the next step, read its values and not ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Cell
from ..cell.network import Scope, counted_at_padding, scope_and_name
from ..trace.trace import Trace
from ..verification.alignment import in_both, padding
from ..verification.measures import LineDifference
from ..verification.propagation import Known, apart
from ..verification.rederive import Rederivation, known_of
from .identify import ChangedEquation, places_of
from .programs import CARRY, OUTPUT, Mistake, program_of
from .trials import Candidate, MistakeRuns, Place, PlacedMistake, Values

#: A mistake may move values to where rounding is larger than it is by the right equation.
MARGIN = 4
#: A mistake is named if unrelated values would agree with one of all that are tried less often than this.
CHANCE = 1e-3


class Part(NamedTuple):
    """Where alone a mistake was made: steps, sequences and units; None where it is in all of them."""

    steps: tuple[int, ...] | None
    rows: tuple[int, ...] | None
    units: tuple[int, ...] | None


@dataclass(frozen=True)
class Cause:
    """What explains the values of the first line that differs, and those of others.

    found: mistakes that explain them equally well, the plainest first. equations: those that the first one changes.
    part: where it was made, if not everywhere. rest: whether values of the line differ for another reason as well.
    """

    found: tuple[PlacedMistake, ...]
    equations: tuple[ChangedEquation, ...]
    part: Part | None = None
    rest: bool = False


class _Line(NamedTuple):
    """A line that b gave: its values, by how much a right one may differ, where they count, and where they are wrong."""

    values: Array
    limit: Array
    counts: Array
    wrong: Array


class _Fit(NamedTuple):
    """Where a candidate explains what is wrong in a line, and whether it explains all of that, and all else."""

    explained: Array
    whole: bool
    always: bool


def cause(a: Trace, b: Trace, first: LineDifference) -> Cause | None:
    """The cause of the first difference; None if no mistake of the table explains it.

    Args:
        a: the reference.
        b: values of another program from the same premises, at the same steps.
        first: the first line of a in which they differ.
    """
    common = in_both(a, b)
    right = Rederivation(a, b, common)
    derived = {stage.scope: right.lines(stage, slice(0, a.steps)) for stage in a.stages}
    lines = {(s, n): _line(a, b, s, n, derived[s][n]) for s, names in common.items() for n in names
             if n in derived[s] and a.stage(s).cell.by_name[n].assigned}  # fmt: skip
    order = [*a.stage(first.scope).cell.by_name]
    behind = order[order.index(first.line) :]
    place = next(((first.scope, n) for n in behind if (first.scope, n) in lines and lines[first.scope, n].wrong.any()), None)
    if place is None:
        return None
    known = {s: {n: np.asarray(v.value, np.float64) for n, v in here.items()} for s, here in derived.items()}
    given = {(s, n): line.values for (s, n), line in lines.items()}
    ...
