"""Which plan runs: the numpy plan, or the compiled one where it has paid, or will pay, for its making."""

from __future__ import annotations

from typing import Any, Literal

from .compiled.machine import installed, is_loaded
from .errors import OptionError, nearest
from .layout import Kept, Layout, Weights

Choice = Literal["auto", "compiled", "planned", "lines"]
CHOICES: tuple[str, ...] = ("auto", "compiled", "planned", "lines")

#: Seconds that the numpy plan must need, this run and those of the model before it together, until a stage is
#: compiled: three times what LLVM takes for one, so that it pays where the compiled plan is twice as quick.
WORTH = 0.3


def check_choice(wanted: str) -> None:
    """Raise OptionError for a plan that does not exist, or that cannot run here."""
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
    if wanted == "compiled" or all(task is None or is_loaded(task) for task in tasks):
        return "compiled"
    return "compiled" if due(layout, kept, weights) else "planned"


def due(layout: Layout, kept: Kept, weights: Weights) -> bool:
    """Count one more run by the numpy plan; whether it is now time to compile instead."""
    kept.spent += seconds(layout, weights)
    return kept.spent > WORTH * len(set(layout.tasks.values()))


def seconds(layout: Layout, weights: Weights) -> float:
    """What the numpy plan will take, roughly: calls of 0.5 µs, values of 1 ns, 10^10 multiplications a second."""
    for stage in layout.stages:
        if stage.scope not in layout.costs:
            here = weights.get(stage.scope, {})
            plan = layout.plan(stage, here)
            products = sum(here[str(x.operands[0])].size for x in stage.lines if x.op == "matvec")
            row = 1e-9 * sum(plan.columns.values()) + 1e-10 * products
            layout.costs[stage.scope] = layout.steps * (0.5e-6 * len(plan.loop) + layout.batch * row)
    return sum(layout.costs.values())
