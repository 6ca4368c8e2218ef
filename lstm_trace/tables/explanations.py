"""Explanations of a trace, each a table with sentences: what a cell remembers, and how its gates behave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from ..cell.network import layer_and_direction
from ..documents.rows import STEP_LABEL, UNIT_LABEL
from ..errors import MissingError, OptionError, counted, nearest, raise_all
from ..explanation.ablation import Ablation, Over
from ..explanation.ablation import ablation as ablated
from ..explanation.activity import foreseen, kept
from ..explanation.memory import HOLD, SCALED, Ledger, ledger
from ..explanation.memory import table as memory_table
from ..plot.kinds.bars import memory as memory_picture
from ..trace.argument_types import checked
from ..trace.derived import sizes
from ..trace.held import held_in_words, recurrent_stage
from ..trace.labels import axis, step_labels
from ..trace.labels import labels as axis_labels
from ..trace.rows import Selection
from ..trace.trace import Trace
from . import attribution, gates, gradient, training
from .explanation import Explanation, step_named
from .gates import in_steps

#: So many lines are named in a sentence.
NAMED = 12
#: What is said of all steps.
ALL = "all steps"


def memory(trace: Trace, of: str) -> Explanation:
    """The ledger of a carried value: what each step wrote and what is left of it. Adds up to the value.

    Raises OptionError where the carry is not a sum of (gate * previous) and other terms.
    """
    book = ledger(trace, of)
    typical = _over_all(trace, book)
    columns, rows = memory_table(trace, book)
    labels: dict[int | None, str] = dict(zip(trace.span, step_labels(trace, book.address.b or 0), strict=False))
    return Explanation(
        title=f"Memory of {book.address}",
        sentences=tuple(_told(book, labels, typical, foreseen(trace.valid))),
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


def _over_all(trace: Trace, book: Ledger) -> float:
    """The half-life of the unit over all valid steps of all rows, as a profile has it."""
    stage = recurrent_stage(trace.stage(book.address.scope))
    width = trace.lines[stage.scope][book.address.line].shape[2]
    found = kept(trace, stage, book.recurrence, width, slice(None))
    return float("nan") if found is None else float(found.half_life[(book.address.unit or (0,))[0]])


def _told(book: Ledger, labels: Mapping[int | None, str], typical: float, most: int) -> Iterator[str]:
    rule = book.recurrence
    yield f"{book.address} = {book.value:.6g}; the parts add up to it, residual {book.residual:.2g}"
    gates = " + ".join(("-" if sign < 0 else "") + ("1" if gate is None else str(gate)) for sign, gate in rule.keeps)
    added = ", ".join(str(name) for _, name in rule.writes) or "nothing"
    but = f", except where {' or '.join(book.held)} is held" if book.held else ""
    yield f"each step keeps {gates} of {rule.state} and adds {added}{but}"
    # of parts that are all 0 the last that was put says why
    at = max(range(len(rows := book.rows)), key=lambda k: (abs(rows[k].part), rows[k].source.startswith(HOLD) * k))
    largest = rows[at]
    where = (
        "the initial value" if largest.step is None else f"step {step_named(largest.step, labels.get(largest.step))}"
    )
    if largest.part:
        yield f"the largest part, {largest.part:.6g}, comes from {where} ({largest.source})"
    elif largest.source.startswith(HOLD):
        yield f"all parts are 0; the last {largest.source} is that of {where}"
    else:
        yield "all parts are 0"
    if not book.steps:
        yield "no step before it is valid: it is the initial value"
    elif book.halved is None:
        gates = "its gate leaves" if book.steps == 1 else "their gates together leave"
        yield f"looking back, half is gone after more than {counted(book.steps, 'step')} ({gates} more than a half)"
    else:
        k = book.halved
        gone = f"looking back, half is gone after {counted(k, 'step')}"
        if book.by.startswith(HOLD):
            yield f"{gone} (nothing is left of what came before the {book.by})"
        elif book.by:
            latest = "the latest gate" if k == 1 else f"the latest {k} gates"
            yield f"{gone} ({latest} and the {HOLD}{book.by.removeprefix(SCALED)} multiply to a half or less)"
        else:
            latest = "the latest gate is" if k == 1 else f"the latest {k} gates multiply to"
            yield f"{gone} ({latest} a half or less)"
    if not np.isnan(typical):
        yield f"half-life of the unit over all steps: {in_steps(typical, most)}"


@checked
def ablation(
    trace: Trace, of: str, over: Over = "units", only: Sequence[str] | str | None = None, to: Any = 0.0
) -> Explanation:
    """What a value becomes when each unit, step or line in turn is held at another value; the largest change first.

    Raises OptionError, MissingError, ShapeError, TooLargeError; see `explanation.experiments.ablation`.
    """
    found = ablated(trace, of, over, only, to)
    each = {"units": "unit", "steps": "t", "lines": ""}[over]
    label = STEP_LABEL if over == "steps" else UNIT_LABEL
    names = _called(trace, found)
    named = (label,) if any(names) else ()
    columns = ("layer", "direction", "line", *((each,) if each else ()), *named, "value", "effect")
    several = len({(effect.scope, effect.line) for effect in found.effects}) > 1
    rows = [
        (
            *layer_and_direction(effect.scope),
            effect.line,
            *((effect.unit if over == "units" else effect.t,) if each else ()),
            *((name,) if named else ()),
            effect.value,
            effect.effect,
        )
        for effect, name in zip(found.effects, names, strict=True)
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


def _called(trace: Trace, found: Ablation) -> list[str]:
    """What the step, or the unit, of each variant is called."""
    steps, widths = step_labels(trace, found.of.b), sizes(trace)
    lines = dict.fromkeys((effect.scope, effect.line) for effect in found.effects)
    units = {
        (scope, line): axis_labels(trace, axis(trace, trace.stage(scope), line), widths[scope][line])
        for scope, line in lines
    }
    called = []
    for effect in found.effects:
        at = effect.unit if effect.t is None else trace.index(effect.t)
        names = units[effect.scope, effect.line] if effect.t is None else steps
        called.append(names[at] if names and at is not None else "")
    return called


def _ablated(found: Ablation) -> Iterator[str]:
    yield f"{found.of} = {found.value:.6g}"
    if found.left:
        count, every = len(found.effects), found.left + len(found.effects)
        yield (
            f"to hold each of {every:,} {found.over} would take too long: the {count:,} that change the value most "
            "to first order (gradient times change) were held; name others with --line, in Python only="
        )
    yield f"each variant holds {_held(found)}"
    if found.unreached:
        there = "have such lines too; the value does not depend on them"
        one = there.replace("have", "has").replace("them", "it")
        yield f"{', '.join(found.unreached)} {one if len(found.unreached) == 1 else there}"
    first = found.effects[0] if found.effects else None
    if first is not None and not first.effect:
        yield "nothing that was held changes the value"
    elif first is not None:
        none = sum(not e.effect for e in found.effects)
        yield f"the largest change, {first.effect:.6g}, is caused by holding {first.address}"
        if none:
            yield f"{none} of {counted(len(found.effects), 'variant')} {'changes' if none == 1 else 'change'} nothing"


def _held(found: Ablation) -> str:
    """What each variant holds: `one unit of 0/forward/c_t at 0, at all steps`."""
    when = [_steps(entry.steps) for entry in found.held]
    alike = len(set(when)) == 1
    told = [
        entry._replace(steps=None).address + ("" if alike else f" ({at})")
        for entry, at in zip(found.held, when, strict=True)
    ]
    named = ", ".join(told[:NAMED]) + (f" and {len(told) - NAMED} more" if len(told) > NAMED else "")
    some = f"one unit of {named}" if found.over == "units" else named if len(told) == 1 else f"one of {named}"
    time = f", at {when[0]}" if alike else ""
    if found.over == "steps" and not time.startswith(", at step "):
        time = ", at one step" if time in ("", f", at {ALL}") else f", at one of the {when[0]}"
    return f"{some} at {found.to}{time}"


def _steps(steps: range | None) -> str:
    if steps is None:
        return ALL
    return f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"


#: Options of a worked solution: how it is shown, and which part of it.
WORKED = (
    *("detail", "digits", "significant", "digits_of", "decimal_comma", "trim", "width", "everything", "language"),
    *("count_from", "notation", "arithmetic", *Selection.__dataclass_fields__),
)
WAYS: dict[str, Callable[..., Explanation]] = {
    "memory": memory,
    "gradient": gradient.gradient,
    "contribution": attribution.value,
    "gates": gates.gates,
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
    said = filter(None, (held_in_words(trace), *found.sentences, _padding(trace, of)))
    return replace(found, sentences=tuple(said))


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
        f"step {address.t} is padding in sequence {address.b}: the states are kept there, and what the other lines "
        "compute is not used"
    )
