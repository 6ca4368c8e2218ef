"""Which units of two traces differ, and what becomes of the output: in sentences, as a table and as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...base.arrays import word
from ...base.display import visible
from ...cell.network import layer_and_direction
from ...errors import counted
from ...formulas.blocks import Code
from ...trace.labels import label_at
from ...verification.compare import Comparison
from ...verification.measures import OutputDifference, UnitDifference, UnitShare
from .divergence import FROM

if TYPE_CHECKING:
    import pandas as pd

#: Columns of the table of units, one row for each that differs.
COLUMNS = (
    "layer", "direction", "unit", "name", "line", "max_abs", "share", "a", "b", "t", "batch", "since", "since_batch",
)  # fmt: skip
#: So many units of each layer and direction stand in a text, and of all; and so many in a sentence.
OF_EACH, OF_ALL, NAMED = 3, 12, 3


def rows(comparison: Comparison) -> Iterator[tuple[Any, ...]]:
    """One row of `COLUMNS` for each unit that differs, the furthest first."""
    for u in comparison.units:
        numbers = (u.most, u.share, u.value, u.other, u.t, u.b, u.since, u.since_b)
        yield (*layer_and_direction(u.scope), u.unit, u.name, u.line, *numbers)


def frame(comparison: Comparison) -> pd.DataFrame:
    """The rows as a pandas frame."""
    import pandas as pd

    return pd.DataFrame(list(rows(comparison)), columns=list(COLUMNS))


def sentences(comparison: Comparison) -> Iterator[str]:
    """Which units differ, how the output changes, and whose weights explain it."""
    if comparison.units:
        far = sum(unit.since is not None for unit in comparison.units)
        verb, whose = ("differ", "their ranges") if far > 1 else ("differs", "its range")
        count = f"{far:,} of {counted(comparison.every_unit, 'unit')} {verb}"
        free = next((unit for unit in comparison.units if not unit.held), None)
        but = "" if free is comparison.units[0] else ", but for what is held,"
        most = f"most of all{but} {_unit(comparison, free)}" if free else "every one of those that differ is held"
        yield f"{count} by more than {FROM:.0%} of {whose}; {most}"
    if comparison.output is not None:
        yield from _output(comparison.output)


def _unit(comparison: Comparison, unit: UnitDifference) -> str:
    since = _since(comparison, unit)
    began = f", more than {FROM:.0%} from {since} on" if since else ""
    size = f"{unit.line} by {unit.most:.3g}, {_share(unit.share)} of its range"
    return f"{_called(unit)}: {size}, at {_step(comparison, unit.t, unit.b)}{began}"


def _called(unit: UnitDifference | UnitShare) -> str:
    name = f" ({visible(unit.name)})" if isinstance(unit, UnitDifference) and unit.name else ""
    return f"unit {unit.unit}{name} of {unit.scope}"


def _since(comparison: Comparison, unit: UnitDifference) -> str:
    return "" if unit.since is None else _step(comparison, unit.since, unit.since_b)


def _step(comparison: Comparison, t: int, b: int | None) -> str:
    label = label_at(comparison.step_labels, t, b)
    row = f" (sequence {b})" if comparison.rows > 1 else ""
    return f"t = {t} ‘{label}’{row}" if label else f"t = {t}{row}"


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.2%}" if share >= 0.001 else f"{share:.1g}"


def _output(found: OutputDifference) -> Iterator[str]:
    output = "output, but for what is held" if found.held else "output"
    if not found.most:
        yield f"{output}: {found.address.scope}/{found.address.line} is the same at every valid step"
        return
    a, b = found.values
    text = f"{output}: {found.address} changes most, by {b - a:+.3g} (from {a:.6g} to {b:.6g})"
    yield text + (
        f"; at the last step it differs by up to {found.at_end:.3g} ({found.end})"
        if found.at_end
        else "; at the last step it is the same"
    )
    if found.shares is None:
        yield f"to split the change of {b - a:+.3g} exactly over weights and inputs: --attribute '{found.address}'"
    elif found.shares:
        whole = b - a
        first = [f"{_called(one)} {one.share:+.3g}" for one in found.shares[:NAMED]]
        others = sum(one.share for one in found.shares[NAMED:])
        first += [f"{len(found.shares) - NAMED:,} others {others:+.3g}"] if len(found.shares) > NAMED else []
        rest = whole - sum(one.share for one in found.shares)
        alone = abs(rest) <= 1e-3 * max(abs(whole), *(abs(one.share) for one in found.shares))
        first += [] if alone else [f"all else {rest:+.3g}"]
        yield f"the change of {whole:+.3g} splits exactly over the weights of each unit: {', '.join(first)}"


def table(comparison: Comparison) -> tuple[tuple[str, ...], list[tuple[str | Code, ...]]]:
    """The heading and the furthest units of each layer and direction, as texts."""
    head = ("unit", "line", "largest b − a", "of its range", "at", f"more than {FROM:.0%} from")
    seen: dict[str, int] = {}
    shown: list[tuple[str | Code, ...]] = []
    for unit in comparison.units:
        seen[unit.scope] = seen.get(unit.scope, 0) + 1
        if seen[unit.scope] <= OF_EACH and len(shown) < OF_ALL:
            size, at = f"{unit.other - unit.value:+.3g}", _step(comparison, unit.t, unit.b)
            shown.append((_called(unit), unit.line, size, _share(unit.share), at, _since(comparison, unit)))
    return head, shown


def as_data(comparison: Comparison) -> dict[str, Any]:
    """Units and output as plain data."""
    found = comparison.output
    units = [{key: word(value) for key, value in zip(COLUMNS, row, strict=True)} for row in rows(comparison)]
    if found is None:
        return {"units": units, "output": None}
    shares = [{"scope": one.scope, "unit": one.unit, "share": word(one.share)} for one in found.shares or ()]
    a, b = map(word, found.values)
    output = {"address": str(found.address), "a": a, "b": b, "max_abs": word(found.most), "shares": shares}
    return {"units": units, "output": {**output, "end": str(found.end), "at_end": word(found.at_end)}}
