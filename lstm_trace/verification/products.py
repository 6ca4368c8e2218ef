"""Products of sizes, |W| |x|: how large they are, without working out all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line

#: Of the values of a line the part that is looked at one by one: more are worked out faster all together.
FEW = 1 / 16
_TAME = 1e-15, 1e15  # products of numbers between them neither vanish nor overflow in float32


class Product(NamedTuple):
    """A matrix with a row for each unit, and vectors on the last axis; no value is below 0."""

    matrix: Array
    vectors: Array

    @classmethod
    def of(cls, line: Line, operands: Sequence[Array]) -> Product:
        """The sizes of the operands of a product."""
        matrix, vectors = (np.abs(operands[line.operands.index(name)]) for name in line.product or ())
        return cls(matrix if line.op == "matvec" else matrix.T, vectors)

    def some(self, places: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
        """Some values of a product of that shape."""
        vectors = np.broadcast_to(self.vectors, (*shape[:-1], self.vectors.shape[-1]))[places[:-1]]
        return np.einsum("kn,kn->k", self.matrix[places[-1]], vectors)

    def whole(self, dtype: type[np.floating]) -> Array:
        """All values, in that dtype."""
        rows = self.vectors.reshape(-1, self.vectors.shape[-1]).astype(dtype, copy=False)
        found = rows @ self.matrix.T.astype(dtype, copy=False)
        return found.reshape(*self.vectors.shape[:-1], len(self.matrix))

    def most(self) -> Array:
        """What no value of a step and row is above, by Cauchy and Schwarz."""
        longest = np.max(_length(self.matrix), initial=0.0)
        return np.asarray(_length(self.vectors) * (longest * (1 + 1e-6)))[..., None]

    def largest(self) -> float:
        """The largest value: found in float32, which takes half the time, and worked out in float64."""
        low, high = _TAME
        if all(low < np.max(part, initial=0.0) < high for part in self):
            near = self.whole(np.float32)
            terms = self.vectors.shape[-1]
            close = near >= near.max() * (1 - 4 * (terms + 2) * float(np.finfo(np.float32).eps))
            if np.count_nonzero(close) <= FEW * close.size:
                wide = Product(self.matrix.astype(np.float64, copy=False), self.vectors)
                return float(wide.some(np.nonzero(close), close.shape).max())
        return float(np.max(self.whole(np.float64), initial=0.0))


def _length(rows: Array) -> Array:
    return np.sqrt(np.einsum("...n,...n->...", rows, rows, dtype=np.float64))
