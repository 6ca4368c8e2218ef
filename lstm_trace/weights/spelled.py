"""Weights under the names of a textbook or program, read as ours: the names decide, then the shapes, or the author."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.named_cells import KINDS
from ..cell.notations import Spelling, cells_of, notations, spellings
from ..errors import MissingError, OptionError, ShapeError, raise_all, require_known, some
from .layouts import STORED

Arrays = dict[str, dict[str, Array]]


class SpelledWeights(NamedTuple):
    """Weights under our names, by scope.

    cell: the one whose weights these are. options: those that the names imply. imported: what was done, in sentences.
    called: our names of weights to those of the author, where they differ. lines: likewise of lines. remarks: by
    option, what is to be known unless the author gives it.
    """

    arrays: Arrays
    cell: str
    options: Mapping[str, Any] = {}
    imported: tuple[str, ...] = ()
    called: Mapping[str, str] = {}
    lines: Mapping[str, str] = {}
    remarks: Mapping[str, str] = {}


#: What the update gate of a GRU does with the old state, by the option `update`: textbooks with the same names differ.
_UPDATES = {
    update: f"the update gate {update}s: h_t = {old} * h_prev + {new} * h_tilde; "
    f"for the other reading write cell: {{kind: gru, update: {other}}}"
    for update, old, new, other in (("keep", "u_t", "(1 - u_t)", "write"), ("write", "(1 - u_t)", "u_t", "keep"))
}


def read(
    arrays: Arrays, cell: str | None, notation: str | None, aside: Set[str] = frozenset(), ask: Set[str] = frozenset()
) -> SpelledWeights:
    """The weights of a cell by scope, written in any notation, under our names; unknown names stay as they are.

    cell: its name; None if the names decide: the smallest cell that has them all, otherwise the most likely one.
    notation: that of the names, if the author says it; our names are read as well, unless it has the same with another
    meaning. aside: names that are not the cell's, such as those of a readout. ask: names of lines; if several cells
    have all the weights, the one with the most of them is meant. Raises OptionError for a notation that
    does not exist or does not have the cell, MissingError for names of two notations or of another cell, ShapeError.
    """
    names = {name for here in arrays.values() for name in here} - aside
    if notation is not None:
        require_known("notation", notation, notations())
    possible = {notation} if notation == "d2l" else {notation, "exercise"} if notation else notations().keys() - {"d2l"}
    every = [one for kind in STORED[::-1] for one in spellings(kind) if one.notation in possible]
    whole = [one for one in every if _covers(one, names)]
    if not cell and not notation:
        whole = [one for one in whole if one.notation == "exercise" or _fits(one, arrays, names)]
    meant = max(whole, key=lambda one: len(ask & _lines(one)), default=None)
    if found := [one for one in whole if meant and one.cell == (cell or meant.cell)]:
        return _read(_chosen(found, arrays, names, notation), arrays, names)
    if whole and whole[0].notation != "exercise":
        said = f"the weights {some(sorted(names), 6)} are those of the cell {whole[0].cell}, and the cell is {cell}"
        raise MissingError(f"{said}: write cell: {whole[0].cell}")
    every = [one for one in every if cell in (None, one.cell)]
    if notation not in (None, "exercise", "joined") and notation not in {one.notation for one in every}:
        has = cells_of(notation)
        raise OptionError(f"the notation {notation!r} has no names for the cell {cell!r}; it has those of {has}")
    best = max(every, key=lambda one: (len(names & one.weights.keys()), _fits(one, arrays, names)), default=None)
    if best is None or not _ours(best, names):
        return SpelledWeights(arrays, cell or "lstm")
    return _read(best, arrays, names)


@cache
def _lines(one: Spelling) -> set[str]:
    """The lines of a cell, by our names and by those of the spelling."""
    return {row.partition(" ")[0] for row in KINDS[one.cell]().equations().splitlines()}.union(one.lines.values())


def _ours(one: Spelling, names: Set[str]) -> list[str]:
    """Our names of these weights; none if a weight has two of them."""
    found = [ours for name in names for ours in one.weights.get(name, ())]
    return found if len({*found}) == len(found) else []


def _covers(one: Spelling, names: Set[str]) -> bool:
    """Whether all are its names, or ours where none has others, and there are matrices on both sides, of ours of x."""
    brings = KINDS[one.cell].brings
    if not all(name in one.weights or name in brings for name in names):
        return False
    sides = {ours[:3] for ours in _ours(one, names)}
    return sides >= ({"W_x"} if one.notation == "exercise" else {"W_x", "W_h"})


def _fits(one: Spelling, arrays: Arrays, names: Set[str]) -> bool:
    """Whether the shapes are those of such weights: of one height, those of x of one width, and square where they
    multiply the state.
    """
    for here in arrays.values():
        heights, widths, projected = set[int](), set[int](), "W_hr" in here.keys() - one.weights.keys()
        for name in names & here.keys() & one.weights.keys():
            ours, shape = one.weights[name], here[name].shape or (1, 1)
            rows, *width = shape[::-1] if one.transposed else shape
            heights.add(rows)
            square = projected or ours[0][2] == "x" or width == [rows]
            if ours[0].startswith("W_") and not (len(width) == 1 and (square if len(ours) == 1 else rows < width[0])):
                return False
            widths |= {*width} if ours[-1].startswith("W_x") else set()
        if len(heights) > 1 or len(widths) > 1:
            return False
    return True


def _chosen(found: Sequence[Spelling], arrays: Arrays, names: Set[str], notation: str | None) -> Spelling:
    """The spelling of the names: ours, or the only one. Raises MissingError if two are left, ShapeError for x W."""
    shaped, own = [one for one in found if _fits(one, arrays, names)], sorted(names & found[0].weights.keys())
    if found[0].notation == "exercise":
        rows = [one for one in spellings(found[0].cell) if one.notation == "d2l" and _fits(one, arrays, names)]
        of_x = [name for name in own if name.startswith("W_x")]
        if rows and not shaped and not notation and len(of_x) > 1:
            said = f"{some(of_x, 6)} look transposed, (I, H) for (H, I): if they multiply from the right, as in x W"
            raise ShapeError(f"{said}, write `notation: d2l` in the problem (in Python: options={{'notation': 'd2l'}})")
        return found[0]
    ways: dict[Any, Spelling] = {}
    for one in shaped or found:
        ways.setdefault((*(one.weights[name] for name in own), *one.options.items()), one)
    if len({one.notation for one in ways.values()}) > 1:
        x = [next(name for name in own if one.weights[name][-1].startswith("W_x")) for one in ways.values()]
        told = [f"{name} multiplies x" for name in x]
        if len({*x}) == 1:  # the options differ
            plain, implied = KINDS[found[0].cell](), dict.fromkeys(key for one in ways.values() for key in one.options)
            told = [
                ", ".join(f"{key}: {one.options.get(key, getattr(plain, key))}" for key in implied)
                for one in ways.values()
            ]
        each = [f"`notation: {one.notation}` ({tell})" for one, tell in zip(ways.values(), told, strict=True)]
        said = f"the weights {some(own, 6)} can be read in {len(each)} ways, between which their shapes do not decide"
        raise MissingError(f"{said}: write {' or '.join(each)} in the problem (in Python: options={{'notation': …}})")
    return next(iter(ways.values()))


def _read(one: Spelling, arrays: Arrays, names: Set[str]) -> SpelledWeights:
    """The weights under our names. Raises ShapeError for a matrix that is not one of the notation."""
    found: Arrays = {scope: {} for scope in arrays}
    called, faults = one.names, []
    for scope, here in arrays.items():
        for name, array in here.items():
            ours = one.weights.get(name, (name,)) if name in names else (name,)
            twice = [own for own in ours if own in found[scope]]
            faults += [f"{called[own]} and {name} are both {own}: give one of them" for own in twice]
            called |= dict.fromkeys(ours, name)
            parts = [array]
            if len(ours) > 1 and (array.ndim != 2 or len(array) >= array.shape[1]):
                faults.append(f"{name} has shape {array.shape}; it multiplies [h; x]: expected (H, H + I)")
            elif len(ours) > 1:
                parts = [part.copy() for part in np.split(array, [len(array)], axis=1)]
            elif one.transposed and name in names and ours[0].startswith("W_"):
                parts = [array.T.copy()]
            found[scope] |= zip(ours, parts, strict=False)
    if one.transposed and not _fits(one, arrays, names):
        shapes = some([f"{name} {array.shape}" for name, array in here.items() if name in one.weights], 4)
        faults.append(f"matrices of the notation {one.notation} are (I, H) for x, (H, H) for the state; found {shapes}")
    raise_all(ShapeError, faults)
    other = {ours: name for ours, name in called.items() if ours != name}
    pairs = {name: one.weights[name] for name in other.values() if name in names}
    if not pairs and not one.transposed:
        return SpelledWeights(found, one.cell)
    shown = [f"{name} is {' beside '.join(ours)}" for name, ours in pairs.items() if ours[0].startswith("W_")]
    said = f"names read in the notation {one.notation}{': ' * bool(shown)}{some(shown, 8)}"
    said += "; its matrices multiply from the right, x W, and were transposed" if one.transposed else ""
    options, remarks, own = dict(one.options), dict(one.remarks), {name for here in found.values() for name in here}
    sizes = {len(name) for name in own if name.startswith("b_")}  # b_xr and b_hr, or b_r
    if one.cell == "gru" and ("two" if 4 in sizes else "one" if sizes else "none") in one.reset_after:
        options["reset_after"] = True
    if one.cell == "gru" and "W_xu" in own and not (one.transposed or "reset_after" in one.options):
        remarks["update"] = _UPDATES[options.get("update", "keep")]
    return SpelledWeights(found, one.cell, options, (said,), other, one.lines, remarks)
