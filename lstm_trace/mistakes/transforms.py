"""What ports do to arrays: axes mixed up, steps shifted, numbers stored in other formats, functions approximated.

Each is named by a phrase of the table. Arrays are (T, B, width), or (B, width) for a state.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial, reduce
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..cell.arithmetic import FORMATS, round_binary

Transform = Callable[[Array], Array]


def changed(values: Array, changes: Iterable[Transform]) -> Array:
    """Values after some changes, one after the other."""
    return reduce(lambda v, change: change(v), changes, values)


def _standard(values: Array, axis: int | tuple[int, ...]) -> Array:
    spread = values.std(axis=axis, keepdims=True)
    return (values - values.mean(axis=axis, keepdims=True)) / np.where(spread > 0, spread, 1)


def _between(values: Array, axis: tuple[int, ...]) -> Array:
    low, high = values.min(axis=axis, keepdims=True), values.max(axis=axis, keepdims=True)
    return (values - low) / np.where(high > low, high - low, 1)


def _repeated(values: Array, at: int, axis: int) -> Array:
    return np.repeat(np.take(values, [at], axis=axis), values.shape[axis], axis=axis)


def _ended(values: Array, new: int) -> Array:
    """The steps one earlier, and ones or zeros at the end."""
    return np.concatenate([values[1:], np.full_like(values[:1], new)])


def _integers(values: Array, bits: int, axis: int | None = None, least: bool = False, steps: int = -1) -> Array:
    """Rounded to as many bits: symmetric about 0, or from the least to the largest number, with a zero point.

    steps: which integer the largest number is; the largest that there is by default.
    """
    if least:
        low = np.minimum(values.min(axis=axis, keepdims=True), 0)
        high = np.maximum(values.max(axis=axis, keepdims=True), 0)
        step = np.where(high > low, (high - low) / (2**bits - 1), 1)
        zero = np.round(-low / step)
        return (np.clip(np.round(values / step) + zero, 0, 2**bits - 1) - zero) * step
    most = 2 ** (bits - 1)
    step = np.abs(values).max(axis=axis, keepdims=True, initial=0) / (most + steps)
    return np.where(step > 0, np.clip(np.round(values / np.where(step > 0, step, 1)), -most, most - 1) * step, values)


def _without_tail(values: Array, block: int) -> Array:
    return np.where(np.arange(values.shape[-1]) < values.shape[-1] // block * block, values, 0)


def _first(values: Array, count: int) -> Array:
    return np.where(np.arange(values.shape[-1]) < count, values, 0)


def _halves(values: Array, axes: tuple[int, ...]) -> Array:
    """(T, B, 2 * H) written to memory as (T, B, 2, H) with its axes in another order, and read as it was."""
    return values.reshape(*values.shape[:-1], 2, -1).transpose(axes).reshape(values.shape)


#: How the halves of a value are joined otherwise.
HALVES: Mapping[str, Transform] = {
    "interleaved": partial(_halves, axes=(0, 1, 3, 2)),
    "not interleaved": lambda v: v.reshape(*v.shape[:-1], -1, 2).swapaxes(-1, -2).reshape(v.shape),
    "directions and sequences exchanged in memory": partial(_halves, axes=(0, 2, 1, 3)),
    "directions and steps exchanged in memory": partial(_halves, axes=(2, 1, 0, 3)),
    "directions in front in memory": partial(_halves, axes=(2, 0, 1, 3)),
}
_AXES = {"steps": 0, "sequences": -2, "units": -1}
#: Axes, steps, sequences and units mixed up, and values scaled.
TRANSFORMS: Mapping[str, Transform] = {
    **{f"{axis} reversed": partial(np.flip, axis=k) for axis, k in _AXES.items()},
    **{f"{axis} rotated": partial(np.roll, shift=1, axis=k) for axis, k in _AXES.items()},
    **{f"{axis} rotated back": partial(np.roll, shift=-1, axis=k) for axis, k in _AXES.items()},
    "last unit lost": lambda v: v * (np.arange(v.shape[-1]) < v.shape[-1] - 1),
    "last row lost": lambda v: v * (np.arange(v.shape[-2]) < v.shape[-2] - 1)[:, None],
    **{f"units beyond a multiple of {n} lost": partial(_without_tail, block=n) for n in (2, 4, 8)},
    **{f"units beyond the first {n} lost": partial(_first, count=n) for n in (1, 2, 4, 8, 16, 32, 64, 128)},
    **HALVES,
    "diagonal": lambda v: v * np.eye(*v.shape[-2:]),
    "overlapping": lambda v: np.stack([v.reshape(-1, v.shape[-1])[k : k + v.shape[1]] for k in range(len(v))]),
    "two interleaved": lambda v: v.reshape(2, -1).T.reshape(v.shape),
    "two apart": lambda v: v.reshape(-1, 2).T.reshape(v.shape),
    "halves exchanged": lambda v: np.roll(v, v.shape[-1] // 2, axis=-1),
    "row before": lambda v: np.roll(v, 1, axis=-2),
    "row after": lambda v: np.roll(v, -1, axis=-2),
    "first row": lambda v: _repeated(v, 0, -2),
    "longest row": lambda v: np.repeat(v.max(axis=-2, keepdims=True), v.shape[-2], axis=-2),
    "first step repeated": lambda v: _repeated(v, 0, 0),
    "last step repeated": lambda v: _repeated(v, -1, 0),
    "one step early": lambda v: _ended(v, 0),
    "one step early, last repeated": lambda v: np.concatenate([v[1:], v[-1:]]),
    "one step late, first repeated": lambda v: np.concatenate([v[:1], v[:-1]]),
    "one step more": lambda v: _ended(v[::-1], 1)[::-1],
    "summed over time": lambda v: v.cumsum(axis=0),
    "averaged over time": lambda v: v.cumsum(axis=0) / np.arange(1, len(v) + 1)[:, None, None],
    "largest so far": lambda v: np.maximum.accumulate(v, axis=0),
    "steps and sequences exchanged in memory": lambda v: v.reshape(v.shape[1], v.shape[0], -1).swapaxes(0, 1),
    "sequences and steps exchanged in memory": lambda v: v.swapaxes(0, 1).reshape(v.shape),
    "steps and units exchanged in memory": lambda v: v.swapaxes(0, 2).reshape(v.shape),
    "sequences and units exchanged in memory": lambda v: v.swapaxes(1, 2).reshape(v.shape),
    "units and steps exchanged in memory": lambda v: v.reshape(v.shape[::-1]).swapaxes(0, 2),
    "units and sequences exchanged in memory": lambda v: v.reshape(len(v), *v.shape[:0:-1]).swapaxes(1, 2),
    "rows and units exchanged in memory": lambda v: v.reshape(*v.shape[:-2], *v.shape[:-3:-1]).swapaxes(-1, -2),
    "standardised over time": lambda v: _standard(v, 0),
    "standardised over sequences": lambda v: _standard(v, (0, 1)),
    "standardised over everything": lambda v: _standard(v, (0, 1, 2)),
    "mean of each unit removed": lambda v: v - v.mean(axis=(0, 1), keepdims=True),
    "scaled by the largest": lambda v: v / (np.abs(v).max() or 1),
    "scaled to 0 to 1": lambda v: _between(v, (0, 1, 2)),
    "scaled to 0 to 1 by unit": lambda v: _between(v, (0, 1)),
    "whole numbers": np.round,
    "whole numbers, towards zero": np.trunc,
}


def _significant(values: Array, digits: int) -> Array:
    scale = 10.0 ** (digits - 1 - np.floor(np.log10(np.where(values == 0, 1, np.abs(values)))))
    return np.round(values * scale) / scale


def _cut_off(values: Array, digits: int, smallest: int) -> Array:
    """The nearest number of a small format that is not further from 0 than the float32."""
    single = values.astype(np.float32).astype(np.float64)
    exponent = np.maximum(np.frexp(single)[1] - digits, smallest - digits + 1)
    return np.ldexp(np.trunc(np.ldexp(single, -exponent)), exponent)


def _fixed(values: Array, whole: int, part: int, cut: bool) -> Array:
    """Fixed point: rounded and saturated; cut: towards minus infinity and wrapped round, the default of ap_fixed."""
    most, unit = 2.0 ** (whole - 1 + part), 2.0**part
    if cut:
        return ((np.floor(np.nan_to_num(values) * unit) + most) % (2 * most) - most) / unit
    return np.clip(np.round(values * unit), -most, most - 1) / unit


#: Formats in which numbers are stored.
_STORED: Mapping[str, Callable[..., Transform]] = {
    r"(b?float16)( truncated)?": lambda name, cut: partial(
        _cut_off if cut else round_binary, digits=FORMATS[name][0], smallest=FORMATS[name][1]
    ),
    r"q(\d+)\.(\d+)( truncated)?": lambda m, n, cut: partial(_fixed, whole=int(m), part=int(n), cut=bool(cut)),
    r"(\d+) decimals?": lambda n: partial(np.round, decimals=int(n)),
    r"(\d+) significant digits": lambda n: partial(_significant, digits=int(n)),
    r"steps of 1/(\d+)": lambda n: lambda v: np.clip(np.round(v * int(n)), -128, 127) / int(n),
    r"u?int(\d+)( by row)?( from least to most)?( by 128)?": lambda bits, row, least, by: partial(
        _integers, bits=int(bits), axis=-1 if row else None, least=bool(least), steps=0 if by else -1
    ),
    r"pruned below (.+)": lambda n: lambda v: np.where(np.abs(v) < float(n), 0, v),
    r"clipped at (.+)": lambda n: lambda v: np.clip(v, -float(n), float(n)),
}


def _made(patterns: Mapping[str, Callable[..., Transform]], how: str) -> Transform:
    """What the first pattern that a phrase fits makes of its parts."""
    return next(make(*found.groups()) for pattern, make in patterns.items() if (found := re.fullmatch(pattern, how)))


@lru_cache(maxsize=256)
def transform(how: str) -> Transform:
    """What a phrase of the table does to an array: one of `TRANSFORMS`, or a format in which numbers are stored.

    Formats: `float16`, `bfloat16`, `qM.N`, each also ` truncated`; `N decimals`, `N significant digits`; `int8` and
    other integers with one scale, or one ` by row`, ` from least to most`, ` by 128` (the largest number is 128);
    `steps of 1/N`.

    >>> transform("q2.2")(np.array([0.3, 5.0])), transform("2 decimals")(np.array([0.123]))
    (array([0.25, 1.75]), array([0.12]))
    """
    how = how.replace("feature", "unit")
    return TRANSFORMS.get(how) or _made(_STORED, how)


# -- functions ---------------------------------------------------------------------------------------------------------

Functions = Mapping[str, Transform]


def _exp_bits(z: Array, slope: float, offset: float, kind: type[np.floating[Any]], shift: int = 0) -> Array:
    """Schraudolph 1999: the bits of a float32, or the upper half of those of a float64."""
    most = np.array(np.inf, kind).view(f"i{np.dtype(kind).itemsize}") >> shift
    bits = np.clip(slope * np.nan_to_num(z) + offset, 0, most).astype(most.dtype)
    return (bits << shift).view(kind).astype(np.float64)


def _exp_lpcnet(z: Array) -> Array:
    x = 1.44269504 * np.clip(np.nan_to_num(z), -700, 700)
    r = x - np.floor(x)
    return np.exp2(np.floor(x)) * (0.99992522 + r * (0.69583354 + r * (0.22606716 + 0.078024523 * r)))


_EXP: Mapping[str, Callable[..., Transform]] = {
    r"exp as \(1 \+ z/(\d+)\)\^\d+": lambda n: lambda z: (1 + z / int(n)) ** int(n),
    r"exp of (\d+) terms": lambda n: partial(np.polyval, [1 / math.factorial(k) for k in range(int(n))][::-1]),
    "exp of LPCNet": lambda: _exp_lpcnet,
    r"exp from bits(?: with (\d+))?": lambda n: partial(
        _exp_bits, slope=12102203.161561485, offset=float(n or 1064866805), kind=np.float32
    ),
    "exp from bits of a double": lambda: partial(
        _exp_bits, slope=1512775.3951951856, offset=1072632447, kind=np.float64, shift=32
    ),
}


def _table(function: Transform, low: float, size: int, how: str) -> Transform:
    """A function read from a table of `size` values over [low, -low), constant beyond it."""
    at = np.linspace(low, -low, size, endpoint=False)
    values, step = function(at), -2 * low / size
    if how == "interpolated":
        return lambda z: np.interp(z, at, values)
    whole: Mapping[str, Transform] = {"": np.trunc, "floor": np.floor, "nearest": np.round}
    return lambda z: values[np.clip(np.nan_to_num(whole[how](z / step)) + size / 2, 0, size - 1).astype(int)]


@lru_cache(maxsize=64)
def functions(how: str) -> Functions | None:
    """Other functions for `exp`, `sigmoid` and `tanh`: `exp …`, or `table N in [-A, A)`; None for any other phrase.

    An exp may be used `, in sigmoid` alone, or in tanh `, by sigmoid` of 2z, or `, by both` e^z and e^-z.
    """
    if found := re.fullmatch(r"table (\d+) in \[-(\d+), \d+\)(?:/\[-(\d+), \d+\))?(?:, (\w+))?", how):
        size, low, other, kind = int(found[1]), -float(found[2]), -float(found[3] or found[2]), found[4] or ""
        sigmoid = _table(lambda z: 1 / (1 + np.exp(-z)), low, size, kind)
        return {"sigmoid": sigmoid, "tanh": _table(np.tanh, other, size, kind)}
    if not how.startswith("exp "):
        return None
    how, _, form = how.partition(", ")
    exp = _made(_EXP, how)
    tanh: Mapping[str, Transform] = {
        "": lambda z: 1 - 2 / (exp(2 * z) + 1),
        "in sigmoid": np.tanh,
        "by sigmoid": lambda z: 2 / (1 + exp(-2 * z)) - 1,
        "by both": lambda z: (exp(z) - exp(-z)) / (exp(z) + exp(-z)),
    }
    return {"exp": exp, "sigmoid": lambda z: 1 / (1 + exp(-z)), "tanh": tanh[form]}
