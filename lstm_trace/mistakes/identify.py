"""Which weight layout reproduces another program's outputs: for porting models.

Readings are searched from the plain ones to those with one and then two unusual facts; each is run and compared with
the given outputs, first over a single step, the best over all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations, product
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.named_cells import is_number
from ..documents.result import Result
from ..engine.inputs import numbers
from ..errors import OptionError, ShapeError, counted
from ..weights.found import Found
from .interpretations import (
    CLIPS,
    Blocks,
    Reading,
    as_stored,
    blocks_of,
    count_unusual,
    initial_state,
    plain_readings,
    simulate,
    unusual_facts,
    with_variant,
)

#: Readings that go on from a single step to all steps, of those that do not explain it.
KEPT = 24


class Match(NamedTuple):
    """A reading and the largest |its output - the given output|."""

    reading: Reading
    error: float


@dataclass(frozen=True, repr=False)
class Identification(Result):
    """What the search found. as_read: the reading that the file's names or layout mean, with its own error.

    matches: the readings that explain the outputs within the tolerance, plainest first; nearest: the best of the
    others. undecided: facts in which the matches differ, with the values that remain.
    """

    as_read: Match
    matches: tuple[Match, ...]
    nearest: tuple[Match, ...]
    undecided: Mapping[str, tuple[Any, ...]]
    tolerance: float
    tried: int

    def __repr__(self) -> str:
        best = f", the best off by {self.matches[0].error:.2g}" if self.matches else ""
        return f"<Identification: {len(self.matches)} of {self.tried:,} readings fit{best}; print(…) has all>"


_Way = tuple[str, bool]  # what the outputs are (h or c), and whether they stand in the order of computing


class _Case(NamedTuple):
    """Outputs laid over the input in one way: y (T, B, H) or (B, H) for the last step."""

    batch_first: bool
    x: Array
    y: Array


def identify(
    found: Found,
    x: Array,
    y: Array,
    h0: Array | None = None,
    c0: Array | None = None,
    atol: float | None = None,
    clips: Sequence[float] = (),
) -> Identification:
    """Search the readings of one layer and direction for those that explain `y`.

    x: (T, I), (T, B, I) or (B, T, I); y: h (or c) over time in the same form, or of the last step (B, H) or (H,);
    h0, c0: (B, H), the model's own if None, or zeros. atol: how far off an explanation may be; 1e-5 of the largest |y|
    (at least 1) if None. clips: bounds to try beside `CLIPS`. Raises ShapeError where y fits no reading, OptionError
    for a model with several layers or directions or with an option that no reading has, MissingError.
    """
    for name, values in (("atol", [] if atol is None else [atol]), ("clips", clips)):
        if any(not is_number(v) or v < 0 or (name == "clips" and v == 0) for v in values):
            raise OptionError(f"{name}: expected {'positive numbers' if values is clips else 'a number of at least 0'}")
    if found.layers != 1 or len(found.directions) != 1:
        raise OptionError(
            f"identify reads one layer and direction; this model has {counted(found.layers, 'layer')}, "
            f"{counted(len(found.directions), 'direction')}: give the weights of one"
        )
    plain = as_stored(found)
    blocks = blocks_of(found)
    read = blocks.peepholes if blocks.peephole is not None else ""
    plain = replace(plain, order=blocks.gates, joined=blocks.joined, peephole=read)
    states = (("h0", h0), ("c0", c0))
    h0, c0 = (initial_state(found, s) if given is None else numbers(given, s) for s, given in states)
    x, y = numbers(x, "x", np.float64), numbers(y, "y", np.float64)
    rows = [np.size(s) // blocks.units for s in (h0, c0) if s is not None]
    cases = [c for c in _cases(x, y, blocks.units) if all(n in (1, c.x.shape[1]) for n in rows)]
    if not cases:
        raise ShapeError(
            f"y has shape {y.shape}; with x of shape {x.shape} and H = {blocks.units} expected h over time "
            f"{(*x.shape[:-1], blocks.units)}, or of the last step (B, H) or (H,); initial states are (B, H)"
        )
    limit = atol if atol is not None else 1e-5 * max(1.0, float(np.abs(y[np.isfinite(y)]).max(initial=0.0)))
    search = _Search(blocks, cases, h0, c0, limit, plain.forget_bias)
    for readings in _levels(blocks, plain, h0, c0, (*CLIPS, *clips), search):
        search.run(readings)
        if search.matches:
            break
    as_read = min((search.score(replace(plain, batch_first=c.batch_first), c) for c in cases), key=lambda m: m.error)
    matches = sorted(search.matches, key=lambda m: (count_unusual(m.reading, plain), m.error))
    matches = [m for m in matches if m.error <= limit]
    nearest = sorted(search.others, key=lambda m: m.error)[:5]
    return Identification(as_read, tuple(matches), tuple(nearest), _undecided(matches), limit, search.tried)


def _cases(x: Array, y: Array, size: int) -> Iterator[_Case]:
    """The ways in which y can lie over x."""
    sequences = [(False, x[:, None])] if x.ndim == 2 else [(False, x), (True, np.swapaxes(x, 0, 1))]
    for batch_first, steps in sequences:
        count, rows = steps.shape[:2]
        shape = y.shape
        if shape == (count, rows, size) and not batch_first:
            yield _Case(False, steps, y)
        if batch_first and shape == (rows, count, size):
            yield _Case(True, steps, np.swapaxes(y, 0, 1))
        if x.ndim == 2 and shape == (count, size):
            yield _Case(False, steps, y[:, None])
        if shape in ((rows, size), (1, rows, size)) or (rows == 1 and shape == (size,)):
            yield _Case(batch_first, steps, y.reshape(rows, size))


def _levels(
    blocks: Blocks, plain: Reading, h0: Array | None, c0: Array | None, clips: Sequence[float], search: _Search
) -> Iterator[list[Reading]]:
    """Readings from plain to unusual: the plain facts, then each unusual one, then two on the best plain ones."""
    core = plain_readings(blocks, plain, h0, c0)
    yield core
    unusual = list(unusual_facts(blocks, plain, clips))
    yield [replace(reading, **facts) for reading in core for facts in unusual]
    best = list(dict.fromkeys(replace(m.reading, order=blocks.gates, forget_bias=0.0) for m in search.ranked()[:6]))
    pairs = [{**a, **b} for a, b in combinations(unusual, 2) if not set(a) & set(b)]
    yield [replace(reading, **facts) for reading in best for facts in pairs]


class _Search:
    """Runs readings against the outputs, and keeps what explains them and what comes near."""

    def __init__(
        self, blocks: Blocks, cases: Sequence[_Case], h0: Array | None, c0: Array | None, limit: float, added: float
    ) -> None:
        self.blocks, self.cases, self.h0, self.c0, self.limit = blocks, cases, h0, c0, limit
        extra = dict.fromkeys((0.0, 1.0, added)) if "f" in blocks.gates else (0.0,)
        self.variants = list(product(map("".join, permutations(blocks.gates)), extra))
        self.matches: list[Match] = []
        self.others: list[Match] = []
        self.tried = 0

    def ranked(self) -> list[Match]:
        """Everything kept so far, best first."""
        return sorted((*self.matches, *self.others), key=lambda m: m.error)

    def run(self, readings: Sequence[Reading]) -> None:
        """Try every reading with every order of the gates and forget bias 0, 1 and the model's, over all the cases."""
        rough: list[tuple[float, int, Reading, tuple[str, float], _Way, _Case]] = []
        variants = self.variants
        for reading, case in product(readings, self.cases):
            here = replace(reading, batch_first=case.batch_first)
            self.tried += len(variants)
            for way, errors in self._errors(here, variants, case, first=True).items():
                near = np.argsort(errors)[: max(KEPT, int((errors <= 2 * self.limit).sum()))]
                rough += [
                    (float(errors[k]), len(rough) + int(n), here, variants[k], way, case) for n, k in enumerate(near)
                ]
        rough.sort(key=lambda item: item[:2])
        hopeful = sum(1 for item in rough if item[0] <= 2 * self.limit)
        for _, _, reading, variant, (output, backwards), case in rough[: hopeful + KEPT]:
            full = replace(with_variant(reading, variant), output=output, backwards=backwards)
            match = self.score(full, case)
            (self.matches if match.error <= self.limit else self.others).append(match)

    def score(self, reading: Reading, case: _Case) -> Match:
        """The error of one reading over all steps and rows."""
        way = reading.output, reading.backwards
        errors = self._errors(reading, [(reading.order, reading.forget_bias)], case, first=False, only=way)
        return Match(reading, float(errors[way][0]))

    def _state(self, values: Array | None, rows: int) -> Array:
        size = self.blocks.units
        if values is None:
            return np.zeros((rows, size))
        return np.broadcast_to(np.asarray(values, np.float64).reshape(-1, size), (rows, size))

    def _errors(
        self,
        reading: Reading,
        variants: Sequence[tuple[str, float]],
        case: _Case,
        first: bool,
        only: _Way | None = None,
    ) -> dict[_Way, Array]:
        """For h and c, in either order, the error of each variant: over the first computed step of one row (`first`),
        or over all."""
        last = case.y.ndim == 2
        rows = slice(0, 1 if first else None)  # a row of the batch is enough to tell what cannot be
        x, y = case.x[:, rows], case.y[..., rows, :]
        x = x[::-1] if reading.direction == "reverse" else x
        count = len(x) if last or not first else 1
        h0, c0 = (self._state(v, case.x.shape[1])[rows] for v in (self.h0, self.c0))
        h0, c0 = (h0, c0) if reading.states == "hc" else (c0, h0)
        ways = [only] if only else [(o, b) for o in ("h", "c") for b in ((False,) if last else (False, True))]
        if only is None and reading.direction == "forward":
            ways = [way for way in ways if not way[1]]
        worst = {way: np.zeros(len(variants)) for way in ways}
        with np.errstate(all="ignore"):
            for s, (h, c) in enumerate(simulate(self.blocks, reading, variants, x[:count], h0, c0)):
                if last and s < count - 1:
                    continue
                for output, backwards in ways:
                    at = s if backwards or reading.direction == "forward" else len(x) - 1 - s
                    target = y if last else y[at]
                    gap = np.abs((h if output == "h" else c) - target).max(axis=(1, 2))
                    worst[output, backwards] = np.fmax(worst[output, backwards], np.nan_to_num(gap, nan=np.inf))
        return worst


def _undecided(matches: Sequence[Match]) -> dict[str, tuple[Any, ...]]:
    """Facts in which readings that all explain the outputs differ."""
    if len(matches) < 2:
        return {}
    names = {name for m in matches[1:] for name in m.reading.differences(matches[0].reading)}
    return {name: tuple(dict.fromkeys(getattr(m.reading, name) for m in matches)) for name in sorted(names)}
