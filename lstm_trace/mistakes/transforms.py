"""What ports do to arrays: axes mixed up, steps shifted, numbers stored in other formats, functions approximated.

Each is named by a phrase of the table. Arrays are (T, B, width), or (B, width) for a state.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial

import numpy as np

from ..base.arrays import Array
from ..cell.arithmetic import FORMATS, round_binary

Transform = Callable[[Array], Array]


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


#: Axes, steps, sequences and units mixed up, and values scaled.
TRANSFORMS: Mapping[str, Transform] = {
    "units reversed": lambda v: v[..., ::-1],
    "units rotated": lambda v: np.roll(v, 1, axis=-1),
    "units rotated back": lambda v: np.roll(v, -1, axis=-1),
    "last unit lost": lambda v: np.concatenate([v[..., :-1], np.zeros_like(v[..., -1:])], axis=-1),
    **{f"units beyond a multiple of {n} lost": partial(_without_tail, block=n) for n in (2, 4, 8)},
    "interleaved": lambda v: v.reshape(*v.shape[:-1], 2, -1).swapaxes(-1, -2).reshape(v.shape),
    "halves exchanged": lambda v: np.roll(v, v.shape[-1] // 2, axis=-1),
    "sequences reversed": lambda v: v[..., ::-1, :],
    "row before": lambda v: np.roll(v, 1, axis=-2),
    "row after": lambda v: np.roll(v, -1, axis=-2),
    "first row": lambda v: _repeated(v, 0, -2),
    "longest row": lambda v: np.repeat(v.max(axis=-2, keepdims=True), v.shape[-2], axis=-2),
    "steps reversed": lambda v: v[::-1],
    "steps rotated": lambda v: np.roll(v, 1, axis=0),
    "steps rotated back": lambda v: np.roll(v, -1, axis=0),
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
    "rows and units exchanged in memory": lambda v: v.reshape(v.shape[-1], -1).T,
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


def _cut_off(values: Array, name: str) -> Array:
    """The nearest number of a small format that is not further from 0."""
    if name == "bfloat16":
        return (values.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32).astype(np.float64)
    near = np.abs(values).astype(np.float16)
    return np.copysign(
        np.where(near > np.abs(values), np.nextafter(near, np.float16(0)), near).astype(np.float64), values
    )


def _fixed(values: Array, whole: int, part: int, cut: bool) -> Array:
    """Fixed point: rounded and saturated; cut: towards minus infinity and wrapped round, the default of ap_fixed."""
    most, unit = 2.0 ** (whole - 1 + part), 2.0**part
    if cut:
        return ((np.floor(np.nan_to_num(values) * unit) + most) % (2 * most) - most) / unit
    return np.clip(np.round(values * unit), -most, most - 1) / unit


@lru_cache(maxsize=256)
def transform(how: str) -> Transform:
    """What a phrase of the table does to an array: one of `TRANSFORMS`, or a format in which numbers are stored.

    Formats: `float16`, `bfloat16`, `qM.N`, each also ` truncated`; `N decimals`, `N significant digits`; `int8` and
    other integers with one scale, ` from least to most`, ` by 128` (the largest number is 128); `steps of 1/N`.

    >>> transform("q2.2")(np.array([0.3, 5.0])), transform("2 decimals")(np.array([0.123]))
    (array([0.25, 1.75]), array([0.12]))
    """
    how = how.replace("feature", "unit")
    if how in TRANSFORMS:
        return TRANSFORMS[how]
    name, cut, _ = how.partition(" truncated")
    if name in FORMATS:
        digits, smallest = FORMATS[name]
        return partial(_cut_off, name=name) if cut else partial(round_binary, digits=digits, smallest=smallest)
    if found := re.fullmatch(r"q(\d+)\.(\d+)", name):
        return partial(_fixed, whole=int(found[1]), part=int(found[2]), cut=bool(cut))
    if found := re.fullmatch(r"(\d+) (decimal|significant digit)s?", how):
        count = int(found[1])
        return partial(np.round, decimals=count) if found[2] == "decimal" else partial(_significant, digits=count)
    if found := re.fullmatch(r"steps of 1/(\d+)", how):
        unit = int(found[1])
        return lambda v: np.clip(np.round(v * unit), -128, 127) / unit
    found = re.fullmatch(r"u?int(\d+)(?:( from least to most)|( by 128))?", how)
    assert found is not None, how
    return partial(_integers, bits=int(found[1]), least=bool(found[2]), steps=0 if found[3] else -1)


# -- functions ---------------------------------------------------------------------------------------------------------

Functions = Mapping[str, Transform]


def _exp_bits(offset: float) -> Transform:
    """Schraudolph 1999, for the bits of a float32."""

    def function(z: Array) -> Array:
        bits = np.clip(12102203.161561485 * np.nan_to_num(z) + offset, 0, 2139095040).astype(np.int32)
        return bits.view(np.float32).astype(np.float64)

    return function


def _exp_bits_of_double(z: Array) -> Array:
    """The same for the upper half of a float64, as in the paper."""
    upper = np.clip(1512775.3951951856 * np.nan_to_num(z) + 1072632447, 0, 2146435071).astype(np.int64)
    return (upper << 32).view(np.float64)


def _exp_lpcnet(z: Array) -> Array:
    x = 1.44269504 * np.clip(np.nan_to_num(z), -700, 700)
    r = x - np.floor(x)
    return np.exp2(np.floor(x)) * (0.99992522 + r * (0.69583354 + r * (0.22606716 + 0.078024523 * r)))


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
        size, low, other = int(found[1]), -float(found[2]), -float(found[3] or found[2])
        kind = found[4] or ""
        sigmoid = _table(lambda z: 1 / (1 + np.exp(-z)), low, size, kind)
        return {"sigmoid": sigmoid, "tanh": _table(np.tanh, other, size, kind)}
    if not how.startswith("exp "):
        return None
    how, _, form = how.partition(", ")
    if found := re.fullmatch(r"exp as \(1 \+ z/(\d+)\)\^\d+", how):
        n = int(found[1])
        exp: Transform = lambda z: (1 + z / n) ** n  # noqa: E731
    elif found := re.fullmatch(r"exp of (\d+) terms", how):
        terms = [1 / math.factorial(k) for k in range(int(found[1]))]
        exp = lambda z: np.polyval(terms[::-1], z)  # noqa: E731
    elif found := re.fullmatch(r"exp from bits(?: with (\d+))?", how):
        exp = _exp_bits(float(found[1] or 1064866805))
    else:
        exp = _exp_bits_of_double if how == "exp from bits of a double" else _exp_lpcnet
    tanh: Mapping[str, Transform] = {
        "": lambda z: 1 - 2 / (exp(2 * z) + 1),
        "in sigmoid": np.tanh,
        "by sigmoid": lambda z: 2 / (1 + exp(-2 * z)) - 1,
        "by both": lambda z: (exp(z) - exp(-z)) / (exp(z) + exp(-z)),
    }
    return {"exp": exp, "sigmoid": lambda z: 1 / (1 + exp(-z)), "tanh": tanh[form]}
