"""A cell from the values of its states: recognised, written, prepared with its weights, and compared with what it was
lifted from, with which it must agree up to rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.variants import named as named_cell
from ..errors import LiftError
from ..model.model import Model
from ..model.sources import prepare
from ..trace.trace import Trace
from .expressions import FAR, Expr
from .naming import CellNaming, gate_letter, is_multiplied, recognised
from .reading import Reader
from .tape import Ids, Tape, TapeNode
from .writing import EquationWriter

#: Where the numbers of some weights are, by their names.
Numbers = Mapping[str, Ids]


class BuiltCell(NamedTuple):
    """A cell with its weights.

    definition: what `prepare` makes the model of, beside the weights. lines: of each state, and of each other value, by
    its name; output: that of the output. parts: the numbers of each weight.
    """

    model: Model
    definition: Mapping[str, Any]
    naming: CellNaming
    weights: Mapping[str, Array]
    aliases: Mapping[str, str]
    unread: Mapping[str, Array]
    spare: Mapping[str, Array]
    lines: Mapping[str, str]
    output: str
    parts: Numbers


def built(
    reader: Reader, states: Mapping[str, Expr], others: Mapping[str, Expr], dtype: Any, title: str,
    returned: Iterable[Ids], output: Expr | None = None, back: bool = False,
) -> BuiltCell:  # fmt: skip
    """The cell. states: `h` and `c` to their new values; others: further values to be computed, by name; returned: all
    that the function returns; output: which of the values the output is, if it is not the first state; back: whether it
    reads x from its last step on.
    """
    tape = reader.tape

    free = unread(tape, returned)
    lost = [ids.size for ids in free.values() if ids.size == max(ids.shape, default=1)]
    plain = not any(inner.grid for one in (*states.values(), *others.values()) for inner in one.inside())
    naming = recognised(states, reader.called, tape.label, lost) if plain else CellNaming()
    if plain and all(one.width == 1 for one in states.values()):
        units = reader.exprs.multiplied([*states.values(), *others.values()], is_multiplied)
        reader.variables |= {units[one]: name for one, name in [*reader.variables.items()] if one in units}
        matrices = {name: units[one] for name, one in states.items()}
        if (found := recognised(matrices, reader.called, tape.label, lost)).kind:
            naming, states, others = found, matrices, {name: units[one] for name, one in others.items()}
    values = {name: expr for expr, name in naming.lines.items()}
    order = named_cell(naming.kind, naming.options)[0].equations if naming.kind else {}
    roots = {name: values[name] for name in order if name in values}
    roots |= {f"{name}_t": expr for name, expr in states.items()} | {**others}
    text = EquationWriter(
        naming, reader, lambda one: part_name(tape, one.leaf) + ".T" * bool(one.grid and is_turned(one.leaf))
    )
    names = text.write(roots)
    lines = {name: names[f"{name}_t"] for name in states} | {name: names[name] for name in others}
    first = next(iter(states))
    out = lines[next((name for name, expr in {**states, **others}.items() if expr is output), first)]
    carry = ", ".join(f"{name}_prev <- {lines[name]}" for name in states)
    grids = [name for name, expr in text.weights.items() if expr.grid]
    if not any("outer(" in row for row in text.rows):  # which shows what is a matrix
        grids += [f"{name}_prev" for name, one in states.items() if one.grid]
    declared = [f"matrix: {', '.join(grids)}"] * bool(grids)
    rows = [*text.rows, *declared, f"carry: {carry}", f"output: {out}"]
    known = {name: expr.leaf for name, expr in text.weights.items()}
    lacking = named_cell(naming.kind, naming.options)[0].parameters.keys() - known if naming.kind else ()
    naming.orders = orders(tape, known) if naming.kind else {}
    weights, left, fitting = (
        {name: tape.values[ids].astype(dtype) for name, ids in each.items()}
        for each in (known, free, spare(tape, naming.kind, lacking, known, free))
    )
    same = not naming.unlike and not naming.lacking and lines == {name: f"{name}_t" for name in states}
    exact = naming.kind and same and not others and out == lines[first]
    cell = {"kind": naming.kind, **naming.options} if exact else {"equations": "\n".join(rows)}
    cell |= {"direction": "reverse"} if back else {}
    model = prepare(weights, cell, name=title)
    parts = {name: part_name(tape, ids) for name, ids in known.items()}
    several = Counter(parts.values())  # read one way and the other
    turned = {n for n, one in text.weights.items() if is_turned(one.leaf) and (one.grid or several[parts[n]] > 1)}
    turned = transposed(known) if naming.kind else turned
    parts = {name: part + ".T" * (name in turned) for name, part in parts.items()}
    aliases = text.aliases | {name: part for name, part in parts.items() if part not in ("", name)}
    model = replace(model, header=replace(model.header, aliases=aliases))
    return BuiltCell(model, cell, naming, weights, aliases, left, fitting, lines, out, known)


def state_names(values: Mapping[str, Expr], out: Expr | None, known: Mapping[str, str]) -> dict[str, str]:
    """What states are called: h is the output, or multiplied by weights, or computed last. known: the names of some."""
    products = {one.args[1].leaf for value in values.values() for one in value.inside() if one.op == "matvec"}

    def likely(state: str) -> tuple[bool, bool, int]:
        inside = {*values[state].inside()}
        return values[state] is out, f"{state}_prev" in products, sum(one in inside for one in values.values())

    left = [state for state in values if state not in known]
    h = max(left, key=likely, default="")
    free = [name for name in ("h", "c", *(f"s{k}" for k in range(2, len(values)))) if name not in known.values()]
    return {**known, **dict(zip(sorted(left, key=lambda state: free[0] == "h" and state != h), free, strict=False))}


# -- parts of the arrays of the code -----------------------------------------------------------------------------------


def part_name(tape: Tape, ids: Ids) -> str:
    """What the code calls a weight: the name of an array, or a part of it such as `W[:, 0:2]`, transposed or not; of
    one that is computed from others, the variable or the operation, such as `0.5 * W`.
    """
    node = tape.owner(ids)
    name, local, size = tape.given.get(node.start, ""), ids - node.start, int(np.prod(node.shape, dtype=int))
    if local.max() >= size or (name and not node.shape):
        return name
    if not name and node.operands:
        each = [one.reshape(-1)[local] if one.shape == node.shape else one for one in node.operands]
        parts, sign = [part_name(tape, one) for one in each], {"mul": " * ", "div": " / "}.get(node.op)
        written = sign.join(parts) if sign else f"{node.op.replace('constant', '…')}({', '.join(parts)})"
        return tape.variable(ids) or written
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
    if whole and not any(np.array_equal(np.flatnonzero(part), one.reshape(-1)) for one in (local, local.T)):
        texts = ["…"]  # in another order
    return f"{name}[{', '.join(texts)}]" if texts and whole else name


def is_turned(ids: Ids) -> bool:
    """Whether a matrix has the rows of the code's array as its columns."""
    return ids.ndim == 2 and min(ids.shape) > 1 and bool(abs(ids[0, 1] - ids[0, 0]) > abs(ids[1, 0] - ids[0, 0]))


def transposed(known: Numbers) -> set[str]:
    """The weights that are read the other way round than those of most gates."""
    ways = {name: is_turned(ids) for name, ids in known.items() if ids.ndim == 2 and min(ids.shape) > 1}
    found = set[str]()
    for stem in ("W_x", "W_h"):
        same = [way for name, way in ways.items() if name[:-1] == stem]
        usual = (2 * sum(same) - len(same), 2 * sum(ways.values()) - len(ways)) > (0, 0)
        found |= {name for name, way in ways.items() if name[:-1] == stem and way != usual}
    return found


def orders(tape: Tape, known: Numbers) -> dict[str, tuple[str, ...]]:
    """In which order the gates stand in each array that has several. known: the weights by the cell's names."""
    found: dict[str, dict[str, int]] = {}
    for name, ids in known.items():
        if name[:2] in ("W_", "b_"):
            found.setdefault(part_name(tape, ids).partition("[")[0], {}).setdefault(name[-1], int(ids.min()))
    return {label: tuple(sorted(first, key=first.__getitem__)) for label, first in found.items() if len(first) > 1}


def unread(tape: Tape, returned: Iterable[Ids]) -> dict[str, Ids]:
    """The numbers of each, by what the code calls it, such as `W[:, 0:2]` for some of its columns."""
    used = tape.behind(returned)
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


def spare(tape: Tape, kind: str, names: Iterable[str], known: Numbers, free: Numbers) -> dict[str, Ids]:
    """Which unread numbers are the weights `names` of the named cell: those that lie in the code's arrays as the same
    weights of another gate, or the same gate's, do.
    """
    found: dict[str, Ids] = {}
    owners = {label: tape.owner(ids) for label, ids in free.items()}
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
    if (own := tape.owner(there)) is owner:
        return np.asarray(there - there.min() + free.min())
    return np.asarray(there - own.start + owner.start) if own.shape == owner.shape else None


def _of_units(tape: Tape, there: Ids, owner: TapeNode, ndim: int) -> Ids | None:
    """What an array has for the units of a matrix, if it has as many along the same axis, or along its only one."""
    own = tape.owner(there)
    array = np.arange(owner.start, owner.numbers.stop).reshape([size for size in owner.shape if size > 1])
    if there.ndim != 2 or len(own.shape) != 2 or array.ndim != ndim:
        return None
    places = np.array(np.unravel_index(there[:, 0] - own.start, own.shape))
    axis = int(np.argmax(np.ptp(places, axis=1)))
    along = axis if ndim == 2 else 0
    fits = array.shape[along] == own.shape[axis]
    return np.asarray(np.moveaxis(array, along, 0)[places[axis]]) if fits else None


class UnlikeError(LiftError):
    """The function computes something else than its equations."""


@np.errstate(over="ignore", invalid="ignore")  # values may overflow
def checked_trace(
    cell: BuiltCell, tape: Tape, x: Array, states: Mapping[str, Array],
    values: Callable[[Trace], Mapping[str, Array]], title: str,
) -> Trace:  # fmt: skip
    """The trace of a cell, if its lines have the values that they must have.

    Args:
        cell: the cell.
        tape: what it was read from.
        x: (T, B, I).
        states: initial states by name, (B, n).
        values: from the trace to what some lines must be, (T, B, n), or of the last steps alone; of a cell that reads x
            from its end, in the order in which it reads.
        title: what messages call the cell.

    Raises:
        LiftError: if a line has other values than rounding explains.
    """
    others = {f"{name}_prev": value for name, value in states.items() if name not in "hc"}
    initial: Any = {f"{name}0": value for name, value in states.items() if name in "hc"} | {"initial": others or None}
    trace = cell.model.run(x, **initial)
    way = -1 if cell.definition.get("direction") == "reverse" else 1
    coarse = {"float32": "float64", "float64": "float32"}[trace.header.dtype]
    again = prepare(cell.weights, cell.definition, dtype=coarse).run(x, **initial)
    for line, theirs in values(trace).items():
        ours, other = (one[line][::way][-len(theirs) :] for one in (trace, again))
        bound = _rounding(ours, other) + _clipped(tape)
        alike = (np.abs(ours - theirs) <= bound) | (np.isnan(ours) & np.isnan(theirs))
        wrong = ~alike & np.isfinite(bound)
        if wrong.any():
            step = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
            raise UnlikeError(
                f"{title} does more than its equations say: {line} of step {step} is off by "
                f"{np.abs(ours - theirs)[step].max():.1e}; a state that is kept outside of the function does this, or "
                "one that it begins with itself, one sequence of the batch that reads another, or a dtype that rounds"
            )
    return trace


def _rounding(ours: Array, other: Array) -> Array:
    """How far rounding may move another right computation of our values, at each step, (T, 1, 1).

    Sums in another order, and functions that are written in another way, round elsewhere, and later steps amplify it.
    So the scale is measured (ARCHITECTURE.md, "What rounding explains"): by how much the values are off in another
    precision, brought to ours. The bound is 64 times the largest until that step, and 8 ulp of the largest value, or
    of 1. From the second step on at which float32 alone is off by 0.001 nothing can be told: its errors grow no longer
    as those of float64 do.
    """
    ulp, single = (float(np.finfo(dtype).eps) for dtype in (ours.dtype, np.float32))
    most = np.maximum(1.0, np.abs(ours).max((1, 2)))
    off = np.abs(ours.astype(np.float64) - other).max((1, 2))
    bound = np.nan_to_num(64 * off * ulp / single + 8 * ulp * most, nan=0.0, posinf=0.0)
    bound[1:][~(off[1:] < 0.001 * most[1:])] = np.inf
    return np.maximum.accumulate(bound)[:, None, None]


def _clipped(tape: Tape) -> float:
    """What a sigmoid or tanh loses by a clip of its argument that equations leave out: at 18 it is 1.5e-8 off 1.

    A state that adds up such values loses as much at every step that is clipped, with a factor below 1: twice as much
    is allowed.
    """
    ends = [min(-node.constants[0], node.constants[1]) for node in tape.nodes if node.op == "clip"]
    return 2 * float(np.exp(-min((end for end in ends if end >= FAR), default=np.inf)))
