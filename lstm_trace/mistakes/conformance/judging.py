"""What an engine gave, next to the outputs by each reading: a verdict on each case, and the mistakes that explain them.

A mistake is an option that is ignored, or one of the table (`mistakes/table.toml`), at one place or everywhere.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ...base.arrays import Array
from ...base.files import decoded, read_bytes
from ...errors import FileError, some
from ..identify import Search
from ..table import ROWS, MistakeRow
from ..trials import MistakeRuns
from .cases import PREFIX, READINGS, Case, Outputs, Suite, wanted
from .engines import Ran

VERDICTS = ("ok", "wrong", "refused", "crashed", "hung")
#: At most so many options are ignored at once.
MOST = 3
Keys = frozenset[str]


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
    found, (expected, tolerance) = dict(ran.outputs), case.expected
    for name, right in expected["text"].items():
        if name in found and found[name].shape == (right.size,):  # a file of plain numbers has no shape
            found[name] = found[name].reshape(right.shape)
    asked = {one: {k: v for k, v in every.items() if k in found or not ran.partial} for one, every in expected.items()}
    gaps = {one: gap(found, outputs) for one, outputs in asked.items()}
    reading = min(gaps, key=lambda one: gaps[one][0])
    off, said = gaps[reading]
    wrong = not off <= tolerance
    first = _first(case, found, asked[reading]) if wrong and not said else ""
    reading = reading if len(gaps) > 1 else ""
    verdict = "wrong" if wrong else "ok"
    return CaseVerdict(case, replace(ran, outputs=found), verdict, reading, off, first, said, known)


def _first(case: Case, found: Outputs, expected: Outputs) -> str:
    """The address of the first wrong value in the order of computation; a last state is at its last step."""
    last, places = case.sizes["T"] - 1, list[tuple[int, str]]()
    for name, right in expected.items():
        wrong = ~(np.abs(found[name].astype(float) - right) <= case.expected[1])
        for *step, d, row, unit in np.argwhere(np.moveaxis(wrong, 0, -2) if case.batch_first else wrong).tolist():
            way = "reverse" if d or case.direction == "reverse" else "forward"
            order = last if not step else step[0] if way == "forward" else last - step[0]
            at = order if way == "forward" else last - order
            places.append((order, f"0/{way}/{at}/{row}/{'c_t' if name == 'Y_c' else 'h_t'}[{unit}]"))
    return min(places)[1]


def expected_verdicts(path: str, suite: Suite) -> dict[str, str]:
    """The cases of a file that are known to fail, each with its verdict: lines CASE,VERDICT, or a table of `run`.

    What follows # is a comment. Raises FileError for what is neither.
    """
    found = {}
    lines = (line.partition("#")[0] for line in decoded(path, read_bytes(path)).splitlines())
    for number, row in enumerate(csv.reader(lines), 1):
        case, verdict, *_ = (*map(str.strip, row), "", "")
        if verdict in VERDICTS and case.startswith(PREFIX):
            found[case] = verdict
        elif case and (case, verdict) != ("case", "verdict"):
            one = suite.place(suite.cases[0]).name
            known = f"a case as {one!r}" if verdict in VERDICTS else f"a verdict of {', '.join(VERDICTS)}"
            raise FileError(f"{path}, line {number}: expected CASE,VERDICT, with {known}; found {case},{verdict}")
    return {case: verdict for case, verdict in found.items() if verdict != "ok"}


# -- what explains them ------------------------------------------------------------------------------------------------

#: Options that are not called as the attributes and inputs that give them are, and one that two directions have.
CALLED = {"P": "peephole", **dict.fromkeys(("activation_alpha", "activation_beta"), "constants of activations")}
REVERSE = "activations of reverse"


def ignorable(case: Case) -> list[str]:
    """The options of a case that an engine may ignore."""
    both = case.direction == "bidirectional"
    given = [*case.attributes, *case.give, *["lengths"] * bool(case.lengths)]
    names = dict.fromkeys(CALLED.get(n, n) for n in given if n != "layout" and not (both and n == "direction"))
    return [f"ignored:{name}" for name in (*names, *[REVERSE] * (both and "activations" in names))]


def without(case: Case, keys: Iterable[str]) -> Case:
    """A case as it is if options are ignored; its numbers stay."""
    gone = {key.removeprefix("ignored:") for key in keys}
    attributes = {k: v for k, v in case.attributes.items() if CALLED.get(k, k) not in gone}
    if REVERSE in gone and (functions := attributes.get("activations")):
        attributes["activations"] = functions[: len(functions) // 2] * 2
    give = [name for name in case.give if CALLED.get(name, name) not in gone]
    return replace(case, attributes=attributes, give=give, lengths=() if "lengths" in gone else case.lengths)


def made(
    case: Case, reading: str = "text", by: Collection[MistakeRow] | None = None
) -> Iterator[tuple[str, list[Outputs]]]:
    """Each mistake of the table, or of some of its rows, in a case: its key, and the outputs with it.

    A direction that runs the wrong way ends at the other end: a reverse one has both, the right one first.
    """
    trace = case.trace(reading)
    candidates, ends = Search(trace, {}).candidates(by=by), [True, False][: 1 + (case.direction != "forward")]
    for candidate, values in zip(candidates, MistakeRuns(trace, wanted(trace)).run(candidates), strict=True):
        yield str(candidate.mistakes[0]), [case.results(trace, values, reading, end) for end in ends]


def explanations(one: CaseVerdict, known: Keys) -> Iterator[list[Keys]]:
    """Sets of mistakes that reproduce what an engine gave: by those that are known, then the plainest first."""
    case, found, options = one.case, one.ran.outputs, ignorable(one.case)
    there = [key for key in options if key in known]
    names = {key.partition(":")[0].rpartition("/")[2] for key in known}

    def fits(outputs: Outputs) -> bool:
        return gap(found, {k: v for k, v in outputs.items() if k in found})[0] <= case.expected[1]

    def ignoring(keys: Sequence[str], count: int) -> list[Keys]:
        each = map(frozenset, combinations(keys, count))
        return [s for s in each if any(fits(without(case, s).run(reading)) for reading in READINGS)]

    def tabled(ignored: Sequence[str], by: Collection[MistakeRow] | None = None) -> list[Keys]:
        tried = (pair for reading in case.expected[0] for pair in made(without(case, ignored), reading, by))
        return [frozenset({*ignored, key}) for key in dict.fromkeys(k for k, each in tried if any(map(fits, each)))]

    yield from (ignoring(there, count) for count in range(1, MOST + 1))
    yield from (tabled(ignored, [ROWS[row] for row in ROWS if row in names]) for ignored in ([], there))
    yield ignoring(options, 1)
    yield tabled([])
    yield from (ignoring(options, count) for count in range(2, MOST + 1))
    yield tabled(there)


@dataclass(frozen=True)
class Cause:
    """A mistake that explains failures. keys: the mistake, and others that explain the same. attach: the smallest."""

    keys: tuple[str, ...]
    cases: tuple[str, ...]
    attach: str


def causes(
    verdicts: Sequence[CaseVerdict], progress: Callable[[int, int], None] = lambda *_: None
) -> tuple[Cause, ...]:
    """The smallest set of mistakes, found greedily, that explains every wrong case that can be explained.

    progress: called with the number of cases that were looked at, and of all.
    """
    wrong = {one.name: one for one in verdicts if one.verdict == "wrong" and one.off not in (None, np.inf)}
    sets, by_case, chosen = dict[str, list[Keys]](), dict[str, Keys](), Keys()
    for name in sorted(wrong, key=lambda name: len(wrong[name].case.options)):  # few options, few explanations
        progress(len(sets), len(wrong))
        known = Keys().union(*(s for found in sets.values() for s in found))
        sets[name] = next(filter(None, explanations(wrong[name], known)), [])

    def covered(keys: Keys) -> dict[str, Keys]:
        return {name: s for name in sets if name not in by_case for s in reversed(sets[name]) if s <= chosen | keys}

    while left := [s for name in sets if name not in by_case for s in sets[name]]:
        best = max(left, key=lambda s: len(covered(s)) / max(1, len(s - chosen)))
        by_case, chosen = by_case | covered(best), chosen | best
    every = list[Cause]()
    for key in chosen:
        cases = [name for name in wrong if key in by_case.get(name, ())]
        alone = [name for name in cases if len(by_case[name]) == 1] or cases
        equal = set[str].intersection(*({k for s in sets[name] if len(s) == 1 for k in s} for name in alone))
        size = {name: sum(array.size for array in wrong[name].case.inputs.values()) for name in alone}
        attach = min(alone, key=lambda name: (len(wrong[name].case.options), size[name]))
        every.append(Cause((key, *sorted(equal - {key})), tuple(cases), attach))
    return tuple(sorted(every, key=lambda one: (-len(one.cases), one.keys)))
