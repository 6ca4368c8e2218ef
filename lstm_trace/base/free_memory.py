"""How much memory is free, and whether a trace fits into it."""

from __future__ import annotations

import math
import os
from pathlib import Path

from ..errors import TooLargeError


def available() -> int | None:
    """Bytes that a process may still allocate without swapping; None where the system does not say."""
    try:
        for row in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if row.startswith("MemAvailable:"):
                return int(row.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def affordable(size: int) -> None:
    """Raise TooLargeError where a trace of `size` bytes would not fit into the memory that is free."""
    free = available()
    if free is not None and size > free:
        raise TooLargeError(
            f"the trace would need {amount(size)} and {amount(free)} of memory are free; "
            "ask for fewer lines, or trace fewer steps or rows"
        )


def amount(size: float) -> str:
    """`size` bytes in words, with one decimal of the largest unit that fits.

    >>> amount(1536)
    '1.5 KiB'
    """
    unit = min(int(math.log(max(size, 1), 1024)), 4)
    return f"{size / 1024**unit:.1f} {('bytes', 'KiB', 'MiB', 'GiB', 'TiB')[unit]}"
