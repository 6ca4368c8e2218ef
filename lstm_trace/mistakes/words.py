"""The closed list of words for mistakes that no equation says: initial states, weights, wiring, time, numbers, input.

A word changes what a stage is given, or how its steps are taken. It returns None where it does not apply.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..base.arrays import Array
from ..cell.arithmetic import FORMATS, round_binary
from ..cell.lines import Line
from ..cell.network import VALID, Scope, Stage, X, layer_and_direction, scope_and_name
from ..trace.grids import as_read
from ..trace.trace import Trace

Values = Mapping[str, Array]
Arithmetic = Callable[[Line, Sequence[Array], Array], Array]


@dataclass(frozen=True)
class StagePremises:
    """What a stage is given, and how it goes through time.

    parameters: its weights; initial: (B, width) for each state; network: the right run. sources: as those of the stage.
    flipped: whether it takes the steps in the other order. turned: whether its outputs stay in that order instead of
    being turned round. inputs, outputs: what is done to the values that it reads and passes on, (T, B, width); lengths:
    to the mask. arithmetic: the value that a line has there, given the line, its operands and its right value.
    carried: what is done to states between steps. skips: a step that is not computed; held: whether it passes on what
    the state is, not 0. across: whether it goes through the sequences as if they were steps. window: after how many steps the states are initial again, or, from_zero, zero. chained:
    whether a sequence begins with the states in which the one before it ended. in_place: whether units already computed
    are read in the same step.
    """

    stage: Stage
    parameters: Values
    initial: Values
    network: Trace
    sources: Mapping[str, str]
    flipped: bool = False
    turned: bool = False
    inputs: tuple[Callable[[Array], Array], ...] = ()
    outputs: tuple[Callable[[Array], Array], ...] = ()
    lengths: Callable[[Array], Array] | None = None
    arithmetic: Arithmetic | None = None
    carried: Callable[[str, Array], Array] | None = None
    skips: int = -1
    held: bool = False
    window: int = 0
    from_zero: bool = False
    across: bool = False
    chained: bool = False
    in_place: bool = False

    def changes(self, source: str) -> list[Callable[[Array], Array]]:
        """What is done to the values of an input, in order."""
        own = self.inputs if source != VALID else (self.lengths,) if self.lengths else ()
        return [*own, *[lambda values: values[::-1]] * self.flipped]


Word = Callable[[StagePremises, str], StagePremises | None]


def _other(scope: Scope, which: str, scopes: Mapping[Scope, object]) -> Scope | None:
    """Another stage: of the layer before, of the next one, of the first one, or of the other direction."""
    layer, direction = layer_and_direction(scope)
    turned = {"forward": "reverse", "reverse": "forward"}.get(direction, direction)
    new = {"before": f"{layer - 1}/{direction}", "next": f"{layer + 1}/{direction}", "first": f"0/{direction}",
           "other direction": f"{layer}/{turned}"}[which]  # fmt: skip
    return new if new in scopes and new != scope else None


# -- initial states ----------------------------------------------------------------------------------------------------


def _initial_zero(p: StagePremises, which: str) -> StagePremises | None:
    new = {name: np.zeros_like(v) if which in ("", name) else v for name, v in p.initial.items()}
    return replace(p, initial=new) if which in ("", *p.initial) else None


def _initial_ones(p: StagePremises, _: str) -> StagePremises | None:
    return replace(p, initial={name: np.ones_like(v) for name, v in p.initial.items()}) if p.initial else None


def _initial_exchanged(p: StagePremises, _: str) -> StagePremises | None:
    (one, two), rest = [*p.initial][:2], [*p.initial][2:]
    new = {one: p.initial[two], two: p.initial[one], **{name: p.initial[name] for name in rest}}
    return replace(p, initial=new) if p.initial[one].shape == p.initial[two].shape else None


def _initial_of(p: StagePremises, which: str) -> StagePremises | None:
    if not p.initial:
        return None
    if which == "first row":
        return replace(p, initial={name: np.repeat(v[:1], len(v), axis=0) for name, v in p.initial.items()})
    if which.startswith("row "):
        by = 1 if which == "row before" else -1
        return replace(p, initial={name: np.roll(v, by, axis=0) for name, v in p.initial.items()})
    if which == "other layout":  # layer by layer read as direction by direction
        scopes = [s.scope for s in p.network.stages if s.scope in p.network.initial]
        layers = len({layer_and_direction(scope)[0] for scope in scopes})
        at = scopes.index(p.stage.scope)
        other = scopes[(at % layers) * (len(scopes) // layers) + at // layers]
        return replace(p, initial=p.network.initial[other])
    if which.startswith("end of"):
        scope = p.stage.scope if which == "end of the run" else _other(p.stage.scope, "before", p.network.initial)
        last = 0 if p.stage.backwards else -1
        lines, states = p.network.lines.get(scope or "", {}), p.stage.cell.states
        ends = {state: lines[states[state]][last] for state in p.initial if states[state] in lines}
        there = {state: v.shape for state, v in ends.items()} == {state: v.shape for state, v in p.initial.items()}
        return replace(p, initial=ends) if there else None
    theirs = p.network.initial.get(_other(p.stage.scope, which, p.network.initial) or "", {})
    same = theirs and all(name in theirs and theirs[name].shape == v.shape for name, v in p.initial.items())
    return replace(p, initial=theirs) if same else None


# -- weights -----------------------------------------------------------------------------------------------------------


def _weights_of(p: StagePremises, which: str) -> StagePremises | None:
    which, part = _part(which)
    other = _other(p.stage.scope, which, p.network.parameters)
    theirs = as_read(p.stage, p.network.parameters.get(other or "", {}))
    names = [name for name in p.parameters if name.startswith({"": "", "b": "b"}.get(part, f"W_{part}"))]
    same = theirs and all(name in theirs and theirs[name].shape == p.parameters[name].shape for name in names)
    return replace(p, parameters={**p.parameters, **{name: theirs[name] for name in names}}) if same else None


def _each(p: StagePremises, names: Collection[str], change: Callable[[Array], Array]) -> StagePremises:
    return replace(p, parameters={name: change(v) if name in names else v for name, v in p.parameters.items()})


#: The weights that a word may be about: all of them, or those of one operand.
_PARTS = {"": "", " of x": "x", " of h": "h", " of b": "b", " of c": "c", " of r": "r"}


def _part(how: str) -> tuple[str, str]:
    """A word without the operand that ends it, and that operand."""
    for end, part in reversed(_PARTS.items()):
        if how.endswith(end):
            return how.removesuffix(end), part
    return how, ""


def _restacked(p: StagePremises, change: Callable[[Array, int], Array], part: str) -> StagePremises:
    """The weights of which the matrices, and the vectors, of all gates are read in another way, one upon the other."""
    new = dict(p.parameters)
    if part == "r" and "W_hr" in new:  # the projection, one matrix
        return replace(p, parameters={**new, "W_hr": change(new["W_hr"], 1)})
    for stem in (f"W_{part}",) if part else ("W_x", "W_h", "b_x", "b_h", "b_"):
        names = [name for name in p.parameters if re.fullmatch(f"{stem}[a-z]", name)]
        if names and len({p.parameters[name].shape for name in names}) == 1:
            stack = change(np.concatenate([p.parameters[name] for name in names]), len(names))
            new |= zip(names, np.split(stack, len(names)), strict=True)
    return replace(p, parameters=new)


def _not_interleaved(stack: Array, gates: int) -> Array:
    return stack.reshape(gates, -1, *stack.shape[1:]).swapaxes(0, 1).reshape(stack.shape)


def _column_major(stack: Array, _: int) -> Array:
    return stack.reshape(-1).reshape(stack.shape, order="F")


def _row_major(stack: Array, _: int) -> Array:
    return stack.reshape(-1, order="F").reshape(stack.shape)


def _interleaved(stack: Array, gates: int) -> Array:
    return stack.reshape(-1, gates, *stack.shape[1:]).swapaxes(0, 1).reshape(stack.shape)


def _off_by_one(matrix: Array, axis: int) -> Array:
    new = matrix.copy()
    new.swapaxes(0, axis)[-1] = 0
    return new


#: How the stacked weights may be read, given how many gates there are.
READ: Mapping[str, Callable[[Array, int], Array]] = {
    "by column": _column_major,
    "by row": _row_major,
    "each by column": lambda v, n: np.concatenate([_column_major(one, n) for one in np.split(v, n)]),
    "each by row": lambda v, n: np.concatenate([_row_major(one, n) for one in np.split(v, n)]),
    "interleaved": _interleaved,
    "not interleaved": _not_interleaved,
    "rows reversed": lambda v, _: v[::-1],
    "units reversed": lambda v, n: np.concatenate([one[::-1] for one in np.split(v, n)]),
    "columns reversed": lambda v, _: v[..., ::-1] if v.ndim == 2 else v,
    "columns rotated": lambda v, _: np.roll(v, 1, axis=-1) if v.ndim == 2 else v,
    "without the last column": lambda v, _: _off_by_one(v, 1) if v.ndim == 2 else v,
    "without the last row": lambda v, n: np.concatenate([_off_by_one(one, 0) for one in np.split(v, n)]),
    "one row early": lambda v, _: np.roll(v, -1, axis=0),
    "one row late": lambda v, _: np.roll(v, 1, axis=0),
}


def _weights_read(p: StagePremises, how: str) -> StagePremises | None:
    if how == "recurrent first":  # a joined kernel that multiplies [h; x], read as if it did [x; h]
        new = dict(p.parameters)
        for name in [name for name in new if re.fullmatch("W_x[a-z]", name)]:
            if (other := f"W_h{name[3:]}") not in new:
                return None
            whole = np.concatenate([new[name], new[other]], axis=1)
            edge = new[other].shape[1]
            new |= {name: whole[:, edge:], other: whole[:, :edge]}
        return replace(p, parameters=new)
    how, part = _part(how)
    return _restacked(p, READ[how], part)


def _integers(values: Array, bits: int, axis: int | None, least: bool) -> Array:
    """Rounded to as many bits: symmetric about 0, or from the least to the largest number, with a zero point."""
    if least:
        low = np.minimum(values.min(axis=axis, keepdims=True), 0)
        high = np.maximum(values.max(axis=axis, keepdims=True), 0)
        step = np.where(high > low, (high - low) / (2**bits - 1), 1)
        zero = np.round(-low / step)
        return (np.clip(np.round(values / step) + zero, 0, 2**bits - 1) - zero) * step
    step = np.abs(values).max(axis=axis, keepdims=True, initial=0) / (2 ** (bits - 1) - 1)
    return np.where(step > 0, np.round(values / np.where(step > 0, step, 1)) * step, values)


def _weights_stored(p: StagePremises, how: str) -> StagePremises:
    how, part = _part(how)
    names = [name for name in p.parameters if not part or re.match(f"W_{part}", name)]
    if how.startswith("pruned below "):
        least_kept = float(how.split()[-1])
        return _each(p, names, lambda v: np.where(np.abs(v) < least_kept, 0, v) if v.ndim == 2 else v)
    how, halves, _ = how.partition(" by 128")  # the largest number is 128 steps, not 127
    if halves:
        axis = 1 if how.endswith(" by row") else None
        step = 128 / 127
        return _each(p, names, lambda v: _integers(v * step, 8, axis, least=False) / step if v.ndim == 2 else v)
    if found := re.fullmatch(r"int(\d+)(| by row| by gate| of all)(| from least to most)", how):
        bits, least = int(found[1]), bool(found[3])
        if found[2] == "":  # one scale for the stacked matrices of an operand
            return _restacked(p, lambda v, _: _integers(v, bits, None, least) if v.ndim == 2 else v, part)
        if found[2] == " of all":
            names = [name for name in names if p.parameters[name].ndim == 2]
            step = max((np.abs(p.parameters[n]).max(initial=0) for n in names), default=0) / (2 ** (bits - 1) - 1)
            return _each(p, names, lambda v: np.round(v / step) * step if step else v)
        axis = 1 if found[2] == " by row" else None
        return _each(p, names, lambda v: _integers(v, bits, axis, least) if v.ndim == 2 else v)
    return _each(p, names, _rounding(how))


def _significant(values: Array, digits: int) -> Array:
    scale = 10.0 ** (digits - 1 - np.floor(np.log10(np.where(values == 0, 1, np.abs(values)))))
    return np.round(values * scale) / scale


def _towards_zero(values: Array) -> Array:
    """The largest float16 that is not larger, of numbers that are not negative."""
    near = values.astype(np.float16)
    return np.where(near > values, np.nextafter(near, np.float16(0)), near).astype(np.float64)


def _rounding(how: str) -> Callable[[Array], Array]:
    """Rounding to a small float format, or to fixed point qM.N, which saturates."""
    if how in FORMATS:
        digits, smallest = FORMATS[how]
        return partial(round_binary, digits=digits, smallest=smallest)
    if how.split()[-1].startswith("decimal"):
        return partial(np.round, decimals=int(how.split()[0]))
    if how.endswith("significant digits"):
        return partial(_significant, digits=int(how.split()[0]))
    how, cut, _ = how.partition(" truncated")
    if how == "float16":
        return lambda v: np.copysign(_towards_zero(np.abs(v)), v)
    if how == "bfloat16":
        return lambda v: (np.asarray(v, np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32).astype(np.float64)
    whole, part = map(int, how[1:].split("."))
    most, unit = 2.0 ** (whole - 1 + part), 2.0**part
    if cut:  # the default of ap_fixed: towards minus infinity, and more than there is room for wraps round
        return lambda v: ((np.floor(np.nan_to_num(v) * unit) + most) % (2 * most) - most) / unit
    return lambda v: np.clip(np.round(v * unit), -most, most - 1) / unit


# -- wiring, time, numbers, input --------------------------------------------------------------------------------------


def _reads(p: StagePremises, which: str) -> StagePremises | None:
    """Layer 1 and above read other values than the output of the layer before; the reverse direction the forward's."""
    layer, direction = layer_and_direction(p.stage.scope)
    outputs = {stage.scope: f"{stage.scope}/{stage.cell.output}" for stage in p.network.stages}
    if which == "input":
        source = X if layer else None
    elif which == "first layer":
        source = outputs.get("0/joined", outputs.get("0/forward")) if layer > 1 else None
    elif which == "forward output":
        source = outputs.get(f"{layer}/forward") if direction == "reverse" else None
    else:
        source = outputs.get(f"{layer - 1}/{which}")
    if source is None or "x_t" not in p.sources or _width(p, source) != _width(p, p.sources["x_t"]):
        return None
    return replace(p, sources={**p.sources, "x_t": source})


def _width(p: StagePremises, source: str) -> int:
    scope, line = scope_and_name(source)
    values = p.network.x if source == X else p.network.lines[scope][line]
    return 0 if values is None else values.shape[-1]


def _time(p: StagePremises, how: str) -> StagePremises | None:
    if not p.initial:
        return None
    if how == "over sequences":
        alike = all((v == v[:1]).all() for v in p.initial.values())  # there are as many sequences as there were steps
        across = {name: np.repeat(v[:1], p.network.steps, axis=0) for name, v in p.initial.items()}
        return replace(p, across=True, initial=across) if alike and p.network.batch > 1 else None
    if how == "the other way":
        return replace(p, flipped=not p.flipped)
    if how == "as computed":
        return replace(p, turned=not p.turned) if p.stage.backwards else None
    return replace(p, flipped=not p.flipped, turned=not p.turned)


def _standard(values: Array, axis: int | tuple[int, ...]) -> Array:
    spread = values.std(axis=axis, keepdims=True)
    return (values - values.mean(axis=axis, keepdims=True)) / np.where(spread > 0, spread, 1)


def _between(values: Array, axis: int | tuple[int, ...]) -> Array:
    low, high = values.min(axis=axis, keepdims=True), values.max(axis=axis, keepdims=True)
    return (values - low) / np.where(high > low, high - low, 1)


_SHIFTS: Mapping[str, Callable[[Array], Array]] = {
    "one step early": lambda v: np.concatenate([v[1:], np.zeros_like(v[:1])]),
    "one step early, last repeated": lambda v: np.concatenate([v[1:], v[-1:]]),
    "one step late, first repeated": lambda v: np.concatenate([v[:1], v[:-1]]),
    "steps rotated": lambda v: np.roll(v, 1, axis=0),
    "steps rotated back": lambda v: np.roll(v, -1, axis=0),
}
#: What may have been done to the values that a stage reads, (T, B, width).
INPUT: Mapping[str, Callable[[Array], Array]] = {
    "features reversed": lambda v: v[..., ::-1],
    "features rotated": lambda v: np.roll(v, 1, axis=-1),
    "steps and sequences exchanged in memory": lambda v: v.reshape(v.shape[1], v.shape[0], -1).swapaxes(0, 1),
    "steps and features exchanged in memory": lambda v: v.swapaxes(0, 2).reshape(v.shape),
    "sequences and features exchanged in memory": lambda v: v.swapaxes(1, 2).reshape(v.shape),
    "standardised over time": lambda v: _standard(v, 0),
    "standardised over sequences": lambda v: _standard(v, (0, 1)),
    "standardised over everything": lambda v: _standard(v, (0, 1, 2)),
    "scaled to 0 to 1": lambda v: _between(v, (0, 1, 2)),
    "scaled to 0 to 1 by feature": lambda v: _between(v, (0, 1)),
    "first step repeated": lambda v: np.repeat(v[:1], len(v), axis=0),
    "first sequence repeated": lambda v: np.repeat(v[:, :1], v.shape[1], axis=1),
    "whole numbers": np.round,
    "whole numbers, towards zero": np.trunc,
    "sequences reversed": lambda v: v[:, ::-1],
    "features rotated back": lambda v: np.roll(v, -1, axis=-1),
    "last step repeated": lambda v: np.repeat(v[-1:], len(v), axis=0),
    **_SHIFTS,
    "mean of each feature removed": lambda v: v - v.mean(axis=(0, 1), keepdims=True),
    "int8": lambda v: _integers(v, 8, None, least=False),
    "uint8 from least to most": lambda v: _integers(v, 8, None, least=True),
    "int8 by 127": lambda v: np.clip(np.round(v * 127), -127, 127) / 127,
    "int8 by 128": lambda v: np.clip(np.round(v * 128), -128, 127) / 128,
    "1 decimal": lambda v: np.round(v, 1),
    "2 decimals": lambda v: np.round(v, 2),
    "scaled by the largest": lambda v: v / (np.abs(v).max() or 1),
}

#: What may have been done to the values that a stage passes on, (T, B, width).
OUTPUTS: Mapping[str, Callable[[Array], Array]] = {
    "interleaved": lambda v: v.reshape(*v.shape[:-1], 2, -1).swapaxes(-1, -2).reshape(v.shape),
    "units reversed": lambda v: v[..., ::-1],
    "halves exchanged": lambda v: np.roll(v, v.shape[-1] // 2, axis=-1),
    "steps and sequences exchanged in memory": lambda v: v.swapaxes(0, 1).reshape(v.shape),
    "steps and units exchanged in memory": lambda v: v.swapaxes(0, 2).reshape(v.shape),
    "sequences and units exchanged in memory": lambda v: v.swapaxes(1, 2).reshape(v.shape),
    "sequences viewed as steps": lambda v: v.reshape(v.shape[1], v.shape[0], -1).swapaxes(0, 1),
    "last step repeated": lambda v: np.repeat(v[-1:], len(v), axis=0),
    "first step repeated": lambda v: np.repeat(v[:1], len(v), axis=0),
    **_SHIFTS,
    "summed over time": lambda v: v.cumsum(axis=0),
    "averaged over time": lambda v: v.cumsum(axis=0) / np.arange(1, len(v) + 1)[:, None, None],
    "largest so far": lambda v: np.maximum.accumulate(v, axis=0),
    "sequences reversed": lambda v: v[:, ::-1],
}


def _input(p: StagePremises, how: str) -> StagePremises | None:
    return replace(p, inputs=(*p.inputs, INPUT[how])) if "x_t" in p.sources else None


def _tabled(
    function: Callable[[Array], Array], low: float, high: float, size: int, how: str
) -> Callable[[Array], Array]:
    """A function read from a table of `size` values over [low, high), constant beyond it."""
    at = np.linspace(low, high, size, endpoint=False)
    step, values = (high - low) / size, function(at)
    if how == "interpolated":
        return lambda z: np.interp(z, at, values)
    rounded: Mapping[str, Callable[[Array], Array]] = {"floor": np.floor, "nearest": np.round, "trunc": np.trunc}
    whole = rounded[how]
    offset = size * -low / (high - low)
    return lambda z: values[np.clip(np.nan_to_num(whole(z / step) + offset), 0, size - 1).astype(int)]


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _exp_bits(offset: float) -> Callable[[Array], Array]:
    """Schraudolph 1999, for the bits of a float32."""

    def function(z: Array) -> Array:
        bits = np.clip(12102203.161561485 * np.nan_to_num(z) + offset, 0, 2139095040).astype(np.int32)
        return bits.view(np.float32).astype(np.float64)

    return function


def _exp_power(n: int) -> Callable[[Array], Array]:
    return lambda z: (1 + z / n) ** n


def _exp_series(terms: int) -> Callable[[Array], Array]:
    return lambda z: sum((z**k / math.factorial(k) for k in range(1, terms)), np.ones_like(z))


def _exp_lpcnet(z: Array) -> Array:
    x = 1.44269504 * np.clip(np.nan_to_num(z), -700, 700)
    r = x - np.floor(x)
    return np.exp2(np.floor(x)) * (0.99992522 + r * (0.69583354 + r * (0.22606716 + 0.078024523 * r)))


def _functions_of(exp: Callable[[Array], Array]) -> Mapping[str, Callable[[Array], Array]]:
    return {"exp": exp, "sigmoid": lambda z: 1 / (1 + exp(-z)), "tanh": lambda z: 1 - 2 / (exp(2 * z) + 1)}


def _tables(low: float, high: float, size: int, how: str, narrow: float = 1) -> Mapping[str, Callable[[Array], Array]]:
    return {
        "sigmoid": _tabled(_sigmoid, low, high, size, how),
        "tanh": _tabled(np.tanh, low * narrow, high * narrow, size, how),
    }


#: Other ways of computing the functions.
FUNCTIONS: Mapping[str, Mapping[str, Callable[[Array], Array]]] = {
    # the constants that are copied most: least error at worst, in the mean, and none at 0
    "exp from bits": _functions_of(_exp_bits(1064866805)),
    "exp from bits, mean error": _functions_of(_exp_bits(1064986823)),
    "exp from bits, none": _functions_of(_exp_bits(1065353216)),
    "exp of LPCNet": _functions_of(_exp_lpcnet),
    **{f"exp as (1 + z/{n})^{n}": _functions_of(_exp_power(n)) for n in (16, 64, 128, 256, 512, 1024, 4096)},
    **{f"exp of {n} terms": _functions_of(_exp_series(n)) for n in (2, 3, 4, 5, 6, 8, 10)},
    "table 1024 in [-8, 8)": _tables(-8, 8, 1024, "trunc", 0.5),  # hls4ml
    "table 1024 in [-8, 8), floor": _tables(-8, 8, 1024, "floor"),
    "table 256 in [-8, 8)": _tables(-8, 8, 256, "floor"),  # CMSIS-NN of old, nnom
    "table 256 in [-8, 8), nearest": _tables(-8, 8, 256, "nearest"),
    "table 256 in [-8, 8), interpolated": _tables(-8, 8, 256, "interpolated"),
    "table 512 in [-8, 8), interpolated": _tables(-8, 8, 512, "interpolated"),
    "table 256 in [-6, 6)": _tables(-6, 6, 256, "floor"),
    "table 1024 in [-6, 6)": _tables(-6, 6, 1024, "floor"),  # word2vec has 1000
    "table 1000 in [-6, 6)": _tables(-6, 6, 1000, "floor"),
    "table 64 in [-8, 8), interpolated": _tables(-8, 8, 64, "interpolated"),
}


def _summed(line: Line, operands: Sequence[Array], rounded: Callable[[Array], Array]) -> Array:
    """A product of a matrix and a vector whose products and partial sums are rounded, from left to right."""
    vector = rounded(operands[line.summed])
    matrix = rounded(operands[1 - line.summed])
    terms = matrix.T if line.op == "matvec" else matrix
    total = np.zeros(1)
    for k in range(vector.shape[-1]):
        total = rounded(total + rounded(vector[..., k, None] * terms[k]))
    return total


def _numbers(p: StagePremises, how: str) -> StagePremises | None:
    if not p.initial:
        return None
    if found := re.fullmatch(r"(.*) of (h|c|states)", how):
        states = {line for state, line in p.stage.cell.carry if found[2] == "states" or state.startswith(found[2])}
        stored = INPUT.get(found[1]) or _rounding(found[1])
        return replace(p, arithmetic=lambda line, _, value: stored(value) if line.name in states else value)
    if how in FUNCTIONS:
        table = FUNCTIONS[how]
        return replace(p, arithmetic=lambda line, a, value: table[line.op](a[0]) if line.op in table else value)
    if how.endswith(" sums"):
        rounded = _rounding(how.removesuffix(" sums"))
        return replace(
            p, arithmetic=lambda line, a, value: rounded(_summed(line, a, rounded) if line.product else value)
        )
    if how.startswith("everything "):
        rounded = _rounding(how.removeprefix("everything "))
        weights = _each(p, [*p.parameters], rounded)
        return replace(weights, inputs=(*p.inputs, rounded), arithmetic=lambda line, a, value: rounded(value))
    products = how.endswith(" products")
    rounded = _rounding(how.removesuffix(" products"))
    there = ("matvec", "vecmat")
    return replace(p, arithmetic=lambda line, _, value: rounded(value) if not products or line.op in there else value)


#: What may have been done to the mask, (T, B, 1).
LENGTHS: Mapping[str, Callable[[Array], Array]] = {
    "one step less": lambda v: np.concatenate([v[1:], np.zeros_like(v[:1])]),
    "one step more": lambda v: np.concatenate([np.ones_like(v[:1]), v[:-1]]),
    "from the other end": lambda v: v[::-1],
    "of the first sequence": lambda v: np.repeat(v[:, :1], v.shape[1], axis=1),
    "of the longest sequence": lambda v: np.repeat(v.max(axis=1, keepdims=True), v.shape[1], axis=1),
    "sequences reversed": lambda v: v[:, ::-1],
}


def _windows(p: StagePremises, how: str) -> StagePremises | None:
    size = int(how.split()[0])
    return replace(p, window=size, from_zero=how.endswith("zero")) if p.initial and size < p.network.steps else None


def _lengths(p: StagePremises, how: str) -> StagePremises | None:
    return replace(p, lengths=LENGTHS[how]) if VALID in p.sources.values() else None


def _skips(p: StagePremises, which: str) -> StagePremises | None:
    last = p.network.steps - 1
    first = which.startswith("first") != p.stage.backwards
    return replace(p, skips=0 if first else last, held=which.endswith("held")) if p.initial and last else None


#: What may happen to a state between two steps, (B, width).
CARRIED: Mapping[str, Callable[[Array], Array]] = {
    "row before": lambda v: np.roll(v, 1, axis=-2),
    "row after": lambda v: np.roll(v, -1, axis=-2),
    "first row": lambda v: np.repeat(v[..., :1, :], v.shape[-2], axis=-2),
    "units rotated": lambda v: np.roll(v, 1, axis=-1),
    "units reversed": lambda v: v[..., ::-1],
    "last unit lost": lambda v: np.concatenate([v[..., :-1], np.zeros_like(v[..., -1:])], axis=-1),
    "float16": _rounding("float16"),
    "bfloat16": _rounding("bfloat16"),
    "bfloat16 truncated": _rounding("bfloat16 truncated"),
    "int8": lambda v: _integers(v, 8, None, least=False),
    "int8 by 127": INPUT["int8 by 127"],
    "int8 by 128": INPUT["int8 by 128"],
}


def _carried(p: StagePremises, how: str) -> StagePremises | None:
    how, part = _part(how)
    there = any(state.startswith(part) for state in p.initial)
    return replace(p, carried=lambda state, v: CARRIED[how](v) if state.startswith(part) else v) if there else None


def _outputs(p: StagePremises, how: str) -> StagePremises | None:
    if how in ("interleaved", "halves exchanged") and p.initial:  # of two directions
        return None
    return replace(p, outputs=(*p.outputs, OUTPUTS[how]))


WORDS: Mapping[str, Word] = {
    "initial zero": _initial_zero,
    "initial ones": _initial_ones,
    "initial exchanged": lambda p, how: _initial_exchanged(p, how) if len(p.initial) > 1 else None,
    "initial of": _initial_of,
    "weights of": _weights_of,
    "weights read": _weights_read,
    "weights stored": _weights_stored,
    "reads": _reads,
    "time": _time,
    "input": _input,
    "outputs": _outputs,
    "lengths": _lengths,
    "windows": _windows,
    "skips": _skips,
    "carried": _carried,
    "numbers": _numbers,
    "chained": lambda p, _: replace(p, chained=True) if p.initial and p.network.batch > 1 else None,
    "in place": lambda p, _: replace(p, in_place=True) if p.initial else None,
}
