"""Which plan runs: the numpy plan, or the compiled one where it has paid, or will pay, for its making."""

from __future__ import annotations

from typing import Any, Literal

from ..base.extras import missing
from ..cell.network import Stage
from ..errors import OptionError, nearest
from .jit.machine import installed, is_loaded
from .jit.threads import threads
from .reuse import Pool
from .work import Weights, Work, products

Choice = Literal["auto", "compiled", "planned", "lines"]
CHOICES: tuple[str, ...] = ("auto", "compiled", "planned", "lines")

#: Seconds that the numpy plan must need for a stage, this run and those of the model before it with the same sizes
#: together, until the stage is compiled: three times what LLVM takes, so that it pays where machine code is twice as
#: quick. Code that is in memory already is used at once.
WORTH = 0.3
#: A trace of fewer steps that the numpy plan made is written again by it: copying costs more than it spares.
LEAST_STEPS = 50
#: Multiplications a step for a single row, from which numpy's products on two threads are quicker than the compiled
#: ones on one, since no row can be shared out: between 0.5 and 2 million (docs/speed.md).
MANY = 1_000_000
#: Stages (of different sizes) whose time is counted.
MOST_COUNTED = 256


def check_choice(wanted: str) -> None:
    """Raise OptionError for a plan that does not exist, or that cannot run here."""
    if not isinstance(wanted, str):
        raise OptionError(f"plan must be one of {', '.join(map(repr, CHOICES))}, not {wanted!r}")
    if wanted not in CHOICES:
        raise OptionError(f"there is no plan {wanted!r}{nearest(wanted, CHOICES, 'there are')}")
    if wanted == "compiled" and not installed():
        raise OptionError(missing("plan 'compiled'", "llvmlite"))


def choose(wanted: str, work: Work, kept: Pool, weights: Weights, dtype: Any) -> str:
    """The plan that runs (`compiled`, `planned`, `lines`) where `wanted` is asked for.

    A stage that cannot be compiled runs by the numpy plan; where that is all of them, the run is `planned`.
    """
    if wanted in ("lines", "planned") or not installed():
        return "lines" if wanted == "lines" else "planned"
    tasks = [work.task(stage, weights, dtype) for stage in work.stages]
    if all(task is None for task in tasks):
        return "planned"
    if wanted == "compiled" or due(work, kept, weights, dtype):
        return "compiled"
    return "planned"


def due(work: Work, kept: Pool, weights: Weights, dtype: Any) -> bool:
    """Count one more run by the numpy plan; whether it is time to compile instead, or everything is compiled."""
    if work.batch == 1 and max(products(stage, weights) for stage in work.stages) >= MANY and threads() > 1:
        return False
    spent, missing = 0.0, 0
    for stage in work.stages:
        task = work.task(stage, weights, dtype)
        if task is None or is_loaded(task):
            continue
        if len(kept.spent) > MOST_COUNTED:
            kept.spent.clear()
        kept.spent[task] = kept.spent.get(task, 0.0) + seconds(work, stage, weights)
        spent += kept.spent[task]
        missing += 1
    return not missing or spent > WORTH * missing


def seconds(work: Work, stage: Stage, weights: Weights) -> float:
    """What the numpy plan takes, roughly: calls of 0.5 µs, and twice as long as compiled code for each value."""
    plan = work.plan(stage, weights.get(stage.scope, {}))
    return work.steps * 0.5e-6 * len(plan.loop) + 2 * work.seconds(stage, weights)
