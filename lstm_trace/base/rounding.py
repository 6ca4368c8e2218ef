"""How far two correct computations of one sum may differ: the one definition, for lines, gradients and `diff`.

In arithmetic that rounds by at most u = ε/2, a term of a sum of n products is rounded at most n times, in whatever
order the terms are added: once as a product and n − 1 times in sums; fused multiply-adds round less often. The result
then deviates by at most γ S, with γ = n u / (1 − n u) and S the sum of the magnitudes of the terms (N. J. Higham,
Accuracy and Stability of Numerical Algorithms, 2nd edition 2002, lemma 3.1 and section 3.1). Two orders may differ by
2 γ S. S is computed as well, and may be too small by γ S: 2 γ / (1 − γ) = 2 n u / (1 − 2 n u). Four more roundings, of
the factor, of its product with S, of the sum below and of the difference that is compared with the bound, give
n ε / (1 − (n + 2) ε).

Products below the normal range deviate by half a smallest subnormal number instead: n of these for two orders.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def of_sum(sizes: Any, roundings: int, dtype: Any) -> Any:
    """The bound on sums, from the sums of the magnitudes of their terms, as computed in `dtype` or a wider one.

    Args:
        sizes: (|W| |x|) for a product, the sum of |x| for a sum: an array or a number.
        roundings: maximum number of roundings of a term: n in a product or a mean of n terms, n − 1 in a sum.
        dtype: the dtype in which the sums were computed.

    Returns:
        The bound, of the type of `sizes`; infinite if it were S or more, so that 0 would pass for any sum: from
        511 roundings in float16, 4,194,303 in float32.

    >>> round(of_sum(3.0, 10, "float64") / 2.0**-52, 6)
    30.0
    >>> of_sum(1.0, 10_000_000, "float32")
    inf
    """
    info = np.finfo(dtype)
    room = 1 - (roundings + 2) * float(info.eps)
    each = roundings / room if room > roundings * float(info.eps) else math.inf
    return sizes * (each * float(info.eps)) + each * float(info.smallest_subnormal)
