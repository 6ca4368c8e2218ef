"""The closed list of words for mistakes that no equation says: initial states, weights, wiring, time, numbers, input.

A word changes what a stage is given, or how its steps are taken. It returns None where it does not apply.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..base.arrays import Array
from ..cell.arithmetic import FORMATS, round_binary
from ..cell.lines import Line
from ..cell.network import Scope, Stage, X, layer_and_direction, scope_and_name
from ..trace.grids import as_read
from ..trace.trace import Trace

Values = Mapping[str, Array]
Arithmetic = Callable[[Line, Array, Array], Array]


@dataclass(frozen=True)
class Premises:
    """What a stage is given, and how it goes through time.

    parameters: its weights; initial: (B, width) for each state; network: the right run. sources: as those of the stage.
    flipped: whether it takes the steps in the other order. turned: whether its outputs stay in that order instead of
    being turned round. inputs, outputs: what is done to the values that it reads and passes
    on, (T, B, width). arithmetic: the value that a
    line has there, given the line, its first operand and its right value. chained: whether a sequence begins with the
    states in which the one before it ended. in_place: whether units already computed are read in the same step.
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
    arithmetic: Arithmetic | None = None
    chained: bool = False
    in_place: bool = False


Word = Callable[[Premises, str], Premises | None]


def _other(scope: Scope, which: str, scopes: Mapping[Scope, object]) -> Scope | None:
    """Another stage: of the layer before, of the next one, of the first one, or of the other direction."""
    layer, direction = layer_and_direction(scope)
    turned = {"forward": "reverse", "reverse": "forward"}.get(direction, direction)
    new = {"before": f"{layer - 1}/{direction}", "next": f"{layer + 1}/{direction}", "first": f"0/{direction}",
           "other direction": f"{layer}/{turned}"}[which]  # fmt: skip
    return new if new in scopes and new != scope else None


# -- initial states ----------------------------------------------------------------------------------------------------


def _initial_zero(p: Premises, which: str) -> Premises | None:
    new = {name: np.zeros_like(v) if which in ("", name) else v for name, v in p.initial.items()}
    return replace(p, initial=new) if which in ("", *p.initial) else None


def _initial_exchanged(p: Premises, _: str) -> Premises | None:
    (one, two), rest = [*p.initial][:2], [*p.initial][2:]
    new = {one: p.initial[two], two: p.initial[one], **{name: p.initial[name] for name in rest}}
    return replace(p, initial=new) if p.initial[one].shape == p.initial[two].shape else None


def _initial_of(p: Premises, which: str) -> Premises | None:
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
    other = _other(p.stage.scope, which, p.network.initial)
    theirs = p.network.initial.get(other or "", {})
    same = theirs and all(name in theirs and theirs[name].shape == v.shape for name, v in p.initial.items())
    return replace(p, initial=theirs) if same else None


# -- weights -----------------------------------------------------------------------------------------------------------


def _weights_of(p: Premises, which: str) -> Premises | None:
    other = _other(p.stage.scope, which, p.network.parameters)
    theirs = as_read(p.stage, p.network.parameters.get(other or "", {}))
    same = theirs and all(name in theirs and theirs[name].shape == v.shape for name, v in p.parameters.items())
    return replace(p, parameters=theirs) if same else None


def _each(p: Premises, change: Callable[[Array], Array]) -> Premises:
    return replace(p, parameters={name: change(v) for name, v in p.parameters.items()})


def _stacks(p: Premises) -> Iterator[tuple[list[str], Array]]:
    """The matrices of one operand of all gates, stacked in the order of the equations."""
    for stem in ("W_x", "W_h"):
        names = [name for name in p.parameters if re.fullmatch(f"{stem}[a-z]", name)]
        if names and len({p.parameters[name].shape for name in names}) == 1:
            yield names, np.concatenate([p.parameters[name] for name in names])


def _restacked(p: Premises, change: Callable[[Array, int], Array]) -> Premises | None:
    """The weights of which the stacked matrices and vectors of all gates are read in another way."""
    new = dict(p.parameters)
    for names, stack in _stacks(p):
        new |= zip(names, np.split(change(stack, len(names)), len(names)), strict=True)
    return replace(p, parameters=new)


def _not_interleaved(stack: Array, gates: int) -> Array:
    return stack.reshape(gates, -1, *stack.shape[1:]).swapaxes(0, 1).reshape(stack.shape)


def _column_major(stack: Array, _: int) -> Array:
    return stack.reshape(-1).reshape(stack.shape, order="F")


def _row_major(stack: Array, _: int) -> Array:
    return stack.reshape(-1, order="F").reshape(stack.shape)


def _interleaved(stack: Array, gates: int) -> Array:
    return stack.reshape(-1, gates, *stack.shape[1:]).swapaxes(0, 1).reshape(stack.shape)


def _weights_read(p: Premises, how: str) -> Premises | None:
    if how == "recurrent first":  # a joined kernel that multiplies [h; x], read as if it did [x; h], and the reverse
        new = dict(p.parameters)
        for name in [name for name in new if re.fullmatch("W_x[a-z]", name)]:
            other = f"W_h{name[3:]}"
            if other not in new:
                return None
            whole = np.concatenate([new[name], new[other]], axis=1)
            edge = new[other].shape[1]
            new |= {name: whole[:, edge:], other: whole[:, :edge]}
        return replace(p, parameters=new)
    if how == "units reversed":
        return _each(p, lambda v: v[::-1])
    if how == "each by column":
        return _each(p, lambda v: _column_major(v, 1) if v.ndim == 2 else v)
    change = {"by column": _column_major, "by row": _row_major, "interleaved": _interleaved,
              "not interleaved": _not_interleaved}[how]  # fmt: skip
    return _restacked(p, change)


def _integers(values: Array, bits: int, axis: int | None, least: bool = False) -> Array:
    if least:  # from the least to the largest, with a zero point
        low, high = (np.minimum(values.min(axis=axis, keepdims=True), 0), np.maximum(values.max(axis=axis, keepdims=True), 0))
        step = np.where(high > low, (high - low) / (2**bits - 1), 1)
        return (np.clip(np.round(values / step) + np.round(-low / step), 0, 2**bits - 1) - np.round(-low / step)) * step
    most = 2 ** (bits - 1) - 1
    scale = np.abs(values).max(axis=axis, keepdims=True, initial=0) / most
    return np.where(scale > 0, np.round(values / np.where(scale > 0, scale, 1)) * scale, values)


def _weights_stored(p: Premises, how: str) -> Premises:
    if how in FORMATS:
        return _each(p, _rounding(how))
    if found := re.fullmatch(r"int(\d+)(.*)", how):
        bits = int(found[1])
        if found[2] == " of all":
            whole = max((np.abs(v).max(initial=0) for v in p.parameters.values()), default=0) / (2 ** (bits - 1) - 1)
            return _each(p, lambda v: np.round(v / whole) * whole if whole else v)
        axis, least = 1 if "by row" in found[2] else None, found[2].endswith("most")
        return _each(p, lambda v: _integers(v, bits, axis, least) if v.ndim == 2 else v)
    return _each(p, _rounding(how))


def _rounding(how: str) -> Callable[[Array], Array]:
    """Rounding to a small float format, or to fixed point qM.N, which saturates."""
    if how in FORMATS:
        digits, smallest = FORMATS[how]
        return partial(round_binary, digits=digits, smallest=smallest)
    if how.split()[-1].startswith("decimal"):
        return partial(np.round, decimals=int(how.split()[0]))
    whole, part = map(int, how[1:].split("."))
    most = 2.0 ** (whole - 1)
    return lambda v: np.clip(np.round(v * 2.0**part), -most * 2.0**part, most * 2.0**part - 1) / 2.0**part


# -- wiring, time, numbers, input --------------------------------------------------------------------------------------


def _reads(p: Premises, which: str) -> Premises | None:
    """Layer 1 and above read other values than the output of the layer before; the reverse direction the forward's."""
    layer, direction = layer_and_direction(p.stage.scope)
    outputs = {stage.scope: f"{stage.scope}/{stage.cell.output}" for stage in p.network.stages}
    if which == "input":
        source = X if layer else None
    elif which == "forward output":
        source = outputs.get(f"{layer}/forward") if direction == "reverse" else None
    else:
        source = outputs.get(f"{layer - 1}/{which}")
    if source is None or "x_t" not in p.sources or _width(p, source) != _width(p, p.sources["x_t"]):
        return None
    return replace(p, sources={**p.sources, "x_t": source})


def _width(p: Premises, source: str) -> int:
    scope, line = scope_and_name(source)
    values = p.network.x if source == X else p.network.lines[scope][line]
    return 0 if values is None else values.shape[-1]


def _time(p: Premises, how: str) -> Premises | None:
    if not p.initial:
        return None
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
    "features rotated back": lambda v: np.roll(v, -1, axis=-1),
    "last step repeated": lambda v: np.repeat(v[-1:], len(v), axis=0),
    "one step early": lambda v: np.concatenate([v[1:], np.zeros_like(v[:1])]),
    "mean of each feature removed": lambda v: v - v.mean(axis=(0, 1), keepdims=True),
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
    "last step repeated": lambda v: np.repeat(v[-1:], len(v), axis=0),
    "first step repeated": lambda v: np.repeat(v[:1], len(v), axis=0),
    "one step early": lambda v: np.concatenate([v[1:], np.zeros_like(v[:1])]),
    "summed over time": lambda v: v.cumsum(axis=0),
    "averaged over time": lambda v: v.cumsum(axis=0) / np.arange(1, len(v) + 1)[:, None, None],
    "largest so far": lambda v: np.maximum.accumulate(v, axis=0),
    "sequences reversed": lambda v: v[:, ::-1],
}


def _input(p: Premises, how: str) -> Premises | None:
    return replace(p, inputs=(*p.inputs, INPUT[how])) if "x_t" in p.sources else None


def _tabled(function: Callable[[Array], Array], low: float, high: float, size: int, how: str) -> Callable[[Array], Array]:
    """A function read from a table of `size` values over [low, high), constant beyond it."""
    at = np.linspace(low, high, size, endpoint=False)
    step, values = (high - low) / size, function(at)
    if how == "interpolated":
        return lambda z: np.interp(z, at, values)
    whole = {"floor": np.floor, "nearest": np.round, "trunc": np.trunc}[how]
    offset = size * -low / (high - low)
    return lambda z: values[np.clip(np.nan_to_num(whole(z / step) + offset), 0, size - 1).astype(int)]


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _exp_of_bits(z: Array) -> Array:
    """Schraudolph 1999, with the constants that are copied most, for the bits of a float32."""
    bits = np.clip(12102203.0 * np.nan_to_num(z) + 1064866805.0, 0, 2139095040).astype(np.int32)
    return bits.view(np.float32).astype(np.float64)


def _functions_of(exp: Callable[[Array], Array]) -> Mapping[str, Callable[[Array], Array]]:
    return {"exp": exp, "sigmoid": lambda z: 1 / (1 + exp(-z)), "tanh": lambda z: 1 - 2 / (exp(2 * z) + 1)}


def _tables(low: float, high: float, size: int, how: str, narrow: float = 1) -> Mapping[str, Callable[[Array], Array]]:
    return {
        "sigmoid": _tabled(_sigmoid, low, high, size, how),
        "tanh": _tabled(np.tanh, low * narrow, high * narrow, size, how),
    }


#: Other ways of computing the functions.
FUNCTIONS: Mapping[str, Mapping[str, Callable[[Array], Array]]] = {
    "exp from bits": _functions_of(_exp_of_bits),
    "exp as (1 + z/256)^256": _functions_of(lambda z: (1 + z / 256) ** 256),
    "exp as (1 + z/1024)^1024": _functions_of(lambda z: (1 + z / 1024) ** 1024),
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


def _numbers(p: Premises, how: str) -> Premises | None:
    if not p.initial:
        return None
    if how in FUNCTIONS:
        table = FUNCTIONS[how]
        return replace(p, arithmetic=lambda line, a, value: table[line.op](a) if line.op in table else value)
    products = how.endswith(" products")
    rounded = _rounding(how.removesuffix(" products"))
    there = ("matvec", "vecmat")
    return replace(
        p, arithmetic=lambda line, _, value: rounded(value) if not products or line.op in there else value
    )


def _outputs(p: Premises, how: str) -> Premises | None:
    if how in ("interleaved", "halves exchanged") and p.initial:  # of two directions
        return None
    return replace(p, outputs=(*p.outputs, OUTPUTS[how]))


WORDS: Mapping[str, Word] = {
    "initial zero": _initial_zero,
    "initial exchanged": lambda p, how: _initial_exchanged(p, how) if len(p.initial) > 1 else None,
    "initial of": _initial_of,
    "weights of": _weights_of,
    "weights read": _weights_read,
    "weights stored": _weights_stored,
    "reads": _reads,
    "time": _time,
    "input": _input,
    "outputs": _outputs,
    "numbers": _numbers,
    "chained": lambda p, _: replace(p, chained=True) if p.initial and p.network.batch > 1 else None,
    "in place": lambda p, _: replace(p, in_place=True) if p.initial else None,
}
