"""How gates behave, as a table with sentences: saturation, units that are always shut or open, half-lives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, partial

import numpy as np

from ..base.arrays import runs
from ..base.display import visible
from ..errors import counted
from ..explanation.activity import COLUMNS, HIGH, LOW, Activity, Behaviour, NotFinite, behaviour, foreseen
from ..formulas.numbers import percent
from ..plot.kinds.saturation import saturation as picture
from ..trace.argument_types import checked
from ..trace.labels import axis, labels
from ..trace.trace import Trace
from .explanation import Explanation

#: So many units, or ranges of units, are named in a sentence.
_NAMED = 12


@checked
def gates(trace: Trace, low: float = LOW, high: float = HIGH) -> Explanation:
    """Saturation, units that are always shut or open, half-life of every gate; the first value that is not finite."""
    found = behaviour(trace, low, high)
    several = len({u.scope for u in found.units}) > 1
    place = ("layer", "direction", "line", "unit") if several else ("line", "unit")
    most = foreseen(trace.valid)
    return Explanation(
        title="Gates",
        sentences=tuple(_summary(found, trace, most)),
        columns=COLUMNS,
        rows=found.rows,
        notes=(
            f"`left`, `right`: share of values below {low:g} and above {high:g} (tanh: of its way from −1 to 1). "
            "`half_life`: of the state that the gate keeps: valid steps by the number of halvings, a step that keeps "
            "the share f being −log₂ f of a halving, at most 1. CSV and JSON have the mean, the least and the largest "
            "value too.",
        ),
        shown=(*place, *(() if several else ("mean",)), "left", "right", "state"),
        more=tuple(_lives(found, place, most)),
        ranked=("left", "right"),
        adds=False,
        figure=cache(partial(picture, trace, low, high)),
    )


def _lives(found: Behaviour, place: tuple[str, ...], most: int) -> Iterator[Explanation]:
    """The half-life of each unit, the longest first."""
    lives = [row for row in found.rows if row[-1] is not None]
    lives.sort(key=lambda row: -row[-1] if row[-1] == row[-1] else np.inf)
    columns = (*place, "mean", "half_life")
    rows = [tuple(row[COLUMNS.index(name)] for name in columns) for row in lives]
    if rows:
        yield Explanation(
            "Half-lives", (), columns, rows, ranked=("half_life",), adds=False, bounds={"half_life": most}
        )


def _summary(found: Behaviour, trace: Trace, most: int) -> Iterator[str]:
    if found.not_finite is not None:
        yield _not_finite(found.not_finite)
    lines = dict.fromkeys((u.scope, u.line) for u in found.units)
    for scope, line in lines:
        units = [u for u in found.units if (u.scope, u.line) == (scope, line)]
        names = labels(trace, axis(trace, trace.stage(scope), line), len(units))
        left = sum(u.left for u in units) / len(units)
        right = sum(u.right for u in units) / len(units)
        text = f"{scope}/{line}: {_percent(left)} of its values are left-saturated, {_percent(right)} right-saturated"
        plain = not (left or right)
        for state, words in (("shut", "always shut"), ("open", "always open")):
            those = [u.unit for u in units if u.state == state]
            if those:
                text += f"; {len(those)} of {counted(len(units), 'unit')} {words} ({_named(those, units, names)})"
        lives = sorted((u.half_life, u.unit) for u in units if u.half_life is not None)
        if plain and not lives:
            continue
        if lives:
            text += f"; {_half_lives(lives, units, names, most)}"
        yield text


def _percent(share: float) -> str:
    """A share in percent; none and all only where it is just that."""
    sign, n = percent(share)
    return {"<": "less than ", ">": "more than ", "": ""}[sign] + f"{n}%"


def _named(those: Sequence[int], units: Sequence[Activity], labels: Sequence[str]) -> str:
    """Units by number, with their labels where there is one for each; neighbours as a range; the first of many."""
    named = [f"{j} ({visible(labels[j])})" for j in those] if len(labels) == len(units) else _ranges(those)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"{', '.join(named[:_NAMED])}{more}"


def _ranges(numbers: Sequence[int]) -> list[str]:
    """Rising numbers, three or more neighbours as a range.

    >>> _ranges([0, 1, 2, 5, 7, 8])
    ['0–2', '5', '7', '8']
    """
    found = ([f"{run[0]}–{run[-1]}"] if len(run) > 2 else map(str, run) for run in runs(numbers))
    return [text for texts in found for text in texts]


def _half_lives(lives: Sequence[tuple[float, int]], units: Sequence[Activity], labels: Sequence[str], most: int) -> str:
    """The half-lives of a gate's units: of one its own, of several the shortest, the longest and the median.

    most: the longest that is given as a number.
    """
    (least, first), (longest, last) = lives[0], lives[-1]
    if least == longest:
        return f"half-life {in_steps(least, most)}"
    median = np.median([length for length, _ in lives])
    one, other = (_named([j], units, labels) for j in (first, last))
    shortest, middle = (in_steps(n, most).removesuffix(" steps").removesuffix(" step") for n in (least, median))
    return f"half-life {shortest} (unit {one}) to {in_steps(longest, most)} (unit {other}), median {middle}"


def in_steps(count: float, most: int) -> str:
    """A number of steps, in words where it is more than can be told."""
    if count > most:
        return f"more than {most} steps"
    return f"{count:.3g} step" if f"{count:.3g}" == "1" else f"{count:.3g} steps"


def _not_finite(found: NotFinite) -> str:
    operands = ", ".join(f"{name} = {value:g}" for name, value in found.operands)
    cause = "a premise is not finite" if found.premise else f"its {found.op} of finite operands overflowed"
    return f"not finite from {found.address} on: it is {found.value:g}; {cause} ({operands})"
