"""Which mistakes explain the failures of an engine, and which cases it takes to see every mistake.

A mistake is an option that is ignored, or one of the table (`mistakes/table.toml`), at one place or everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from ...base.arrays import Array
from ..identify import Search
from ..trials import Trials
from .cases import GIVEN, READINGS, Case, Outputs, catalogue, recorded, wanted
from .judging import CaseVerdict, gap

#: At most so many options are ignored at once.
MOST = 3
Keys = frozenset[str]


def made(case: Case, reading: str = "text") -> Iterator[tuple[str, Callable[[bool], Outputs]]]:
    """Each mistake of the table that can be made in a case: its key, and the outputs with it; see `Case.results`."""
    trace = case.trace(reading)
    candidates = Search(trace, {}).candidates()
    for candidate, values in zip(candidates, Trials(trace, wanted(trace)).run(candidates), strict=True):
        yield candidate.said[0], lambda turned, values=values: case.results(trace, values, reading, turned)  # type: ignore[misc]


def ignored(case: Case) -> dict[str, Callable[[Case], Case]]:
    """The options of a case that an engine may ignore, each with how the case is without it; its numbers stay."""

    def less(*names: str) -> Callable[[Case], Case]:
        return lambda c: replace(c, attributes={k: v for k, v in c.attributes.items() if k not in names})

    constants = "activation_alpha", "activation_beta"
    names = [n for n in case.attributes if n not in ("layout", *constants) and case.attributes[n] != "bidirectional"]
    found = {name: less(name, *(constants if name == "activations" else ())) for name in names}
    if "activations" in names and "direction" in case.attributes and "direction" not in names:
        half = case.attributes["activations"][: len(case.attributes["activations"]) // 2]
        found["activations of reverse"] = lambda c: replace(c, attributes={**c.attributes, "activations": half * 2})
    if constants[0] in case.attributes:
        found["constants of activations"] = less(*constants)
    if case.lengths:
        found["lengths"] = lambda c: replace(c, lengths=())
    for name in case.give:
        found[GIVEN.get(name, name)] = lambda c, name=name: replace(  # type: ignore[misc]
            c, give=tuple(n for n in c.give if n != name)
        )
    return found


def explanations(one: CaseVerdict) -> list[Keys]:
    """Sets of mistakes that reproduce what an engine gave, the plainest first."""
    case, found = one.entry.case, one.found or {}

    def fits(outputs: Outputs) -> bool:
        given = {name: array for name, array in outputs.items() if name in found}
        return bool(given) and gap(found, given).off <= one.entry.tolerance

    def without(case: Case) -> bool:
        traces = [(case.trace(reading), reading) for reading in READINGS]
        return any(fits(case.results(trace, recorded(trace), reading)) for trace, reading in traces)

    changes, sets = ignored(case), list[Keys]()
    for count in range(1, MOST + 1):
        for keys in combinations(changes, count):
            changed = case
            for key in keys:
                changed = changes[key](changed)
            if without(changed):
                sets.append(frozenset(f"ignored:{key}" for key in keys))
        if sets and count == 1:
            return sets
        if sets:
            break
    ends = (True, False) if case.attributes.get("direction", "forward") != "forward" else (True,)
    keys = [key for reading in one.entry.readings for key, outputs in made(case, reading) if any(fits(outputs(e)) for e in ends)]
    return [frozenset({key}) for key in dict.fromkeys(keys)] + sets


@dataclass(frozen=True)
class Cause:
    """A mistake that explains failures. keys: the mistake, and others that explain the same. attach: the smallest."""

    keys: tuple[str, ...]
    cases: tuple[str, ...]
    attach: str


def causes(verdicts: Sequence[CaseVerdict]) -> tuple[Cause, ...]:
    """The smallest set of mistakes, found greedily, that explains every wrong case that can be explained."""
    wrong = {one.name: one for one in verdicts if one.verdict == "wrong" and one.found}
    sets = {name: found for name, one in wrong.items() if (found := explanations(one))}
    chosen, by_case = set[str](), dict[str, Keys]()

    def covered(keys: Keys) -> dict[str, Keys]:
        found = {name: next((s for s in sets[name] if s <= chosen | keys), None) for name in sets if name not in by_case}
        return {name: s for name, s in found.items() if s is not None}

    while left := [name for name in sets if name not in by_case]:
        candidates = dict.fromkeys(s for name in left for s in sets[name])
        best = max(candidates, key=lambda s: len(covered(s)) / max(1, len(s - chosen)))
        by_case |= covered(best)
        chosen |= best
    return tuple(sorted((_cause(key, wrong, sets, by_case) for key in chosen), key=lambda one: -len(one.cases)))


def _cause(
    key: str, wrong: Mapping[str, CaseVerdict], sets: Mapping[str, Sequence[Keys]], by_case: Mapping[str, Keys]
) -> Cause:
    cases = [name for name in wrong if key in by_case.get(name, ())]
    alone = [name for name in cases if len(by_case[name]) == 1]
    same = [sum((list(s) for s in sets[name] if len(s) == 1), []) for name in alone]
    equal = sorted(set.intersection(*map(set, same)) - {key}) if same else []
    return Cause((key, *equal), tuple(cases), min(alone or cases, key=lambda name: smallness(wrong[name].entry.case)))


def smallness(case: Case) -> tuple[Any, ...]:
    """By which the smallest of several cases is chosen: options, then numbers."""
    return len(case.options), sum(array.size for array in case.inputs.values()), case.name


def measure(cells: Iterable[str]) -> dict[str, Any]:
    """A smallest set of cases, found greedily, that shows every mistake of the table and tells every two apart.

    Returns the names of the `cases`; by cell the keys of the mistakes that no case shows (`unseen`), and those that no
    case tells apart (`alike`). A mistake is made everywhere at once here.
    """
    every, unseen, alike = set[str](), dict[str, list[str]](), dict[str, list[list[str]]]()
    for cell in cells:
        cases = [case for case in catalogue().values() if case.cell == cell]
        found = [{k: outputs(True) for k, outputs in made(case) if "/" not in k.partition(":")[0]} for case in cases]
        keys = ["", *sorted({key for each in found for key in each})]
        shown = {case.name: _apart(case, each, keys) for case, each in zip(cases, found, strict=True)}
        whole, seen = np.logical_or.reduce([*shown.values()]), np.zeros((len(keys),) * 2, bool)
        while (seen != whole).any():
            best = max(shown, key=lambda name: int((shown[name] & ~seen).sum()))
            seen |= shown[best]
            every.add(best)
        unseen[cell] = [key for key, there in zip(keys, whole[0], strict=True) if key and not there]
        for k in np.flatnonzero(whole[0]):
            same = [keys[j] for j in np.flatnonzero(~whole[k] & whole[0])]
            if len(same) > 1 and keys[k] not in sum(alike.setdefault(cell, []), []):
                alike[cell].append(same)
    return {"cases": [name for name in catalogue() if name in every], "unseen": unseen, "alike": alike}


def _apart(case: Case, found: Mapping[str, Outputs], keys: Sequence[str]) -> Array:
    """Which of the mistakes a case tells apart; the first is none, and one that cannot be made here is like it."""
    expected, tolerance = case.expected()
    rows = [np.concatenate([one[name].ravel() for name in one]) for one in (expected["text"], *found.values())]
    values = np.nan_to_num(np.stack(rows), nan=1e30, posinf=1e30, neginf=-1e30)
    place = {key: k for k, key in enumerate(found, 1)}
    apart = np.zeros((len(keys),) * 2, bool)
    for column in values[[place.get(key, 0) for key in keys]].T:
        apart |= np.abs(column[:, None] - column) > tolerance
    return apart
