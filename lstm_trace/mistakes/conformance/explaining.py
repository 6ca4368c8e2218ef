"""Which mistakes explain the failures of an engine, and which cases it takes to see every mistake.

A mistake is an option that is ignored, or one of the table (`mistakes/table.toml`), at one place or everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...weights.onnx.node import OPERATORS
from ..identify import Search
from ..trials import MistakeRuns
from .cases import READINGS, Case, Outputs, catalogue, wanted
from .judging import CaseVerdict, gap

#: At most so many options are ignored at once.
MOST = 3
Keys = frozenset[str]


def made(case: Case, reading: str = "text") -> Iterator[tuple[str, list[Outputs]]]:
    """Each mistake of the table that can be made in a case: its key, and the outputs with it.

    A direction that runs the wrong way ends at the other end: a reverse one has both, the right one first.
    """
    trace = case.trace(reading)
    candidates, ends = Search(trace, {}).candidates(), [True, False][: 1 + ("direction" in case.attributes)]
    for candidate, values in zip(candidates, MistakeRuns(trace, wanted(trace)).run(candidates), strict=True):
        yield str(candidate.mistakes[0]), [case.results(trace, values, reading, end) for end in ends]


def ignored(case: Case) -> dict[str, Callable[[Case], Case]]:
    """The options of a case that an engine may ignore, each with how the case is without it; its numbers stay."""

    def less(*names: str) -> Callable[[Case], Case]:
        return lambda c: replace(
            c, attributes={k: v for k, v in c.attributes.items() if k not in names},
            give=tuple(n for n in c.give if n not in names), lengths=() if "lengths" in names else c.lengths,
        )  # fmt: skip

    attributes, constants = case.attributes, ("activation_alpha", "activation_beta")
    both = attributes.get("direction") == "bidirectional"
    names = [n for n in attributes if n not in ("layout", *constants) and not (n == "direction" and both)]
    names += [*case.give, *["lengths"] * bool(case.lengths)]
    found = {"peephole" if n == "P" else n: less(n, *(constants if n == "activations" else ())) for n in names}
    if constants[0] in attributes:
        found["constants of activations"] = less(*constants)
    if both and (functions := attributes.get("activations")):
        half = {"activations": functions[: len(functions) // 2] * 2}
        found["activations of reverse"] = lambda c: replace(c, attributes={**c.attributes, **half})
    return found


def explanations(one: CaseVerdict, known: Keys = frozenset()) -> list[Keys]:
    """Sets of mistakes that reproduce what an engine gave, the plainest first.

    known: if given, only sets of the options among them that are ignored, and one mistake of the table.
    """
    case, found, sets = one.case, one.ran.outputs, list[Keys]()
    changes = {f"ignored:{name}": change for name, change in ignored(case).items()}

    def without(keys: Iterable[str]) -> Case:
        return reduce(lambda case, key: changes[key](case), keys, case)

    def fits(outputs: Outputs) -> bool:
        return gap(found, {k: v for k, v in outputs.items() if k in found})[0] <= case.expected[1]

    for count in range(1, MOST + 1 if not known else 1):
        for keys in combinations(changes, count):
            if any(fits(without(keys).run(reading)) for reading in READINGS):
                sets.append(frozenset(keys))
        if sets:
            break
    there = known & {*changes}
    if there if known else not any(len(keys) == 1 for keys in sets):
        table = (
            key for reading in case.expected[0] for key, each in made(without(there), reading) if any(map(fits, each))
        )
        sets = [there | {key} for key in dict.fromkeys(table)] + sets
    return sets


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
    sets: dict[str, list[Keys]] = {}
    for name, one in wrong.items():
        progress(len(sets), len(wrong))
        sets[name] = explanations(one)
    sets = {name: found for name, found in sets.items() if found}
    by_case: dict[str, Keys] = {}
    chosen: Keys = frozenset()

    def covered(keys: Keys) -> dict[str, Keys]:
        return {name: s for name in sets if name not in by_case for s in reversed(sets[name]) if s <= chosen | keys}

    while left := [name for name in sets if name not in by_case]:
        candidates = dict.fromkeys(s for name in left for s in sets[name])
        best = max(candidates, key=lambda s: len(covered(s)) / max(1, len(s - chosen)))
        by_case, chosen = by_case | covered(best), chosen | best
    for name in [name for name in wrong if name not in by_case]:  # options that are ignored, and something else
        if found := explanations(wrong[name], chosen):
            sets[name] = found
            by_case[name] = min(found, key=lambda s: len(s - chosen))
            chosen |= by_case[name]
    every = list[Cause]()
    for key in chosen:
        cases = [name for name in sets if key in by_case[name]]
        alone = [name for name in cases if len(by_case[name]) == 1] or cases
        equal = set[str].intersection(*({k for s in sets[name] if len(s) == 1 for k in s} for name in alone))
        sizes = {name: sum(array.size for array in wrong[name].case.inputs.values()) for name in alone}
        attach = min(alone, key=lambda name: (len(wrong[name].case.options), sizes[name]))
        every.append(Cause((key, *sorted(equal - {key})), tuple(cases), attach))
    return tuple(sorted(every, key=lambda one: (-len(one.cases), one.keys)))


def measure() -> dict[str, Any]:
    """A smallest set of cases, found greedily, that shows every mistake of the table and tells every two apart.

    Returns the names of the `cases`; by cell the keys of the mistakes that no case shows (`unseen`), and those that no
    case tells apart (`alike`). A mistake is made everywhere at once here.
    """
    every, unseen, alike = set[str](), dict[str, list[str]](), dict[str, list[list[str]]]()
    for cell in OPERATORS:
        cases = [case for case in catalogue().values() if case.cell == cell]
        found = [{k: outputs[0] for k, outputs in made(case) if "/" not in k.partition(":")[0]} for case in cases]
        keys = ["", *sorted({key for each in found for key in each})]
        shown = {case.name: _apart(case, each, keys) for case, each in zip(cases, found, strict=True)}
        whole, seen = np.logical_or.reduce([*shown.values()]), np.zeros((len(keys),) * 2, bool)
        while (seen != whole).any():
            best = max(shown, key=lambda name: int((shown[name] & ~seen).sum()))
            seen |= shown[best]
            every.add(best)
        unseen[cell] = [key for key, there in zip(keys, whole[0], strict=True) if key and not there]
        classes = {tuple(np.flatnonzero(~whole[k] & whole[0])) for k in np.flatnonzero(whole[0])}
        alike[cell] = [[keys[k] for k in each] for each in sorted(classes) if len(each) > 1]
    return {"cases": [name for name in catalogue() if name in every], "unseen": unseen, "alike": alike}


def _apart(case: Case, found: Mapping[str, Outputs], keys: Sequence[str]) -> Array:
    """Which of the mistakes a case tells apart; the first is none, and one that cannot be made here is like it."""
    expected, tolerance = case.expected
    rows = [np.concatenate([one[name].ravel() for name in one]) for one in (expected["text"], *found.values())]
    values = np.nan_to_num(np.stack(rows), nan=1e30, posinf=1e30, neginf=-1e30)
    place = {key: k for k, key in enumerate(found, 1)}
    apart = np.zeros((len(keys),) * 2, bool)
    for column in values[[place.get(key, 0) for key in keys]].T:
        apart |= np.abs(column[:, None] - column) > tolerance
    return apart
