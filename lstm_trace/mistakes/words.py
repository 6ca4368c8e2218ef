"""The closed list of words for mistakes that no equation says: initial states, weights, wiring, time, numbers, input.

A word changes what a stage is given, or how its steps are taken. It returns None where it does not apply.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..cell.arithmetic import find
from ..cell.lines import Line
from ..cell.network import MEET, VALID, Scope, Stage, X, layer_and_direction, scope_and_name
from ..trace.grids import as_read
from ..trace.trace import Trace
from .programs import becomes
from .table import at_valid
from .transforms import HALVES, Transform, functions, transform
from .trees import tree

Values = Mapping[str, Array]
#: The value of a line, given its operands and its right value.
LineValue = Callable[[Line, Sequence[Array], Array], Array]
#: What a state becomes, given its name, how many steps were taken, its new value, the one before and the initial one.
Carried = Callable[[str, int, Array, Array, Array], Array]


@dataclass(frozen=True)
class StagePremises:
    """What a stage is given, and how it goes through time.

    parameters: its weights; initial: (B, width) for each state; network: the right run. sources: as those of the stage.
    inputs, outputs: what is done to the values that it reads and passes on, (T, B, width); lengths: to the mask. order:
    how it goes through steps and sequences: what is done to everything that it reads, and to every line afterwards.
    arithmetic: how a line is computed there, None as it should be. carried: what a state becomes between two steps.
    in_place: whether units already computed are read in the same step.
    """

    stage: Stage
    parameters: Values
    initial: Values
    network: Trace
    sources: Mapping[str, str]
    inputs: tuple[Transform, ...] = ()
    outputs: tuple[Transform, ...] = ()
    lengths: tuple[Transform, ...] = ()
    order: tuple[tuple[Transform, Transform], ...] = ()
    arithmetic: LineValue | None = None
    carried: tuple[Carried, ...] = ()
    in_place: bool = False

    def adding(self, **more: Any) -> StagePremises:
        """The same, and something more that is done to values."""
        new: dict[str, Any] = {name: (*getattr(self, name), one) for name, one in more.items()}
        return replace(self, **new)

    def changes(self, source: str) -> list[Transform]:
        """What is done to the values of an input, in order."""
        return [*(self.lengths if source == VALID else self.inputs), *(into for into, _ in self.order)]


Word = Callable[[StagePremises, str], StagePremises | None]


def _ending(how: str, ends: Collection[str]) -> tuple[str, str]:
    """A phrase and the word after its last `of`, if that is one of `ends`: `int8 of h`."""
    start, _, end = how.rpartition(" of ")
    return (start, end) if end in ends else (how, "")


def _other(scope: Scope, which: str, scopes: Mapping[Scope, object]) -> Scope:
    """Another stage: of the layer before, the next, the first one, the other direction, the other layout; or none."""
    (layer, direction), every = layer_and_direction(scope), [one for one in scopes if not one.endswith(MEET)]
    turned = {"forward": "reverse", "reverse": "forward"}.get(direction, direction)
    found = {"before": f"{layer - 1}/{direction}", "next": f"{layer + 1}/{direction}", "first": f"0/{direction}",
             "other direction": f"{layer}/{turned}"}  # fmt: skip
    if scope in every:  # layer by layer read as direction by direction
        layers, at = 1 + max(layer_and_direction(one)[0] for one in every), every.index(scope)
        found["layers reversed"] = f"{layers - 1 - layer}/{direction}"
        found["other layout"] = every[(at % layers) * (len(every) // layers) + at // layers]
    new = found.get(which, "")
    return new if new in scopes and new != scope else ""


def _alike(theirs: Values, names: Collection[str], own: Values) -> bool:
    """Whether there are others of these arrays, of the same shapes."""
    return bool(theirs) and all(name in theirs and theirs[name].shape == own[name].shape for name in names)


def _change(p: StagePremises, how: str) -> Transform | None:
    """What a phrase does to an array of the stage; None if it is about lengths, and there are none."""
    if not how.endswith("length"):
        return transform(how)
    if VALID not in p.sources.values() or p.network.valid is None:
        return None
    lengths = p.network.valid[..., 0].sum(axis=0).astype(int)
    if how == "steps reversed within the length":
        steps = np.arange(p.network.steps)[:, None]
        order = np.where(steps < lengths, lengths - 1 - steps, steps)[..., None]
        return lambda v: np.take_along_axis(v, order, axis=0)
    longest = np.argsort(-lengths, kind="stable")
    return partial(np.take, indices=np.argsort(longest) if "back" in how else longest, axis=-2)


# -- initial states ----------------------------------------------------------------------------------------------------


def _started(p: StagePremises, change: Transform, only: str = "") -> StagePremises | None:
    new = {name: change(v) if only in ("", name) else v for name, v in p.initial.items()}
    return replace(p, initial=new) if p.initial and only in ("", *p.initial) else None


def _initial_exchanged(p: StagePremises, _: str) -> StagePremises | None:
    names = [*p.initial][:2]
    new = {**p.initial, **{one: p.initial[two] for one, two in zip(names, names[::-1], strict=True)}}
    return replace(p, initial=new) if len(names) > 1 and _alike(new, names, p.initial) else None


def _initial_of(p: StagePremises, which: str) -> StagePremises | None:
    scope, there = p.stage.scope, p.network.initial
    which, state = _ending(which, "hc")
    theirs: Values = dict.fromkeys(p.initial, p.initial[which]) if which in p.initial else {}
    if "layers" in which:
        alike = {name: [v[name] for v in there.values() if name in v] for name in p.initial}
        if all(len({v.shape for v in each}) == 1 for each in alike.values()):
            read = transform(which.replace("layers", "steps").replace("rows", "sequences"))
            at = [*there].index(scope)
            theirs = {name: read(np.stack(each))[at] for name, each in alike.items()}
    elif any(axis in which for axis in ("row", "units", "sequences")):
        change = _change(p, which)
        return _started(p, change, f"{state}_prev" * bool(state)) if change else None
    elif which.startswith("end of"):
        which = which.removeprefix("end of ")
        lines = p.network.lines.get(scope if which == "the run" else _other(scope, which, there), {})
        last, states = 0 if p.stage.backwards else -1, p.stage.cell.states
        theirs = {state: lines[states[state]][last] for state in p.initial if states[state] in lines}
    elif not theirs:
        theirs = there.get(_other(scope, which, there), {})
    return replace(p, initial=theirs) if _alike(theirs, p.initial, p.initial) else None


# -- weights -----------------------------------------------------------------------------------------------------------


def _weights_of(p: StagePremises, which: str) -> StagePremises | None:
    which, part = _ending(which, "xhb")
    theirs = as_read(p.stage, p.network.parameters.get(_other(p.stage.scope, which, p.network.parameters), {}))
    start = {"": "", "b": "b"}.get(part, f"W_{part}")
    names = [name for name in p.parameters if name.startswith(start)]
    same = _alike(theirs, names, p.parameters)
    return replace(p, parameters={**p.parameters, **{name: theirs[name] for name in names}}) if same else None


def _each(p: StagePremises, names: Collection[str], change: Transform) -> StagePremises:
    return replace(p, parameters={name: change(v) if name in names else v for name, v in p.parameters.items()})


#: Which weights are one array, by how the names of its parts begin.
_STACKS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "": (("W_x",), ("W_h",), ("b_x",), ("b_h",), ("b_",)),
    "x": (("W_x",),),
    "h": (("W_h",),),
    "b": (("b_x",), ("b_h",), ("b_",)),
    "matrices": (("W_x",), ("W_h",)),
    "both biases": (("b_x", "b_h"),),
    "r": (),
}


def _restacked(p: StagePremises, change: Transform, part: str, whole: bool = True, order: str = "") -> StagePremises:
    """The weights changed as one array (gates, units, columns), or if whole, (1, gates * units, columns).

    order: of the gates in it.
    """
    new = dict(p.parameters)
    stacks = [
        sorted((n for n in new if n[:-1] in stems and f"W_x{n[-1]}" in new), key=lambda n: order.find(n[-1]))
        for stems in _STACKS[part]
    ]
    stacks = [sorted(names, key=lambda n: n[:-1] == "b_h") for names in stacks]
    for names in stacks if part != "r" else [["W_hr"]]:  # the projection, one matrix
        if names and len({new[name].shape for name in names if name in new}) == 1:
            stack = np.stack([new[name] for name in names])
            changed = change(stack.reshape(1 if whole else len(names), -1, stack[0, 0].size))
            new |= zip(names, changed.reshape(stack.shape), strict=True)
    return replace(p, parameters=new)


#: How the weights may be read: whether those of all gates are one matrix, and what is done to it.
READ: Mapping[str, tuple[bool, str]] = {
    "by column": (True, "rows and units exchanged in memory"),
    "by row": (True, "sequences and units exchanged in memory"),
    "each by column": (False, "rows and units exchanged in memory"),
    "each by row": (False, "sequences and units exchanged in memory"),
    "interleaved": (False, "steps and sequences exchanged in memory"),
    "not interleaved": (False, "sequences and steps exchanged in memory"),
    "rows reversed": (True, "sequences reversed"),
    "units reversed": (False, "sequences reversed"),
    "columns reversed": (False, "units reversed"),
    "columns rotated": (False, "units rotated"),
    "without the last column": (False, "last unit lost"),
    "without the last row": (False, "last row lost"),
    "diagonal": (False, "diagonal"),
    "overlapping": (False, "overlapping"),
    "columns beyond a multiple of 4": (False, "units beyond a multiple of 4 lost"),
    "as pairs": (True, "two interleaved"),
    "as two": (True, "two apart"),
    "one row early": (True, "row after"),
    "one row late": (True, "row before"),
}


def _weights_read(p: StagePremises, how: str) -> StagePremises | None:
    if not p.parameters:
        return None
    how, _, order = how.partition(" stacked ")
    if how != "recurrent first":
        how, part = _ending(how, _STACKS)
        gates = {name[3:] for name in p.parameters if name.startswith("W_x")}
        change = transform(READ[how][1])
        return _restacked(p, change, part, READ[how][0], order) if {*order} in (set(), gates) else None
    new = dict(p.parameters)  # a joined kernel that multiplies [h; x], read as if it did [x; h]
    for name in [name for name in new if re.fullmatch("W_x[a-z]", name)]:
        if (other := f"W_h{name[3:]}") not in new:
            return None
        whole, edge = np.concatenate([new[name], new[other]], axis=1), new[other].shape[1]
        new |= {name: whole[:, edge:], other: whole[:, :edge]}
    return replace(p, parameters=new)


def _weights_stored(p: StagePremises, how: str) -> StagePremises | None:
    if not p.parameters:
        return None
    how, part = _ending(how, "xh")
    _, number, by, more = re.split(r"^(int\d+|)( by row| by gate| of all| of the network|)", how)
    change = transform(f"{number}{' by row' * (by == ' by row')}{more}")
    matrices = number or how.startswith("pruned")
    names = [
        n for n, v in p.parameters.items() if n.startswith(f"W_{part}" * bool(part)) and (v.ndim == 2 or not matrices)
    ]
    if number and not by:
        return _restacked(p, lambda v: change(v) if v.shape[-1] > 1 else v, part)
    there = p.network.parameters.values() if by == " of the network" else ({n: p.parameters[n] for n in names},)
    most = max((np.abs(v).max() for own in there for v in own.values() if v.ndim == 2), default=0)
    if by not in (" of all", " of the network"):
        return _each(p, names, change)
    return _each(p, names, lambda v: change(np.append(v, most))[:-1].reshape(v.shape))  # one scale for them all


# -- wiring, time, numbers, input --------------------------------------------------------------------------------------


def _reads(p: StagePremises, which: str) -> StagePremises | None:
    """Layer 1 and above read other values than the output of the layer before; the reverse direction the forward's."""
    layer, direction = layer_and_direction(p.stage.scope)
    outputs = {stage.scope: f"{stage.scope}/{stage.cell.output}" for stage in p.network.stages}
    source = {
        "input": X if layer else None,
        "first layer": outputs.get("0/joined", outputs.get("0/forward")) if layer > 1 else None,
        "forward output": outputs.get(f"{layer}/forward") if direction == "reverse" else None,
    }.get(which, outputs.get(f"{layer - 1}/{which}"))
    if source is None or "x_t" not in p.sources or _width(p, source) != _width(p, p.sources["x_t"]):
        return None
    return replace(p, sources={**p.sources, "x_t": source})


def _width(p: StagePremises, source: str) -> int:
    scope, line = scope_and_name(source)
    values = p.network.x if source == X else p.network.lines[scope][line]
    return 0 if values is None else values.shape[-1]


_REVERSED, _EXCHANGED = transform("steps reversed"), partial(np.swapaxes, axis1=0, axis2=1)


def _several(p: StagePremises) -> bool:
    """Whether it reads several sequences as such."""
    batch = p.network.batch
    return bool(p.sources) and batch > 1 and all(len(v) == batch for v in p.initial.values())


def _time(p: StagePremises, how: str) -> StagePremises | None:
    if how == "over sequences":
        alike = all((v == v[:1]).all() for v in p.initial.values())  # there are as many sequences as there were steps
        across = {name: np.repeat(v[:1], p.network.steps, axis=0) for name, v in p.initial.items()}
        new = replace(p, initial=across).adding(order=(_EXCHANGED, _EXCHANGED))
        return new if alike and _several(p) else None
    if how != "the other way":  # what it reads is reversed
        p = p.adding(inputs=_REVERSED, lengths=_REVERSED)
    if how != "input reversed":
        p = p.adding(order=(_REVERSED, _REVERSED))
    return p if how != "as computed" or p.stage.backwards else None


def _chained(p: StagePremises, _: str) -> StagePremises | None:
    """Each sequence begins with the states in which the one before it ended: they are one."""
    back, size = slice(None, None, -1 if p.stage.backwards else 1), (p.network.batch, p.network.steps)

    def joined(v: Array) -> Array:
        return v[:, back].swapaxes(0, 1).reshape(-1, 1, v.shape[-1])

    def apart(v: Array) -> Array:
        return v.reshape(*size, -1).swapaxes(0, 1)[:, back]

    new = replace(p, initial={name: v[:1] for name, v in p.initial.items()}).adding(order=(joined, apart))
    return new if _several(p) else None


def _numbers(p: StagePremises, how: str) -> StagePremises:
    table = functions(how)
    if table is not None:
        return replace(p, arithmetic=lambda line, a, value: table[line.op](a[0]) if line.op in table else value)
    everything = how.startswith("everything ")
    how, which = _ending(how.removeprefix("everything "), ("h", "c", "states"))
    carried = becomes(p.stage.cell).items()
    lines = {line for line, state in carried if state.startswith("" if which == "states" else which)}
    kind = next((end for end in (" sums", " products") if how.endswith(end)), "")
    how = how.removesuffix(kind)
    rounded = transform(how)
    found = find(how if kind else "float16")  # each product and partial sum rounded, from left to right
    if everything:
        p = _each(p, [*p.parameters], rounded).adding(inputs=rounded)

    def arithmetic(line: Line, operands: Sequence[Array], value: Array) -> Array:
        if kind == " sums" and line.product:
            return found.compute(line, [found.read(values) for values in operands])
        there = line.name in lines if which else line.product or kind != " products"
        return rounded(value) if there and line.op != "where" else value  # to choose a value computes none

    return replace(p, arithmetic=arithmetic)


def _input(p: StagePremises, how: str) -> StagePremises | None:
    change = _change(p, how) if "x_t" in p.sources else None
    return p.adding(inputs=change) if change else None


def _outputs(p: StagePremises, how: str) -> StagePremises | None:
    change = _change(p, how)
    halves = how in HALVES or how == "halves exchanged"
    alike = _width(p, f"{p.stage.scope}/{p.stage.cell.output}") % 2 == 0 and not p.initial
    return p.adding(outputs=change) if change and (alike or not halves) else None


def _with(values: Array, at: int, value: Array | float) -> Array:
    new = values.copy()
    new[at] = value
    return new


def _skips(p: StagePremises, which: str) -> StagePremises | None:
    """A step is not computed: there are zeros in its lines, or the state that is held is passed on."""
    cell, first, steps = p.stage.cell, which.startswith("first"), p.network.steps
    at, before, step = (0, 1, 1) if first else (-1, -2, steps)
    if p.stage.backwards:
        at, before = -1 - at, -1 - before
    carried: Carried = lambda _, done, new, old, __: old if done == step else new  # noqa: E731
    new = p.adding(order=(lambda v: v, lambda v: _with(v, at, 0)), carried=carried)
    passed = cell.output, str(at_valid(tree(cell.equations.get(cell.output, cell.output))))
    state = next((state for line, state in becomes(cell).items() if line in passed), None)
    if state and which.endswith("held"):
        begin = p.network.initial[p.stage.scope][state]
        new = new.adding(outputs=lambda v: _with(v, at, begin if first else v[before]))
    return new if steps > 1 else None


def _carried(p: StagePremises, how: str) -> StagePremises | None:
    how, start, _ = how.partition(" from the start")
    how, which = _ending(how, "hc")
    change = transform(how)
    there = any(state.startswith(which) for state in p.initial)
    carried: Carried = lambda state, _, new, *__: change(new) if state.startswith(which) else new  # noqa: E731
    initial = {state: change(v) if start and state.startswith(which) else v for state, v in p.initial.items()}
    return replace(p, initial=initial).adding(carried=carried) if there else None


def _padded_in_front(p: StagePremises, how: str) -> StagePremises | None:
    valid = p.network.valid
    if VALID not in p.sources.values() or valid is None:
        return None
    shifts = [int((row == 0).sum()) for row in valid[..., 0].T]

    def shifted(v: Array) -> Array:
        return np.stack([np.roll((v * valid)[:, b], by, axis=0) for b, by in enumerate(shifts)], axis=1)

    p = p.adding(inputs=shifted) if p.sources.get("x_t") == X else p
    return p.adding(lengths=np.ones_like if how else _REVERSED)


def _windows(p: StagePremises, how: str) -> StagePremises | None:
    size, factor = int(how.split()[0]), 0 if how.endswith("zero") else 1
    carried: Carried = lambda _, done, new, __, begin: new if done % size else factor * begin  # noqa: E731
    return p.adding(carried=carried) if size < p.network.steps else None


def _with_states(word: Word) -> Word:
    """A word that only a stage with states has."""
    return lambda p, how: word(p, how) if p.initial else None


WORDS: Mapping[str, Word] = {
    "initial zero": lambda p, which: _started(p, np.zeros_like, which),
    "initial ones": lambda p, which: _started(p, np.ones_like, which),
    "initial exchanged": _initial_exchanged,
    "initial of": _with_states(_initial_of),
    "weights of": _weights_of,
    "weights read": _weights_read,
    "weights stored": _weights_stored,
    "reads": _reads,
    "time": _with_states(_time),
    "input": _input,
    "outputs": _outputs,
    "lengths": lambda p, how: p.adding(lengths=transform(how)) if VALID in p.sources.values() else None,
    "windows": _with_states(_windows),
    "padded in front": _with_states(_padded_in_front),
    "skips": _with_states(_skips),
    "carried": _with_states(_carried),
    "numbers": _with_states(_numbers),
    "chained": _with_states(_chained),
    "in place": _with_states(lambda p, _: replace(p, in_place=True)),
}
