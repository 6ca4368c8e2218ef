"""Ablation: a value when a unit, a step or a whole line is held at another value, each in turn.

Each variant is a run that equals `lt.run(…, hold={…})` with the trace's plan, to the last bit (see `trials`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from ..backpropagation.gradients import forward, walked
from ..backpropagation.target import Summand, Target, Weightings, target
from ..base.arrays import Array, by_key, describe
from ..cell.network import Stage
from ..engine import plan_choice
from ..engine.run import by_its_plan
from ..errors import Faults, MissingError, OptionError, TooLargeError, counted
from ..trace.argument_types import listed
from ..trace.derived import Values, one_row, sizes
from ..trace.held import HeldBlock, plain
from ..trace.holding import Multiple, Region, numbers, places, read_value
from ..trace.labels import axis, labels, step_labels
from ..trace.trace import Trace
from .trials import HeldTrials, Trials, computed_parts, reached

Over = Literal["units", "steps", "lines"]


class Effect(NamedTuple):
    """One variant: what was held (t, unit: None for all), the resulting value, and the change.

    address: of everything held. label: the label of the step or unit; empty if it has none.
    """

    scope: str
    line: str
    t: int | None
    unit: int | None
    value: float
    effect: float
    address: str
    label: str


@dataclass(frozen=True)
class AblationEffects:
    """A value, and the value in each variant, the largest change first.

    of: the value, or a sum of several; value: the value in the run without a hold.
    held: what is held in turn, by line: at which steps and which units (None: all). unreached: layers and directions
    that also have such lines, but that the value does not depend on.
    left: the number of variants that were left out because all would take too long: those with the smallest first-order
    effect.
    """

    of: Target
    value: float
    over: Over
    effects: tuple[Effect, ...]
    held: tuple[HeldBlock, ...]
    unreached: tuple[str, ...] = ()
    left: int = 0


@np.errstate(all="ignore")  # if the value has overflowed, the effects are NaN
def ablation(
    trace: Trace, of: str, over: Over = "units", lines: str | Sequence[str] | None = None, to: Any = 0.0
) -> AblationEffects:
    """Hold each unit over all steps, each step, or each line in turn, and report the resulting value at `of`.

    of: the address of one value of a line, or a sum of such values (see `target`). lines: addresses of what is held, as
    for `hold` but without sequences (if they name steps or units, only those are held). None: the cell state of every
    layer and direction, that is, the last carried line that the value depends on (if one is a matrix, every one, a row
    of the matrix at a time); if there is none, the output, or the
    line itself (over lines: every named line). to: what it is held at: a number, `'*0.5'`, or a trace of the same size.
    Existing holds of the trace stay in force, except for values that a variant holds itself.
    Raises OptionError, MissingError, ShapeError; TooLargeError if it would take too long.
    """
    if over not in get_args(Over):
        raise OptionError(f"over must be one of {', '.join(get_args(Over))}; found {describe(over)}")
    whole, value = forward(trace), read_value("to", to)
    found = target(whole, of)
    every = one = one_row(replace(whole, header=replace(whole.header, ask=())), found.b)
    named: Sequence[str] = () if lines is None else listed("lines", lines)
    itself = {(place.scope, place.line) for place in _places(one, named)}
    parts = computed_parts(one, found.parts, itself)
    if parts is None:
        name = next(part.line for part in found.parts if computed_parts(one, [part], itself) is None)
        raise OptionError(f"{found}: {name} is a premise, which no hold can change; name a line")
    kept = {stage.scope for stage in reached(one.stages, parts)} | {part.scope for part in parts}
    one = replace(one, stages=tuple(stage for stage in one.stages if stage.scope in kept))
    named = _lines(one, over, parts) if lines is None else named
    if not named:
        raise OptionError("none of the named lines can be held; name another one, or leave this out for all")
    meant = _places(one, named)
    variants = list(dict.fromkeys(v for each in meant for v in _variants(each, over, one)))
    trials = Trials(by_its_plan(one), parts)
    possible = len(variants)

    def at(place: Region) -> Array:
        to = one_row(value, found.b) if isinstance(value, Trace) and value.batch > 1 else value
        return numbers("to", place, to, one.span, 1, sizes(one)[place.scope][place.line], np.dtype(one.header.dtype))

    held = HeldTrials(trials, isinstance(value, Multiple), at)
    if lines is None:  # only variants that nobody named may be left out
        variants = _likeliest(held, variants, max(int(plan_choice.USUAL_SECONDS / trials.seconds), 1))
    _afford(trials, len(variants))
    base, effects, steps, widths = trials.value, [], step_labels(trace, found.b), sizes(one)
    axes = {(place.scope, place.line): axis(trace, trace.stage(place.scope), place.line) for place in meant}
    for place, y in zip(variants, held.values([[variant] for variant in variants]), strict=True):
        t, unit = place.steps[0] if over == "steps" else None, place.units[0] if over == "units" else None
        units = labels(trace, axes[place.scope, place.line], widths[place.scope][place.line])
        label = steps[one.index(t)] if t is not None and steps else units[unit] if unit is not None and units else ""
        if place.columns is not None and unit is not None:
            row, column = divmod(unit, place.columns)
            label = f"[{row},{column if len(place.units) == 1 else ':'}]"
        address = _entry(place, one, found.b).address
        effects.append(Effect(place.scope, place.line, t, unit, y, y - base, address, label))
    effects.sort(key=lambda e: -abs(e.effect) if np.isfinite(e.effect) else -np.inf)
    names = {place.line for place in meant}
    without = (s.scope for s in plain(every).stages if s.scope not in one.scopes and names & s.cell.by_name.keys())
    entries = tuple(_entry(place, one, found.b) for place in meant)
    left = possible - len(variants)
    return AblationEffects(found, base, over, tuple(effects), entries, tuple(without), left)


def _entry(place: Region, one: Trace, b: int) -> HeldBlock:
    """What is held in sequence b, as reported: all steps and all units are not named."""
    steps = None if place.steps == one.span else place.steps
    whole = len(place.units) == sizes(one)[place.scope][place.line]
    units = None if whole else place.units
    return HeldBlock(place.scope, place.line, steps, range(b, b + 1), units, None, place.columns)


def _lines(one: Trace, over: Over, parts: Sequence[Summand]) -> list[str]:
    """The lines that are held if none are named."""
    stages = plain(one).stages
    if over == "lines":
        return list(dict.fromkeys(f"{s.scope}/{x.name}" for s in stages for x in s.lines if x.assigned))
    needed = reached(stages, parts)
    found = [f"{stage.scope}/{line}" for stage in needed for line in _remembered(stage)]
    last = needed[-1]
    lines = [x.name for x in last.lines]
    return found or [f"{last.scope}/{last.cell.output if last.cell.output in lines else lines[-1]}"]


def _remembered(stage: Stage) -> list[str]:
    """The last carried line of a stage that a computed line uses, or all if one is a matrix; keeping a state at padding
    does not count.
    """
    found = [
        stage.unpadded(line)
        for state, line in stage.cell.carry
        if line in stage.cell.by_name
        and any(state in x.reads and (x.name != line or stage.unpadded(line) == line) for x in stage.lines)
    ]
    return found[-1:] if stage.cell.matrices.isdisjoint(found) else found


def _places(one: Trace, texts: Sequence[str]) -> list[Region]:
    found: list[Region] = []
    faults, base = Faults(), plain(one)
    for text in texts:
        with faults.gather():
            found += places(text, base.stages, base.span, 1, sizes(base), base.grid, one.header)
    faults.tell()
    return list(dict.fromkeys(found))


def _variants(place: Region, over: Over, one: Trace) -> list[Region]:
    if over == "units":
        rows = by_key((j // place.columns, j) for j in place.units) if place.columns else {}
        parts = rows.values() if len(rows) > 1 else ([j] for j in place.units)  # of a matrix, a row at a time
        return [place._replace(units=tuple(part)) for part in parts]
    if over == "steps":
        return [place._replace(steps=range(t, t + 1)) for t in place.steps if one.valid[one.index(t), 0, 0]]
    return [place]


def _likeliest(held: HeldTrials, variants: list[Region], most: int) -> list[Region]:
    """At most this many of the variants: those with the largest first-order effect on the value, gradient times change.

    All if a line was not recorded. In tests on four trained models (12 to 24 units), an eighth of the units, chosen
    this way, included the one with the largest effect for three of them; choosing the units with the largest values did
    for one.
    """
    one = held.trials.trace
    lines = {(place.scope, place.line) for place in variants}
    if len(variants) <= most or any(name not in one.lines.get(scope, {}) for scope, name in lines):
        return variants
    slopes, valid = _slopes(one, held.trials.parts, lines), one.valid[:, 0, 0] != 0
    found = []
    for place in variants:
        steps = [one.index(t) for t in place.steps]
        at = np.ix_(steps, place.units)
        values = one.lines[place.scope][place.line][:, 0][at]
        there = np.broadcast_to(held.numbers(place), (len(steps), 1, len(place.units)))[:, 0]
        change = (values * there if held.scale else there) - values
        slope = slopes[place.scope, place.line][at] if slopes else 1.0
        found.append(np.abs(slope * change)[valid[steps]].sum())
    return [variants[k] for k in np.sort(np.argsort(-np.nan_to_num(found, nan=np.inf), kind="stable")[:most])]


def _slopes(one: Trace, parts: Sequence[Summand], lines: set[tuple[str, str]]) -> dict[tuple[str, str], Array]:
    """The gradient of the value with respect to lines, (T, width) each; empty if lines that it needs are missing."""
    seeds: Weightings = {}
    Target("", 0, tuple(parts)).weigh(one, seeds)
    found = {(scope, name): np.zeros((one.steps, sizes(one)[scope][name])) for scope, name in lines}

    def visit(back: Stage, steps: slice, values: Values) -> None:
        for name, new in back.cell.gradient_of.items():
            if (back.owner, name) in found:
                found[back.owner, name][steps] = np.asarray(values(new))[:, 0]

    try:
        walked(one, seeds, record=False, visit=visit)
    except MissingError:
        return {}
    return found


def _afford(trials: Trials, variants: int) -> None:
    """Raise TooLargeError if the variants would take too long."""
    seconds, allowed = variants * trials.seconds, plan_choice.MOST_SECONDS
    if seconds > allowed:
        runs, steps = counted(variants, "run"), counted(trials.trace.steps, "step")
        most = counted(max(int(allowed / trials.seconds), 1), "run")
        raise TooLargeError(
            f"{runs} of {steps} would take some {seconds:,.0f} s, and at most {allowed:g} s are allowed, some {most}: "
            "name fewer units or steps with --line, as in 0/forward/c_t[0..31] or 5..9/c_t"
        )
