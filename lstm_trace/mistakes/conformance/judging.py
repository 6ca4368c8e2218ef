"""What an engine gave, next to the outputs by each reading: a verdict on each case, and the mistakes that explain them.

A mistake is an option that is ignored, or one of the table (`mistakes/table.toml`), at one place or everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np

from ...base.arrays import Array
from ...errors import some
from ..identify import Search
from ..table import ROWS, MistakeRow
from ..trials import MistakeRuns
from .cases import READINGS, NodeCase, Outputs, wanted
from .engines import CaseVerdict

VERDICTS = ("ok", "wrong", "refused", "crashed", "hung")
#: At most so many options are ignored at once. So many plainer cases that the table does not explain are enough.
MOST, ENOUGH = 3, 5
Keys = frozenset[str]
Rows = Collection[MistakeRow]
Progress = Callable[[int, int], None]


def misfit(found: Outputs, expected: Outputs, partial: bool) -> str:
    """What is wrong with the names and shapes of outputs. partial: whether some may be missing."""
    for name, right in expected.items():
        if (values := found.get(name)) is not None:
            if values.shape != right.shape or values.dtype.kind not in "fiu":
                return f"{name} is {values.dtype} {values.shape}; expected float32 {right.shape}"
        elif not partial:
            return f"no output {name}; there are {some([*found], 6) or 'none'}"
    return ""


def distance(found: Mapping[str, Array], expected: Outputs) -> float:
    """How far outputs are from others at most; infinite for what is no number."""
    gaps = [np.abs(found[name].astype(float) - right).max() for name, right in expected.items() if name in found]
    return float(np.nan_to_num(gaps, nan=np.inf, posinf=np.inf).max(initial=0))


def judge(one: CaseVerdict) -> CaseVerdict:
    """The verdict on what an engine gave."""
    if one.verdict != "ok":
        return one
    (expected, tolerance), found = one.case.expected, dict(one.outputs)
    if said := misfit(found, expected["text"], one.partial):
        return one._replace(verdict="wrong", off=np.inf, said=said)
    gaps = {reading: distance(found, outputs) for reading, outputs in expected.items()}
    reading = min(gaps, key=gaps.__getitem__)
    one = one._replace(off=gaps[reading], reading=reading if len(gaps) > 1 else "")
    if gaps[reading] <= tolerance:
        return one
    return one._replace(verdict="wrong", first=_first(one.case, found, expected[reading]))


def _first(case: NodeCase, found: Outputs, expected: Outputs) -> str:
    """The address of the first wrong value in the order of computation; a last state is at its last step."""
    last, places = case.sizes["T"] - 1, list[tuple[int, str]]()
    for name in expected.keys() & found.keys():
        wrong = ~(np.abs(found[name].astype(float) - expected[name]) <= case.expected[1])
        wrong = np.moveaxis(wrong, 0, -2) if case.attributes.get("layout") else wrong
        for *step, d, row, unit in np.argwhere(wrong).tolist():
            begin, way = (last, "reverse") if d or case.direction == "reverse" else (0, "forward")
            at = step[0] if step else last - begin
            places.append((abs(at - begin), f"0/{way}/{at}/{row}/{'c_t' if name == 'Y_c' else 'h_t'}[{unit}]"))
    return min(places)[1]


# -- what explains them ------------------------------------------------------------------------------------------------

#: Options that are not called as the attributes and inputs that give them are, and one that two directions have.
CALLED = {"P": "peephole", **dict.fromkeys(("activation_alpha", "activation_beta"), "constants of activations")}
REVERSE = "activations of reverse"


def ignorable(case: NodeCase) -> list[str]:
    """The options of a case that an engine may ignore."""
    both = case.direction == "bidirectional"
    given = [*case.attributes, *case.give, *["lengths"] * bool(case.lengths)]
    names = dict.fromkeys(CALLED.get(n, n) for n in given if n != "layout" and not (both and n == "direction"))
    return [f"ignored:{name}" for name in (*names, *[REVERSE] * (both and "activations" in names))]


def without(case: NodeCase, keys: Iterable[str]) -> NodeCase:
    """A case as it is if options are ignored; its numbers stay."""
    gone = {key.removeprefix("ignored:") for key in keys}
    attributes = {k: v for k, v in case.attributes.items() if CALLED.get(k, k) not in gone}
    if REVERSE in gone and (functions := attributes.get("activations")):
        attributes["activations"] = functions[: len(functions) // 2] * 2
    give = [name for name in case.give if CALLED.get(name, name) not in gone]
    return replace(case, attributes=attributes, give=give, lengths=() if "lengths" in gone else case.lengths)


def made(case: NodeCase, reading: str = "text", by: Rows | None = None) -> Iterator[tuple[str, list[Outputs]]]:
    """No mistake, and each of the table, or of some of its rows, in a case: its key, and the outputs with it.

    The key of none is empty. A direction that runs the wrong way ends at the other end: if Y shows the mistake a
    reverse one has both, the right one first. That its last states alone are of the other end is a mistake of its own.
    """
    trace = case.trace(reading)
    runs = MistakeRuns(trace, wanted(trace))
    right, whole = {place: runs.right(place) for place in runs.wanted}, runs.wanted[0]
    yield "", [usual := case.results(trace, right, reading)]
    if case.direction != "forward":
        other = case.results(trace, right, reading, turned=False)
        yield "last-states:other-end", [other, *(usual | {name: other[name]} for name in other if name != "Y")]
    candidates = Search(trace, {}).candidates(by=by)
    for candidate, values in zip(candidates, runs.run(candidates), strict=True):
        both = case.direction != "forward" and not np.array_equal(values[whole], right[whole])
        yield str(candidate.mistakes[0]), [case.results(trace, values, reading, e) for e in (True, False)[: 1 + both]]


def rows_of(keys: Iterable[str]) -> list[MistakeRow]:
    """The rows of the table that mistakes are by."""
    names = {key.partition(":")[0].rpartition("/")[2] for key in keys}
    return [row for name, row in ROWS.items() if name in names]


def fits(one: CaseVerdict, each: Iterable[Outputs]) -> bool:
    """Whether an engine gave one of several outputs."""
    return any(distance(one.outputs, outputs) <= one.case.expected[1] for outputs in each)


def refutes(one: CaseVerdict, key: str) -> bool:
    """Whether a case that is right would be wrong with a mistake; one that changes nothing in it is not refuted."""
    case, rows = one.case, rows_of([key])
    if key.startswith("ignored:"):
        if key not in ignorable(case):
            return False
        case, key = without(case, [key]), ""
    key = key.removeprefix(f"{case.direction}/")  # the only one has no name
    tried = [[outputs for k, each in made(case, reading, rows) if k == key for outputs in each] for reading in READINGS]
    return any(tried) and not any(fits(one, each) for each in tried)


def explanations(one: CaseVerdict, known: Keys, thorough: bool) -> Iterator[list[Keys]]:
    """Sets of mistakes that reproduce what an engine gave: by those that are known, then the plainest first.

    Each is of options that are ignored, and at most one mistake of the table. thorough: whether all of it is tried.
    """
    case, options = one.case, ignorable(one.case)
    there, rows = [key for key in options if key in known], rows_of(known)

    def fitting(ignored: Iterable[Sequence[str]], by: Rows | None) -> list[Keys]:
        readings = case.expected[0] if by is None else READINGS
        tried = ((s, pair) for s in ignored for reading in readings for pair in made(without(case, s), reading, by))
        return list(dict.fromkeys(Keys({*s, key}) - {""} for s, (key, each) in tried if fits(one, each)))

    yield from (fitting(combinations(there, n), rows) for n in sorted({*range(MOST + 1), len(there)}))
    yield fitting(combinations(options, 1), rows)
    yield fitting([()], None) if thorough else []
    yield from (fitting(combinations(options, n), rows) for n in range(2, MOST + 1))
    yield fitting([there], None) if thorough and there else []


class FailureCause(NamedTuple):
    """A mistake that explains failures. keys: the mistake, and others that explain the same. attach: the smallest."""

    keys: tuple[str, ...]
    cases: tuple[str, ...]
    attach: str


def causes(verdicts: Sequence[CaseVerdict], progress: Progress = lambda *_: None) -> tuple[FailureCause, ...]:
    """The smallest set of mistakes, found greedily, that explains every wrong case that can be explained.

    None of them would make a case wrong that is right; what is refuted everywhere may be so in one direction.
    progress: called with the number of cases that were looked at, and of all.
    """
    wrong = {one.case.folder: one for one in verdicts if one.first and one.off != np.inf}
    size = {name: (len(one.case.options), sum(map(np.size, one.case.inputs.values()))) for name, one in wrong.items()}
    sets, chosen = dict[str, list[Keys]](), Keys()

    @cache
    def refuted(cell: str, key: str) -> bool:
        return any(refutes(one, key) for one in verdicts if one.verdict == "ok" and one.case.cell == cell)

    def credible(case: NodeCase, found: Iterable[Keys]) -> list[Keys]:
        alone = case.direction != "bidirectional"  # it then has no name in the key
        moved = {key: f"{case.direction}/{key}" for s in found for key in s if alone and refuted(case.cell, key)
                 for row in rows_of([key]) if not row.everywhere}  # fmt: skip
        placed = [Keys(moved.get(key, key) for key in s) for s in found]
        return [s for s in placed if not any(refuted(case.cell, key) for key in s)]

    for name in sorted(wrong, key=lambda name: size[name][0]):  # few options, few explanations
        progress(len(sets), len(wrong))
        known = Keys().union(*(s for found in sets.values() for s in found))
        alike = [other for other in sets if not sets[other] and wrong[other].case.cell == wrong[name].case.cell]
        found = explanations(wrong[name], known, len(alike) < ENOUGH)
        sets[name] = next(filter(None, (credible(wrong[name].case, each) for each in found)), [])

    def explained(keys: Keys) -> set[str]:
        return {name for name, found in sets.items() if any(s <= keys for s in found)}

    while left := [s for name in sets if name not in explained(chosen) for s in sets[name]]:
        chosen |= max(left, key=lambda s: len(explained(chosen | s) - explained(chosen)) / len(s - chosen))
    by_case = {name: min((s for s in found if s <= chosen), key=len) for name, found in sets.items() if found}
    every = list[FailureCause]()
    for key in Keys().union(*by_case.values()):
        cases = [name for name in wrong if key in by_case.get(name, ())]
        alone = [name for name in cases if len(by_case[name]) == 1] or cases
        equal = set[str].intersection(*({k for s in sets[name] if len(s) == 1 for k in s} for name in alone))
        every.append(FailureCause((key, *sorted(equal - {key})), tuple(cases), min(alone, key=size.__getitem__)))
    return tuple(sorted(every, key=lambda one: (-len(one.cases), one.keys)))
