"""Explanations of a trace, each a table with sentences: what a cell remembers, and how its gates behave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from ..cell.network import layer_and_direction
from ..errors import MissingError, OptionError, counted, nearest, raise_all
from ..explanation.experiments.ablation import Ablation, Effect, Over
from ..explanation.experiments.ablation import ablation as ablated
from ..explanation.memory import Ledger, ledger
from ..explanation.memory import table as memory_table
from ..explanation.saturation import COLUMNS, HIGH, LOW, Activity, Behaviour, NotFinite, behaviour
from ..plot.kinds.memory import memory as memory_picture
from ..plot.kinds.saturation import saturation as saturation_picture
from ..trace.argument_types import checked
from ..trace.labels import axis, step_labels
from ..trace.labels import labels as axis_labels
from ..trace.operands import sizes
from ..trace.rows import Selection
from ..trace.trace import Trace
from . import attribution, gradient, training
from .entries import STEP_LABEL
from .explanation import Explanation, shortest, step_named

#: So many units, or ranges of units, are named in a sentence.
NAMED = 12


def memory(trace: Trace, of: str) -> Explanation:
    """The ledger of a carried value: what each step wrote and what is left of it. Adds up to the value.

    Raises OptionError where the carry is not a sum of (gate * previous) and other terms.
    """
    account = ledger(trace, of)
    columns, rows = memory_table(trace, account)
    labels: dict[int | None, str] = dict(zip(trace.span, step_labels(trace, account.address.b or 0), strict=False))
    return Explanation(
        title=f"Memory of {account.address}",
        sentences=tuple(_told(account, labels)),
        columns=columns,
        rows=rows,
        notes=(
            "`written`: what the step wrote. `part`: what the gates since have left of it. "
            "`share`: its size among all parts. `running`: the sum so far; the last is the value.",
        ),
        ranked=("part", "share"),
        timed=True,
        figure=cache(partial(memory_picture, trace, of)),
    )


def _told(account: Ledger, labels: Mapping[int | None, str]) -> Iterator[str]:
    rule = account.recurrence
    yield f"{account.address} = {shortest(account.value)}; the parts add up to it, residual {account.residual:.2g}"
    gates = " + ".join(("-" if sign < 0 else "") + ("1" if gate is None else str(gate)) for sign, gate in rule.keeps)
    added = ", ".join(str(name) for _, name in rule.writes) or "nothing"
    yield f"each step keeps {gates} of {rule.state} and adds {added}"
    largest = max(account.rows, key=lambda row: abs(row.part))
    where = (
        "the initial value" if largest.step is None else f"step {step_named(largest.step, labels.get(largest.step))}"
    )
    yield f"the largest part, {largest.part:.6g}, comes from {where} ({largest.source})"
    if not account.steps:
        yield "no step before it is valid: it is the initial value"
    elif account.half_life is None:
        gates = "its gate leaves" if account.steps == 1 else "their gates leave"
        yield f"half-life: more than {counted(account.steps, 'step')} ({gates} more than a half)"
    else:
        k = account.half_life
        latest = "the latest gate is" if k == 1 else f"the latest {k} gates multiply to"
        yield f"half-life: {counted(k, 'step')} ({latest} a half or less)"


@checked
def gates(trace: Trace, low: float = LOW, high: float = HIGH) -> Explanation:
    """Saturation, dead and always-open units, memory length of every gate; the first value that is not finite."""
    found = behaviour(trace, low, high)
    several = len({u.scope for u in found.units}) > 1
    return Explanation(
        title="Gates",
        sentences=tuple(_summary(found, trace)),
        columns=COLUMNS,
        rows=found.rows,
        notes=(
            f"`left`, `right`: share of values below {low:g} and above {high:g} (tanh: of its way from −1 to 1). "
            "`memory`: steps after which 1/e of what was stored is left, −1 / mean(log f). CSV and JSON have the "
            "mean, the least and the largest value too.",
        ),
        shown=(
            *(("layer", "direction", "line", "unit") if several else ("line", "unit", "mean")),
            *("left", "right", "state", "memory"),
        ),
        ranked=("left", "right"),
        adds=False,
        figure=cache(partial(saturation_picture, trace, low, high)),
    )


def _summary(found: Behaviour, trace: Trace) -> Iterator[str]:
    if found.not_finite is not None:
        yield _not_finite(found.not_finite)
    lines = dict.fromkeys((u.scope, u.line) for u in found.units)
    for scope, line in lines:
        units = [u for u in found.units if (u.scope, u.line) == (scope, line)]
        names = axis_labels(trace, axis(trace, trace.stage(scope), line), len(units))
        left = sum(u.left for u in units) / len(units)
        right = sum(u.right for u in units) / len(units)
        text = f"{scope}/{line}: {_percent(left)} of its values are left-saturated, {_percent(right)} right-saturated"
        plain = not (left or right)
        for state, words in (("dead", "never open"), ("open", "always open")):
            those = [u.unit for u in units if u.state == state]
            if those:
                text += f"; {len(those)} of {counted(len(units), 'unit')} {words} ({_named(those, units, names)})"
        kept = sorted((u.memory, u.unit) for u in units if u.memory is not None)
        if plain and not kept:
            continue
        if kept:
            text += f"; {_memory(kept, units, names)}"
        yield text


def _percent(share: float) -> str:
    """A share in percent; none and all only where it is just that."""
    return "less than 1%" if 0 < share < 0.005 else "more than 99%" if 0.995 < share < 1 else f"{share:.0%}"


def _named(those: Sequence[int], units: Sequence[Activity], labels: Sequence[str]) -> str:
    """Units by number, with their labels where there is one for each; neighbours as a range; the first of many."""
    named = [f"{j} ({labels[j]})" for j in those] if len(labels) == len(units) else _ranges(those)
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return f"{', '.join(named[:NAMED])}{more}"


def _ranges(numbers: Sequence[int]) -> list[str]:
    """Rising numbers, three or more neighbours as a range.

    >>> _ranges([0, 1, 2, 5, 7, 8])
    ['0–2', '5', '7', '8']
    """
    found: list[list[int]] = []
    for n in numbers:
        if found and n == found[-1][-1] + 1:
            found[-1].append(n)
        else:
            found.append([n])
    return [text for run in found for text in ([f"{run[0]}–{run[-1]}"] if len(run) > 2 else map(str, run))]


def _memory(kept: Sequence[tuple[float, int]], units: Sequence[Activity], labels: Sequence[str]) -> str:
    """The memory lengths of a gate's units: of one its own, of several the shortest, the longest and the median."""
    (least, first), (most, last) = kept[0], kept[-1]
    if least == most:
        return f"memory {_steps(least)}"
    median = np.median([length for length, _ in kept])
    one, other = (_named([j], units, labels) for j in (first, last))
    return f"memory {least:.3g} (unit {one}) to {_steps(most)} (unit {other}), median {median:.3g}"


def _steps(count: float) -> str:
    return f"{count:.3g} step" if f"{count:.3g}" == "1" else f"{count:.3g} steps"


def _not_finite(found: NotFinite) -> str:
    operands = ", ".join(f"{name} = {value:g}" for name, value in found.operands)
    cause = "a premise is not finite" if found.premise else f"its {found.op} of finite operands overflowed"
    return f"not finite from {found.address} on: it is {found.value:g}; {cause} ({operands})"


@checked
def ablation(
    trace: Trace, of: str, over: Over = "units", only: str | Sequence[str] | None = None, to: Any = 0.0
) -> Explanation:
    """What a value becomes when each unit, step or line in turn is held at another value; the largest change first.

    Raises OptionError, MissingError, ShapeError, TooLargeError; see `explanation.experiments.ablation`.
    """
    found = ablated(trace, of, over, only, to)
    each = {"units": "unit", "steps": "t", "lines": ""}[over]
    label = STEP_LABEL if over == "steps" else "label"
    named = (label,) if any(_called(trace, found, effect) for effect in found.effects) else ()
    columns = ("layer", "direction", "line", *((each,) if each else ()), *named, "value", "effect")
    several = len({(effect.scope, effect.line) for effect in found.effects}) > 1
    rows = [
        (
            *layer_and_direction(effect.scope),
            effect.line,
            *((effect.unit if over == "units" else effect.t,) if each else ()),
            *((_called(trace, found, effect),) if named else ()),
            effect.value,
            effect.effect,
        )
        for effect in found.effects
    ]
    return Explanation(
        title=f"Ablation of {found.of}",
        sentences=tuple(_ablated(found)),
        columns=columns,
        rows=rows,
        notes=(f"`value`: what {found.of} is then. `effect`: by how much that is more than without the hold.",),
        shown=columns if several else columns[3:],
        ranked=("effect",),
        adds=False,
    )


def _called(trace: Trace, found: Ablation, effect: Effect) -> str:
    """What a step, or a unit, is called."""
    if effect.t is not None:
        names = step_labels(trace, found.of.b)
        return names[trace.index(effect.t)] if names else ""
    if effect.unit is None:
        return ""
    stage = trace.stage(effect.scope)
    width = sizes(trace)[effect.scope][effect.line]
    names = axis_labels(trace, axis(trace, stage, effect.line), width)
    return names[effect.unit] if names else ""


def _ablated(found: Ablation) -> Iterator[str]:
    yield f"{found.of} = {shortest(found.value)}"
    lines = list(dict.fromkeys(f"{e.scope}/{e.line}" for e in found.effects))
    few = ", ".join(lines[:NAMED]) + (f" and {len(lines) - NAMED} more" if len(lines) > NAMED else "")
    at = f"{found.to} its own value" if found.to.startswith("*") else found.to
    some = few if len(lines) == 1 else f"one of {few}"
    what = {"units": f"a unit of {few} is held, over all steps,", "steps": f"{some} is held at one step"}
    yield f"in each row {what.get(found.over, f'{some} is held, at all steps and in all units,')} at {at}"
    if found.effects:
        first = found.effects[0]
        where = f"{first.scope}/" + (f"{first.t}/" if first.t is not None else "") + first.line
        where += f"[{first.unit}]" if first.unit is not None else ""
        none = sum(not e.effect for e in found.effects)
        yield f"the largest change, {first.effect:.6g}, is that of holding {where}"
        if none:
            yield f"{none} of {counted(len(found.effects), 'variant')} {'changes' if none == 1 else 'change'} nothing"


#: Options of a worked solution: how it is shown, and which part of it.
WORKED = (
    *("detail", "digits", "significant", "digits_of", "decimal_comma", "trim", "width", "everything", "language"),
    *("count_from", "notation", "arithmetic", *Selection.__dataclass_fields__),
)
WAYS: dict[str, Callable[..., Explanation]] = {
    "memory": memory,
    "gradient": gradient.gradient,
    "contribution": attribution.value,
    "gates": gates,
    "ablation": ablation,
    "training": training.training,
}
#: The options that each way reads; the others are refused.
READS: dict[str, tuple[str, ...]] = {
    "memory": ("of",),
    "gradient": ("of", "seed", *WORKED, "equations"),
    "contribution": ("of", "baseline", "points", "occlusion", *(name for name in WORKED if name != "arithmetic")),
    "gates": ("low", "high"),
    "ablation": ("of", "over", "only", "to"),
    "training": ("of", "rate", "updates", "optimizer", "parameters", "constants", *WORKED),
}


def misplaced(how: str, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The options that the way `how` does not read, each with the ways that do."""
    return {name: tuple(way for way in WAYS if name in READS[way]) for name in names if name not in READS[how]}


def explanation(trace: Trace, of: str | None, how: str, **options: Any) -> Explanation:
    """One of the `WAYS`. of: the value's address; gates need none.

    Raises OptionError for another way or an option that it does not read, and the errors of the way itself.
    """
    if how not in WAYS:
        raise OptionError(f"there is no explanation {how!r}{nearest(how, WAYS)}; there are {', '.join(WAYS)}")
    if of is not None:
        options["of"] = of
    wrong = misplaced(how, options)
    raise_all(
        OptionError,
        (
            f"{name} belongs to {' and '.join(ways)}, not to {how}"
            if ways
            else f"there is no option {name}{nearest(name, READS[how])}; {how} reads {', '.join(READS[how])}"
            for name, ways in wrong.items()
        ),
    )
    if of is None and how in ("memory", "contribution", "ablation", "training"):
        raise OptionError(f"{how} explains one value: give its address as of=, for example '3/h_t[0]'")
    found = WAYS[how](trace, **options)
    if said := _padding(trace, of):
        found = replace(found, sentences=(*found.sentences, said))
    return found


def _padding(trace: Trace, of: str | None) -> str:
    """What is said of a value at a step of padding."""
    if of is None or not trace.padded:
        return ""
    try:
        address = trace.locate(of, every=True)
    except MissingError:  # a sum, of which padding is left out
        return ""
    if address.t is None or address.b is None or trace.valid[trace.index(address.t), address.b, 0]:
        return ""
    return (
        f"step {address.t} is padding in sequence {address.b}: the states are held there, and what the other lines "
        "compute counts for nothing"
    )
