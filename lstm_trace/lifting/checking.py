"""The function itself, beside the cell that was lifted from it: what both compute must agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..errors import LiftError
from .recording import LOCK, Surroundings, torch
from .tape import Tape

#: Largest difference between the lifted cell and the function, relative to the largest value, above 1, by dtype.
TOLERANCE = {"float32": 2e-5, "float64": 3e-8}
#: The other input that the two are compared on is so many steps longer than the given one.
MORE = 3


@contextmanager
def plain_run(function: Any, tape: Tape) -> Iterator[None]:
    """A run of the function that is not recorded; what it changes in its object is put back."""
    without_gradient = torch().no_grad() if torch() is not None else nullcontext()
    with LOCK, Surroundings(function, tape).kept(), without_gradient, np.errstate(all="ignore"):
        yield


def check_equal(ours: Array, theirs: Array, title: str, what: str) -> None:
    """Raise LiftError if values of the cell and of the function, both with the steps first, differ."""
    off = np.abs(ours - theirs) / max(1.0, float(np.abs(theirs).max(initial=0)))
    wrong = ~(off <= TOLERANCE[ours.dtype.name]) & ~(np.isnan(ours) & np.isnan(theirs))
    if wrong.any():
        step = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
        raise LiftError(
            f"{title} does more than its equations say: {what} of step {step} is off by "
            f"{np.abs(ours - theirs)[step].max():.1e}; a state that is kept outside of the function does this"
        )


def copied(value: Any) -> Any:
    """A copy of an array of numpy or PyTorch."""
    return value.copy() if isinstance(value, np.ndarray) else value.clone()


def random_like(value: Any, shape: Sequence[int], random: np.random.Generator) -> Any:
    """Random numbers in the library and dtype of another array."""
    numbers = random.normal(size=shape)
    if isinstance(value, np.ndarray):
        return numbers.astype(value.dtype)
    return torch().as_tensor(numbers, dtype=value.dtype)
