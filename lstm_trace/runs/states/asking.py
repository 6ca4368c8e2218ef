"""Where in a corpus units are active, as `lstm-trace corpus top`, `match` and `units` say it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import __version__
from ...base.arrays import to_list, word
from ...base.files import written
from ...workers import tell
from ..asked import as_json
from .opening import opened
from .reading import has_tokens, scale_of, scaled, shown_tokens, spaced

if TYPE_CHECKING:
    from ...corpus.layout import Block
    from ...corpus.states import States
    from ...tracking import Contexts

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
    from ...tracking.search import level as level_of

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
