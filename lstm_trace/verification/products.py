"""Products of sizes, |W| |x|: how large they are, without working out all of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array

#: Of the values of a line the part that is looked at one by one: more are worked out faster all together.
FEW = 1 / 16
_TAME = 1e-15, 1e15  # products of numbers between them neither vanish nor overflow in float32


class Sizes:
    """Numbers of at least 0, and what is worked out of them for several products."""

    def __init__(self, values: Array) -> None:
        self.values = values

    @cached_property
    def single(self) -> Array:
        """In float32."""
        return self.values.astype(np.float32, copy=False)

    @cached_property
    def lengths(self) -> Array:
        """Of the vectors on the last axis."""
        return np.sqrt(np.einsum("...n,...n->...", self.values, self.values))

    @cached_property
    def largest(self) -> float:
        """The largest number."""
        return float(self.values.max(initial=0.0))


class Product(NamedTuple):
    """A matrix times vectors on the last axis. flipped: each column of the matrix makes a unit, not each row."""

    matrix: Sizes
    vectors: Sizes
    flipped: bool

    def some(self, places: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
        """Some values of a product of that shape."""
        matrix, vectors = self.matrix.values, self.vectors.values
        if vectors.shape[:-1] != shape[:-1]:
            vectors = np.broadcast_to(vectors, (*shape[:-1], vectors.shape[-1]))
        return np.einsum("kn,kn->k", (matrix.T if self.flipped else matrix)[places[-1]], vectors[places[:-1]])

    def most(self) -> Array:
        """What no value of a step and row is above, by Cauchy and Schwarz."""
        lengths = Sizes(self.matrix.values.T).lengths if self.flipped else self.matrix.lengths
        return np.asarray(self.vectors.lengths * (np.max(lengths, initial=0.0) * (1 + 1e-9)))[..., None]

    def largest(self) -> float:
        """The largest value: found in float32, which takes half the time, and worked out in float64."""
        low, high = _TAME
        if all(low < part.largest < high for part in (self.matrix, self.vectors)):
            near = _whole(self.matrix.single, self.vectors.single, self.flipped)
            terms = self.vectors.values.shape[-1]
            close = near >= near.max() * (1 - 4 * (terms + 2) * float(np.finfo(np.float32).eps))
            places = np.flatnonzero(close)
            if places.size <= max(FEW * close.size, 1000):
                return float(self.some(np.unravel_index(places, close.shape), close.shape).max())
        return float(np.max(_whole(self.matrix.values, self.vectors.values, self.flipped), initial=0.0))


def _whole(matrix: Array, vectors: Array, flipped: bool) -> Array:
    rows = vectors.reshape(-1, vectors.shape[-1]) @ (matrix if flipped else matrix.T)
    return rows.reshape(*vectors.shape[:-1], rows.shape[-1])


def reach(values: Array) -> Any:
    """The largest size of some values."""
    return np.maximum(values.max(initial=0), -values.min(initial=0))
