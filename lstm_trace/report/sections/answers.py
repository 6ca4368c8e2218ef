"""What was asked for, with its value: vectors, tables and, for a by-hand trace, the values in full precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...cell.network import Stage
from ...documents.blocks import Block, Boxed, Code, Derivation, Heading, Para, Premises, Row, Table
from ...engine.run import in_arithmetic
from ...formulas.numbers import DIGITS, Style
from ...formulas.values import Values
from ...languages.strings import capital
from ...trace.address import Address
from ...view.hand_size import TABLE
from ...view.view import Place, View
from ..content.value_blocks import beside, by_step, name_of, result, state_columns, wanted


def answers(shown: View) -> Iterator[Block]:
    """Every asked line: a vector if it is one step, a table if there are more, unless the states' table has it."""
    others, found = _in_full(shown), [*wanted(shown)]
    if shown.tabled and not others:
        found = [(s, a) for s, a in found if a.t is not None or a.line not in state_columns(shown, s)]
    if not found:
        return
    yield Heading(2, shown.said("answers"))
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
    """The values that were asked for, each with its value in `others`."""
    rows: list[tuple[Row, ...]] = []
    for stage, address in found:
        places = _places(shown, address)
        if not any(shown.counts(t, b) for t, b in places):
            continue
        if len(places) == 1 or (len(places) <= TABLE and shown.trace.grid(stage.scope, address.line)):
            for place in (Place(stage, t, b) for t, b in places if shown.counts(t, b)):
                one = address if len(places) == 1 else address._replace(t=place.t, b=place.b)
                vector, sign = result(shown, place, address.line, address.unit)
                if [*vector.pieces]:
                    each = ((key, result(other, place, address.line, address.unit)[0]) for key, other in others)
                    under = [Row(shown.said(key), ((":", values),), True) for key, values in each]
                    rows.append((Row(name_of(shown, stage, one), ((sign, vector),)), *under))
            continue
        yield from _rows(shown, rows)
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
    yield from _rows(shown, rows)


def _rows(shown: View, rows: list[tuple[Row, ...]]) -> Iterator[Derivation | Premises]:
    """Values one below the other; side by side if all are compact."""
    items = [(left, *row.parts[0]) for row, *_ in rows for left in row.left if not isinstance(left, str | Code)]
    if shown.detail == "compact" and rows and not any(len(row.left) > 1 or under for row, *under in rows):
        yield Premises((tuple(items),))
    elif rows:
        yield Derivation(tuple(rows))


def _in_full(shown: View) -> list[tuple[str, View]]:
    """For a trace in another arithmetic: its run in full precision, and how far off each value is."""
    trace = shown.trace
    if trace.header.arithmetic is None:
        return []
    full = in_arithmetic(trace, None)
    off = {s: {name: values - full.lines[s][name] for name, values in here.items()} for s, here in trace.lines.items()}
    style = shown.values.style
    many = Style(max(style.digits or DIGITS, DIGITS), comma=style.comma)
    each = ("full", full, many), ("drift", replace(trace, lines=off), Style(significant=3, comma=style.comma))
    return [(key, replace(shown, trace=one, values=Values(one, digits))) for key, one, digits in each]
