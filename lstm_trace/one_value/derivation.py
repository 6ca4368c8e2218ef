"""`lt.derivation`: one number with its equation, what it was computed from, what reads it, and whether it is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..base.arrays import word
from ..errors import OptionError, nearest, raise_all
from ..formulas.tree import Node, Num
from ..formulas.values import Values
from ..languages.strings import words
from ..report.content import notations
from ..report.options import STYLE, options_of
from ..trace.trace import Trace
from .about import about, where
from .equation import equation
from .places import Kind, Place, located, place_of
from .printing import Formula, Writing
from .readers import readers
from .slope import Slope, slope
from .verified import Verified, verified

#: So many readers are listed.
READERS = 64


@dataclass(frozen=True)
class Reference:
    """Another number, where it was made: `lt.derivation` takes its address. symbol: as it is read here."""

    address: str
    symbol: Formula
    value: float
    shown: str
    where: str

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {**vars(self), "symbol": self.symbol.record(), "value": word(self.value)}


@dataclass(frozen=True, repr=False)
class Derivation:
    """One number of a trace.

    kind: `line`, or of what is given `parameter`, `input`, `initial`, `given`; `sum` for what an adjoint gathers over
    all steps. where, about: in words. equation: in symbols; substituted: the same with the numbers that this unit
    reads, which `relation` (= or ≈) ties to the value; None for a premise, and where an operand was not recorded.
    written_out: of a line with a name that reads values without one, the numbers that those are computed from in their
    places, which `written_out_relation` ties to the value; None otherwise.
    """

    address: str
    kind: Kind
    value: float
    shown: str
    symbol: Formula
    where: str
    about: str
    equation: Formula | None
    substituted: Formula | None
    relation: str
    written_out: Formula | None
    written_out_relation: str
    operands: tuple[Reference, ...]
    operands_left_out: int
    readers: tuple[Reference, ...]
    readers_left_out: int
    verified: Verified
    gradient: Slope | None

    def __repr__(self) -> str:
        equation = f"{self.equation.text} {self.relation} " if self.equation is not None else ""
        return f"<Derivation {self.address}: {equation}{self.shown}; print(…) has all>"

    def __str__(self) -> str:
        """The value with its equation and its numbers, in one line."""
        formulas = [(self.relation, part.text) for part in (self.equation, self.substituted) if part is not None]
        return " ".join([self.address, *(f"= {text}" for _, text in formulas), self.relation, self.shown])

    def record(self) -> dict[str, Any]:
        """As plain values, which JSON can hold: NaN and infinities are words."""
        found = {name: part.record() if hasattr(part, "record") else part for name, part in vars(self).items()}
        found |= {name: [one.record() for one in getattr(self, name)] for name in ("operands", "readers")}
        return {**found, "value": word(self.value)}


def derivation(trace: Trace, address: str, *, of: str | None = None, **options: Any) -> Derivation:
    """Everything about one number of a trace.

    Args:
        trace: the trace.
        address: of one number.
        of: the address of a value, or the line of a loss, whose gradient with respect to this number is wanted.
        options: notation, language, digits, count_from and the others that `lstm_trace.derivation` takes.

    Returns:
        The number with its equation, its operands, its readers and a verdict.

    Raises:
        MissingError: for what the trace does not have, and an address of several numbers.
        OptionError: for a notation, language or option that there is not.
    """
    place = located(trace, address)
    writing = _writing(trace, **options)
    trace = writing.trace
    result = writing.number(place)
    made = equation(writing, place, result)
    read, more = readers(trace, place, READERS)
    return Derivation(
        address=place.address(trace),
        kind=place.kind(trace),
        value=float(result.value),
        shown=writing.shown(result),
        symbol=writing.formula(("", writing.symbol_of(place))),
        where=where(writing, place),
        about=about(writing, place),
        equation=made.equation,
        substituted=made.substituted,
        relation=made.relation,
        written_out=made.written_out,
        written_out_relation=made.written_out_relation,
        operands=tuple(_operands(writing, place, made.numbers)),
        operands_left_out=made.left_out,
        readers=tuple(_reference(writing, one, writing.number(one), writing.symbol_of(one)) for one in read),
        readers_left_out=more,
        verified=verified(trace, place),
        gradient=None if of is None else slope(writing, place, of),
    )


def _writing(
    trace: Trace,
    notation: str = "exercise",
    language: str = "en",
    digits: Any = None,
    count_from: Any = None,
    **options: Any,
) -> Writing:
    """How formulas are written. Raises OptionError."""
    known = ("of", "notation", "language", "digits", "count_from", *STYLE, "trim")
    raise_all(
        OptionError,
        (f"there is no argument {name!r}{nearest(name, known, 'there are')}" for name in set(options) - {*known}),
    )
    chosen = options_of("md", digits=digits, count_from=count_from, **options)
    if count_from is not None:
        trace = replace(trace, header=replace(trace.header, count_from=count_from))
    trace, _ = notations.applied(trace, "exercise" if notation == "joined" else notation, language=language)
    return Writing(trace, words(language, trace.header.count_from), Values(trace, chosen.numbers([trace])))


def _operands(writing: Writing, reader: Place, numbers: Iterable[Num]) -> Iterator[Reference]:
    """The numbers that a unit reads, each once, by the symbols in its equation."""
    stage = reader.stage(writing.trace)
    seen = set()
    for number in numbers:
        assert number.key is not None
        place = place_of(writing.trace, number.key)
        if place not in seen:
            seen.add(place)
            _, name, t, _, index = number.key
            symbol = writing.symbol(stage, name, t, index, place.is_single(writing.trace))
            yield _reference(writing, place, number, symbol)


def _reference(writing: Writing, place: Place, number: Num, symbol: Node) -> Reference:
    return Reference(
        place.address(writing.trace),
        writing.formula(("", symbol)),
        float(number.value),
        writing.shown(number),
        where(writing, place),
    )
