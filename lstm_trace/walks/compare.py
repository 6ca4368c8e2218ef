"""Two traces side by side: where they first differ, and for each line how much of it is its own fault.

b's difference from a splits at every line: `local` is b's recorded value against the line derived again from b's own
operands, `inherited` is that derivation against a's value, so b - a = local + inherited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..address import Address
from ..cell.lines import Line
from ..cell.ops import OPS, Array
from ..cell.stack import GIVEN, VALID, Stage
from ..errors import ShapeError
from ..part import between
from ..trace import INITIAL, Trace
from .forward import bound

if TYPE_CHECKING:
    import pandas as pd


class Tolerance(NamedTuple):
    """What counts as the same: |a - b| <= atol + rtol |a|, or at most `ulps` apart; the rounding bound if all None.

    The rounding bound is local: a value that differs only because its operands differ within rounding is the same.
    """

    rtol: float | None = None
    atol: float | None = None
    ulps: float | None = None

    @property
    def is_bound(self) -> bool:
        """Whether the rounding bound decides."""
        return self.rtol is None and self.atol is None and self.ulps is None


ROUNDING = Tolerance()


@dataclass(frozen=True)
class LineDifference:
    """One line of one layer and direction over all steps, rows and units that both traces have.

    The measures are over the finite common values: largest |b - a|, largest |b - a| / |a|, largest distance in units
    in the last place, root mean square, cosine of the angle between a and b, signal-to-noise in dB. local and
    inherited: largest |.| of each part (None where an operand is missing). first: where it first differs.
    atol, rtol: the smallest of each, alone, with which the line would have passed.
    by_step: largest |b - a| of each step; local_by_step alike.
    """

    scope: str
    line: str
    op: str
    values: int
    differing: int
    max_abs: float
    max_rel: float
    max_ulp: float
    rms: float
    cosine: float
    snr: float
    local: float | None
    inherited: float | None
    first: Address | None
    first_values: tuple[float, float] | None
    by_step: tuple[float, ...]
    local_by_step: tuple[float, ...] | None

    @property
    def atol(self) -> float:
        """The absolute tolerance that would have passed."""
        return self.max_abs

    @property
    def rtol(self) -> float:
        """The relative tolerance that would have passed."""
        return self.max_rel


@dataclass(frozen=True)
class Comparison:
    """What `compare` found. notes: shapes, lines, cells and premises that differ or stand on one side only.

    first_step: the position in the input of the first step that was compared.
    """

    lines: tuple[LineDifference, ...]
    notes: tuple[str, ...]
    premises: tuple[str, ...]
    first: LineDifference | None
    tolerance: Tolerance
    first_step: int = 0

    @property
    def same(self) -> bool:
        """Whether every value that both have agrees, and both have the same lines."""
        return self.first is None and not self.notes and not self.premises

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from ..views.notebook import comparison

        return comparison(self)

    def to_frame(self) -> pd.DataFrame:
        """One row for each line: see `views.diff.COLUMNS`."""
        from ..views.diff import frame

        return frame(self)


def compare(a: Trace, b: Trace, tolerance: Tolerance = ROUNDING) -> Comparison:
    """Compare b with a (the reference), aligned by address. Different shapes, lines or cells are notes.

    Raises ShapeError where they have no step in common.
    """
    notes = tuple(_notes(a, b))
    common = range(max(a.first, b.first), min(a.span.stop, b.span.stop))
    if not common:
        spans = (f"{side} holds steps {t.span[0]} to {t.span[-1]}" for side, t in (("a", a), ("b", b)))
        raise ShapeError(f"the traces have no step in common: {', '.join(spans)}")
    if a.first != b.first:
        a, b = between(a, common), between(b, common)
    premises, flagged = _premises(a, b)
    found: list[LineDifference] = []
    firsts: list[tuple[tuple[int, int, int], LineDifference]] = []
    for index, stage in enumerate(b.stages):
        if stage.scope not in a.scopes:
            continue
        gaps = [gap for line in stage.cell.lines if (gap := _gap(a, b, stage, line)) is not None]
        masks = _beyond_rounding(stage, gaps, flagged) if tolerance.is_bound else [_apart(g, tolerance) for g in gaps]
        for gap, mask in zip(gaps, masks, strict=True):
            flagged[f"{stage.scope}/{gap.line.name}"] = mask
            difference = _measured(stage, gap, mask, b.first)
            found.append(difference)
            if difference.first is not None and difference.first.t is not None:
                t = b.index(difference.first.t)
                visit = b.steps - 1 - t if stage.direction == "reverse" else t
                firsts.append(((index, visit, stage.cell.lines.index(gap.line)), difference))
    first = min(firsts, key=lambda item: item[0])[1] if firsts else None
    return Comparison(tuple(found), notes, tuple(premises), first, tolerance, b.first)


class _Gap(NamedTuple):
    """One line in both: values in float64 (T, B, width), |b - a|, the part made here, the part that came in."""

    line: Line
    a: Array
    b: Array
    size: Array
    spacing: Array  # one unit in the last place of a, in the coarser dtype of the two
    limit: Array  # the rounding bound
    local: Array | None
    inherited: Array | None


def _gap(a: Trace, b: Trace, stage: Stage, line: Line) -> _Gap | None:
    """The line in both traces, None where one lacks it."""
    pair = _pair(a, b, stage.scope, line.name)
    if pair is None:
        return None
    one, two = (values.astype(np.float64) for values in pair)
    derived, limit = _derived(b, stage, line, one.shape[0], one.shape[1])
    return _Gap(
        line,
        one,
        two,
        _size(one, two),
        np.spacing(np.abs(one).astype(_coarse(a, b))).astype(np.float64),
        np.broadcast_to(limit, one.shape),
        None if derived is None else _size(two, derived),
        None if derived is None else _size(derived, one),
    )


def _coarse(a: Trace, b: Trace) -> type[np.float32] | type[np.float64]:
    return np.float32 if "float32" in (a.header.dtype, b.header.dtype) else np.float64


def _size(one: Array, two: Array) -> Array:
    """|one - two|: 0 where both are the same infinity or both are NaN, infinite where only one is no number."""
    with np.errstate(all="ignore"):
        size = np.abs(one - two)
    nan = np.isnan(one), np.isnan(two)
    size[(one == two) | (nan[0] & nan[1])] = 0.0
    size[nan[0] ^ nan[1]] = np.inf
    return np.asarray(size)


def _apart(gap: _Gap, tolerance: Tolerance) -> Array:
    """Which values differ by more than a tolerance that was given."""
    limit = (tolerance.atol or 0.0) + (tolerance.rtol or 0.0) * np.abs(gap.a)
    if tolerance.ulps is not None:
        limit = np.maximum(limit, tolerance.ulps * gap.spacing)
    return np.asarray(~(gap.size <= limit))


def _beyond_rounding(stage: Stage, gaps: list[_Gap], flagged: Mapping[str, Array]) -> list[Array]:
    """Which values differ by more than rounding explains: the line's own error breaks its bound, or an operand, or
    an earlier step of the same row, does. A difference that came in with rounding is rounding too.
    """
    if not gaps:
        return []
    steps, rows = gaps[0].size.shape[:2]
    with np.errstate(all="ignore"):
        beyond = [~(gap.size <= gap.limit) for gap in gaps]
        own = [far if g.local is None else far & ~(g.local <= g.limit) for g, far in zip(gaps, beyond, strict=True)]
    premise = {name: _premise_flag(stage, name, flagged, steps, rows) for gap in gaps for name in gap.line.reads}
    touched = np.zeros((steps, rows), bool)
    for gap, mask in zip(gaps, own, strict=True):
        touched |= mask.any(axis=2)
        for name in gap.line.reads:
            touched |= premise[name]
    back = touched[::-1] if stage.direction == "reverse" else touched
    before = np.zeros_like(back)
    before[1:] = np.logical_or.accumulate(back, axis=0)[:-1]
    before = before[::-1] if stage.direction == "reverse" else before
    masks: dict[str, Array] = {}
    for gap, far, mine in zip(gaps, beyond, own, strict=True):
        told = before.copy()
        for name in gap.line.reads:
            told |= masks[name].any(axis=2) if name in masks else premise[name]
        masks[gap.line.name] = far & (mine | told[:, :, None])
    return list(masks.values())


def _premise_flag(stage: Stage, name: str, flagged: Mapping[str, Array], steps: int, rows: int) -> Array:
    """For each step and row whether a parameter, input or initial state differs; False for lines of the stage."""
    flags = np.zeros((steps, rows), bool)
    if name in stage.cell.by_name:
        return flags
    if name in stage.cell.states:
        mask = flagged.get(f"{stage.scope}/{INITIAL.get(name, name)}")
        if mask is not None:
            flags[-1 if stage.direction == "reverse" else 0] = mask.any(axis=1)[:rows]
        return flags
    source = stage.sources.get(name, GIVEN)
    mask = flagged.get({VALID: "lengths", GIVEN: f"{stage.scope}/{name}"}.get(source, source))
    if mask is None:
        return flags
    if mask.ndim == 3 and mask.shape[0] >= steps and mask.shape[1] >= rows:
        return np.asarray(mask[:steps, :rows].any(axis=2))
    return flags | bool(mask.any())


def _pair(a: Trace, b: Trace, scope: str, name: str) -> tuple[Array, Array] | None:
    """The values of a line in both, cut to the steps and rows that both have; None where one lacks it."""
    one, two = a.lines.get(scope, {}).get(name), b.lines.get(scope, {}).get(name)
    if one is None or two is None or one.shape[2] != two.shape[2]:
        return None
    steps, rows = min(one.shape[0], two.shape[0]), min(one.shape[1], two.shape[1])
    return one[:steps, :rows], two[:steps, :rows]


def _notes(a: Trace, b: Trace) -> Iterator[str]:
    """What keeps the traces from being aligned whole."""
    if a.first != b.first:
        spans = (f"{side} holds steps {t.span[0]} to {t.span[-1]}" for side, t in (("a", a), ("b", b)))
        yield f"{', '.join(spans)}; those that both have are compared"
    elif a.steps != b.steps:
        yield f"a has {a.steps} steps, b has {b.steps}; the first {min(a.steps, b.steps)} are compared"
    if a.batch != b.batch:
        yield f"a has {a.batch} rows, b has {b.batch}; the first {min(a.batch, b.batch)} are compared"
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


def _premises(a: Trace, b: Trace) -> tuple[list[str], dict[str, Array]]:
    """Premises that differ (as text, with how much), and masks of what differs for the rounding rule.

    Values are compared in the coarser dtype of the two: a float32 copy of a weight is the same weight.
    """
    coarse = _coarse(a, b)
    told: list[str] = []
    masks: dict[str, Array] = {}
    for place, one, two in _premise_pairs(a, b):
        if one is None or two is None:
            if one is not two:
                told.append(f"{place} is only in {'a' if two is None else 'b'}")
            continue
        if one.shape != two.shape:
            told.append(f"{place}: a has shape {one.shape}, b has shape {two.shape}")
            masks[place] = np.ones(two.shape, bool)
            continue
        with np.errstate(all="ignore"):
            off = one.astype(coarse) != two.astype(coarse)
            off &= ~(np.isnan(one) & np.isnan(two))
        if off.any():
            gap = float(np.nanmax(np.abs(one.astype(np.float64) - two)))
            at = ",".join(str(n + b.first * (off.ndim == 3 and not axis)) for axis, n in enumerate(np.argwhere(off)[0]))
            told.append(f"{place}: {int(off.sum())} of {off.size} differ, by at most {gap:.3g}; first [{at}]")
            masks[place] = off
    return told, masks


def _premise_pairs(a: Trace, b: Trace) -> Iterator[tuple[str, Array | None, Array | None]]:
    yield "x", a.x, b.x
    yield "lengths", a.lengths, b.lengths
    for part in ("parameters", "initial", "given"):
        one: Mapping[str, Mapping[str, Array]] = getattr(a, part)
        two: Mapping[str, Mapping[str, Array]] = getattr(b, part)
        for scope in dict.fromkeys((*one, *two)):
            for name in dict.fromkeys((*one.get(scope, {}), *two.get(scope, {}))):
                label = INITIAL.get(name, name) if part == "initial" else name
                yield f"{scope}/{label}", one.get(scope, {}).get(name), two.get(scope, {}).get(name)


def _measured(stage: Stage, gap: _Gap, mask: Array, begin: int) -> LineDifference:
    """The measures of one line; mask: which of its values differ; begin: the position of its first step."""
    steps = gap.size.shape[0]
    first, numbers = _first(stage, gap, mask, begin)
    finite = np.isfinite(gap.a) & np.isfinite(gap.b)
    x, y = gap.a[finite], gap.b[finite]
    with np.errstate(all="ignore"):
        norms = float(np.linalg.norm(x) * np.linalg.norm(y))
        noise = float(np.sum((y - x) ** 2))
        relative = np.where(gap.size == 0, 0.0, gap.size / np.abs(gap.a))
        snr = float(10 * np.log10(np.sum(x**2) / noise)) if noise and np.any(x) else np.inf
        rms = float(np.sqrt(np.mean(gap.size**2))) if gap.size.size else 0.0

    def by_step(values: Array) -> tuple[float, ...]:
        return tuple(values.reshape(steps, -1).max(axis=1, initial=0.0).tolist())

    return LineDifference(
        scope=stage.scope,
        line=gap.line.name,
        op=gap.line.op,
        values=gap.size.size,
        differing=int(mask.sum()),
        max_abs=float(gap.size.max(initial=0.0)),
        max_rel=float(relative.max(initial=0.0)),
        max_ulp=float((gap.size / gap.spacing).max(initial=0.0)),
        rms=rms,
        cosine=float(np.dot(x, y) / norms) if norms else 1.0,
        snr=snr,
        local=None if gap.local is None else float(gap.local.max(initial=0.0)),
        inherited=None if gap.inherited is None else float(gap.inherited.max(initial=0.0)),
        first=first,
        first_values=numbers,
        by_step=by_step(gap.size),
        local_by_step=None if gap.local is None else by_step(gap.local),
    )


def _derived(b: Trace, stage: Stage, line: Line, steps: int, rows: int) -> tuple[Array | None, Array | float]:
    """The line derived from b's own operands, as float64, with the rounding bound; None where an operand lacks."""
    operands: list[Array] = []
    for name in line.operands:
        values = b.operand(stage.scope, name, slice(0, steps))
        if values is None:
            return None, 0.0
        operands.append(values[:, :rows] if np.ndim(values) == 3 else values)
    shape = (steps, rows, b.lines[stage.scope][line.name].shape[2])
    with np.errstate(all="ignore"):
        value = np.asarray(OPS[line.op].array(operands, line.constants), b.header.dtype)
        limit = np.broadcast_to(bound(line, operands, value), shape)
    return np.array(np.broadcast_to(value, shape), np.float64), np.asarray(limit, np.float64)


def _first(stage: Stage, gap: _Gap, mask: Array, begin: int) -> tuple[Address | None, tuple[float, float] | None]:
    """Address of the first differing value in computing order, and the value in a and in b."""
    places = np.argwhere(mask)
    if not places.size:
        return None, None
    steps = places[:, 0]
    t, b, j = (int(n) for n in places[steps == (steps.max() if stage.direction == "reverse" else steps.min())][0])
    address = Address(gap.line.name, stage.layer, stage.direction, begin + t, b, (j,))
    return address, (float(gap.a[t, b, j]), float(gap.b[t, b, j]))
