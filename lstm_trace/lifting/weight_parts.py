"""Parts of the arrays of the code: what they are called, and those that nothing it returns is computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from .naming import gate_letter
from .tape import Ids, Tape, TapeNode, is_of_weight, numbers_of


def part_name(tape: Tape, ids: Ids) -> str:
    """What the code calls a weight: the name of an array, or a part of it such as `W[:, 0:2]`, transposed or not; of
    one that is computed from others, the variable or the operation, such as `0.5 * W`.
    """
    node = tape.nodes[int(tape.owners(ids.reshape(-1)[:1])[0])]
    name, local, size = tape.given.get(node.start, ""), ids - node.start, int(np.prod(node.shape, dtype=int))
    if local.max() >= size or (name and not node.shape):
        return name
    if not name and node.operands:
        each = [one.reshape(-1)[local] if one.shape == node.shape else one for one in node.operands]
        parts, sign = [part_name(tape, one) for one in each], {"mul": " * ", "div": " / "}.get(node.op)
        return tape.variable(ids) or (
            sign.join(parts) if sign else f"{node.op.replace('constant', '…')}({', '.join(parts)})"
        )
    if not name:
        same = tape.values[ids] == (first := tape.values[ids.flat[0]])
        return f"{first:g}" if same.all() else ""
    part = np.zeros(node.shape, bool)
    part.reshape(-1)[local] = True
    along = (np.flatnonzero(np.moveaxis(part, axis, 0).reshape(n, -1).any(1)) for axis, n in enumerate(node.shape))
    spans = [(int(places[0]), int(places[-1]) + 1) for places in along]
    texts = [":" if span == (0, size) else f"{span[0]}:{span[1]}" for span, size in zip(spans, node.shape, strict=True)]
    while texts and texts[-1] == ":":
        texts.pop()
    whole = np.prod([stop - start for start, stop in spans]) == part.sum()
    return f"{name}[{', '.join(texts)}]" if texts and whole else name


def transposed(known: Mapping[str, Ids]) -> set[str]:
    """The weights that are read the other way round than those of most gates."""
    matrices = {name: ids for name, ids in known.items() if ids.ndim == 2 and min(ids.shape) > 1}
    ways = {name: abs(ids[0, 1] - ids[0, 0]) > abs(ids[1, 0] - ids[0, 0]) for name, ids in matrices.items()}
    found = set[str]()
    for stem in ("W_x", "W_h"):
        same = [way for name, way in ways.items() if name[:-1] == stem]
        usual = (2 * sum(same) - len(same), 2 * sum(ways.values()) - len(ways)) > (0, 0)
        found |= {name for name, way in ways.items() if name[:-1] == stem and way != usual}
    return found


def orders(tape: Tape, known: Mapping[str, Ids]) -> dict[str, tuple[str, ...]]:
    """In which order the gates stand in each array that has several. known: the weights by the cell's names."""
    found: dict[str, dict[str, int]] = {}
    for name, ids in known.items():
        if name[:2] in ("W_", "b_"):
            found.setdefault(part_name(tape, ids).partition("[")[0], {}).setdefault(name[-1], int(ids.min()))
    return {label: tuple(sorted(first, key=first.__getitem__)) for label, first in found.items() if len(first) > 1}


def unread(tape: Tape, returned: Iterable[Ids]) -> dict[str, Ids]:
    """The numbers of each, by what the code calls it, such as `W[:, 0:2]` for some of its columns."""
    used = np.zeros(tape.size, bool)
    for ids in returned:
        used[ids] = True
    for node in reversed(tape.nodes):  # operands are older
        mine = used[node.numbers].reshape(node.shape)
        parts: Sequence[Any] = (
            (np.s_[mine.any(1)], np.s_[:, mine.any(0)]) if node.op == "dot" else (mine,) * len(node.operands)
        )
        parts = (...,) * len(node.operands) if node.op == "constant" else parts
        for ids, part in zip(node.operands, parts, strict=True) if mine.any() else ():
            if is_of_weight(ids):
                numbers_of(used, ids)[part] = True
            else:
                used[ids[part]] = True
    found: dict[str, Ids] = {}
    for node in (node for node in tape.nodes if node.op == "weight" and 0 not in node.shape):
        ids = np.arange(node.start, node.numbers.stop).reshape(node.shape)
        free = ~used[node.numbers].reshape(node.shape)
        if free.all():
            if not f"{tape.given[node.start]}.".startswith(tuple(f"{name}." for name in tape.kept)):
                found[tape.given[node.start]] = ids
            continue
        for axis in range(free.ndim):
            whole = np.asarray(np.moveaxis(free, axis, 0).reshape(free.shape[axis], -1).all(1))
            for run in np.split(np.arange(len(whole)), np.flatnonzero(np.diff(whole)) + 1):
                if whole[run[0]]:
                    found[part_name(tape, ids.take(run, axis))] = ids.take(run, axis)
    return found


def spare(
    tape: Tape, kind: str, names: Iterable[str], known: Mapping[str, Ids], free: Mapping[str, Ids]
) -> dict[str, Ids]:
    """Which unread numbers are the weights `names` of the named cell: those that lie in the code's arrays as the same
    weights of another gate, or the same gate's, do.
    """
    found: dict[str, Ids] = {}
    owners = {label: tape.nodes[int(tape.owners(ids.reshape(-1)[:1])[0])] for label, ids in free.items()}
    called = {name: part_name(tape, ids) for name, ids in known.items()}
    for name in names:
        stem, letter = name[:-1], name[-1]
        best = -1.0
        for label, ids in free.items():
            owner, said = owners[label], gate_letter(kind, label.partition("[")[0])
            own = range(owner.start, owner.numbers.stop)
            readers = {other[-1] for other, there in known.items() if int(there.flat[0]) in own}
            said = said if readers <= {said} else ""  # an array U of several gates is not that of the gate u
            for other, there in known.items() if said in ("", letter) else ():
                place = _place(tape, there, owner, ids) if other[:-1] == stem else None
                if place is None and other[-1] == letter:
                    place = _of_units(tape, there, owner, 1 if stem.startswith("b_") else 2)
                # of arrays in the same shape, that which is called most like the other gate's
                alike = SequenceMatcher(None, label, called[other]).ratio()
                if place is not None and np.isin(place, ids).all() and alike > best:
                    found[name], best = place, alike
    return found


def _place(tape: Tape, there: Ids, owner: TapeNode, free: Ids) -> Ids | None:
    """Where another gate's weight lies in the array of unread numbers."""
    own = tape.nodes[int(tape.owners(there.reshape(-1)[:1])[0])]
    if own is owner:
        return np.asarray(there - there.min() + free.min())
    return np.asarray(there - own.start + owner.start) if own.shape == owner.shape else None


def _of_units(tape: Tape, there: Ids, owner: TapeNode, ndim: int) -> Ids | None:
    """What an array has for the units of a matrix, if it has as many along the same axis, or along its only one."""
    own = tape.nodes[int(tape.owners(there.reshape(-1)[:1])[0])]
    array = np.arange(owner.start, owner.numbers.stop).reshape([size for size in owner.shape if size > 1])
    if there.ndim != 2 or len(own.shape) != 2 or array.ndim != ndim:
        return None
    places = np.array(np.unravel_index(there[:, 0] - own.start, own.shape))
    axis = int(np.argmax(np.ptp(places, axis=1)))
    along = axis if ndim == 2 else 0
    fits = array.shape[along] == own.shape[axis]
    return np.asarray(np.moveaxis(array, along, 0)[places[axis]]) if fits else None
