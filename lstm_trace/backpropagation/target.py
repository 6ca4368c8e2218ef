"""The value to explain: one value of a trace, a signed sum of several, or a loss.

Sums of addresses are written as `28/h_t[0] + 28/h_t[3] - 28/h_t[5]` or `sum(28/h_t)`:

    combination = [sign] term {sign term}
    term        = ADDRESS | "sum" "(" ADDRESS ")"
    sign        = "+" | "-", preceded by a space or following a bracket

The text is parsed, never evaluated. In `sum(…)` an address may name several values (`trace.address.read_several`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.network import Stage, scope_and_name
from ..errors import LstmTraceError, MissingError, OptionError
from ..languages.strings import words_for
from ..trace.address import Address, columns_of, is_several, line_name, ranged, read_several
from ..trace.derived import sizes, total
from ..trace.grids import located
from ..trace.labels import counted_address
from ..trace.printed import counts_from, printed, slashed
from ..trace.trace import Trace

#: Maximum number of terms.
MOST = 1000
_SUM = re.compile(r"sum\s*\((.*)\)", re.DOTALL)
_OPENING, _CLOSING = "([", ")]"


class Term(NamedTuple):
    """One address with its sign. summed: whether it is inside `sum(…)`."""

    sign: float
    address: str
    summed: bool


def is_sum(text: str) -> bool:
    """Whether it is more than one address.

    >>> is_sum("3/h_t[0]"), is_sum("3/h_t[0] - 3/h_t[1]"), is_sum("sum(3/h_t)")
    (False, True, True)
    """
    first, *others = terms(text)
    return bool(others) or first.summed or first.sign < 0


def terms(text: str) -> list[Term]:
    """The terms of a signed sum, in order. Raises OptionError if something is missing.

    >>> terms("28/h_t[0] - sum(1/reverse/h_t)")
    [Term(sign=1.0, address='28/h_t[0]', summed=False), Term(sign=-1.0, address='1/reverse/h_t', summed=True)]
    >>> terms("0/adjoint-forward/3/d_h_t[0]")
    [Term(sign=1.0, address='0/adjoint-forward/3/d_h_t[0]', summed=False)]
    """
    found: list[Term] = []
    sign, begin, depth = 1.0, 0, 0
    for at, letter in enumerate(text):
        depth += (letter in _OPENING) - (letter in _CLOSING)
        if letter in "+-" and depth == 0:
            before = text[begin:at]
            leading = not before.strip() and not found and begin == 0
            if leading or before[-1:].isspace() or before[-1:] in _CLOSING:
                found += [] if leading else [_term(text, sign, before)]
                sign, begin = 1.0 if letter == "+" else -1.0, at + 1
    found.append(_term(text, sign, text[begin:]))
    if len(found) > MOST:
        raise OptionError(f"a sum of {len(found):,} addresses; at most {MOST:,} can be added up: use sum(…)")
    return found


def _term(text: str, sign: float, part: str) -> Term:
    part = part.strip()
    inside = _SUM.fullmatch(part)
    address = inside[1].strip() if inside else part
    if not address:
        raise OptionError(f"{text!r}: an address is missing; expected for example 3/h_t[0] - 3/h_t[1], or sum(3/h_t)")
    return Term(sign, address, inside is not None)


#: Weightings by scope and line, (T, B, width), under construction.
Weightings = dict[str, dict[str, Array]]


def one_value(trace: Trace, text: str) -> Address:
    """Read the address of one value of a line, cell input or state; the unit may be omitted if there is only one.

    text: as printed, or with slashes. Raises MissingError for anything else.
    """
    said, text = text, slashed(trace, text)
    name = line_name(text)
    if names_several(trace, text):
        raise MissingError(f"{said!r} is not one value; several are added up by sum({said})")
    carried = next((stage.cell.states[name] for stage in trace.stages if name in stage.cell.states), None)
    address = trace.locate(text) if carried is None else located(trace, text, line=carried)
    t, b, unit = address.t, address.b, address.unit
    width = 0 if address.layer is None else sizes(trace)[address.scope].get(name, 0)
    if t is None or b is None or not width:
        raise MissingError(f"{said!r} is a premise, not computed: name a line, for example {_example(trace)}")
    if unit is None and width > 1:
        ends = (address._replace(line=name, unit=(j,)) for j in (0, width - 1))
        first, last = (printed(trace, one) if counts_from(trace, said) else one for one in ends)
        raise MissingError(f"{said!r} is {width} values: name one unit, from {first} to {last}")
    if unit is not None and (len(unit) > 1 or unit[0] >= width):
        raise MissingError(f"{said!r}: {address.scope}/{name} has units 0 to {width - 1}")
    return address._replace(line=name, unit=unit or (0,))


def names_several(trace: Trace, text: str) -> bool:
    """Whether an address names several values of a line; W_xi[1,2] is one entry of a matrix."""
    name = line_name(text)
    stages = [stage for stage in trace.stages if name in stage.cell.by_name]
    return is_several(text, any(name in stage.cell.matrices for stage in stages)) and bool(stages)


#: Names of the parts of an address.
_WORDS = {"layer": "layer", "direction": "direction", "b": "batch element"}


@dataclass(frozen=True)
class Summand:
    """Values of one line that are added, times `sign`: all at `steps` (indices, without padding), of `units`."""

    sign: float
    scope: str
    line: str
    steps: Array
    units: Array

    def inside(self, values: Array, first: int, b: int) -> Array:
        """Its numbers among those of its line, (steps from `first` on, B, width), with the sign."""
        found = values[self.steps - first, b][:, self.units]
        return self.sign * np.array(found, np.float64, order="C")  # in a fixed order, because sums are rounded


@dataclass(frozen=True)
class Target:
    """A sum of values in sequence `b`, named as it is written: one value, or `parts` with their signs."""

    name: str
    b: int
    parts: tuple[Summand, ...]

    def __str__(self) -> str:
        return self.name

    def read(self, trace: Trace) -> float:
        """The value in a trace. Raises MissingError if a line was not recorded."""
        values: list[Array] = []
        for part in self.parts:
            first, last = int(part.steps[0]), int(part.steps[-1])
            values.append(part.inside(recorded(trace, part.scope, part.line, slice(first, last + 1)), first, self.b))
        return total(values)

    def weigh(self, trace: Trace, seeds: Weightings, weights: Array | None = None) -> None:
        """Add weights of 1 for its values to `seeds`; or for its values in all sequences, one weight per sequence."""
        rows = np.eye(trace.batch)[self.b] if weights is None else weights
        for part in self.parts:
            whole = np.zeros((trace.steps, trace.batch, sizes(trace)[part.scope][part.line]))
            whole[np.ix_(part.steps, np.arange(trace.batch), part.units)] = part.sign * rows[:, None]
            add(seeds, trace.stage(part.scope), part.line, whole)


def target(trace: Trace, text: str) -> Target:
    """Parse the value to explain: the address of one value, or a sum of some (see `combination`).

    A value of the trace takes precedence, whatever signs its name contains. Raises MissingError, OptionError.
    """
    try:
        return _one(trace, text)
    except MissingError:
        if not is_sum(text):
            raise
    found = terms(text)
    several = [_of_term(trace, term) for term in found]
    rows = sorted({one.b for one in several})
    if len(rows) > 1:
        raise OptionError(f"{text!r} adds up values of the sequences {rows[0]} and {rows[1]}; an explanation is of one")
    name = "".join(f"{' + ' if term.sign > 0 else ' - '}{one}" for term, one in zip(found, several, strict=True))
    name = name.removeprefix(" + ") if found[0].sign > 0 else f"-{name.removeprefix(' - ')}"
    return Target(name, rows[0], tuple(part for one in several for part in one.parts))


def require_finite(trace: Trace, of: str | Target, side: str = "") -> None:
    """Raise OptionError for a value that is NaN or infinite: it has no parts, but a cause. side: of a difference."""
    try:
        value = (target(trace, of) if isinstance(of, str) else of).read(trace)
    except LstmTraceError:  # the explanation itself says what is wrong
        return
    if not math.isfinite(value):
        first, said, mark = trace.not_finite, ", and only a finite value can be explained", ":"
        if side:
            said, mark = f" in {side}: only a difference of finite values can be split", ";"
        raise OptionError(f"{of} is {value:g}{said}{'' if first is None else f'{mark} {first.said(words_for(trace))}'}")


def recorded(trace: Trace, scope: str, name: str, steps: slice = slice(None), more: str = "") -> Array:
    """A line, input or state at some steps, (T, B, width). Raises MissingError if it was not recorded.

    more: the end of the message.
    """
    values = trace.operand(scope, name, steps)
    if values is None:
        raise MissingError(f"{scope}/{name} was not recorded{more}")
    return values


def _one(trace: Trace, text: str, sign: float = 1.0) -> Target:
    value = one_value(trace, text)
    steps = np.array([trace.index(value.t or 0)])
    return Target(str(value), value.b or 0, (Summand(sign, value.scope, value.line, steps, np.array(value.unit)),))


def _of_term(trace: Trace, term: Term) -> Target:
    """One value; or in a sum, all valid ones, at all steps and of all units that the address covers."""
    if not term.summed:
        return _one(trace, term.address, term.sign)
    said, text = f"sum({term.address})", slashed(trace, term.address, every=True)
    name = line_name(text)
    there = trace.extents(name)
    if "t" not in there or not any(name in stage.cell.by_name for stage in trace.stages):
        raise MissingError(f"{term.address!r} is not computed: name a line, for example {_example(trace)}")
    meant = read_several(said, text, there)
    for part, word in _WORDS.items():
        if len(found := getattr(meant, part)) > 1:
            raise MissingError(f"{said}: name one {word}; there are {', '.join(map(str, found))}")
    scope, b = f"{meant.layer[0]}/{meant.direction[0]}", meant.b[0]
    width = width_of(trace, scope, name)
    units = meant.of_width(width, trace.grid(scope, name))
    steps = np.array([trace.index(t) for t in meant.t])
    steps = steps[trace.valid[steps, b, 0] != 0] if len(steps) > 1 else steps
    if not steps.size:
        raise MissingError(f"{said}: all these steps of batch element {b} are padding")
    over = range(trace.span[steps[0]], trace.span[steps[-1]] + 1)
    some = units if len(units) < width else None
    called = ranged(scope, name, over, range(b, b + 1), some, columns_of(trace, scope, name))
    return Target(f"sum({called})", b, (Summand(term.sign, scope, name, steps, np.array(units)),))


def loss_of(trace: Trace, text: str) -> tuple[Stage, str] | None:
    """The stage and the name of a line of one unit that has several values; None if `text` does not name one."""
    scope, name = scope_and_name(text)
    stages = [s for s in trace.stages if name in {line.name for line in s.lines} and scope in ("", s.scope)]
    if len(stages) != 1 or sizes(trace)[stages[0].scope][name] != 1 or trace.steps * trace.batch == 1:
        return None
    return stages[0], name


def width_of(trace: Trace, scope: str, name: str) -> int:
    """The width of a line or state. Raises MissingError if it was not computed, so that the width is unknown."""
    found = sizes(trace)[scope].get(name)
    if found is None:
        said = f"neither it nor a line that needs it was requested (ask: {', '.join(trace.header.ask)})"
        raise MissingError(f"{scope}/{name} was not computed: {said}")
    return found


def add(seeds: Weightings, stage: Stage, name: str, values: Array) -> None:
    """Add weights of a line, (T, B, width)."""
    here = seeds.setdefault(stage.scope, {})
    here[name] = here[name] + values if name in here else values


def _example(trace: Trace) -> str:
    last = trace.stages[-1]
    return counted_address(trace, f"{last.scope}/{trace.span[-1]}/0/{last.cell.output}[0]")
