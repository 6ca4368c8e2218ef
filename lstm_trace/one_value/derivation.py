"""`lt.derivation`: one number with its equation, what it was computed from, what reads it, and whether it is right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from ..backpropagation.gradients import forward, loss_of, one_value, walked, weighting
from ..base.arrays import Array, word
from ..cell.lines import Line
from ..cell.network import Stage, X
from ..cell.ops import OPS
from ..errors import OptionError, nearest, raise_all
from ..formulas.tree import Dots, Node, Num, formula, numbers, value, written_out
from ..formulas.values import Values
from ..report.content import notations
from ..report.languages.strings import words
from ..report.options import STYLE, options_of
from ..trace.operands import one_row
from ..trace.trace import Trace
from ..verification.rounding import beyond, check_sums, derive_one
from .about import about, where
from .places import Kind, Place, located, place_of
from .printing import Formula, Writing
from .readers import readers

#: So many terms of a sum are written out; of a longer one `SHORT`, with dots, so that a page can show it.
TERMS, SHORT = 64, 16
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


@dataclass(frozen=True)
class Verified:
    """A number derived again from its recorded operands.

    verdict: `verified`, `failed`, `inconclusive` (an operand was not recorded, or a value overflowed) or `premise`.
    bound: how far rounding may set the two apart (docs/verify.md).
    """

    verdict: Literal["verified", "failed", "inconclusive", "premise"]
    found: float
    rederived: float | None = None
    bound: float | None = None

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {name: word(found) for name, found in asdict(self).items()}


@dataclass(frozen=True)
class Slope:
    """How fast the number at the address `of` changes with another one."""

    of: str
    value: float
    shown: str

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {"of": self.of, "value": word(self.value), "shown": self.shown}


@dataclass(frozen=True)
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

    def record(self) -> dict[str, Any]:
        """As plain values, which JSON can hold: NaN and infinities are words."""
        found = {name: part.record() if hasattr(part, "record") else part for name, part in vars(self).items()}
        found |= {name: [one.record() for one in getattr(self, name)] for name in ("operands", "readers")}
        return {**found, "value": word(self.value)}


def derivation(
    trace: Trace,
    address: str,
    of: str | None,
    notation: str,
    language: str,
    digits: Any,
    count_from: Any,
    options: dict[str, Any],
) -> Derivation:
    """See `lstm_trace.derivation`."""
    place = located(trace, address)
    writing = _writing(trace, notation, language, digits, count_from, options)
    trace = writing.trace
    stage, line = place.stage(trace), place.line(trace)
    result = writing.number(place)
    equation = tree = whole = None
    relation = whole_relation = ""
    parts: list[Num] = []
    left = 0
    if line is not None and stage is not None and place.t is not None and place.b is not None:
        equation = _equation(writing, stage, line, place.t)
        terms, long = _terms(trace, stage, line)
        tree = writing.values.tree(stage, line, place.t, place.b, place.unit[0], SHORT if long else None)
        relation = writing.values.relation(result, tree)
        whole = _whole(writing, stage, line, place)
        if whole is not None:
            whole_relation = writing.values.relation(result, None if _dotted(whole) else whole)
        parts = [] if tree is None else [number for number in numbers(tree) if number.key is not None]
        left = max(terms - len(parts), 0) if tree is not None and _dotted(tree) else 0
    read, more = readers(trace, place, READERS)
    single = place.array(trace).size == 1
    return Derivation(
        address=place.address(trace),
        kind=place.kind(trace),
        value=float(result.value),
        shown=writing.shown(result),
        symbol=writing.formula(("", writing.symbol(stage, *_named(trace, place), place.unit, single))),
        where=where(writing, place),
        about=about(writing, place),
        equation=equation,
        substituted=None if tree is None else writing.formula(("", tree)),
        relation=relation,
        written_out=None if whole is None else writing.formula(("", whole)),
        written_out_relation=whole_relation,
        operands=tuple(_operands(writing, stage, parts)),
        operands_left_out=left,
        readers=tuple(_reference(writing, one) for one in read),
        readers_left_out=more,
        verified=_verified(trace, place, stage, line),
        gradient=None if of is None else _slope(trace, place, of, writing),
    )


def _writing(trace: Trace, notation: str, language: str, digits: Any, count_from: Any, options: Any) -> Writing:
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


def _equation(writing: Writing, stage: Stage, line: Line, t: int) -> Formula:
    """A line in symbols: its name where it has one, what it computes, what a composite function stands for."""
    parts: list[tuple[str, Node]] = [("", value(line.name, stage.cell))]
    parts += [("=", formula(line, stage.cell))] if line.assigned else []
    whole = written_out(line, stage.cell)
    parts += [("=", whole)] if whole is not None else []
    return writing.formula(*((sign, writing.at(stage, t, node)) for sign, node in parts))


def _whole(writing: Writing, stage: Stage, line: Line, place: Place) -> Node | None:
    """A named line with the numbers of named values alone; None where its own operands all have a name."""
    inner = {name: own for name in stage.through(line) if (own := stage.cell.by_name.get(name)) and not own.assigned}
    if not (line.assigned and inner) or place.t is None or place.b is None:
        return None
    terms = sum(_terms(writing.trace, stage, one)[0] for one in (line, *inner.values()))
    most = SHORT if terms > TERMS else None  # of every sum: one within another has the product of their terms
    return writing.values.whole(stage, line, place.t, place.b, place.unit[0], most)


def _terms(trace: Trace, stage: Stage, line: Line) -> tuple[int, bool]:
    """How many numbers a unit of a line reads, and whether that is a long sum."""
    if line.product is None and not OPS[line.op].reduces:
        return len(line.operands), False
    values = trace.operand(stage.scope, line.operands[line.summed], slice(0, 1))
    if values is None:
        return 0, False
    terms = int(values.shape[-2 if line.op == "vecmat" and values.ndim == 2 else -1])
    return terms * (2 if line.product else 1), terms > TERMS


def _dotted(part: Any) -> bool:
    """Whether something was left out of a formula."""
    if isinstance(part, tuple):
        return any(map(_dotted, part))
    return isinstance(part, Dots) or (hasattr(part, "__dataclass_fields__") and _dotted(tuple(vars(part).values())))


def _named(trace: Trace, place: Place) -> tuple[str, int | None]:
    """The name and step by which a place is printed; x has those of the stages that read it."""
    if place.scope:
        return place.name, place.t
    names = [name for stage in trace.stages for name, source in stage.sources.items() if source == X]
    return (names or ["x_t"])[0], place.t


def _operands(writing: Writing, stage: Stage | None, parts: Iterable[Num]) -> Iterable[Reference]:
    """The numbers that a unit reads, each once, by the symbols in its equation."""
    seen = set()
    for number in parts:
        assert number.key is not None
        place = place_of(writing.trace, number.key)
        if place not in seen:
            seen.add(place)
            _, name, t, _, index = number.key
            symbol = writing.symbol(stage, name, t, index, place.array(writing.trace).size == 1)
            yield _reference(writing, place, number, symbol)


def _reference(writing: Writing, place: Place, number: Num | None = None, symbol: Node | None = None) -> Reference:
    trace = writing.trace
    number = number or writing.number(place)
    if symbol is None:
        symbol = writing.symbol(
            place.stage(trace), *_named(trace, place), place.unit, place.array(trace).size == 1
        )  # fmt: skip
    return Reference(
        place.address(trace),
        writing.formula(("", symbol)),
        float(number.value),
        writing.shown(number),
        where(writing, place),
    )


def _verified(trace: Trace, place: Place, stage: Stage | None, line: Line | None) -> Verified:
    """The number derived again from its recorded operands, and whether rounding explains how far the two are apart."""
    recorded: Array = place.array(trace)[place.unit]
    found = float(recorded)
    if stage is not None and place.kind(trace) == "sum":
        sums = [gathered for gathered in stage.cell.sums if gathered.name == place.name]
        try:
            gathered = check_sums(trace, stage, sums)[place.name][2]
        except (KeyError, TypeError):  # a term was not recorded
            return Verified("inconclusive", found)
        again: tuple[Array, Array] | None = gathered.value[place.unit], np.asarray(gathered.limit)[place.unit]
    elif line is None or stage is None or place.t is None or place.b is None:
        return Verified("premise", found)
    else:
        again = derive_one(trace, stage, line, place.t, place.b, place.unit[0])
    if again is None:
        return Verified("inconclusive", found)
    wrong, unsure = beyond(np.asarray(recorded), *map(np.asarray, again))
    verdict: Any = "failed" if wrong else "inconclusive" if unsure else "verified"
    return Verified(verdict, found, float(again[0]), float(again[1]))


def _slope(trace: Trace, place: Place, of: str, writing: Writing) -> Slope:
    """The gradient of the value `of` with respect to a number; 0 where it does not depend on it. Raises as `backward`.

    Only the row of that value is walked back: no other one matters.
    """
    trace = forward(trace)
    weights = weighting(trace, of=of)
    target = of
    row = 0
    if loss_of(trace, of) is None:
        value = one_value(trace, of)
        target, row = str(value), value.b
        trace = one_row(trace, row)
        weights = {s: {n: v[:, row : row + 1] for n, v in here.items()} for s, here in weights.items()}
    back = walked(trace, weights, record=True)
    found = 0.0
    if place.b is None or loss_of(trace, of) is not None or place.b == row:
        b = place.b if place.b is None or trace.batch > 1 else 0
        found = sum(_parts(back, place._replace(b=b)))
    dtype = np.dtype(trace.header.dtype).type
    shown = Num(writing.values.style.show(dtype(found)), dtype(found))
    return Slope(target, float(found), writing.shown(shown))


def _parts(back: Trace, place: Place) -> Iterable[float]:
    """What the adjoint stages found for a number; for an x what each stage that reads it found."""
    for stage in back.stages:
        if not stage.is_adjoint or (place.scope and stage.owner != place.scope):
            continue
        owner = back.stage(stage.owner)
        names = [place.name] if place.scope else [name for name, source in owner.sources.items() if source == X]
        made = [new for new, name in stage.cell.gradient if name in names]
        if place.t is None:
            yield from (float(back.sums[stage.scope][new][place.unit]) for new in made)
            continue
        at = back.index(place.t)
        for new in [new for new in made if new in stage.cell.by_name][:1]:  # a state has but what the next step brings
            yield float(back.lines[stage.scope][new][at, place.b, place.unit[0]])
