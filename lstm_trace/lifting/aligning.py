"""A lifted cell with the names that another trace has for the same lines and weights, so that a diff aligns them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Cell, ending
from ..model.sources import prepare
from .lifted import Lifted
from .naming import line_value

#: So far apart, relative to the largest, the values of a line may be at the first step that is taken for the same.
_NEAR = 1e-6
_NUMBER = re.compile(r"_\d+$")
_NAME = re.compile(r"\b[A-Za-z_]\w*\b(?!\()")


def aligned(source: Any, reference: Any) -> Any:
    """The trace of a lifted cell, with the names of another: of the output and the states, which go by their places
    where names differ; of weights and lines with equal values at the first step, and of what stands in the same places
    of their equations. What is no lifted cell, or is compared with none, is returned as it is.
    """
    if not isinstance(source, Lifted) or not isinstance(reference, Lifted):
        return source
    trace, one, two = source.trace, reference.cell, source.cell
    names = _names(reference, source)
    if not names:
        return trace
    text = _NAME.sub(lambda found: names.get(found[0], found[0]), two.text)
    weights = {names.get(name, name): array for name, array in source.weights.items()}
    cell = prepare(weights, {"equations": text}).cell
    ends = [row for row in cell.text.splitlines() if row.startswith(("matrix:", "carry:", "output:"))]
    rows = [f"{name} = {right}" for name, right in _in_words_of(one, cell)] + ends
    made = prepare(weights, {"equations": "\n".join(rows), "direction": source.direction}, name=trace.header.title)
    called = {name: name for name in names} | dict(trace.header.aliases)
    aliases = {names.get(name, name): text for name, text in called.items()}
    begin = {names.get(name, name): one for name, one in trace.initial.get(f"0/{source.direction}", {}).items()}
    made = replace(made, header=replace(made.header, aliases=aliases))
    return made.run(trace.x, begin.pop("h_prev", None), begin.pop("c_prev", None), initial=begin or None)


def _in_words_of(one: Cell, two: Cell) -> Iterator[tuple[str, str]]:
    """The equations of `two`, in the text of `one` where they are the same in real numbers."""
    known = two.equations.keys() & one.equations.keys()
    there = {*two.equations, *two.parameters, *two.states, *two.inputs}
    for name, text in two.equations.items():
        readable = name in known and {*_NAME.findall(one.equations[name])} <= there
        same = readable and line_value(one, name, known) == line_value(two, name, known)
        yield name, one.equations[name] if same else text


def _names(reference: Lifted, source: Lifted) -> dict[str, str]:
    """What one calls the lines and weights of the other that have other names."""
    one, two = reference.cell, source.cell
    lines = [{name: each.trace[name][:1] for name in each.cell.equations} for each in (reference, source)]
    stems = [Counter(_NUMBER.sub("", name) for name in each) for each in lines]
    both = {name for name in lines[0].keys() & lines[1] if not _equal(lines[0][name], lines[1][name])}
    # such as k and k_2, whose numbers do not say which is which
    loose = {name for name in both if max(each[_NUMBER.sub("", name)] for each in stems) > 1}
    common = one.states.keys() & two.states.keys()
    old = [
        sorted((name for name in each.cell.states if name not in common), key=lambda name: each.trace[name].shape[-1])
        for each in (source, reference)
    ]
    states = [*zip(*old, strict=False), *((name, name) for name in common)]
    alike = reference.trace.output.shape[-1] == source.trace.output.shape[-1]
    ends = [(two.output, one.output)] * alike
    ends += [*((two.states[theirs], one.states[ours]) for theirs, ours in states), *states]
    # whatever else has the name of an output or of a new state gets another
    loose |= {name for pair in ends if pair[0] != pair[1] for name in pair} & lines[0].keys() & lines[1].keys()
    found: dict[str, str] = {}
    ours_taken = {*two.equations, *two.parameters} - loose
    theirs_known = {*one.equations, *one.parameters} - loose

    def pair(theirs: str, ours: str) -> None:
        if not {theirs} & (theirs_known | found.keys()) and ours not in {*ours_taken, *found.values()}:
            found[theirs] = ours

    def pair_equal(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> None:
        for name, values in theirs.items():
            for other in (other for other, array in ours.items() if _equal(array, values)):
                pair(name, other)

    for theirs, ours in ends:
        pair(theirs, ours)
    pair_equal(reference.weights, source.weights)
    pair_equal(*lines)
    todo = [name for name in two.equations if found.get(name, "" if name in loose else name) in one.equations]
    for name in todo:
        for theirs, ours in _in_places(two.equations[name], one.equations[found.get(name, name)]):
            if theirs in two.equations and ours in one.equations and theirs not in todo:
                pair(theirs, ours)
                todo += [theirs] if found.get(theirs) == ours else []
            elif theirs in two.parameters and ours in one.parameters:
                pair(theirs, ours)
    for name in sorted(loose - found.keys()):
        taken = {*found.values(), *one.equations, *two.equations} if name in found.values() else set[str]()
        found[name] = name + ending([name], taken)
    return found


def _equal(one: Array, two: Array) -> bool:
    return one.shape == two.shape and bool(np.abs(one - two).max(initial=0) <= _NEAR * np.abs(one).max(initial=0))


def _in_places(one: str, two: str) -> Iterable[tuple[str, str]]:
    """The names that stand in the same places of two equations; none if they are built in different ways."""
    shapes, names = zip(*((_NAME.split(text), _NAME.findall(text)) for text in (one, two)), strict=True)
    return zip(*names, strict=True) if shapes[0] == shapes[1] else ()
