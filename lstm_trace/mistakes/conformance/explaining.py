"""Which mistakes explain the failures of an engine, and which cases it takes to see every mistake.

`TABLE` is the table of mistakes: the only place that knows where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ...base.arrays import Array
from ...trace.trace import Trace
from .cases import Case, Outputs, catalogue, wanted
from .judging import CaseVerdict, gap


class KeyedMistake(Protocol):
    """A mistake of the table."""

    @property
    def key(self) -> str:
        """Its stable name."""


class MistakeTable(Protocol):
    """What is needed of the table of mistakes."""

    def applicable(self, trace: Trace) -> Sequence[KeyedMistake]:
        """The mistakes that can be made in the cell of a trace."""

    def outputs(
        self, trace: Trace, mistakes: Sequence[Any], wanted: Sequence[tuple[str, str]]
    ) -> Mapping[Any, Mapping[tuple[str, str], Array]]:
        """The values (T, B, width) of lines, by scope and name, with each of the mistakes made."""


TABLE: MistakeTable | None = None


def variants(case: Case, reading: str = "text") -> list[tuple[str, Outputs]]:
    """The outputs of a case with each mistake that can be made in it, by the mistake's key.

    A direction that runs the wrong way ends at the other end: each mistake has both ends, the right one first.
    """
    if TABLE is None:
        return []
    trace = case.trace(reading)
    found = TABLE.outputs(trace, TABLE.applicable(trace), wanted(trace))
    ends = (True, False) if any(stage.direction == "reverse" for stage in trace.stages) else (True,)
    return [(one.key, case.results(trace, values, reading, end)) for end in ends for one, values in found.items()]


@dataclass(frozen=True)
class Cause:
    """A mistake that explains failures. keys: the mistake, and others that explain the same. attach: the smallest."""

    keys: tuple[str, ...]
    cases: tuple[str, ...]
    attach: str


def causes(verdicts: Sequence[CaseVerdict]) -> tuple[Cause, ...]:
    """The smallest set of mistakes, found greedily, that explains every wrong case that can be explained."""
    wrong = {one.name: one for one in verdicts if one.verdict == "wrong" and one.found is not None}
    explained: dict[str, set[str]] = {}
    for name, one in wrong.items():
        for reading in one.entry.readings:
            for key, outputs in variants(one.entry.case, reading):
                given = {k: v for k, v in outputs.items() if k in one.found} if one.found else {}
                if given and gap(one.found or {}, given).off <= one.entry.tolerance:
                    explained.setdefault(key, set()).add(name)
    left, found = set(wrong), list[Cause]()
    while best := max(explained, key=lambda key: (len(explained[key] & left), -len(key), key), default=""):
        cases = explained[best] & left
        if not cases:
            break
        same = sorted(key for key in explained if explained[key] & left == cases and key != best)
        small = min(cases, key=lambda name: smallness(wrong[name].entry.case))
        found.append(Cause((best, *same), tuple(name for name in wrong if name in cases), small))
        left -= cases
    return tuple(found)


def smallness(case: Case) -> tuple[Any, ...]:
    """By which the smallest of several cases is chosen: options, then numbers."""
    return len(case.options), sum(array.size for array in case.inputs.values()), case.name


def measure(cells: Iterable[str]) -> dict[str, Any]:
    """A smallest set of cases, found greedily, that sees every mistake and tells every two apart; what none can.

    Returns the names of the `cases`; by cell the keys of the mistakes that no case shows (`unseen`), and the pairs that
    no case tells apart (`alike`).
    """
    every, unseen, alike = list[str](), dict[str, list[str]](), dict[str, list[list[str]]]()
    for cell in cells:
        cases = [case for case in catalogue().values() if case.cell == cell]
        made = {case.name: dict(reversed(variants(case))) for case in cases}
        keys = ["", *sorted({key for found in made.values() for key in found})]
        shown = {case.name: _apart(case, made[case.name], keys) for case in cases}
        whole, seen = np.logical_or.reduce([*shown.values()]), np.zeros((len(keys),) * 2, bool)
        while (seen != whole).any():
            best = max(shown, key=lambda name: (int((shown[name] & ~seen).sum()), name))
            seen |= shown[best]
            every.append(best)
        unseen[cell] = [key for k, key in enumerate(keys) if k and not whole[0, k]]
        alike[cell] = [
            [keys[j], keys[k]] for j, k in np.argwhere(~whole).tolist() if 0 < j < k and whole[0, j] and whole[0, k]
        ]
    return {"cases": [name for name in catalogue() if name in every], "unseen": unseen, "alike": alike}


def _apart(case: Case, made: Mapping[str, Outputs], keys: Sequence[str]) -> Array:
    """Which of the mistakes a case tells apart; the first is none, and one that cannot be made here is like it."""
    expected, tolerance = case.expected()
    right = expected["text"]
    rows = [np.concatenate([outputs[name].ravel() for name in right]) for outputs in (right, *made.values())]
    values = np.nan_to_num(np.stack(rows), nan=1e30)
    place = {key: k + 1 for k, key in enumerate(made)}
    values = values[[place.get(key, 0) for key in keys]]
    return np.abs(values[:, None] - values[None]).max(-1) > tolerance  # type: ignore[no-any-return]
