"""Which plan runs: the numpy plan, or the compiled one where it has paid, or will pay, for its making."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ..cell.stack import Stage
from ..errors import OptionError, nearest
from ..plans.compiled.machine import installed, is_loaded
from .layout import Kept, Layout, Weights

Choice = Literal["auto", "compiled", "planned", "lines"]
CHOICES: tuple[str, ...] = ("auto", "compiled", "planned", "lines")

#: Seconds that the numpy plan must need for a stage, this run and those of the model before it with the same sizes
#: together, until the stage is compiled: three times what LLVM takes, so that it pays where machine code is twice as
#: quick. Code that is in memory already is used at once.
WORTH = 0.3
#: A trace of fewer steps that the numpy plan made is written again by it: copying costs more than it spares.
LEAST_STEPS = 50
#: Multiplications a step for one row and for several, from which numpy's products on two threads are quicker than the
#: compiled ones, which have one: between 0.5 and 2 million, and between 4 and 17 (docs/speed.md).
MANY, MANY_IN_ROWS = 1_000_000, 8_000_000
#: Stages (of different sizes) whose time is counted.
MOST_COUNTED = 256


def check_choice(wanted: str) -> None:
    """Raise OptionError for a plan that does not exist, or that cannot run here."""
    if not isinstance(wanted, str):
        raise OptionError(f"plan must be one of {', '.join(map(repr, CHOICES))}, not {wanted!r}")
    if wanted not in CHOICES:
        raise OptionError(f"there is no plan {wanted!r}{nearest(wanted, CHOICES, 'there are')}")
    if wanted == "compiled" and not installed():
        raise OptionError("plan 'compiled' needs llvmlite, which is not installed: pip install 'lstm-trace[jit]'")


def choose(wanted: str, layout: Layout, kept: Kept, weights: Weights, dtype: Any) -> str:
    """The plan that runs (`compiled`, `planned`, `lines`) where `wanted` is asked for.

    A stage that cannot be compiled runs by the numpy plan; where that is all of them, the run is `planned`.
    """
    if wanted in ("lines", "planned") or not installed():
        return "lines" if wanted == "lines" else "planned"
    tasks = [layout.task(stage, weights, dtype) for stage in layout.stages]
    if all(task is None for task in tasks):
        return "planned"
    if wanted == "compiled" or due(layout, kept, weights):
        return "compiled"
    return "planned"


def threaded(layout: Layout, weights: Weights) -> bool:
    """Whether numpy's products are quicker than compiled ones: they are large, and BLAS has several threads."""
    most = max((layout.batch * products(stage, weights) for stage in layout.stages), default=0)
    if most < (MANY if layout.batch == 1 else MANY_IN_ROWS):
        return False
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]  # 0.2 ms, where a run takes many

    return any(library["num_threads"] > 1 for library in threadpool_info() if library["user_api"] == "blas")


def due(layout: Layout, kept: Kept, weights: Weights) -> bool:
    """Count one more run by the numpy plan; whether it is time to compile instead, or everything is compiled."""
    if threaded(layout, weights):
        return False
    spent, missing = 0.0, 0
    for stage in layout.stages:
        task = layout.tasks.get(stage.scope)
        if task is None or is_loaded(task):
            continue
        if len(kept.spent) > MOST_COUNTED:
            kept.spent.clear()
        kept.spent[task] = kept.spent.get(task, 0.0) + seconds(layout, stage, weights)
        spent += kept.spent[task]
        missing += 1
    return not missing or spent > WORTH * missing


def seconds(layout: Layout, stage: Stage, weights: Weights) -> float:
    """What the numpy plan takes, roughly: calls of 0.5 µs, values of 1 ns, 10^10 multiplications a second."""
    if stage.scope not in layout.costs:
        plan = layout.plan(stage, weights.get(stage.scope, {}))
        row = 1e-9 * sum(plan.columns.values()) + 1e-10 * products(stage, weights)
        layout.costs[stage.scope] = layout.steps * (0.5e-6 * len(plan.loop) + layout.batch * row)
    return layout.costs[stage.scope]


def products(stage: Stage, weights: Weights) -> int:
    """Multiplications in the products of one row at one step."""
    here = weights.get(stage.scope, {})
    return sum(np.size(here.get(str(x.operands[0]), ())) for x in stage.lines if x.op == "matvec")
