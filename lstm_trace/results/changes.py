"""What differs in the premises and equations of two traces, and how much of the output's change each explains.

The contributions are those of the exact split (`backpropagation.attribution`). If the equations differ, b is seen
through those of a: every line of a has b's value, or else the one that a's equation gives for b's values. The
contribution of an equation is what b's values add to a's equation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..backpropagation.attribution import Split, split
from ..base.arrays import Array, as_plain
from ..base.remark import Remark, in_words
from ..cell.lines import names_of
from ..cell.network import scope_and_name
from ..documents.blocks import Block, Para, Table
from ..documents.tables import LongTable
from ..engine import plan_choice
from ..errors import LstmTraceError
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


def find(a: Trace, b: Trace, output: OutputDifference | None, lines: Sequence[LineDifference]) -> Modifications:
    """The premises, options and equations in which two traces with the same steps and sequences differ, each with its
    contribution to the largest change of the output if that can be split. lines: how far their lines differ.
    """
    alike = {f"{line.scope}/{line.line}" for line in lines if not line.differing}
    same = output is None or f"{output.address.scope}/{output.address.line}" in alike  # but for rounding
    shared = None if same else _split(a, b, output)
    found = shared if isinstance(shared, Split) else None
    every, counts = list(_equations(a, b, found, lines)), dict[str, int]()
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
    options = {change.place for _, change in every if change.kind == "option" and "equations" not in change[2:4]}
    follow = kinds["equation"] if options - {*NUMERIC} else 0
    n, arrays = sum(counts.values()) + kinds.total() - follow, tuple((*one, share(one[2])) for one in others)
    if found is None:
        return Modifications(most, n, follow, arrays, why=shared if isinstance(shared, Remark) else None)
    rest = found.total - total(one.contribution or 0.0 for one in most)
    return Modifications(most, n, follow, arrays, rest, found.residual)


def _split(a: Trace, b: Trace, output: OutputDifference | None) -> Split | Remark | None:
    """The split of the largest change of the output; otherwise the reason why there is none."""
    if output is None or not output.most:
        return None
    if sum(values.nbytes for _, _, values in a.recorded()) > plan_choice.SPLIT_BYTES:
        return Remark("diff.unshared.large", {"address": str(output.address)})
    try:
        found = split(a, _through(a, b), str(output.address))
    except LstmTraceError:  # other layers or widths, or a line that was not recorded
        return Remark("diff.unshared.model")
    return found if np.isfinite(found.total) else Remark("diff.unshared.nonfinite")


def _through(a: Trace, b: Trace) -> Trace:
    """b's values as the lines of a's equations."""
    common = in_both(a, b)
    if a.stages == b.stages and all(len(common[stage.scope]) == len(stage.cell.lines) for stage in a.stages):
        return b
    again, lines = Rederivation(a, b, common), {}
    for stage in a.stages:
        known = {name: line.value for name, line in again.lines(stage, slice(0, a.steps)).items()}
        known |= {name: values_of(b, stage.scope, name) for name in common.get(stage.scope, ())}
        lines[stage.scope] = {name: known[name] for name in stage.cell.by_name if name in known}

    premises: dict[str, Any] = {"parameters": {}, "initial": {}, "given": {}}
    for part, fitted in premises.items():  # b's where a has some of the same shape, otherwise a's
        for scope, here in getattr(a, part).items():
            both = {name: (one, getattr(b, part).get(scope, {}).get(name, one)) for name, one in here.items()}
            fitted[scope] = {name: two if two.shape == one.shape else one for name, (one, two) in both.items()}
    return replace(b, stages=a.stages, lines=lines, sums={}, memory=None, **premises)


def _entries(
    a: Trace, b: Trace, kind: ChangeKind, place: str, pair: tuple[Array, Array], off: Array, found: Split | None
) -> Iterator[tuple[float, Modification]]:
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


def _equations(
    a: Trace, b: Trace, found: Split | None, lines: Sequence[LineDifference]
) -> Iterator[tuple[float, Modification]]:
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
    both = [(stage, b.stage(stage.scope)) for stage in a.stages if stage.scope in b.scopes]
    equations = [(one.scope, *texts) for one, two in both for texts in unlike_equations(one, two)]
    names = OPTIONS[not equations :]
    one, two = ({n: getattr(t.header, n) for n in names} | dict(t.header.options) for t in (a, b))
    unlike = [name for name in one if name in two and one[name] != two[name]]
    rounding = not equations and len(unlike) == 1 and unlike[0] in NUMERIC
    whole = total([*local.values(), found.rounding]) if found and rounding else None
    for name in unlike:
        was, now = (Remark("none") if of[name] is None else str(of[name]) for of in (one, two))
        yield np.inf, Modification("option", name, was, now, contribution=whole)
    for scope, name, of_a, of_b in equations:
        share = local.pop(f"{scope}/{name}", 0.0)
        explained = None if found is None else share
        yield abs(share), Modification("equation", f"{scope}/{name}", of_a, of_b, contribution=explained)
    for line in lines if not rounding else ():
        place, pair = f"{line.scope}/{line.line}", line.first_values
        if line.differing and (own := local.get(place)):
            if line.differing == 1 and pair is not None:
                yield abs(own), Modification("line", str(line.first), pair[0], pair[1], contribution=own)
            else:
                yield abs(own), Modification("line", place, None, None, line.differing, own)


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
    if any(one.contribution == 0 for one in found.most):
        yield Para((words.word("diff.shares.none"),))
    if found.arrays:
        others = [
            words.word("diff.others.array", place=place, n=words.number(n), share=f"{part:+.3g} " if part else "")
            for place, n, part, _ in found.arrays[:ARRAYS]
        ]
        listed = words.comma_list(*others, "…" if len(found.arrays) > ARRAYS else "")
        yield Para((words.word("diff.others", n=words.number(sum(n for _, n, *_ in found.arrays)), arrays=listed),))


def sentence(result: Comparison, found: Modifications, words: Words) -> str:
    """The rows of the table in one sentence: `changed: W_xf[1,0]: -0.43 → 0.07 (-0.156, 98.8 %)`."""
    rows = _rows(result, found, words)
    said = [_said(row, words) + words.aside(words.comma_list(*row[3:])) for row in rows]
    return words.word("diff.changed.said", rows=words.word("list").join(said))


def first(result: Comparison, words: Words) -> str:
    """The change that explains most, and how many more there are: `W_xf[1,0]: -0.43 → 0.07 and 2 more`."""
    if (found := result.changes) is None or not found.most:
        return ""
    others = found.differences - (found.most[0].entries if found.most[0].array else 1)
    more = words.word("some.more", n=words.number(others)) if others else ""
    return _said(_rows(result, found, words)[0], words) + more


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


def _rows(result: Comparison, found: Modifications, words: Words) -> list[tuple[str, ...]]:
    """Each change: what, in a, in b, its contribution and share; then all else, if it explains something."""

    def row(name: str, a: str, b: str, part: float | None, share: float | None) -> tuple[str, ...]:
        if not part or share is None:
            return name, a, b, "" if part is None else "0", ""
        percent = 100 * share
        digits = f"{percent:.3g}" if abs(percent) < 100 else f"{percent:.1f}".removesuffix(".0")  # of 100.3 % too
        return name, a, b, f"{part:+.3g}", words.word("profile.share", n=digits)

    rows = []
    for one in found.most:
        name = one.place
        if isinstance(one.a, float) and isinstance(one.b, float):
            a, b = numbers(one.a, one.b)
            if one.b == -one.a != 0:
                b = words.word("diff.changed.sign", value=b)
        else:
            a, b = ("" if side is None else _side(side, words) for side in (one.a, one.b))
        if one.kind == "line":
            name = words.count("diff.changed.line", one.entries, line=name)
        elif one.entries > 1:
            name = words.word("diff.changed.entries", place=name, n=words.number(one.entries))
        rows.append(row(name, a, b, one.contribution, one.share))
    largest = max((abs(one.contribution or 0.0) for one in found.most), default=0.0)
    if found.rest is not None and result.output is not None and abs(found.rest) > 5e-4 * largest:
        before, after = result.output.values
        rows.append(row(words.word("diff.rest"), "", "", found.rest, found.rest / (after - before)))
    return rows


def _side(side: float | str | Remark, words: Words) -> str:
    return f"{side:.6g}" if isinstance(side, float) else str(in_words(side, words))


def numbers(a: float, b: float) -> tuple[str, str]:
    """Two numbers as they were written, or in six digits if these are many and six distinguish the two."""
    a, b = a + 0.0, b + 0.0  # -0 is 0
    short, whole = (f"{a:.6g}", f"{b:.6g}"), (shortest(a), shortest(b))
    if short[0] == short[1]:
        return whole
    return min(short[0], whole[0], key=len), min(short[1], whole[1], key=len)
