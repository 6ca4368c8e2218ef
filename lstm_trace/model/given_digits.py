"""How exact another program's values are, from the digits that it printed or saved: half a unit of the last one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice

import numpy as np

from ..base.arrays import Array
from ..base.remark import Remark

#: By so much values near 1 may differ that were computed in float32.
FLOAT32 = 2.0**-20
Key = tuple[str, str]  # scope and name
Arrays = Mapping[Key, Array]
_POWERS = np.array([float(f"1e{k}") for k in range(-420, 309)])  # the nearest numbers, which powers need not be


def _unit(values: Array, digits: int) -> Array:
    """A unit of the last of so many significant digits of each value."""
    return _POWERS[(_exponents(values) - digits + 421).astype(int)]


Step = Callable[[Array], Array]
#: Values that are rounded when they are saved: how far neighbouring numbers of that kind are apart.
_KINDS: Mapping[str, Step] = {
    "bfloat16": lambda values: np.exp2(np.frexp(values)[1] - 8.0),
    "float16": lambda values: np.exp2(np.maximum(np.frexp(values)[1], -13) - 11.0),
}
_DECIMALS: Mapping[str, Step] = {f"{10.0**-k:.{k}f}": partial(np.full_like, fill_value=10.0**-k) for k in range(1, 13)}
_SIGNIFICANT: Mapping[str, Step] = {str(k): partial(_unit, digits=k) for k in range(2, 9)}


def printed_rounding(held: Arrays) -> dict[Key, Array]:
    """Half a unit of the last printed digit of each value. held: values and decimals (see `value_files.numbers_of`)."""
    digits = {key: _digits(*one) for key, one in held.items()}
    whole = np.max(list(digits.values()), axis=0)  # for a line of integers alone
    digits = {key: whole if own[0] == -1000 else own for key, own in digits.items()}
    return {key: _rounding(one[0], one[1], digits[key]) for key, one in held.items()}


def shortest_singles(values: Arrays, rounding: Arrays) -> tuple[dict[Key, Array], dict[Key, Array]] | None:
    """The float32 values that were meant, and their rounding, if every value has the fewest digits that tell a float32
    from its neighbours, as numpy, pandas, Rust, Go and Java print one; None if not, or if the rounding covers it.

    Such digits differ in number, and a value with few of them is not exact to the last digit of the longest.
    """
    finite = {key: np.isfinite(one) for key, one in values.items()}
    with np.errstate(over="ignore", invalid="ignore"):
        singles = {key: one.astype(np.float32).astype(np.float64) for key, one in values.items()}
        off = {key: np.where(finite[key], np.abs(one - singles[key]), 0.0) for key, one in values.items()}
        if not any((off[key] > rounding[key]).any() for key in values):
            return None
        for key, one in values.items():
            known = one[finite[key]]
            for part in (known[:100], known):  # most that are not such are known by the first
                if not np.array_equal(part.astype(np.float32).astype(str).astype(np.float64), part):
                    return None
    return singles, {key: half + np.where(off[key] > half, 0.0, off[key]) for key, half in rounding.items()}


def saved_rounding(values: Arrays, stored: Arrays, own: Arrays, half: bool) -> tuple[Remark, dict[Key, Array]] | None:
    """How values that were not printed were rounded when they were saved: a note, and half a unit of each; None if they
    have all their digits, as far as can be told, or our own values are such, too.

    stored: where there are such values. own: ours. half: whether they are float16.
    """
    every = {key: np.isfinite(values[key]) & there for key, there in stored.items()}
    theirs = np.concatenate([values[key][there] for key, there in every.items()])
    ours = np.concatenate([own[key][there].astype(np.float64) for key, there in every.items()])
    if not theirs.any():
        return None

    def fitting(steps: Mapping[str, Step]) -> list[tuple[str, Step]]:
        fits = ((to, step) for to, step in steps.items() if _multiples(theirs, step) and not _multiples(ours, step, 0))
        return [*islice(fits, 1)]

    with np.errstate(all="ignore"):
        found = [("float16", _KINDS["float16"])] if half else fitting(_KINDS)
        found = found or fitting(_DECIMALS) + fitting(_SIGNIFICANT)
        if not found:
            return None
        # fewer numbers are multiples of larger steps; of two that are alike, decimals
        to, step = max(found, key=lambda one: round(np.log10(one[1](theirs[theirs != 0])).sum(), 6))
        halves = {key: np.where(there, step(values[key]) / 2, 0.0) for key, there in every.items()}
    largest = f"{max(half.max(initial=0.0) for half in halves.values()):.2g}"
    note = Remark("diff.given.significant" if to in _SIGNIFICANT else "diff.given.saved", {"to": to, "half": largest})
    # what was rounded may have been computed in float32
    return note, {key: half + np.minimum(half, FLOAT32) for key, half in halves.items()}


def _multiples(values: Array, step: Step, digits: float = 6) -> bool:
    """Whether values are multiples of a step, within their own rounding, and hardly so by chance.

    digits: so many are needed in all, of values that differ.
    """
    eps = np.finfo(np.float32 if np.array_equal(values, values.astype(np.float32)) else np.float64).eps
    units = step(values)
    if (np.abs(values - units * np.rint(values / units)) > 2 * eps * np.abs(values)).any():
        return False
    apart = np.unique(np.abs(values))
    apart = apart[apart > 0]
    chances = 4 * eps * apart / step(apart)
    return bool(-np.log10(step(apart)).sum() >= digits and np.log10(np.minimum(chances, 1)).sum() <= -digits)


def _exponents(values: Array) -> Array:
    """The power of ten of each number's first digit; -400, below that of all numbers, of 0 and what is not finite."""
    with np.errstate(all="ignore"):
        return np.where((values != 0) & np.isfinite(values), np.floor(np.log10(np.abs(values)) + 1e-12), -400.0)


def _digits(values: Array, decimals: Array) -> Array:
    """The most decimals, and the most significant digits, that were printed of any number; -1000 if none tells them."""
    told = np.isfinite(decimals)
    sizes = (decimals + _exponents(values) + 1)[told & (_exponents(values) > -400)]
    return np.array([decimals[told].max(initial=-1000.0), sizes.max(initial=-1000.0)])


def _rounding(values: Array, decimals: Array, digits: Array) -> Array:
    """Half a unit of the last printed digit of each value; 0 of what was not printed.

    digits: of all numbers of the line, since programs drop zeros at the end of one: as many decimals (`%.6f`), or as
    many significant digits (`%g`), whichever is less exact for a number.
    """
    if digits[0] == -1000:
        return np.zeros(values.shape)
    last = np.clip(_exponents(values) - digits[1] + 1, -400, 300)
    half = 0.5 * np.maximum(10.0 ** -max(digits[0], 0.0), 10.0**last)
    return np.where(np.isposinf(decimals) | ~np.isfinite(values), 0.0, half)
