"""As many threads as numpy's products have: rows of the batch are shared out among them."""

from __future__ import annotations

from ...base.resources import threads

#: Rows of the batch that a thread should have at least, and seconds that a run should take.
LEAST_ROWS = 4
WORTH = 1e-3


def part(batch: int, seconds: float) -> int:
    """How many rows of a batch one thread computes in a run that takes so long on one; 0 is all of them."""
    if seconds < WORTH or batch < 2 * LEAST_ROWS:
        return 0
    count = min(threads(), batch // LEAST_ROWS)
    return -(-batch // count) if count > 1 else 0
