"""How far two correct computations of one sum may end apart: the one definition, for lines, gradients and `diff`.

In arithmetic that rounds by u = ε/2 at most, a term of a sum of n products is rounded at most n times, in whatever
order the terms are added: once as a product and n − 1 times in sums; fused multiply-adds round less often. The result
is then off by at most γ S, with γ = n u / (1 − n u) and S the sum of the sizes of the terms (N. J. Higham, Accuracy and
Stability of Numerical Algorithms, 2nd edition 2002, lemma 3.1 and section 3.1). Two orders may be 2 γ S apart. S is
computed as well, and may have come out low by γ S: 2 γ / (1 − γ) = 2 n u / (1 − 2 n u). Four more roundings, of the
factor, of its product with S, of the sum below and of the gap that is held against the bound, give
n ε / (1 − (n + 2) ε).

A product below the normal range is off by half a smallest subnormal number instead: n of these for two orders.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def of_sum(sizes: Any, roundings: int, dtype: Any) -> Any:
    """The bound of sums, by the sums of the sizes of their terms, as computed in `dtype` or a wider one.

    Args:
        sizes: (|W| |x|) of a product, the sum of |x| of a sum: an array or a number.
        roundings: how often a term is rounded at most: n in a product or a mean of n terms, n − 1 in a sum.
        dtype: in which the sums were computed.

    Returns:
        Of the type of `sizes`; not finite where so many roundings (8 million in float32) leave no digit.

    >>> round(of_sum(3.0, 10, "float64") / 2.0**-52, 6)
    30.0
    >>> of_sum(1.0, 10_000_000, "float32")
    inf
    """
    info = np.finfo(dtype)
    room = 1 - (roundings + 2) * float(info.eps)
    each = roundings / room if room > 0 else math.inf
    return sizes * (each * float(info.eps)) + each * float(info.smallest_subnormal)
