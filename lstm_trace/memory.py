"""How much memory is free."""

from __future__ import annotations

import os
from pathlib import Path


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
