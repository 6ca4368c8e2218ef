"""The verdict on a case: what an engine gave, next to the outputs by each reading."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ...base.arrays import Array
from ...base.files import decoded, read_bytes
from ...errors import FileError, some
from .cases import Case, Outputs
from .running import Ran
from .suite import PREFIX, Suite

VERDICTS = ("ok", "wrong", "refused", "crashed", "hung")


@dataclass(frozen=True)
class CaseVerdict:
    """What became of a case.

    reading: of several, the one that the engine has, or is nearest to. off: the largest difference from its outputs.
    first: the address of the first value that is wrong. said: what is wrong with names and shapes, or what the engine
    said. known: the verdict that is expected, other than ok; empty if none is.
    """

    case: Case
    ran: Ran
    verdict: str
    reading: str = ""
    off: float | None = None
    first: str = ""
    said: str = ""
    known: str = ""

    @property
    def name(self) -> str:
        """The folder of the case."""
        return PREFIX + self.case.name

    @property
    def status(self) -> str:
        """ok, failed, expected (a failure that is known), or fixed (one that is known, and is gone)."""
        if self.verdict == "ok":
            return "fixed" if self.known else "ok"
        return "expected" if self.verdict == self.known else "failed"


def gap(found: Mapping[str, Array], expected: Outputs) -> tuple[float, str]:
    """How far outputs are from others, and what is wrong with their names or shapes, if it is infinite."""
    off = 0.0
    for name, right in expected.items():
        values = found.get(name)
        if values is None:
            return np.inf, f"no output {name}; there are {some([*found], 6) or 'none'}"
        if values.shape != right.shape or values.dtype.kind not in "fiu":
            return np.inf, f"{name} is {values.dtype} {values.shape}; expected float32 {right.shape}"
        differences = np.abs(values.astype(float) - right)
        off = max(off, float(np.nan_to_num(differences, nan=np.inf).max(initial=0.0)))
    return off, ""


def judge(case: Case, ran: Ran, known: str = "") -> CaseVerdict:
    """The verdict on what an engine gave."""
    if ran.verdict != "ok":
        return CaseVerdict(case, ran, ran.verdict, said=ran.said, known=known)
    expected, tolerance = case.expected
    if ran.partial:
        expected = {one: {k: v for k, v in all.items() if k in ran.outputs} for one, all in expected.items()}
    shapes = {name: right.shape for name, right in expected["text"].items()}
    plain = {
        k: v.reshape(shapes[k]) for k, v in ran.outputs.items() if v.ndim == 1 and v.size == prod(shapes.get(k, ()))
    }
    ran = replace(ran, outputs=ran.outputs | plain)  # a file of plain numbers has no shape
    gaps = {one: gap(ran.outputs, outputs) for one, outputs in expected.items()}
    best = min(gaps, key=lambda one: gaps[one][0])
    off, said = gaps[best]
    right, reading = off <= tolerance, best if len(gaps) > 1 else ""
    first = "" if right or said else _first(case, ran.outputs, expected[best])
    return CaseVerdict(case, ran, "ok" if right else "wrong", reading, off, first, said, known)


def _first(case: Case, found: Outputs, expected: Outputs) -> str:
    """The address of the first wrong value in the order of computation; a last state is at its last step."""
    attributes, last = case.attributes, case.sizes["T"] - 1
    places: list[tuple[int, str]] = []
    for name, right in expected.items():
        wrong = ~(np.abs(found[name].astype(float) - right) <= case.expected[1])
        wrong = np.moveaxis(wrong, 0, -2) if attributes.get("layout") else wrong
        for *step, d, row, unit in np.argwhere(wrong).tolist():
            direction = "reverse" if d or attributes.get("direction") == "reverse" else "forward"
            order = last if not step else step[0] if direction == "forward" else last - step[0]
            at = order if direction == "forward" else last - order
            places.append((order, f"0/{direction}/{at}/{row}/{'c_t' if name == 'Y_c' else 'h_t'}[{unit}]"))
    return min(places, key=lambda one: one[0])[1]


def expected_verdicts(path: str, suite: Suite) -> dict[str, str]:
    """The cases of a file that are known to fail, each with its verdict: lines CASE,VERDICT, or a table of `run`.

    What follows # is a comment. Raises FileError for what is neither.
    """
    found = {}
    names = [suite.place(case).name for case in suite.cases]
    lines = (line.partition("#")[0] for line in decoded(path, read_bytes(path)).splitlines())
    for number, row in enumerate(csv.reader(lines), 1):
        case, verdict, *_ = (*map(str.strip, row), "", "")
        if verdict in VERDICTS and case.startswith(PREFIX):
            found[case] = verdict
        elif case and (case, verdict) != ("case", "verdict"):
            known = f"a case as {names[0]!r}" if verdict in VERDICTS else f"a verdict of {', '.join(VERDICTS)}"
            raise FileError(f"{path}, line {number}: expected CASE,VERDICT, with {known}; found {case},{verdict}")
    return {case: verdict for case, verdict in found.items() if verdict != "ok"}
