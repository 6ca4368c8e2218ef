"""The last part of the calculation: what was asked for, with its value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...engine.rerun import in_arithmetic
from ...formulas.blocks import Block, Derivation, Heading, Para, Row
from ...formulas.numbers import DIGITS, Style
from ...formulas.tree import Num, Vec
from ...formulas.values import Values
from ...trace.address import Address
from ..content.requested import name_of, wanted
from ..content.value_blocks import by_step
from ..content.view import Place, View
from ..languages.strings import capital


def answers(shown: View) -> Iterator[Block]:
    """Every asked line: a vector where it is one step, a table where there are more."""
    found = wanted(shown)
    if not found:
        return
    yield Heading(2, shown.said("answers"))
    rows: list[tuple[Row, ...]] = []
    beside = _beside(shown)
    padded = False
    for stage, address in found:
        steps = shown.steps if address.t is None else (address.t,)
        batch = shown.rows if address.b is None else (address.b,)
        there = [shown.counts(t, b) for t in steps for b in batch]
        padded |= not all(there)
        if not any(there):
            continue
        if len(there) == 1:
            vector, sign = _value(shown, Place(stage, steps[0], batch[0]), address)
            if vector.entries:
                place = Place(stage, steps[0], batch[0])
                under = [Row(v.said(key), ((":", _value(v, place, address)[0]),), True) for key, v in beside]
                rows.append((Row(name_of(shown, stage, address), ((sign, vector),)), *under))
            continue
        if rows:
            yield Derivation(tuple(rows))
            rows = []
        yield Para(shown.words.text("label", what=name_of(shown, stage, address)))
        yield by_step(shown, stage, address.line)
        for key, other in beside:
            yield Para(capital(other.words.text("label", what=other.said(key))))
            yield by_step(other, stage, address.line)
    if rows:
        yield Derivation(tuple(rows))
    if padded:
        yield Para(shown.said("answers.padding"))


def _beside(shown: View) -> list[tuple[str, View]]:
    """Of a trace in another arithmetic: its run in full precision, and how far each value is off."""
    trace = shown.trace
    if trace.header.arithmetic is None:
        return []
    full = in_arithmetic(trace, None)
    off = {
        scope: {name: values - full.lines[scope][name] for name, values in here.items()}
        for scope, here in trace.lines.items()
    }
    drift = replace(trace, lines=off)
    style = shown.values.style
    many = Style(max(style.digits or DIGITS, DIGITS), comma=style.comma)
    few = Style(significant=3, comma=style.comma)
    return [
        ("full", replace(shown, trace=full, values=Values(full, many))),
        ("drift", replace(shown, trace=drift, values=Values(drift, few))),
    ]


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
