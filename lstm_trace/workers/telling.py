"""How far a computation is: said within a worker, heard by whoever called it."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Called with what is done and what there is in all.
Progress = Callable[[int, int], None]
#: Seconds between two messages: a person sees no more.
PAUSE = 0.1

_hearer: Progress | None = None
_next = 0.0


def tell(done: int, of: int) -> None:
    """Say how far a computation is, as `progress=` of a run; at most ten times a second, and nothing outside workers.

    Args:
        done: what is done, in steps.
        of: what there is to do, in steps.
    """
    global _next
    if _hearer is not None and (now := time.monotonic()) >= _next:
        _next = now + PAUSE
        _hearer(done, of)


def heard_by(hearer: Progress | None) -> None:
    """Let `tell` speak to `hearer` from now on."""
    global _hearer, _next
    _hearer, _next = hearer, 0.0
