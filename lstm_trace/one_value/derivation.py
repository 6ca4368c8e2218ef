"""`lt.derivation`: one number with its equation, what it was computed from, what reads it, and whether it is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..backpropagation.gradients import forward, walked, weighting
from ..backpropagation.target import loss_of, target as read
from ..base.arrays import Array, as_plain
from ..documents.blocks import Block, Derivation as Lines, Heading, Items, Para, Row, Table
from ..documents.formats import Show
from ..documents.result import Result
from ..errors import OptionError, nearest, raise_all
from ..formulas.numbers import fraction
from ..formulas.tree import Key, Node, Num
from ..formulas.values import Values
from ..languages.strings import Words, words_for
from ..report.content import notations
from ..report.options import STYLE, options_of
from ..trace.derived import one_row
from ..trace.trace import Trace
from ..verification.rounding import beyond, check_sums, derive_one
from .equation import Formula, Writing, about, equation, where
from .location import Kind, Location, consumers, located, location_of, readers_of_x

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Slope:
    """How fast the number at the address `of` changes with another one."""

    of: str
    value: float
    shown: str


def slope(writing: Writing, place: Location, of: str) -> Slope:
    """The gradient of the value `of` with respect to a number; 0 if the value does not depend on it. Raises as
    `backward`.

    Only the row of that value is walked back: no other row matters.
    """
    trace = forward(writing.trace)
    weights = weighting(trace, of=of)
    target, row = of, place.b  # a loss depends on every row
    if loss_of(trace, of) is None:
        value = read(trace, of)
        target, row = str(value), value.b
        trace = one_row(trace, row)
        weights = {s: {n: v[:, row : row + 1] for n, v in here.items()} for s, here in weights.items()}
    back = walked(trace, weights, record=True)
    found = 0.0
    if place.b in (None, row):
        b = place.b if place.b is None or trace.batch > 1 else 0
        found = sum(_parts(back, place._replace(b=b)))
    dtype = np.dtype(trace.header.dtype).type
    shown = Num(writing.values.style.show(dtype(found)), dtype(found))
    return Slope(target, float(found), writing.shown(shown))


def _parts(back: Trace, place: Location) -> Iterable[float]:
    """What the adjoint stages found for a number; for an x what each stage that reads it found."""
    reads = [(place.scope, place.name)] if place.scope else [(stage.scope, name) for stage, name in readers_of_x(back)]
    for stage in back.stages:
        made = [new for new, name in stage.cell.gradient if (stage.owner, name) in reads]
        if place.t is None:
            yield from (float(back.sums[stage.scope][new][place.unit]) for new in made)
            continue
        for new in [new for new in made if new in stage.cell.by_name][:1]:  # a state has only what the next step brings
            yield float(back.lines[stage.scope][new][back.index(place.t), place.b, place.unit[0]])


@dataclass(frozen=True)
class Verified:
    """A number derived again from its recorded operands.

    verdict: `verified`, `failed`, `inconclusive` (an operand was not recorded, or a value is not finite) or `premise`.
    bound: how far apart rounding may set the two (docs/verify.md).
    """

    verdict: Literal["verified", "failed", "inconclusive", "premise"]
    found: float
    rederived: float | None = None
    bound: float | None = None


def verified(trace: Trace, place: Location) -> Verified:
    """The number derived again from its recorded operands, and whether rounding explains the difference."""
    stage, line = place.stage(trace), place.line(trace)
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


#: How many consumers are listed; and what a number may be to another one.
READERS, ROLES = 64, ("operands", "readers")


@dataclass(frozen=True)
class Reference:
    """Another number, at the place where it was made: `lt.derivation` takes its address. symbol: as it is read here."""

    address: str
    symbol: Formula
    value: float
    shown: str
    where: str


@dataclass(frozen=True, eq=False, repr=False)
class ValueDerivation(Result):
    """One number of a trace. Its words are in `language`; `worded` has it in another one.

    kind: `line`, or for a given number `parameter`, `input`, `initial` or `given`; `sum` for what an adjoint sums over
    all steps. where, about: in words. equation: in symbols; substituted: the same with the numbers that this unit
    reads, which `relation` (= or ≈) connects to the value; None for a premise, and if an operand was not recorded.
    written_out: for a line with a name that reads values without one, the equation in which those are replaced by the
    numbers they are computed from, which `written_out_relation` connects to the value; None otherwise. chain: the
    equation with its numbers and the value, each part with the sign before it. own: symbols that are not in our table.
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
    # not fields, like `own` and `language`: they are not part of what is sent
    chain: ClassVar[tuple[tuple[str, Node], ...]] = ()
    made: ClassVar[tuple[Writing, Location]]

    def __repr__(self) -> str:
        equation = f"{self.equation.text} {self.relation} " if self.equation is not None else ""
        return f"<ValueDerivation {self.words().address(self.address)}: {equation}{self.shown}; print(…) has all>"

    def worded(self, language: str | None) -> ValueDerivation:
        """The same number, with its words in a language. Raises OptionError if there is no such language."""
        if language in (None, self.language):
            return self
        writing, place = self.made
        writing = replace(writing, words=words_for(writing.trace, str(language)))
        return _number(writing, place, self.gradient)

    def pieces(self, format: str, **given: Any) -> Iterator[str]:
        """The text in a format; see `Result.pieces`. The words in facts and rows are in its language, too."""
        return super(ValueDerivation, self.worded(given.get("language"))).pieces(format, **given)

    def facts(self) -> dict[str, Any]:
        """As plain values, which JSON can hold: NaN and infinities are words."""
        return dict(as_plain(asdict(self)))

    def frame(self) -> pd.DataFrame:
        """One row for each operand, then for each consumer."""
        import pandas as pd

        columns = ("address", "value", "where")
        rows = [(role, *(getattr(one, name) for name in columns)) for role in ROLES for one in getattr(self, role)]
        return pd.DataFrame(rows, columns=["role", *columns])

    def blocks(self, words: Words, show: Show) -> Iterator[Block]:
        """The number in words, its equation with numbers, its operands and consumers, the verdict and the gradient."""
        found = self.worded(words.language)
        yield Heading(1, (words.address(self.address),))
        said = [*filter(None, (found.where, found.about)), words.word(f"derivation.{self.verified.verdict}")]
        if (slope := self.gradient) is not None:
            said.append(words.word("derivation.gradient", of=words.address(slope.of), value=slope.shown))
        yield Items(tuple((sentence,) for sentence in said))
        (_, symbol), *rest = self.chain
        yield Lines(((Row((symbol,), tuple(rest)),),))
        for role in ROLES:
            there, left_out = getattr(found, role), getattr(self, f"{role}_left_out")
            if there:
                yield Heading(2, (words.word(f"derivation.{role}"),))
                head = tuple((words.word(f"column.{name}"),) for name in ("symbol", "address", "value", "where"))
                cells = ((one.symbol.text, words.address(one.address), one.shown, one.where) for one in there)
                rows = tuple(tuple((cell,) for cell in row) for row in cells)
                yield Table(head, rows, 1, frozenset({0, 1, 3}))
            if left_out:
                yield Para((words.word("derivation.more", n=words.number(left_out)),))


def derivation(trace: Trace, address: str, *, of: str | None = None, **options: Any) -> ValueDerivation:
    """Everything about one number of a trace.

    Args:
        trace: the trace.
        address: of one number.
        of: the address of a value, or the line of a loss, whose gradient with respect to this number is returned too.
        options: notation, language, digits, count_from and the others that `lstm_trace.derivation` takes.

    Returns:
        The number with its equation, its operands, its readers and a verdict.

    Raises:
        MissingError: if the trace does not have the number, or if the address covers several numbers.
        OptionError: for a notation, language or option that does not exist.
    """
    place, writing = located(trace, address), _writing(trace, **options)
    return _number(writing, place, None if of is None else slope(writing, place, of))


def _number(writing: Writing, place: Location, gradient: Slope | None) -> ValueDerivation:
    trace, result = writing.trace, writing.number(place)
    made, symbol = equation(writing, place, result), writing.symbol_of(place)
    read, more = consumers(trace, place, READERS)
    formulas = ("equation", "substituted", "relation", "written_out", "written_out_relation")
    found = ValueDerivation(
        address=place.address(trace),
        kind=place.kind(trace),
        value=float(result.value),
        shown=writing.shown(result),
        symbol=writing.formula(("", symbol)),
        where=where(writing, place),
        about=about(writing, place),
        **{name: getattr(made, name) for name in formulas},
        operands=tuple(_operands(writing, place, made.numbers)),
        operands_left_out=made.left_out,
        readers=tuple(_reference(writing, one, writing.number(one), writing.symbol_of(one)) for one in read),
        readers_left_out=more,
        verified=verified(trace, place),
        gradient=gradient,
    )
    chain = made.equation.parts if made.equation is not None else (("", symbol),)
    chain += tuple(("=", part.parts[0][1]) for part in (made.substituted, made.written_out) if part is not None)
    whole = not result.shown.finite or fraction(result.value) == result.shown.fraction
    chain = (*chain, (made.written_out_relation or made.relation or ("=" if whole else "≈"), result))
    # a copy of `writing` is without its printers, which cannot be pickled
    of = {"language": writing.words.language, "trace": trace}
    vars(found).update(chain=chain, own=writing.own, made=(replace(writing), place), **of)
    return found


def _writing(trace: Trace, notation: str | None = None, language: str | None = None, **options: Any) -> Writing:
    """How formulas are written. Raises OptionError."""
    known = ("of", "notation", "language", "digits", "count_from", *STYLE, "trim")
    wrong = (f"there is no argument {name!r}{nearest(name, known, 'there are')}" for name in set(options) - {*known})
    raise_all(OptionError, wrong)
    chosen = options_of("md", **options)
    trace = chosen.counted(trace)
    trace, _ = notations.applied(trace, notation, joined=False)
    return Writing(trace, words_for(trace, language), Values(trace, chosen.numbers(trace)))


def _operands(writing: Writing, reader: Location, numbers: Iterable[Num]) -> Iterator[Reference]:
    """The numbers that a unit reads, each once, by their symbols in its equation."""
    trace, found = writing.trace, dict[Location, tuple[Num, Key]]()
    for number in numbers:
        if number.key is not None:
            found.setdefault(location_of(trace, number.key), (number, number.key))
    for place, (number, (_, name, t, _, index)) in found.items():
        symbol = writing.symbol(reader.stage(trace), name, t, index, place.is_single(trace))
        yield _reference(writing, place, number, symbol)


def _reference(writing: Writing, place: Location, number: Num, symbol: Node) -> Reference:
    value, shown, made = float(number.value), writing.shown(number), writing.formula(("", symbol))
    return Reference(place.address(writing.trace), made, value, shown, where(writing, place))
