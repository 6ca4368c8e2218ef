"""The last part of the calculation: what was asked for, with its value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...cell.network import Stage
from ...documents.blocks import Block, Boxed, Code, Derivation, Heading, Para, Premises, Row, Table
from ...engine.rerun import in_arithmetic
from ...formulas.numbers import DIGITS, Style
from ...formulas.values import Values
from ...languages.strings import capital
from ...trace.address import Address
from ...view.view import Place, View
from ..content.value_blocks import beside, by_step, name_of, result, wanted


def answers(shown: View) -> Iterator[Block]:
    """Every asked line: a vector where it is one step, a table where there are more."""
    found = wanted(shown)
    if not found:
        return
    yield Heading(2, shown.said("answers"))
    others = _in_full(shown)
    if shown.detail != "compact":
        yield from _values(shown, found, others)
    elif there := tuple(_values(shown, found)):  # the answers in a box, and what they are in full below it
        yield Boxed(there)
        for key, other in others:
            yield Para(capital(other.words.text("label", what=other.said(key))), leads=True)
            yield from _values(other, found)
    if any(not shown.counts(t, b) for _, address in found for t, b in _places(shown, address)):
        yield Para(shown.said("answers.padding"))


def _places(shown: View, address: Address) -> list[tuple[int, int]]:
    """The shown steps and rows of an asked line."""
    steps = shown.steps if address.t is None else (address.t,)
    return [(t, b) for t in steps for b in (shown.rows if address.b is None else (address.b,))]


def _values(
    shown: View, found: list[tuple[Stage, Address]], others: Sequence[tuple[str, View]] = ()
) -> Iterator[Para | Table | Derivation | Premises]:
    """What was asked for, each with what it is in `others`."""
    rows: list[tuple[Row, ...]] = []
    for stage, address in found:
        places = _places(shown, address)
        if not any(shown.counts(t, b) for t, b in places):
            continue
        if len(places) == 1:
            place = Place(stage, *places[0])
            vector, sign = result(shown, place, address.line, address.unit)
            if vector.entries:
                each = ((key, result(other, place, address.line, address.unit)[0]) for key, other in others)
                under = [Row(shown.said(key), ((":", values),), True) for key, values in each]
                rows.append((Row(name_of(shown, stage, address), ((sign, vector),)), *under))
            continue
        if rows:
            yield _rows(shown, rows)
            rows = []
        name = name_of(shown, stage, address)
        short = shown.detail == "compact" and not others and len(name) == 1
        if short and (side := beside(shown, stage, address.line)) is not None:
            yield side
            continue
        yield Para(shown.words.text("label", what=name))
        yield by_step(shown, stage, address.line)
        for key, other in others:
            yield Para(capital(other.words.text("label", what=other.said(key))))
            yield by_step(other, stage, address.line)
    if rows:
        yield _rows(shown, rows)


def _rows(shown: View, rows: list[tuple[Row, ...]]) -> Derivation | Premises:
    """Values below one another; beside one another where all are compact."""
    items = [(row.left[0], *row.parts[0]) for row, *under in rows if len(row.left) == 1 and not under]
    if shown.detail != "compact" or len(items) < len(rows):
        return Derivation(tuple(rows))
    return Premises((tuple((left, sign, value) for left, sign, value in items if not isinstance(left, str | Code)),))


def _in_full(shown: View) -> list[tuple[str, View]]:
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
