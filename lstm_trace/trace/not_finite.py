"""The first value of a trace that is NaN or infinite, and what made it so: one record and one sentence for everyone.

The value is the first in order of computation. Every recorded line before it is finite there, so the cause is the
operation itself, or an operand that no line of the trace computes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from ..base.arrays import Array, as_plain
from ..cell.arithmetic import FORMATS
from ..cell.lines import GatheredSum, Line, Operand, number
from ..cell.network import GIVEN, Stage, X, counted_at_padding, forward_stages
from ..cell.ops import OPS
from .address import INITIAL, Address, address_of, columns_of, index_text
from .derived import GATHERED, derived_sums, held_throughout, recomputed, term
from .trace import Trace

if TYPE_CHECKING:
    from ..languages.strings import Words

#: Why a value is not finite. A premise is not: an `input`, a `weight`, an `initial` state, a `given` line; or another
#: `operand`, such as a number of an equation that the dtype cannot hold. Operands are finite: `division` by zero, `log`
#: or `sqrt` outside of its domain, `exp` beyond its largest argument, sums that overflowed both ways (`cancelled`), any
#: other `overflow`. The operands give a finite value: `foreign`; they are not in the trace: `unrecorded`.
Cause = Literal[
    "input", "weight", "initial", "given", "operand", "division", "log", "sqrt", "exp", "cancelled", "overflow",
    "foreign", "unrecorded",
]  # fmt: skip
_PREMISES: dict[str, Cause] = {X: "input", GIVEN: "given"}
#: Functions that are not finite at some finite arguments; whatever else gives no finite value has overflowed.
_OWN: dict[str, Cause] = {"exp": "exp", "log": "log", "sqrt": "sqrt"}
#: How many values, of how many, are not finite, and where the output is first.
_Counts = tuple[int, int, int | Literal["finite"] | None]
#: Digits and smallest exponent, in base 2, of each format of numbers: its largest number follows from these.
_FORMATS = {**FORMATS, "float64": (53, -1022)}
#: Number of values that are examined at once: they and their mask stay in the cache.
PIECE = 1 << 16


class NotFinite(NamedTuple):
    """The first value, in order of computation, that is NaN or infinite.

    address: of the value; t and b are None for a sum over steps. operands: those that the value depends on, with their
    index: of a product the two factors of one term. missing: operands that were not recorded. expected: what the
    operands give, for `foreign`. format: of the numbers. bad: how many `of` all recorded values are not finite, padding
    aside. output: the step at which the output of the last layer is first not finite; None if it was not recorded.
    """

    address: Address
    value: float
    op: str
    cause: Cause
    operands: tuple[tuple[str, float], ...]
    missing: tuple[str, ...]
    expected: float | None
    format: str
    bad: int
    of: int
    output: int | Literal["finite"] | None

    def said(self, words: Words, mark: str = "") -> str:
        """The sentence, the same wherever it is shown. mark: what names are put in, such as a backquote."""
        named = ((words.address(name), value) for name, value in self.operands)
        pairs = [(f"{mark}{name}{mark} = {value:g}", math.isfinite(value)) for name, value in named]
        causes = [text for text, finite in pairs if not finite][:1] or [text for text, _ in pairs if "[" in text]
        digits, exponent = _FORMATS[self.format]
        largest = (2 - 2.0 ** (1 - digits)) * 2.0 ** (1 - exponent)
        why = words.word(
            f"notfinite.{self.cause}",
            what=words.word("list").join([f"{mark}{name}{mark}" for name in self.missing] or causes),
            dividend=f"{self.operands[0][1] if self.operands else 0:g}",
            expected=f"{self.expected or 0:g}",
            largest=f"{largest:.6g}",
            limit=f"{math.log(largest):.6g}",
            format=self.format,
        )
        counted = words.count("notfinite.count", self.bad, of=words.number(self.of))
        if self.output == "finite":
            counted += words.word("notfinite.stays")
        elif self.output is not None:
            counted += words.word("notfinite.output", t=words.nth(int(self.output)))
        address = f"{mark}{words.address(self.address)}{mark}"
        return words.word("notfinite", address=address, value=f"{self.value:g}", why=why, counted=counted)

    def facts(self) -> dict[str, Any]:
        """The record as JSON holds it."""
        return dict(as_plain({**self._asdict(), "address": str(self.address), "operands": dict(self.operands)}))


@np.errstate(all="ignore")
def first_not_finite(trace: Trace) -> NotFinite | None:
    """The first value, in order of computation, that is NaN or infinite; None if all are finite.

    Values at padding that no other value depends on are ignored, and so are premises that no line has used.
    """
    used, inside = counted_at_padding(trace.stages), trace.valid != 0 if trace.padded else None
    count = of = 0
    firsts: dict[str, int] = {}  # by `scope/line`
    place: tuple[Stage, Line, int] | None = None
    for stage in trace.stages:
        here, order = trace.lines.get(stage.scope, {}), -1 if stage.backwards else 1
        found = []
        for at, line in enumerate(stage.cell.lines):
            if (values := here.get(line.name)) is not None:
                counted = None if line.name in used[stage.scope] else inside
                bad, t = _scanned(values, counted, stage.backwards)
                count, of = count + bad, of + (values.size if counted is None else counted.sum() * values.shape[2])
                found += [(order * t, at)] if bad else []
                firsts[f"{stage.scope}/{line.name}"] = t
        if found and place is None:
            visit, at = min(found)
            place = stage, stage.cell.lines[at], abs(visit)
    for values in (values for here in trace.sums.values() for values in here.values()):
        count, of = count + int((~np.isfinite(values)).sum()), of + values.size
    last = forward_stages(trace.stages)[-1:]
    when = firsts.get(f"{last[0].scope}/{last[0].cell.output}") if last else None
    counts: _Counts = count, int(of), when if when is None else "finite" if when < 0 else trace.span[when]
    if place is not None:
        stage, line, t = place
        return _of_line(trace, stage, line, t, None if line.name in used[stage.scope] else inside, counts)
    for stage in trace.stages:
        for one in stage.cell.sums:
            if not np.isfinite(trace.sums.get(stage.scope, {}).get(one.name, 0.0)).all():
                return _of_sum(trace, stage, one, counts)
    return None


def _scanned(values: Array, inside: Array | None, backwards: bool) -> tuple[int, int]:
    """How many values of a line are not finite, and the first such step in the order of the stage; -1 if there is none.

    inside: where values count, (T, B, 1); None: everywhere.
    """
    count, first = 0, -1
    size = max(PIECE // max(values[:1].size, 1), 1)
    for begin in range(0, len(values), size):
        good = np.isfinite(values[begin : begin + size])
        if not good.all():
            bad = ~good if inside is None else ~good & inside[begin : begin + size]
            steps = begin + np.flatnonzero(bad.any(axis=(1, 2)))
            count += int(bad.sum())
            if steps.size and (backwards or first < 0):
                first = int(steps[-1 if backwards else 0])
    return count, first


def _of_line(trace: Trace, stage: Stage, line: Line, t: int, inside: Array | None, counts: _Counts) -> NotFinite:
    """The record of the first value of a line at a step."""
    values = trace.lines[stage.scope][line.name][t]
    b, j = np.argwhere(~np.isfinite(values) & (inside is None or inside[t]))[0].tolist()
    rows: dict[Operand, Any] = {o: trace.operand(stage.scope, o, slice(t, t + 1)) for o in line.operands}
    missing = tuple(str(name) for name, row in rows.items() if row is None)
    known = {name: row[0, b] if row.ndim == 3 else row for name, row in rows.items() if row is not None}
    first = t == (trace.steps - 1 if stage.backwards else 0)  # where states are the initial ones
    places = _places(line, known, j)
    operands = {name: float(known[name][at]) for name, at in places.items()}
    bad = next((name for name, one in operands.items() if not math.isfinite(one)), None)
    expected, arithmetic = math.nan, trace.header.arithmetic
    if not missing:
        again = recomputed(trace, line, [rows[operand] for operand in line.operands])
        expected = float(np.broadcast_to(again, (1, *values.shape)).astype(trace.header.dtype)[0, b, j])
    cause: Cause
    ours = trace.header.plan != "foreign"
    if math.isfinite(expected) and not (ours and _overflows(line, known, j, trace.header.dtype)):
        cause = "foreign"
    elif bad in stage.cell.states:  # at a later step the line that it carries would be the first
        cause = "initial"
    elif bad is not None:
        source = _PREMISES.get(stage.sources.get(str(bad), ""), "operand")
        cause = "weight" if bad in stage.cell.parameters else source
    elif missing:
        cause = "unrecorded"
    elif line.op == "div" and not [*operands.values()][-1]:
        cause = "division"
    else:
        cause = _OWN.get(line.op) or ("cancelled" if math.isnan(values[b, j]) else "overflow")

    def label(name: Operand) -> str:
        called = INITIAL.get(str(name), name) if first and name in stage.cell.states else name
        index = index_text(places[name], columns_of(trace, stage.scope, str(name)))
        return f"{called}{index}" if isinstance(called, str) else number(called)

    address = address_of(trace, stage, line.name, t, b, j)
    named = tuple((label(name), one) for name, one in operands.items())
    form = arithmetic if arithmetic in FORMATS else trace.header.dtype
    given = expected if cause == "foreign" else None
    return NotFinite(address, float(values[b, j]), line.op, cause, named, missing, given, form, *counts)


def _overflows(line: Line, rows: dict[Operand, Array], j: int, dtype: str) -> bool:
    """Whether a sum of products overflows in some order of its terms, of which each plan has its own."""
    if not (line.product or line.memory):
        return False
    matrix, vector, _ = _terms(line, rows, j)
    return bool(np.abs(matrix.astype(np.float64) * vector).sum() > np.finfo(dtype).max)


def _terms(line: Line, rows: dict[Operand, Array], j: int) -> tuple[Array, Array, Array]:
    """The factors of unit j of a product, and the place of each in the memory of the matrix."""
    matrix, vector = (np.asarray(rows[name]) for name in line.product or line.memory or ())
    places = np.arange(matrix.size).reshape(matrix.shape)
    if line.memory:
        places = places.reshape((-1, vector.size) if line.op == "memvec" else (vector.size, -1))
    here = places[j] if line.op in ("matvec", "memvec") else places[:, j]
    return matrix.ravel()[here], vector, here


def _places(line: Line, rows: dict[Operand, Array], j: int) -> dict[Operand, tuple[int, ...]]:
    """The index of each operand that unit j of a line depends on, as far as the operands are known.

    Of several terms that of a factor that is not finite, else of the largest.
    """
    if operands := line.product or line.memory:
        matrix, vector = operands
        if not {matrix, vector} <= rows.keys():
            return {}
        one, two, here = _terms(line, rows, j)
        bad = ~(np.isfinite(one) & np.isfinite(two))
        k = int(np.argmax(np.where(bad, np.inf, np.nan_to_num(np.abs(one * two)))))
        entry = tuple(map(int, np.unravel_index(here[k], rows[matrix].shape)))
        places: dict[Operand, tuple[int, ...]] = {matrix: entry, vector: (k,)}
        return {name: places[name] for name in line.operands}
    if line.op == "outer":
        columns = rows[line.operands[1]].shape[-1] if line.operands[1] in rows else 1
        return {name: (place,) for name, place in zip(line.operands, divmod(j, columns), strict=True) if name in rows}
    if line.op == "slice":
        return {name: (int(line.constants[0]) + j,) for name in rows}
    if OPS[line.op].width in ("one", "concat"):
        return {name: (int(np.argmax(np.where(np.isfinite(row), np.abs(row), np.inf))),) for name, row in rows.items()}
    places = {name: (j if row.shape[-1] > 1 else 0,) for name, row in rows.items()}
    if line.op == "where" and len(rows) == len({*line.operands}):  # the other one was not chosen
        condition, one, two = line.operands
        places = {name: places[name] for name in (condition, one if rows[condition][places[condition]] else two)}
    return places


def _of_sum(trace: Trace, stage: Stage, one: GatheredSum, counts: _Counts) -> NotFinite:
    """The record of the first entry of a sum over steps; all lines are finite. operands: the largest of each factor."""
    values, dtype = trace.sums[stage.scope][one.name], trace.header.dtype
    entry = tuple(np.argwhere(~np.isfinite(values))[0].tolist())
    address, value = Address(one.name, stage.layer, stage.direction, unit=entry), float(values[entry])
    found = NotFinite(address, value, GATHERED, "unrecorded", (), (), None, dtype, *counts)
    if missing := tuple(name for name in one.reads if not held_throughout(trace, stage.scope, name)):
        return found._replace(missing=missing)
    again = float(derived_sums(trace, stage.scope, [one])[one.name].value[entry])
    if math.isfinite(again):
        return found._replace(cause="foreign", expected=again)
    unit = (int(np.ravel_multi_index(entry, values.shape)),)
    places = [place for names in one.terms for place in zip(names, entry if names[1:] else unit, strict=False)]
    factors = [np.asarray(term(trace, stage.scope, name, slice(None)))[..., i].ravel() for name, i in places]
    largest = (float(factor[np.argmax(np.abs(factor))]) for factor in factors)
    operands = tuple((f"{name}[{i}]", size) for (name, i), size in zip(places, largest, strict=True))
    return found._replace(cause="cancelled" if math.isnan(again) else "overflow", operands=operands)
