"""The result of `verify`: the verdict, the values that fail, and the premises of the check."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..base.arrays import by_key
from ..base.remark import in_words
from ..cell.network import scope_and_name
from ..documents.blocks import Block, Heading, Items
from ..documents.formats import Show
from ..documents.tables import LongTable
from ..languages.strings import Words
from ..verification.verify import SUPPLIED, Verification, hint

if TYPE_CHECKING:
    import pandas as pd

#: Maximum number of entries printed from a list; the others are counted.
LISTED = 12
COLUMNS = ("address", "op", "recorded", "derived", "off_by", "bound", "values")


def blocks(result: Verification, words: Words, show: Show) -> Iterator[Block]:
    """The verdict, each failure with its consequences, and the inputs and weights by layer and direction."""
    yield Heading(1, (words.word("verification.title"),))
    yield Items(tuple((sentence,) for sentence in sentences(result, words, show.rows)))
    if result.failures:
        yield from _failures(result).blocks(words, 17, show.rows)  # they may differ only in the last digit


def frame(result: Verification) -> pd.DataFrame:
    """One row per failing value that is listed."""
    return _failures(result).to_frame()


def facts(result: Verification) -> dict[str, Any]:
    """The verdict, its sentences, the counts, each failure, the inconclusive values, and the premises."""
    rows = zip(_failures(result).facts()["rows"], result.failures, strict=True)
    failures = [{**row, "consequences": list(failure.consequences)} for row, failure in rows]
    counts = {"verified": result.verified, "failed": result.failed, "failures": failures}
    unsure = [{**one._asdict(), "what": in_words(one.what, result.words())} for one in result.unknown]
    rest = {"inconclusive": unsure, "hint": result.hint, "premises": list(result.premises)}
    first = {"not_finite": result.not_finite and result.not_finite.facts()}
    return {"verdict": result.verdict, "sentences": list(sentences(result, result.words())), **counts, **rest, **first}


def _failures(result: Verification) -> LongTable:
    """The failures; three digits are enough for how far off they are."""
    short = dict.fromkeys(("off_by", "bound"), math.inf)
    said = dict.fromkeys(short, lambda size, _: f"{size:.3g}")
    rows = [
        (str(x.address), x.op, x.recorded, x.derived, abs(x.recorded - x.derived), x.bound, x.values)
        for x in result.failures
    ]
    return LongTable(COLUMNS, rows, bounds=short, said=said)


def sentences(result: Verification, words: Words, most: int | None = None) -> Iterator[str]:
    """The verdict; each failure, named or counted, with its consequences; the premises of the check, by layer.

    most: maximum number of failures that are named.
    """
    values = words.count("counted.values", result.verified)
    yield words.word(f"verification.{result.verdict}", values=values, n=words.number(result.failed))
    first = result.not_finite
    if first is not None and first.address not in [failure.address for failure in result.failures]:
        yield first.said(words)
    for failure in result.failures[:most]:
        many = ".many" if failure.values > 1 else ""
        yield words.word(f"verification.failure{many}", address=failure.address, n=words.number(failure.values - 1))
        if failure.consequences:
            names = words.some([*map(words.address, failure.consequences)], LISTED)
            yield words.word("verification.consequences", address=failure.address, names=names)
    if most is not None and (others := result.failures[most:]):
        consequences = sum(len(failure.consequences) for failure in others)
        yield words.word("verification.failure.more", n=len(others), m=words.number(consequences))
    if result.failed > sum(failure.values + len(failure.consequences) for failure in result.failures):
        yield words.word("verification.more")
    if said := hint(result.suspects, words):
        yield words.word("verification.hint", hint=said)
    unbounded, rest = ([one for one in result.unknown if (one.kind == "bound") is kind] for kind in (True, False))
    for one in unbounded[:1]:
        several = ".several" if len(unbounded) > 1 else ""
        count = words.number(len(unbounded))
        place = words.address(one.place)
        yield words.word(f"verification.unknown{several}", place=place, reason=one.why(words), n=count)
    for one in rest[:LISTED]:
        yield words.word("verification.unknown", place=words.address(one.place), reason=one.why(words))
    if (more := len(rest) - LISTED) > 0:
        yield words.word("verification.unknown.more", n=words.number(more))
    for scope, some in by_key(map(scope_and_name, result.premises or [words.word("none")])).items():
        names = ", ".join(some).replace(SUPPLIED, words.word("verification.supplied"))
        yield words.word("verification.premises", names=f"{scope}: {names}".removeprefix(": "))
