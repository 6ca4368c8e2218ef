"""Two traces laid side by side: the steps and rows that both have, and what keeps them from being aligned whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from ..cell.ops import Array
from ..errors import ShapeError, counted
from ..part import between
from ..trace import INITIAL, Trace
from .derived import coarse, held


def side_by_side(a: Trace, b: Trace) -> tuple[Trace, Trace]:
    """The steps and rows that both have. Raises ShapeError where they have no step in common."""
    common = range(max(a.first, b.first), min(a.span.stop, b.span.stop))
    if not common:
        spans = (f"{side} holds steps {t.span[0]} to {t.span[-1]}" for side, t in (("a", a), ("b", b)))
        raise ShapeError(f"the traces have no step in common: {', '.join(spans)}")
    rows = min(a.batch, b.batch)
    return _rows(between(a, common), rows), _rows(between(b, common), rows)


def _rows(trace: Trace, count: int) -> Trace:
    """The first rows of the batch."""
    if trace.batch == count:
        return trace

    def part(arrays: Mapping[str, Mapping[str, Array]], *lead: slice) -> dict[str, dict[str, Array]]:
        at = (*lead, slice(count))
        return {scope: {name: values[at] for name, values in here.items()} for scope, here in arrays.items()}

    return replace(
        trace,
        batch=count,
        x=None if trace.x is None else trace.x[:, :count],
        lengths=None if trace.lengths is None else trace.lengths[:count],
        initial=part(trace.initial),
        given=part(trace.given, slice(None)),
        lines=part(trace.lines, slice(None)),
        memory=None,
    )


def in_both(a: Trace, b: Trace) -> dict[str, list[str]]:
    """The lines of a that both have, with equal widths, in computing order, by layer and direction."""
    found = {}
    for stage in a.stages:
        if stage.scope in b.scopes:
            found[stage.scope] = [
                line.name
                for line in stage.cell.lines
                if (one := held(a, stage.scope, line.name)) is not None
                and (two := held(b, stage.scope, line.name)) is not None
                and one.shape[2] == two.shape[2]
            ]
    return found


def _compared(n: int) -> str:
    return "the first is compared" if n == 1 else f"the first {n} are compared"


def notes(a: Trace, b: Trace) -> Iterator[str]:
    """What keeps the traces from being aligned whole."""
    if a.first != b.first:
        spans = (f"{side} holds steps {t.span[0]} to {t.span[-1]}" for side, t in (("a", a), ("b", b)))
        yield f"{', '.join(spans)}; those that both have are compared"
    elif a.steps != b.steps:
        yield f"a has {counted(a.steps, 'step')}, b has {b.steps}; {_compared(min(a.steps, b.steps))}"
    if a.batch != b.batch:
        yield f"a has {counted(a.batch, 'row')}, b has {b.batch}; {_compared(min(a.batch, b.batch))}"
    for scope in dict.fromkeys((*a.scopes, *b.scopes)):
        if scope not in a.scopes or scope not in b.scopes:
            yield f"{scope} is only in {'a' if scope in a.scopes else 'b'}"
            continue
        if a.stage(scope).cell.equations != b.stage(scope).cell.equations:
            one, two = a.stage(scope).cell.equations, b.stage(scope).cell.equations
            names = [n for n in dict.fromkeys((*one, *two)) if one.get(n) != two.get(n)]
            name = names[0]
            sides = f"a: {one.get(name, 'none')}, b: {two.get(name, 'none')}"
            yield f"{scope}: the cells differ in {', '.join(names)} ({sides})"
        mine, yours = a.lines.get(scope, {}), b.lines.get(scope, {})
        for side, here, there in (("a", mine, yours), ("b", yours, mine)):
            missing = [name for name in here if name not in there]
            if missing:
                more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
                yield f"{scope}: only in {side}: {', '.join(missing[:5])}{more}"
        for name in mine:
            if name in yours and mine[name].shape[2] != yours[name].shape[2]:
                yield f"{scope}/{name}: a has width {mine[name].shape[2]}, b has width {yours[name].shape[2]}"


def premises(a: Trace, b: Trace) -> tuple[list[str], dict[str, Array]]:
    """Premises that differ (as text, with how much), and masks of what differs for the rounding rule.

    Values are compared in the coarser dtype of the two: a float32 copy of a weight is the same weight.
    """
    dtype = coarse(a, b)
    told: list[str] = []
    masks: dict[str, Array] = {}
    for place, one, two in _pairs(a, b):
        if one is None or two is None:
            if one is not two:
                told.append(f"{place} is only in {'a' if two is None else 'b'}")
            continue
        if one.shape != two.shape:
            told.append(f"{place}: a has shape {one.shape}, b has shape {two.shape}")
            masks[place] = np.ones(two.shape, bool)
            continue
        with np.errstate(all="ignore"):
            off = one.astype(dtype) != two.astype(dtype)
            off &= ~(np.isnan(one) & np.isnan(two))
            gap = float(np.nanmax(np.abs(one.astype(np.float64) - two), initial=0.0))
        if off.any():
            at = ",".join(str(n + b.first * (off.ndim == 3 and not axis)) for axis, n in enumerate(np.argwhere(off)[0]))
            told.append(f"{place}: {int(off.sum())} of {off.size} differ, by at most {gap:.3g}; first [{at}]")
            masks[place] = off
    return told, masks


def _pairs(a: Trace, b: Trace) -> Iterator[tuple[str, Array | None, Array | None]]:
    """(place, in a, in b) of every premise."""
    yield "x", a.x, b.x
    yield "lengths", a.lengths, b.lengths
    for part in ("parameters", "initial", "given"):
        one: Mapping[str, Mapping[str, Array]] = getattr(a, part)
        two: Mapping[str, Mapping[str, Array]] = getattr(b, part)
        for scope in dict.fromkeys((*one, *two)):
            for name in dict.fromkeys((*one.get(scope, {}), *two.get(scope, {}))):
                label = INITIAL.get(name, name) if part == "initial" else name
                yield f"{scope}/{label}", one.get(scope, {}).get(name), two.get(scope, {}).get(name)
