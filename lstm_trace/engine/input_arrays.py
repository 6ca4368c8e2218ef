"""One input array, checked: numbers of a dtype, the lengths of the rows, a mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.arrays import Array, cast, to_array, to_truths
from ..errors import ShapeError


def numbers(value: Any, name: str, dtype: Any = None) -> Array:
    """`value` as an array, with a dtype as a copy. Raises ShapeError: where it is ragged, no number, too large."""
    try:
        array = to_array(value)
        if not _is_number(array.dtype):
            raise ShapeError(f"{name} has the dtype {array.dtype}; expected numbers")
        return array if dtype is None else cast(array, dtype)
    except ValueError as error:
        raise ShapeError(f"{name}: {error}") from None


def common_dtype(*arrays: Any) -> np.dtype[Any] | None:
    """The dtype in which arrays or nested lists are computed; None where one cannot be read, reported elsewhere."""
    try:
        kinds = [to_array(array).dtype for array in arrays]
        return computing(np.result_type(*kinds)) if all(map(_is_number, kinds)) else None
    except (ValueError, TypeError):
        return None


def computing(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which numbers of `dtype` are computed: half types in float32, whole numbers in float64."""
    half = dtype.name == "bfloat16" or (dtype.kind == "f" and dtype.itemsize < 8)
    return np.dtype(np.float32 if half else np.float64)


def _is_number(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "fiub" or dtype.name == "bfloat16"


def checked_lengths(lengths: Any, steps: int, batch: int) -> Array | None:
    """The lengths as whole numbers, (B,), each from 0 to T. Raises ShapeError."""
    if lengths is None:
        return None
    array = numbers(lengths, "lengths")
    if not (array == np.floor(array)).all():
        raise ShapeError(f"lengths must be whole numbers; found {array.tolist()}")
    if array.shape != (batch,):
        found = f"has shape {array.shape}" if array.ndim else f"is the single number {array:g}"
        raise ShapeError(f"lengths {found}; expected one for each of the B = {batch} rows")
    if array.min() < 0 or array.max() > steps:
        wrong = int(array[(array < 0) | (array > steps)][0])
        raise ShapeError(f"lengths has {wrong}; expected 0 to T = {steps}")
    return np.array(array, np.int64)


def checked_mask(mask: Any, steps: int, batch: int, batched: bool, batch_first: bool) -> Array | None:
    """The mask as (T, B), True at the valid steps."""
    if mask is None:
        return None
    try:
        array = to_truths(mask)
    except ValueError as error:
        raise ShapeError(f"mask: {error}") from None
    shape = array.shape
    if array.ndim == 1 and not batched:
        array = array[:, None]
    elif array.ndim == 2 and batched and batch_first:
        array = array.T
    if array.shape != (steps, batch):
        form, wanted = ("(B, T)", (batch, steps)) if batch_first else ("(T, B)", (steps, batch))
        expected = f"{form} = {wanted}, as x" if batched else f"(T,) = ({steps},)"
        turned = batched and shape == wanted[::-1]
        raise ShapeError(f"mask has shape {shape}; expected {expected}{'; it looks transposed' if turned else ''}")
    return np.array(array)


def shortest(mask: Array | None) -> tuple[Array | None, Array | None]:
    """(lengths, mask): lengths where all padding of the mask is at the end, else the mask itself."""
    if mask is None or not mask.size:
        return None, mask
    lengths = mask.sum(axis=0)
    if (mask == (np.arange(len(mask))[:, None] < lengths)).all():
        return lengths.astype(np.int64), None
    return None, mask
