"""The states of a corpus as a page looks at them: what there is, its sequences, the text of one with a unit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..base.arrays import to_list, word
from ..base.files import written
from ..base.text.visible import seen, visible
from ..errors import LstmTraceError, MissingError
from ..plot.coloured_text import tokens
from ..plot.heat.colours import Scale, gate, symmetric
from ..workers import tell
from .asked import as_json
from .states_folder import opened

if TYPE_CHECKING:
    from ..corpus.layout import Block, Layout
    from ..corpus.part import Part
    from ..corpus.states import States
    from ..tracking import Contexts


#: Of the text of a sequence in a list: the steps that are read, the columns that are shown.
_READ, _WIDE = 60, 72


def listed(folders: Mapping[str, str]) -> bytes:
    """What is said of the states in each folder. One that cannot be read says why, and leaves the others be."""
    return as_json([_described(name, folder) for name, folder in folders.items()])


def _described(name: str, folder: str) -> dict[str, Any]:
    try:
        with opened(folder) as states:
            there, spans = states.manifest, states.spans
            return {
                "name": name,
                "title": there.title,
                "cell": there.cell,
                "dtype": there.dtype,
                "lines": lines(states.layout),
                "sequences": sum(span.sequences for span in spans),
                "steps": sum(span.steps for span in spans),
                "parts": len(spans),
                "parts_missing": len(there.parts) - len(spans),
                "targets": states.targets if spans else [],
                "tokens": bool(spans) and has_tokens(states),
                "problem": "",
            }
    except LstmTraceError as error:
        return {"name": name, "problem": "\n".join(error.problems)}


def lines(layout: Layout) -> list[dict[str, Any]]:
    """The recorded lines, each by the shortest name that a unit of it can be asked for by."""
    names = [block.line for block in layout.blocks]
    return [
        {
            "line": block.line if names.count(block.line) == 1 else f"{block.scope}/{block.line}",
            "scope": block.scope,
            "name": block.line,
            "width": block.width,
        }
        for block in layout.blocks
    ]


def sequences(folder: str, offset: int, limit: int) -> bytes:
    """Some of the sequences, in the order of the files: their ids, lengths, and how their texts begin."""
    found: list[dict[str, Any]] = []
    with opened(folder) as states:
        spans, before = states.spans, 0
        for span in spans:
            first, stop = max(offset - before, 0), min(offset + limit - before, span.sequences)
            before += span.sequences
            if first < stop:
                found += _beginnings(states.part(span), first, stop, spaced(states))
    return as_json({"total": before, "offset": offset, "sequences": found})


def _beginnings(part: Part, first: int, stop: int, apart: bool) -> list[dict[str, Any]]:
    starts, ids = part.starts, part.ids
    found = []
    for k in range(first, stop):
        begin, end = int(starts[k]), int(starts[k + 1])
        text = (" " if apart else "").join((part.tokens or [])[begin : min(end, begin + _READ)]).strip()
        found.append({"id": str(ids[k]), "steps": end - begin, "text": visible(text, _WIDE)})
    return found


def has_tokens(states: States) -> bool:
    """Whether the steps have tokens."""
    from ..corpus.rows import TOKEN

    return TOKEN in states.place_columns


def text(folder: str, sequence: str, unit: str, at: int | None, most: int) -> bytes:
    """The steps of a sequence with the values of a unit.

    Args:
        folder: of the states.
        sequence: its id.
        unit: as `c_t[35]`.
        at: a step that is shown; the first one if None.
        most: steps that are shown: the first so many, or the next ones, ….

    Returns:
        JSON as `states_models.Text` describes it.

    Raises:
        MissingError: for a sequence, step or unit that there is not.
    """
    with opened(folder) as states:
        block, number = states.layout.unit(unit)
        part, rows = states.rows_of(sequence)
        begin, steps = int(part.t[rows.start]), rows.stop - rows.start
        at = begin if at is None else at
        if not begin <= at < begin + steps:
            raise MissingError(f"sequence {sequence!r} has the steps {begin} to {begin + steps - 1}; found {at}")
        first = (at - begin) // most * most
        window = slice(rows.start + first, rows.start + min(first + most, steps))
        values = part.values(block, [number])[window, 0]
        shown = shown_tokens(part.tokens and part.tokens[window])
        scale = scale_of(states, block, number)
        apart = spaced(states)
    said = {
        "sequence": sequence,
        "unit": unit,
        "begin": begin,
        "steps": steps,
        "first": begin + first,
        "spaced": apart,
    }
    return as_json({**said, "tokens": shown, "values": to_list(values), "scale": scaled(scale)})


def shown_tokens(labels: Sequence[str] | None) -> list[str] | None:
    """Tokens as a page shows them: not too long, and with nothing in them that acts."""
    return None if labels is None else [seen(label) for label in tokens(labels, range(len(labels)), False).labels]


def spaced(states: States) -> bool:
    """Whether spaces are set between the tokens."""
    return _spaced(states, states.manifest.key)


@lru_cache(64)
def _spaced(states: States, key: str) -> bool:
    """key: see `_scale`."""
    from ..tracking import contexts

    return contexts.spaced(states)


def scale_of(states: States, block: Block, unit: int) -> Scale:
    """The scale of a unit, the same for every text of a corpus."""
    return gate() if block.range == "gate" else _scale(states, states.manifest.key, block, unit)


@lru_cache(64)
def _scale(states: States, key: str, block: Block, unit: int) -> Scale:
    """By the values of the first part, which has thousands.

    key: of the run; another one may have taken its place in the folder.
    """
    values = next(iter(states.parts())).values(block, [unit])[:, 0]
    return symmetric(values)


def scaled(scale: Scale) -> dict[str, Any]:
    """A scale as JSON; `beyond`: whether some values lie outside of it."""
    return {"low": scale.low, "high": scale.high, "two": scale.two, "beyond": scale.beyond > 0}


#: Tables of units that are kept; of a hundred corpora and more some are computed again.
_KEPT = 256
#: Steps before and after a place, of words and of letters.
_AROUND = {True: (8, 5), False: (30, 12)}
#: Steps of a context that are shown; a stretch may be a whole sequence.
_LONGEST = 300

#: Above and below which a unit is active: see `tracking.search.Level`.
Ends = tuple[float | None, float | None]


def top(folder: str, unit: str, n: int, lowest: bool) -> bytes:
    """Where a unit is highest, or lowest, as `states_models.Contexts`. Raises MissingError, OptionError."""
    with opened(folder) as states:
        before, after = _AROUND[spaced(states)]
        found = states.top(unit, n=n, lowest=lowest, before=before, after=after)
        return _contexts(states, *states.layout.unit(unit), found)


def match(folder: str, line: str, units: Sequence[int], level: Ends, min_length: int, n: int) -> bytes:
    """Stretches in which units of a line are active together, as `states_models.Contexts`.

    Their values are those of the unit that is nearest to the level. Raises MissingError, OptionError.
    """
    with opened(folder) as states:
        before, after = _AROUND[spaced(states)]
        found = states.match(units, line, *level, min_length=min_length, n=n, before=before, after=after)
        return _contexts(states, states.layout.chosen(line)[0], units[0], found)


def _contexts(states: States, block: Block, unit: int, found: Contexts) -> bytes:
    labelled = has_tokens(states)
    contexts = [
        {
            "sequence": str(one.sequence),
            "t": one.t,
            "length": one.length,
            "value": word(one.value),
            "first": one.first,
            "tokens": shown_tokens(one.tokens[:_LONGEST] if labelled else None),
            "values": to_list(one.values[:_LONGEST]),
        }
        for one in found
    ]
    scale = scaled(scale_of(states, block, unit))
    return as_json({"spaced": spaced(states), "scale": scale, "contexts": contexts})


def select(folder: str, sequence: str, span: tuple[int, int], line: str, level: Ends, strict: bool, most: int) -> bytes:
    """The units of a line that are beyond a level in each step of a span, as `states_models.Active`.

    strict: and not in the steps right before and after it. Raises MissingError, OptionError.
    """
    from ..tracking.search import level as level_of

    first, last = span
    with opened(folder) as states:
        asked = (sequence, first, last, line, *level)
        units = states.select(*asked, exclusive=strict)
        beside = len(states.select(*asked)) if strict and not units else 0
        part, rows = states.rows_of(sequence)
        at = rows.start - int(part.t[rows.start])
        values = (
            part.values(states.layout.chosen(line)[0], units)[at + first : at + last + 1] if units else np.empty((1, 0))
        )
    mean, nearest = values.mean(axis=0, dtype=np.float64), level_of(*level).nearest(values, axis=0)
    found = [
        {"unit": f"{line}[{units[k]}]", "mean": word(float(mean[k])), "nearest": word(float(nearest[k]))}
        for k in np.argsort(-np.abs(mean), kind="stable")[:most].tolist()
    ]
    return as_json({"units": found, "left_out": max(len(units) - most, 0), "beside": beside})


def units(folder: str, line: str, kept: str) -> bytes:
    """What each unit of a line does over the corpus, as `states_models.UnitsTable`.

    kept: the folder of the tables that were computed before.
    """
    with opened(folder) as states:
        said = [__version__, states.manifest.key, line, [span.number for span in states.spans]]
        path = Path(kept) / f"{hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]}.json"
        with suppress(OSError):
            return path.read_bytes()
        frame = states.units(line, progress=tell).to_frame()
    rows = [[_plain(value) for value in row] for row in frame.itertuples(index=False)]
    table = as_json({"columns": list(map(str, frame.columns)), "rows": rows})
    with suppress(OSError):  # where nothing can be kept, it is computed the next time
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with written(path, "wb") as file:
            file.write(table)
        by_age = sorted(path.parent.glob("*.json"), key=lambda one: one.stat().st_mtime)
        for old in by_age[:-_KEPT]:
            old.unlink(missing_ok=True)
    return table


def _plain(value: Any) -> Any:
    """A value of a frame as JSON has it."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    return word(float(value)) if isinstance(value, float | np.floating) else str(value)
