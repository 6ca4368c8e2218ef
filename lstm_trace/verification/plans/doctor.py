"""What `lstm-trace doctor` finds: what computes on this machine, and whether each plan agrees with the operations."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ... import __version__
from ...base.resources import blas
from ...engine.jit.machine import VARIABLE, cache_directory, host, installed
from ...errors import counted
from .cases import DTYPES, Fault
from .cells import PLANS, check_plans, sizes
from .kernels import COLUMNS, WIDTHS, check_kernels

#: Of the sizes every so manieth is compiled: each takes a tenth of a second or more where it is not in the cache.
_COMPILED = 3
#: Operations of a plan of which a fault is shown.
_SHOWN = 3
_MISSING = "not available: llvmlite is not installed"


@dataclass(frozen=True)
class Diagnosis:
    """machine: what computes, by name. checks: what was found of each plan. faults: some of each plan. right: the
    plans that agree with the operations."""

    machine: tuple[tuple[str, str], ...]
    checks: tuple[tuple[str, str], ...]
    faults: tuple[Fault, ...]
    right: tuple[str, ...]


def examine(
    widths: Sequence[int] = WIDTHS,
    columns: Sequence[int] = COLUMNS,
    progress: Callable[[int, int], None] | None = None,
) -> Diagnosis:
    """Look at the machine, and compare every plan with the operations.

    Args:
        widths: of the values, in units.
        columns: of the memory in which they lie.
        progress: told how many of the runs are done, and how many there are.
    """
    chosen = {plan: sizes(widths)[:: _COMPILED if plan == "compiled" else 1] for plan in PLANS}
    if not installed():
        del chosen["compiled"]
    parts = [len(DTYPES) * len(widths), *map(len, chosen.values())]

    def after(before: int) -> Callable[[int, int], None]:
        def told(done: int, _: int) -> None:
            if progress is not None:
                progress(before + done, sum(parts))

        return told

    strided = list(check_kernels(widths, columns, progress=after(0)))
    checks: list[tuple[str, str]] = []
    right: list[str] = []
    faults: list[Fault] = []
    for k, (plan, here) in enumerate(chosen.items(), 1):
        found = [fault for fault in strided if fault.plan == plan]
        found += check_plans([plan], here, progress=after(sum(parts[:k])))
        tried = f"every operation, {counted(len(here), 'cell')} of {min(widths)} to {max(widths)} units"
        if plan != "compiled":
            tried += f", memory of {min(columns)} to {max(columns)} columns"
        verdict = f"WRONG in {counted(len(found), 'call')}" if found else "agrees"
        checks.append((plan, f"{verdict}: {tried}"))
        faults += list({fault.line.op: fault for fault in reversed(found)}.values())[-_SHOWN:]
        right += [] if found else [plan]
    return Diagnosis(tuple(_machine()), tuple(checks), tuple(faults), tuple(right))


def _machine() -> list[tuple[str, str]]:
    found = np.show_config("dicts")["SIMD Extensions"].get("found", [])
    libraries = [f"{b.internal_api} {b.version or ''}, {counted(b.num_threads, 'thread')}"
                 for b in blas().lib_controllers]  # fmt: skip
    return [
        ("lstm-trace", __version__),
        ("Python", f"{platform.python_version()} ({platform.python_implementation()}, {sys.platform})"),
        ("numpy", f"{np.__version__}, with {', '.join(found) or 'no instructions beyond the least'}"),
        ("CPU", f"{_processor()}, {platform.machine()}, {counted(os.cpu_count() or 1, 'core')}"),
        ("BLAS", "; ".join(libraries) or "none that threadpoolctl knows"),
        ("compiled plan", _compiler()),
        ("its cache", _cache()),
    ]


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"


def _compiler() -> str:
    if not installed():
        return _MISSING
    return f"llvmlite {version('llvmlite')}, for {host().cpu} with vectors of {host().vector} bytes"


def _cache() -> str:
    """The folder of machine code, and what is in it."""
    if os.environ.get(VARIABLE) == "":
        return f"turned off by {VARIABLE}"
    place = cache_directory()
    if place is None:
        return "none: there is no folder that is yours alone, so every process compiles anew"
    entries = [path.stat().st_size for path in Path(place).glob("*.o")]
    return f"{place}: {counted(len(entries), 'file')}, {sum(entries) / 1e6:.1f} MB"
