"""Which plan runs: determined by the call (cell, sizes, dtype) and the installed packages, never by earlier runs.

Also here: how much a computation may hold at once, in bytes, and how long it may take, in seconds by
`rerun.run_seconds`. That estimate is for one thread and one sequence; in a batch of float32, each takes about 0.3 times
as long. Measurements: two layers in both directions, T = 2000, H = 256, float32 (`benchmarks/commands.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ..base.extras import missing
from ..cell.arithmetic import named
from ..cell.network import Stage
from ..errors import OptionError, require_known
from ..trace.trace import Header
from .jit import installed
from .memory import Weights, Work, products

Choice = Literal["auto", "compiled", "planned", "lines"]
CHOICES: tuple[str, ...] = ("auto", "compiled", "planned", "lines")

#: Time of the numpy plan for a stage of this run from which `auto` compiles: some 60 steps of a small cell. Machine
#: code is faster at any size, but costs 40 ms in each process (importing llvmlite, reading the code from disk) and 0.1
#: s once per machine, which an exercise of some steps should not pay.
LIMIT = 250e-6
#: Time of the numpy plan per line and step, whatever its width: half a call of 0.4 µs.
LINE = 0.2e-6
#: The same for a run line by line; the time that any run takes before its first step; and the time per value or
#: multiplication in an arithmetic of decimals or integers.
BY_LINE, BEGIN, DIGITS = 3e-6, 0.5e-3, 1e-6


def check_choice(wanted: str) -> None:
    """Raise OptionError for a plan that does not exist, or cannot run here."""
    if not isinstance(wanted, str):
        raise OptionError(f"plan must be one of {', '.join(map(repr, CHOICES))}, not {wanted!r}")
    require_known("plan", wanted, CHOICES)
    if wanted == "compiled" and not installed():
        raise OptionError(missing("plan 'compiled'", "llvmlite"))


def choose(wanted: str, work: Work, weights: Weights, dtype: Any) -> str:
    """The plan that runs (`compiled`, `planned`, `lines`) if `wanted` is requested.

    A stage that cannot be compiled runs with the numpy plan; if that is true of all of them, the run is `planned`.
    """
    if wanted in ("lines", "planned") or not installed():
        return "lines" if wanted == "lines" else "planned"
    stages = [stage for stage in work.stages if wanted == "compiled" or seconds(work, stage, weights) >= LIMIT]
    return "planned" if all(work.task(stage, weights, dtype) is None for stage in stages) else "compiled"


def in_arithmetic(
    header: Header, weights: Weights, arithmetic: str, plan: Choice, to_file: bool
) -> tuple[Header, Weights, Choice]:
    """Header, weights and plan of a model whose runs use another arithmetic: in float64, line by line.

    Raises OptionError if a plan is requested, and for a run to a file.
    """
    header = replace(header, dtype="float64", arithmetic=named(arithmetic))
    if header.arithmetic is not None and (plan in ("compiled", "planned") or to_file):
        leave = "leave plan= out, and write the trace with save"
        raise OptionError(f"in the arithmetic {arithmetic} a run goes line by line, in memory: {leave}")
    found = {s: {n: array.astype(np.float64) for n, array in here.items()} for s, here in weights.items()}
    for array in (array for here in found.values() for array in here.values()):
        array.flags.writeable = False
    return header, found, plan if header.arithmetic is None else "lines"


def plan_texts(work: Work, weights: Weights, dtype: Any) -> dict[str, str]:
    """By `layer/direction`, the plan that `auto` runs, and a listing of the numpy plan."""
    compiled = choose("auto", work, weights, dtype) == "compiled"
    found = {}
    for stage in work.stages:
        runs = compiled and work.task(stage, weights, dtype) is not None
        head = "default plan: " + ("compiled; numpy's plan of the same lines:" if runs else "planned")
        found[stage.scope] = f"{head}\n\n{work.plan(stage, weights.get(stage.scope, {}))}"
    return found


def seconds(work: Work, stage: Stage, weights: Weights) -> float:
    """Approximate time of the numpy plan for a stage: its calls, and twice the time of machine code per value.

    Over all steps of the input, even if fewer are computed: a window must have the same bits as the whole trace.
    """
    return work.length * (LINE * len(stage.lines) + 2 * work.batch * work.row_seconds(stage, weights))


def run_alone(work: Work, weights: Weights, plan: str, digits: bool) -> float:
    """Approximate time of a run of one sequence with a plan. digits: in an arithmetic of decimals or integers."""
    took = BEGIN
    for stage in work.stages:
        if digits:
            values = sum(work.widths[stage.scope].values()) + products(stage, weights)
            took += work.steps * DIGITS * values
        elif plan == "compiled":
            took += work.steps * work.row_seconds(stage, weights)
        else:
            took += seconds(replace(work, batch=1), stage, weights)
            took += work.steps * BY_LINE * len(stage.lines) if plan == "lines" else 0.0
    return took


#: Bytes of the values of runs that are computed at once: an ablation then peaks at 270 MB; with four times as many
#: bytes it takes 0.85 times as long, and 440 MB.
BATCH_BYTES = 1 << 27
#: Bytes of recorded values, counted as float64, that are processed at once: with a quarter of them a comparison takes
#: 8 % longer, and a profile no less.
PIECE_BYTES = 1 << 23
#: Maximum size of a trace for which `diff` also splits a difference: the split takes as much memory again, and `diff`
#: of two traces of 180 MB peaks at 880 MB without it.
SPLIT_BYTES = 80_000_000

#: For computations in addition to the request; with it, `explain contribution` takes 4 s.
EXTRA_SECONDS = 1.5
#: For a request whose extent is left to us: an ablation of this many units takes 7 s.
USUAL_SECONDS = 20.0
#: For an explicit request: nothing is printed in the meantime, so more than a minute would look like a hang.
MOST_SECONDS = 60.0


def at_once(size: int) -> int:
    """How many runs of this size are computed at once; at least one."""
    return max(BATCH_BYTES // max(size, 1), 1)


def pieces(steps: int, width: int, backwards: bool = False, most: int | None = None) -> Iterator[slice]:
    """All steps in slices of at most `most` values (PIECE_BYTES if None), each step having `width` values; the last
    steps
    first if `backwards`.

    >>> million = PIECE_BYTES // 8
    >>> list(pieces(5, million // 2)), list(pieces(5, million // 3, backwards=True))
    ([slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)], [slice(3, 5, None), slice(0, 3, None)])
    """
    size = max((PIECE_BYTES // 8 if most is None else most) // max(width, 1), 1)
    found = [slice(at, min(at + size, steps)) for at in range(0, steps, size)]
    yield from reversed(found) if backwards else found
