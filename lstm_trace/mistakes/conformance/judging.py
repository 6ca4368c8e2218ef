"""The verdict on a case: what an engine gave, next to the outputs by each reading."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...base.files import decoded, read_bytes
from ...errors import FileError, nearest
from .cases import Case, Outputs
from .running import Ran
from .suite import PREFIX, Suite, SuiteEntry

VERDICTS = ("ok", "wrong", "refused", "crashed", "hung")


@dataclass(frozen=True)
class CaseVerdict:
    """What became of a case.

    reading: of several, the one that the engine has, or is nearest to. off: the largest difference from its outputs.
    first: the address of the first value that is wrong. said: what the engine said. found: its outputs. known: the
    verdict that is expected, other than ok; empty if none is.
    """

    entry: SuiteEntry
    verdict: str
    reading: str = ""
    off: float | None = None
    first: str = ""
    said: str = ""
    seconds: float = 0.0
    found: Outputs | None = None
    known: str = ""

    @property
    def name(self) -> str:
        """The folder of the case."""
        return PREFIX + self.entry.case.name

    @property
    def status(self) -> str:
        """ok, failed, expected (a failure that is known), or fixed (one that is known, and is gone)."""
        if self.verdict == "ok":
            return "fixed" if self.known else "ok"
        return "expected" if self.verdict == self.known else "failed"


class Gap(NamedTuple):
    """The largest difference of two sets of outputs, and what is wrong with the names or shapes of the first."""

    off: float
    said: str


def gap(found: Mapping[str, Array], expected: Outputs) -> Gap:
    """How far outputs are from others; infinite if an array is missing, of another shape or not finite."""
    off = 0.0
    for name, right in expected.items():
        if name not in found:
            return Gap(np.inf, f"no output {name}; there are {', '.join(found)}")
        values = np.asarray(found[name])
        if values.ndim == 1 and values.size == right.size:  # a file of plain numbers has no shape
            values = values.reshape(right.shape)
        if values.shape != right.shape or values.dtype.kind not in "fiu":
            return Gap(np.inf, f"{name} is {values.dtype} {values.shape}; expected float32 {right.shape}")
        differences = np.abs(values.astype(float) - right)
        off = max(off, float(np.nan_to_num(differences, nan=np.inf).max(initial=0.0)))
    return Gap(off, "")


def judge(suite: Suite, entry: SuiteEntry, ran: Ran, known: str = "", partial: bool = False) -> CaseVerdict:
    """The verdict on what an engine gave. partial: whether outputs may be missing, as in files that it wrote."""
    if ran.verdict != "ok":
        return CaseVerdict(entry, ran.verdict, said=ran.said, seconds=ran.seconds, known=known)
    expected = suite.expected(entry)
    if partial and (there := set(ran.outputs) & set(entry.case.outputs)):
        expected = {one: {k: v for k, v in outputs.items() if k in there} for one, outputs in expected.items()}
    gaps = {one: gap(ran.outputs, outputs) for one, outputs in expected.items()}
    best = min(gaps, key=lambda one: gaps[one].off)
    right, reading = gaps[best].off <= entry.tolerance, best if len(gaps) > 1 else ""
    first = "" if right or gaps[best].said else _first(entry, ran.outputs, expected[best])
    verdict, off = "ok" if right else "wrong", gaps[best].off
    return CaseVerdict(entry, verdict, reading, off, first, gaps[best].said, ran.seconds, ran.outputs, known)


def _first(entry: SuiteEntry, found: Outputs, expected: Outputs) -> str:
    """The address of the first wrong value in the order of computation; a last state is at its last step."""
    case = entry.case
    reverse = case.attributes.get("direction") == "reverse"
    wrong = {}
    for name, right in expected.items():
        values = np.abs(np.reshape(found[name], right.shape).astype(float) - right)
        marks = ~(values <= entry.tolerance)
        wrong[name] = np.moveaxis(marks, 0, -2) if case.attributes.get("layout") else marks
    places: list[tuple[int, str]] = []
    for name, marks in wrong.items():
        for place in np.argwhere(marks if name == "Y" else marks[None]).tolist():
            step, d, row, unit = place
            backwards = reverse or d == 1
            step = step if name == "Y" else 0 if backwards else case.sizes["T"] - 1
            order = case.sizes["T"] - 1 - step if backwards else step
            direction, line = "reverse" if backwards else "forward", "c_t" if name == "Y_c" else "h_t"
            places.append((order, f"0/{direction}/{step}/{row}/{line}[{unit}]"))
    return min(places, key=lambda one: one[0])[1]


def expected_verdicts(path: str, suite: Suite) -> dict[str, str]:
    """The cases of a file that are expected to fail, each with its verdict: lines CASE,VERDICT, or a table of `run`.

    What follows # is a comment. Raises FileError for an unknown case or verdict.
    """
    names = {PREFIX + one.case.name for one in suite.entries}
    found = {}
    lines = (line.partition("#")[0].strip() for line in decoded(path, read_bytes(path)).splitlines())
    for number, row in enumerate(csv.reader(lines), 1):
        case, verdict, *_ = [*(cell.strip() for cell in row), "", ""]
        if not case or (number == 1 and (case, verdict) == ("case", "verdict")):
            continue
        if verdict not in VERDICTS:
            raise FileError(f"{path}, line {number}: expected CASE,VERDICT with one of {', '.join(VERDICTS)}")
        found |= {case: verdict} if verdict != "ok" else {}
    if unknown := [case for case in found if not case.startswith(PREFIX)]:
        raise FileError(f"{path}: no case is called {unknown[0]!r}{nearest(unknown[0], names)}")
    return found
