"""What differs in the premises and equations of two traces, and how much of the output's change each explains.

The contributions are those of the exact split (`backpropagation.attribution`). If the equations differ, b is seen
through those of a: every line of a has b's value, or else the one that a's equation gives for b's values. The
contribution of an equation is what b's values add to a's equation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from ..backpropagation.attribution import Split, shapes, split
from ..base.arrays import Array, as_plain
from ..base.remark import Remark, in_words
from ..cell.lines import names_of
from ..cell.network import scope_and_name
from ..cell.variants import named, of_direction
from ..documents.blocks import Block, Para, Table
from ..documents.tables import LongTable
from ..engine import plan_choice
from ..errors import LstmTraceError, OptionError
from ..formulas.numbers import shortest
from ..languages.strings import Words, words as strings
from ..trace.address import address
from ..trace.derived import total
from ..trace.held import entries as holds
from ..trace.holding import said_of
from ..trace.labels import step_label
from ..trace.trace import Trace
from ..verification.alignment import in_both, padding, pairs, unlike_equations
from ..verification.compare import Comparison
from ..verification.measures import ChangeKind, LineDifference, Modification, Modifications, OutputDifference
from ..verification.rederive import Rederivation, coarse, differing, values_of

#: So many changes are named; and more entries of x than this that differ at one step are one change.
NAMED, TOGETHER = 10, 3
#: So many arrays are listed with the sum of the changes that are not named.
ARRAYS = 8
#: What a sum loses, of the sum of magnitudes, to rounding: numpy adds n numbers in pairs, through 16 + log2(n / 128)
#: additions, each of which rounds by half an epsilon.
ROUNDED = 16 * float(np.finfo(np.float64).eps)
#: The facts of a header that are options of a run, beside the options of the cell; the last two only change rounding.
NUMERIC = ("dtype", "arithmetic")
OPTIONS = ("kind", "merge", "padding", *NUMERIC)
#: An equation that differs: its place, and how a and b have it.
Equation = tuple[str, str | Remark, str | Remark]
#: A change after its rank: how much it explains, or how large it is.
Ranked = tuple[float, Modification]


def find(a: Trace, b: Trace, output: OutputDifference | None, lines: Sequence[LineDifference]) -> Modifications:
    """The premises, options and equations in which two traces with the same steps and sequences differ, each with its
    contribution to the largest change of the output if that can be split. lines: how far their lines differ.
    """
    alike = {f"{line.scope}/{line.line}" for line in lines if not line.differing}
    same = output is None or f"{output.address.scope}/{output.address.line}" in alike  # but for rounding
    shared = None if same else _split(a, b, output)
    unlike = ((f"{line.scope}/{line.line}", f"{line.line} = ", line.equations) for line in lines if line.equations)
    # lines that a's equations do not give because of an equation between, whose line is not in both
    behind = {place for place, own, texts in unlike if not any(str(text).startswith(own) for text in texts)}
    if isinstance(shared, Split) and behind & shared.local.keys():
        shared = Remark("diff.unshared.model")
    found = shared if isinstance(shared, Split) else None
    equations, options, counts = list(_unlike(a, b)), _options(a, b), dict[str, int]()
    own = "equations" in (a.header.kind, b.header.kind) or not {*options} - {*NUMERIC}
    every = list(_equations(a, b, found, lines, equations, options, {} if own else _origins(a, b, options, equations)))
    outside = padding(a, b)
    for kind, place, one, two in pairs(a, b):
        if one is not None and two is not None and one.shape == two.shape:
            off = differing(one, two, coarse(a, b))
            if outside is not None and kind in ("input", "given"):  # neither of the two reads them
                off &= ~outside
            counts[place] = int(off.sum())
            every += _entries(a, b, kind, place, (one, two), off, found) if counts[place] else ()
    every.sort(key=lambda one: (-one[0], one[1].place))

    def share(part: float | None) -> float | None:
        return None if found is None or part is None else part / found.difference

    most = tuple(change._replace(share=share(change.contribution)) for _, change in every[:NAMED])
    others = []
    for place, n in counts.items():
        named = [change for change in most if change.array == place]
        if left := n - sum(change.entries for change in named):
            part = np.zeros(1) if found is None else found.parts.get(place, np.zeros(1))
            rest = total([part]) - total(change.contribution or 0.0 for change in named)
            if abs(rest) <= ROUNDED * total([np.abs(part)]):
                rest = 0.0
            others.append((place, left, rest if found else None))
    others += [(one.place, 1, one.contribution) for _, one in every[NAMED:] if not one.array]
    others.sort(key=lambda one: -abs(one[2] or 0.0))
    kinds = Counter(change.kind for _, change in every if not change.array)
    follow, several = (0, 0) if own else (len(equations), kinds["equation"])
    n, arrays = sum(counts.values()) + kinds.total() - several, tuple((*one, share(one[2])) for one in others)
    if found is None:
        return Modifications(most, n, follow, arrays, why=shared if isinstance(shared, Remark) else None)
    rest = found.total - total(one.contribution or 0.0 for one in most)
    return Modifications(most, n, follow, arrays, rest, found.residual)


def _split(a: Trace, b: Trace, output: OutputDifference | None) -> Split | Remark | None:
    """The split of the largest change of the output; otherwise the reason why there is none."""
    if output is None or not output.most:
        return None if output is None or output.nonfinite is None else Remark("diff.unshared.output")
    if sum(values.nbytes for _, _, values in a.recorded()) > plan_choice.SPLIT_BYTES:
        return Remark("diff.unshared.large", {"address": str(output.address)})
    try:
        found = split(a, through(a, b), str(output.address))
    except LstmTraceError:  # other layers or widths, or a line that was not recorded
        return Remark("diff.unshared.model")
    return found if np.isfinite(found.total) else Remark("diff.unshared.nonfinite")


def through(a: Trace, b: Trace) -> Trace:
    """b's values as the lines of a's equations; b itself if it has these, or other layers, or shapes."""
    if a.scopes != b.scopes:
        return b
    common = in_both(a, b)
    whole = all(len(common[stage.scope]) == len(stage.cell.lines) for stage in a.stages)
    mine, yours = shapes(a), shapes(b)
    if (a.stages == b.stages and whole) or any(yours.get(place, size) != size for place, size in mine.items()):
        return b
    again, lines = Rederivation(a, b, common), {}
    for stage in a.stages:
        known = {name: line.value for name, line in again.lines(stage, slice(0, a.steps)).items()}
        known |= {name: values_of(b, stage.scope, name) for name in common.get(stage.scope, ())}
        here = {name: known[name] for name in stage.cell.by_name if name in known}
        # a line of weights alone was derived once
        lines[stage.scope] = {n: np.broadcast_to(v, (a.steps, b.batch, v.shape[-1])) for n, v in here.items()}

    premises: dict[str, Any] = {"parameters": {}, "initial": {}, "given": {}}
    for part, fitted in premises.items():  # b's where a has some of the same shape, otherwise a's
        for scope, here in getattr(a, part).items():
            both = {name: (one, getattr(b, part).get(scope, {}).get(name, one)) for name, one in here.items()}
            fitted[scope] = {name: two if two.shape == one.shape else one for name, (one, two) in both.items()}
    return replace(b, stages=a.stages, lines=lines, sums={}, memory=None, **premises)


def _entries(
    a: Trace, b: Trace, kind: ChangeKind, place: str, pair: tuple[Array, Array], off: Array, found: Split | None
) -> Iterator[Ranked]:
    """The entries of an array that explain most, or without shares those that differ most, after their rank.

    off: which entries differ.
    """
    part, (scope, name) = np.zeros(1) if found is None else found.parts.get(place, np.zeros(1)), scope_and_name(place)

    if kind == "given":  # the values at which a line is held have its name
        name = next((line for line, held in names_of(b.stage(scope).cell).items() if held.to == name), name)

    def change(where: str, sides: Sequence[Any], entries: Any, share: Any) -> Modification:
        one, two = sides
        known = None if found is None else float(share)
        return Modification(kind, where, one, two, int(entries), known, array=place)

    if place == "lengths":
        for k in off.nonzero()[0].tolist():
            one, two = (float(values[k]) for values in pair)
            own = 0.0 if found is None or k != found.row else float(part.sum())
            yield abs(two - one if found is None else own), change(f"lengths[{k}]", (one, two), 1, own)
        return
    if kind == "valid":
        sides: list[Any] = [float(values[off][0]) if off.sum() == 1 else None for values in pair]
        yield abs(total([part])), change(place, sides, off.sum(), part.sum())
        return
    shares = np.zeros(off.shape)
    if kind == "parameter":
        shares += part
    elif found is not None and part.ndim > 1:  # of one sequence, and perhaps of the first steps alone
        shares[..., found.row, :][: part.shape[0] if part.ndim == 3 else None] += part[..., 0, :]
    with np.errstate(all="ignore"):
        apart = np.abs(np.subtract(*pair, dtype=np.float64))
    whole = off.sum(axis=-1) > TOGETHER if kind == "input" else np.zeros(1, bool)
    groups = [(off & ~whole[..., None] if kind == "input" else off, shares, apart, off)]
    if whole.any():
        groups.append((whole, shares.sum(axis=-1), apart.sum(axis=-1), off.sum(axis=-1)))
    for there, share, size, count in groups:
        at = there.nonzero()
        rank = np.where(np.isfinite(size[at]), np.abs(size if found is None else share)[at], np.inf)
        for k in np.argsort(-rank, kind="stable")[:NAMED].tolist():
            index = tuple(int(axis[k]) for axis in at)
            lead = {"parameter": 0, "state": 1}.get(kind, 2)
            t, row = (None, None, *index[:lead])[-2:]
            t = None if t is None else b.first + t
            where = address(b, (scope, "x_t" if kind == "input" else name, t, row, index[lead:])).removesuffix("[]")
            sides = [float(array[index]) for array in pair] if index[lead:] else []
            sides = sides or [step_label(trace, t or 0, row) or None for trace in (a, b)]
            yield float(rank[k]), change(where, sides, count[index], share[index])


def _unlike(a: Trace, b: Trace) -> Iterator[Equation]:
    """The equations that differ, by place, as a and as b have them."""
    for stage in a.stages:
        if stage.scope in b.scopes:
            yield from ((f"{stage.scope}/{n}", x, y) for n, x, y in unlike_equations(stage, b.stage(stage.scope)))


def _options(a: Trace, b: Trace) -> dict[str, tuple[Any, Any]]:
    """The options that differ. A cell that is written as equations has none, and its kind says nothing of its own."""
    one, two = ({name: getattr(t.header, name) for name in OPTIONS} | dict(t.header.options) for t in (a, b))
    names = one if "equations" not in (a.header.kind, b.header.kind) else OPTIONS[1:]
    return {name: (one[name], two[name]) for name in names if name in two and one[name] != two[name]}


def _origins(a: Trace, b: Trace, options: Iterable[str], equations: Iterable[Equation]) -> dict[str, str]:
    """By place, the option that an equation follows from: the only one that changes it in a's cell."""
    places = [place for place, *_ in equations]
    if "kind" in options:
        return dict.fromkeys(places, "kind")
    moved, one = {option: set[str]() for option in options if option not in NUMERIC}, a.header.options
    for stage, option in ((stage, option) for stage in a.stages for option in moved if option in one):
        with suppress(OptionError):  # it needs another option
            both = one, {**one, option: b.header.options[option]}
            cells = [named(a.header.kind, of_direction(has, stage.direction))[0] for has in both]
            texts = ({*cell.equations.items()} for cell in cells)
            moved[option] |= {f"{stage.scope}/{name}" for name, _ in set.symmetric_difference(*texts)}
    alone = [option for option, there in moved.items() if not there]
    if len(alone) == 1:  # an option of the network, such as merge
        moved[alone[0]] = {*places}.difference(*moved.values())
    owners = {place: [option for option, there in moved.items() if place in there] for place in places}
    return {place: of[0] for place, of in owners.items() if len(of) == 1}


def _equations(
    a: Trace, b: Trace, found: Split | None, lines: Sequence[LineDifference], equations: Sequence[Equation],
    options: Mapping[str, tuple[Any, Any]], origins: Mapping[str, str],
) -> Iterator[Ranked]:  # fmt: skip
    """What one of the two holds, the options and the equations that differ, and the lines that differ and whose values
    do not follow from their operands, each after its rank.
    """
    parts = {} if found is None else {place: part.copy() for place, part in found.local.items()}
    for side, (trace, other) in enumerate(((a, b), (b, a))):
        for block in holds(trace):
            place, share = f"{block.scope}/{block.line}", 0.0
            if block.scope in other.scopes and block.line in names_of(other.stage(block.scope).cell):
                continue  # held in both: the values are premises
            if found is not None and place in parts and (block.rows is None or found.row in block.rows):
                steps = trace.span if block.steps is None else block.steps
                part = parts[place][steps.start - trace.first : steps.stop - trace.first, 0]
                units = slice(None) if block.units is None else list(block.units)
                share = total([part[:, units]])
                part[:, units] = 0.0
            sides: list[Any] = [Remark("diff.computed")] * 2
            sides[side] = block.value if isinstance(block.value, float) else said_of(block.value)
            size, known = (np.inf, None) if found is None else (abs(share), share)
            yield size, Modification("given", block.address, sides[0], sides[1], contribution=known)
    local = {place: total([part]) for place, part in parts.items()}
    rounding = not equations and len(options) == 1 and not {*options} - {*NUMERIC}
    parts_of = {name: [local.pop(place, 0.0) for place, of in origins.items() if of == name] for name in options}
    if found is not None and rounding:
        parts_of = {name: [*local.values(), found.rounding] for name in options}
    for name, values in options.items():
        was, now = (Remark("none") if side is None else str(side) for side in values)
        known = total(parts_of[name]) if found is not None and parts_of[name] else None
        size = np.inf if known is None else abs(known)
        yield size, Modification("option", name, was, now, contribution=known)
    for place, of_a, of_b in (one for one in equations if one[0] not in origins):
        share = local.pop(place, 0.0)
        yield abs(share), Modification("equation", place, of_a, of_b, contribution=None if found is None else share)
    for line in lines if not rounding else ():
        place, pair = f"{line.scope}/{line.line}", line.first_values
        rounded = line.local is not None and line.local <= line.bound  # and it inherits what differs
        if line.differing and not rounded and (own := local.get(place)):
            one, two = pair if pair is not None and line.differing == 1 else (None, None)
            where = place if one is None else str(line.first)
            yield abs(own), Modification("line", where, one, two, line.differing, own)


# -- as a document -----------------------------------------------------------------------------------------------------


def blocks(result: Comparison, found: Modifications, words: Words) -> Iterator[Block]:
    """A table of the changes that explain most, with all else, by array, below it."""
    count, output = words.count("diff.changed.count", found.differences), result.output
    if found.following:
        count += words.aside(words.count("diff.changed.follow", found.following))
    head = ["changed", "in_a", "in_b"]
    if found.rest is not None and output is not None:
        a, b = output.values
        exact = abs(found.residual) < 0.5 * 10.0 ** (math.floor(math.log10(abs(b - a))) - 2)  # in three digits
        values = {"address": output.address, "change": f"{b - a:+.3g}", **dict(zip("ab", numbers(a, b), strict=True))}
        key, residual = "diff.shares" if exact else "diff.shares.within", f"{abs(found.residual):.1g}"
        yield Para((words.count(key, found.differences, count=count, residual=residual, **values),))
        head += ["contribution", "share"]
    else:
        yield Para((count + words.word("stop") + ("" if found.why is None else f" {found.why.said(words)}"),))
    rows = tuple(tuple((cell,) for cell in row[: len(head)]) for row in _rows(result, found, words))
    yield Table(tuple((words.word(f"column.{name}"),) for name in head), rows, 1, frozenset({0, 1, 2}))
    if any(one.contribution == 0 for one in found.most) and output is not None:
        other = output.end if 0 < output.at_end < math.inf and output.end != output.address else None
        yield Para((words.word("diff.shares.none.end" if other else "diff.shares.none", address=other),))
    if found.arrays:
        others = [
            words.word("diff.others.array", place=words.address(at), n=words.number(n), share=share)
            for at, n, part, _ in found.arrays[:ARRAYS]
            for share in [f"{part:+.3g} " if part else ""]
        ]
        listed = words.comma_list(*others, "…" if len(found.arrays) > ARRAYS else "")
        yield Para((words.word("diff.others", n=words.number(sum(n for _, n, *_ in found.arrays)), arrays=listed),))


def sentence(result: Comparison, found: Modifications, words: Words) -> str:
    """The rows of the table in one sentence: `changed: W_xf[1,0]: -0.43 → 0.07 (-0.156, 98.8 %)`."""
    rows = _rows(result, found, words)
    said = [_said(row, words) + words.aside(words.comma_list(*row[3:])) for row in rows]
    return words.word("diff.changed.said", rows=words.word("list").join(said))


def first(result: Comparison, words: Words) -> str:
    """The change that explains most, and how many more there are: `W_xf[1,0]: -0.43 → 0.07 (98.8 %) and 2 more`."""
    if (found := result.changes) is None or not found.most:
        return ""
    others = found.differences - (found.most[0].entries if found.most[0].array else 1)
    more = words.word("some.more", n=words.number(others)) if others else ""
    row = next(_rows(result, found, words))
    return _said(row, words) + (words.aside(row[-1]) if row[-1] else "") + more


def _said(row: Sequence[str], words: Words) -> str:
    what, a, b, *_ = row
    return f"{what}: {a or words.word('none')} → {b or words.word('none')}" if a or b else what


def facts(found: Modifications) -> dict[str, Any]:
    """The record for JSON."""
    said = [tuple(in_words(field, strings()) for field in one) for one in found.most]
    most = LongTable(Modification._fields, said)
    arrays = LongTable(("place", "entries", "contribution", "share"), found.arrays)
    others = {name: as_plain(getattr(found, name)) for name in ("differences", "following", "rest", "residual")}
    why = found.why and found.why.said(strings())
    return {**others, "most": most.facts()["rows"], "arrays": arrays.facts()["rows"], "why": why}


def _rows(result: Comparison, found: Modifications, words: Words) -> Iterator[tuple[str, ...]]:
    """Each change: what, in a, in b, its contribution and share; then all else, if it explains something."""

    def row(name: str, a: str, b: str, part: float | None, share: float | None) -> tuple[str, ...]:
        if not part or share is None:
            return name, a, b, "" if part is None else "0", ""
        percent = 100 * share
        digits = f"{percent:.3g}" if abs(percent) < 100 else f"{percent:.1f}".removesuffix(".0")  # of 100.3 % too
        return name, a, b, f"{part:+.3g}", words.word("profile.share", n=digits)

    for one in found.most:
        name = words.address(one.place)
        if isinstance(one.a, float) and isinstance(one.b, float):
            a, b = numbers(one.a, one.b)
            if one.b == -one.a != 0:
                b = words.word("diff.changed.sign", value=b)
        else:
            sides = (f"{side:.6g}" if isinstance(side, float) else in_words(side, words) for side in (one.a, one.b))
            a, b = ("" if side is None else str(side) for side in sides)
        if one.kind == "line":
            name = words.count("diff.changed.line", one.entries, line=name)
        elif one.entries > 1:
            name = words.word("diff.changed.entries", place=name, n=words.number(one.entries))
        yield row(name, a, b, one.contribution, one.share)
    largest = max((abs(one.contribution or 0.0) for one in found.most), default=0.0)
    if found.rest is not None and result.output is not None and abs(found.rest) > 5e-4 * largest:
        before, after = result.output.values
        yield row(words.word("diff.rest"), "", "", found.rest, found.rest / (after - before))


def numbers(a: float, b: float) -> tuple[str, str]:
    """Two numbers as they were written, or in six digits if these are many and six distinguish the two."""
    a, b = a + 0.0, b + 0.0  # -0 is 0
    short, whole = (f"{a:.6g}", f"{b:.6g}"), (shortest(a), shortest(b))
    if short[0] == short[1]:
        return whole
    return min(short[0], whole[0], key=len), min(short[1], whole[1], key=len)
