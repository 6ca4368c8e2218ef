"""The last part of the calculation: what was asked for, with its value."""

from __future__ import annotations

from collections.abc import Iterator

from ..address import Address
from .asked import name_of, wanted
from .blocks import Block, Derivation, Heading, Para, Row
from .formula import Num, Vec
from .given import by_step
from .view import Place, View


def answers(shown: View) -> Iterator[Block]:
    """Every asked line: a vector where it is one step, a table where there are more."""
    found = wanted(shown)
    if not found:
        return
    yield Heading(2, shown.said("answers"))
    rows: list[tuple[Row, ...]] = []
    for stage, address in found:
        steps = shown.steps if address.t is None else (address.t,)
        batch = shown.rows if address.b is None else (address.b,)
        if len(steps) * len(batch) == 1:
            vector, sign = _value(shown, Place(stage, steps[0], batch[0]), address)
            if vector.entries:
                rows.append((Row(name_of(shown, stage, address), ((sign, vector),)),))
            continue
        if rows:
            yield Derivation(tuple(rows))
            rows = []
        yield Para((*name_of(shown, stage, address), ":"))
        yield by_step(shown, stage, address.line)
    if rows:
        yield Derivation(tuple(rows))


def _value(shown: View, place: Place, address: Address) -> tuple[Vec, str]:
    stage, t, b = place
    values = shown.values.array(stage.scope, address.line)
    assert values is not None
    units = shown.indices(values.shape[-1]) if address.unit is None else list(address.unit)
    whole = shown.values.vector(stage.scope, address.line, t, b, None if address.unit else shown.units)
    if shown.chosen.unit is not None or address.unit is not None:
        numbers = [shown.values.num(stage.scope, address.line, t, b, (j,)) for j in units if j is not None]
        whole = Vec(tuple(numbers))
    exact = all(shown.values.is_exact(entry) for entry in whole.entries if isinstance(entry, Num))
    return whole, "=" if exact else "≈"
