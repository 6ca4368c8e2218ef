"""Resources of the machine: free memory, and the threads of numpy's matrix products.

The threads belong to the process, so a limit applies to everything in it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock, get_ident
from typing import Any

from ..errors import TooLargeError


def available() -> int | None:
    """Bytes that a process can still allocate without swapping; None if the system does not report it."""
    with suppress(OSError, ValueError, IndexError):
        for row in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if row.startswith("MemAvailable:"):
                return int(row.split()[1]) * 1024
    with suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def affordable(size: int) -> None:
    """Raise TooLargeError if a trace of `size` bytes does not fit into free memory."""
    if (free := available()) is not None and size > free:
        raise TooLargeError(
            f"the trace would need {amount(size)} and {amount(free)} of memory are free; "
            "ask for fewer lines, or trace fewer steps or rows"
        )


def amount(size: float) -> str:
    """`size` bytes as text, with one decimal of the largest unit that fits.

    >>> amount(1536)
    '1.5 KiB'
    """
    unit = min(int(math.log(max(size, 1), 1024)), 4)
    return f"{size / 1024**unit:.1f} {('bytes', 'KiB', 'MiB', 'GiB', 'TiB')[unit]}"


#: Held by the thread that has set a limit.
_LIMITING = Lock()
#: Which thread holds a limit, and whether it is permanent.
_HELD: dict[str, int] = {}


@lru_cache(maxsize=1)
def blas() -> Any:
    """The libraries that compute numpy's products, as reported by threadpoolctl."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # only where a run is long

    return ThreadpoolController().select(user_api="blas")


def threads() -> int:
    """The number of threads that numpy's products use now."""
    return min((library.num_threads for library in blas().lib_controllers), default=1)


def one_for_good() -> None:
    """Use one thread until the process ends; no caller has to wait for a limit any more."""
    blas().limit(limits=1)
    _HELD["for good"] = 1


@contextmanager
def at_most(most: int, wait: bool = False) -> Iterator[None]:
    """Compute products on at most `most` threads; a limit that is already set stays.

    The threads of a product wait for each other in a loop: if other programs use the cores, products of some
    milliseconds take many times as long on several threads, and on free cores there is little to gain. The thread that
    set the limit lifts it (threadpoolctl ignores others): two overlapping limits would leave one behind.

    wait: wait until another thread has lifted its limit, which may be higher; for results that depend on the number.
    """
    mine = get_ident()
    wait = wait and "for good" not in _HELD and _HELD.get("by") != mine  # waiting for itself would never end
    if not _LIMITING.acquire(blocking=wait):
        yield
        return
    try:
        _HELD["by"] = mine
        with blas().limit(limits=max(1, min(threads(), most))):
            yield
    finally:
        _HELD.pop("by", None)
        _LIMITING.release()
