"""What `identify` found: the layout that reproduces the numbers, and what the numbers cannot decide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..documents.blocks import Block, Heading, Items
from ..documents.formats import Show
from ..documents.tables import LongTable
from ..languages.strings import Words, words as strings
from ..mistakes.identify import Identification, Match, Reading
from ..weights.layouts import LAYOUTS

if TYPE_CHECKING:
    import pandas as pd

#: The facts of a layout, as sentences name them.
FACTS = tuple(Reading.__dataclass_fields__)


def blocks(result: Identification, words: Words, show: Show) -> Iterator[Block]:
    """The answer, and the layouts that come nearest: the order of their gates, and the facts in which they differ."""
    yield Heading(1, (words.word("identify.title"),))
    yield Items(tuple((sentence,) for sentence in sentences(result, words)))
    each = [(match, "fits") for match in result.matches] + [(match, "near") for match in result.nearest]
    values = {name: [getattr(match.reading, name) for match, _ in each] for name in FACTS}
    names = [name for name in FACTS if name == "order" or len({*values[name]}) > 1]
    rows = [
        (match.error, *(_cell(name, values[name][k], words) for name in names), words.word(f"identify.{key}"))
        for k, (match, key) in enumerate(each)
    ]
    yield from LongTable(("error", *names, "fits"), rows).blocks(words, 3, show.rows)


def _cell(name: str, value: Any, words: Words) -> Any:
    """A fact of a layout under the name of its column."""
    if name in ("order", "forget_bias"):
        return " ".join(value) if name == "order" else value
    key = f"identify.cell.{name}.{value}".lower()
    return words.word(key) if words.has(key) else fact(name, value, words)


def frame(result: Identification) -> pd.DataFrame:
    """One row for each layout that fits, then those of the nearest that do not, with a column for each fact."""
    import pandas as pd

    rows = [{"fits": True, **_row(match)} for match in result.matches]
    rows += [{"fits": False, **_row(match)} for match in result.nearest]
    return pd.DataFrame(rows, columns=["fits", "error", *FACTS])


def facts(result: Identification) -> dict[str, Any]:
    """Every match with its facts and its error."""
    matches = {name: [_row(match) for match in getattr(result, name)] for name in ("matches", "nearest")}
    undecided = {name: list(values) for name, values in result.undecided.items()}
    facts = {"explained": bool(result.matches), "sentences": list(sentences(result, strings()))}
    facts |= {"tolerance": result.tolerance, "as_read": _row(result.as_read)}
    return {**facts, **matches, "undecided": undecided}


def _row(match: Match) -> dict[str, Any]:
    return {"error": match.error, **vars(match.reading)}


def sentences(result: Identification, words: Words) -> Iterator[str]:
    """The answer first, then its error, then what cannot be decided."""
    read, tolerance = result.as_read, f"{result.tolerance:.2g}"
    if not result.matches:
        yield words.word("identify.none", tolerance=tolerance, n=words.number(result.tried))
        for match in result.nearest[:3]:
            names = match.reading.differences(read.reading)
            said = words.word("semicolon").join(fact(name, getattr(match.reading, name), words) for name in names)
            said = said or words.word("identify.as.read")
            yield words.word("identify.nearest", error=f"{match.error:.2g}", said=said)
        return
    best = result.matches[0]
    error = f"{best.error:.2g}"
    differences = [name for name in best.reading.differences(read.reading) if name != "batch_first"]
    if not differences:
        yield words.word("identify.right", order=fact("order", best.reading.order, words), error=error)
    for name in differences:
        there, here = (fact(name, getattr(reading, name), words) for reading in (best.reading, read.reading))
        kind = "weights" if name in ("order", "input", "recurrent", "joined") else "other"
        yield words.word(f"identify.{'numbers' if name == 'output' else kind}", there=there, here=here)
    if differences:
        yield words.word("identify.reproduced", error=error, off=f"{read.error:.2g}")
    if best.reading.batch_first:
        yield fact("batch_first", True, words)
    for name, values in result.undecided.items():
        shown = words.some([fact(name, value, words) for value in values], 4, words.word("semicolon"))
        yield words.word("identify.undecided", shown=shown, advice=words.word(f"identify.advice.{name}"))
    if result.undecided and not differences:
        yield words.word("identify.simplest")


def fact(name: str, value: Any, words: Words) -> str:
    """One fact of a layout in words."""
    key = f"identify.{name}"
    if name == "clip":
        return words.word(f"{key}.none" if value is None else f"{key}.{value[0]}", bound=value and f"{value[1]:g}")
    if name == "activation":
        both = isinstance(value, str)
        return words.word(key if both else f"{key}.two", value=value if both else value[0], output=value[1])
    if name in ("order", "states", "joined") or (name == "peephole" and value != "dropped"):
        listed = (", " if name != "joined" else "; ").join(value or "ifo")
        layouts = [one for one in LAYOUTS.values() if name == "order" and one.order == value and not one.separate]
        used_by = words.word("semicolon").join(layout.title.split(",")[0] for layout in layouts[:3])
        return words.word(key, value=listed) + words.aside(used_by)
    if name == "forget_bias":
        return words.word(key if value else f"{key}.none", value=f"{value:g}")
    own = f"{key}.{value}".lower()
    return words.word(own if words.has(own) else key, value=value)
