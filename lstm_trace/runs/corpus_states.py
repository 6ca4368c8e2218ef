"""The states of a corpus: available states, the text of a sequence coloured by a unit, and where units are active."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field

from .. import __version__
from ..base.arrays import as_plain, to_list, word
from ..base.display import seen, visible
from ..base.writing import written
from ..errors import LstmTraceError, MissingError
from ..plot.coloured_text import Scale, gate, symmetric, tokens
from ..workers import tell
from .records import Number, ReadRoute, Record, as_json, doc
from .states_folder import opened

if TYPE_CHECKING:
    from ..corpus.rows import Block
    from ..corpus.states import States
    from ..tracking import Contexts


class StatesLine(Record):
    """A recorded line."""

    line: Annotated[str, doc("name for requests; a unit is line[unit]. Examples: c_t, 1/reverse/c_t")]
    scope: Annotated[str, doc("layer/direction")]
    name: str
    width: Annotated[int, doc("number of units")]


class StatesInfo(Record):
    """The states of a corpus in a folder; only `name` and `problem` if they cannot be read."""

    name: str
    problem: Annotated[str, doc("why they cannot be read; empty if they can")] = ""
    title: Annotated[str, doc("title of the model")] = ""
    cell: str = ""
    dtype: Annotated[str, doc("of the stored values")] = ""
    lines: list[StatesLine] = field(default_factory=list)
    sequences: Annotated[int, doc("number of available sequences")] = 0
    steps: int = 0
    parts: int = 0
    parts_missing: Annotated[int, doc("number of parts that are not computed yet, or failed")] = 0
    targets: Annotated[list[str], doc("further columns of the input")] = field(default_factory=list)
    tokens: Annotated[bool, doc("whether steps have tokens")] = False


class Beginning(Record):
    """A sequence in a list."""

    id: str
    steps: int
    text: Annotated[str, doc("its beginning; empty without tokens")]


class SequencesReply(Record):
    """Some of the sequences, in the order of the files."""

    total: int
    offset: int
    sequences: list[Beginning]


class ColourScale(Record):
    """The range of a unit's colours, the same for all sequences."""

    low: float
    high: float
    two: Annotated[bool, doc("whether 0 is in the middle, with a colour on each side")]
    beyond: Annotated[bool, doc("whether some values lie outside")]


class TextReply(Record):
    """Steps of a sequence with the values of a unit."""

    sequence: str
    unit: str
    begin: Annotated[int, doc("the first step of the sequence")]
    steps: Annotated[int, doc("number of steps of the sequence")]
    first: Annotated[int, doc("the first step in this reply; the others follow it")]
    spaced: Annotated[bool, doc("whether spaces are added between the tokens")]
    tokens: list[str] | None
    values: list[Number]
    scale: ColourScale


class ContextRecord(Record):
    """A place where a unit is high or low, or where several are."""

    sequence: str
    t: Annotated[int, doc("the step of the place, or the first one of a stretch")]
    length: Annotated[int, doc("number of steps of the stretch; 1 for a single place")]
    value: Number
    first: Annotated[int, doc("the step of the first token; only the beginning of a long stretch is included")]
    tokens: list[str] | None
    values: Annotated[list[Number], doc("at these tokens; of several units, the one closest to the level")]


class ContextsReply(Record):
    """Places in a corpus, the strongest first."""

    spaced: Annotated[bool, doc("whether spaces are added between the tokens")]
    scale: ColourScale
    contexts: list[ContextRecord]


class ActiveUnit(Record):
    """A unit that is beyond the level in a whole span."""

    unit: str
    mean: Number
    nearest: Annotated[Number, doc("the value that is closest to the level")]


class ActiveReply(Record):
    """The units that are active in a span."""

    units: list[ActiveUnit]
    left_out: Annotated[int, doc("number of further ones")]
    beside: Annotated[int, doc("if there are none, the units that are also active right before or after it")]


class UnitsTable(Record):
    """A summary of each unit over the whole corpus; see docs/corpus.md."""

    columns: list[str]
    rows: list[list[Any]]


#: Number of tables of units that are cached; with a hundred corpora and more, some are computed again.
_KEPT = 256
#: Steps of context before and after a place, for words and for letters.
_AROUND = {True: (8, 5), False: (30, 12)}
#: Number of steps of a context that are shown; a stretch may be a whole sequence.
_LONGEST = 300
SequenceId = Annotated[str, Field(max_length=4000, description="the id of a sequence")]
Unit = Annotated[str, Field(max_length=400, description="a unit of a line: c_t[35], 1/reverse/c_t[35]")]
Line = Annotated[str, Field(max_length=400, description="a line, as in `lines` of the states")]
Step = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Count = Annotated[int, Field(ge=1, le=100_000)]
Places = Annotated[int, Field(ge=1, le=100_000, description="contexts")]
#: Text of a sequence in a list: number of steps that are read, columns that are shown.
_READ, _WIDE = 60, 72


_End = Annotated[float | None, Field(allow_inf_nan=False)]


class Ends(NamedTuple):
    """When a unit is active: above a value, below one, or both; above 0.3 if neither is given."""

    above: _End = None
    below: _End = None


ENDS = Ends()


def listed(folders: Mapping[str, str]) -> bytes:
    """Describe the states in each folder. If one cannot be read, its entry says why; the others are not affected."""
    return as_json([_described(name, folder) for name, folder in folders.items()])


def _described(name: str, folder: str) -> StatesInfo:
    try:
        with opened(folder) as states:
            manifest, spans, names = states.manifest, states.spans, [block.line for block in states.layout.blocks]
            return StatesInfo.from_attributes(
                manifest,
                name=name,
                lines=[
                    StatesLine(line if names.count(line) == 1 else f"{one.scope}/{line}", one.scope, line, one.width)
                    for line, one in zip(names, states.layout.blocks, strict=True)
                ],
                sequences=sum(span.sequences for span in spans),
                steps=sum(span.steps for span in spans),
                parts=len(spans),
                parts_missing=len(manifest.parts) - len(spans),
                targets=states.targets if spans else [],
                tokens=bool(spans) and has_tokens(states),
            )
    except LstmTraceError as error:
        return StatesInfo(name, "\n".join(error.problems))


def sequences(
    folder: str, offset: Annotated[int, Field(ge=0, lt=2**53)] = 0, limit: Count = 50, contexts: int = 200
) -> bytes:
    """List some of the sequences, in the order of the files: their ids, lengths, and the beginnings of their texts."""
    limit = min(limit, contexts)
    found: list[Beginning] = []
    with opened(folder) as states:
        before = 0
        for span in states.spans:
            first, stop = max(offset - before, 0), min(offset + limit - before, span.sequences)
            before += span.sequences
            if first >= stop:
                continue
            part, apart = states.part(span), " " if spaced(states) else ""
            for k in range(first, stop):
                begin, end = int(part.starts[k]), int(part.starts[k + 1])
                text = apart.join((part.tokens or [])[begin : min(end, begin + _READ)]).strip()
                found.append(Beginning(str(part.ids[k]), end - begin, visible(text, _WIDE)))
    return as_json(SequencesReply(before, offset, found))


def has_tokens(states: States) -> bool:
    """Whether the steps have tokens."""
    from ..corpus.rows import TOKEN

    return TOKEN in states.place_columns


def text(
    folder: str, sequence: SequenceId, unit: Unit,
    at: Annotated[Step | None, Field(description="a step to be shown; by default the first one")] = None,
    steps: Count = 1000, shown_steps: int = 4000,
) -> bytes:  # fmt: skip
    """Return steps of a sequence: their tokens, and the values of a unit.

    Args:
        folder: folder of the states.
        sequence: id of the sequence.
        unit: for example `c_t[35]`.
        at: a step to be shown; the first one if None.
        steps: number of steps per reply: the first this many, or the next, ….
        shown_steps: maximum number of steps.

    Returns:
        JSON as described by `TextReply`.

    Raises:
        MissingError: if a sequence, step or unit does not exist.
    """
    most = min(steps, shown_steps)
    with opened(folder) as states:
        block, number = states.layout.unit(unit)
        part, rows = states.rows_of(sequence)
        begin, length = int(part.t[rows.start]), rows.stop - rows.start
        at = begin if at is None else at
        if not begin <= at < begin + length:
            raise MissingError(f"sequence {sequence!r} has the steps {begin} to {begin + length - 1}; found {at}")
        first = (at - begin) // most * most
        window = slice(rows.start + first, rows.start + min(first + most, length))
        values = to_list(part.values(block, [number])[window, 0])
        shown = shown_tokens(part.tokens and part.tokens[window])
        scale, apart = scale_of(states, block, number), spaced(states)
    return as_json(TextReply(sequence, unit, begin, length, begin + first, apart, shown, values, _scaled(scale)))


def shown_tokens(labels: Sequence[str] | None) -> list[str] | None:
    """Tokens for display in a page: shortened, and without control characters."""
    return None if labels is None else [seen(label) for label in tokens(labels, range(len(labels)), False).labels]


@lru_cache(64)
def spaced(states: States) -> bool:
    """Whether spaces are added between the tokens."""
    from ..tracking import contexts

    return contexts.spaced(states)


@lru_cache(64)
def scale_of(states: States, block: Block, unit: int) -> Scale:
    """The scale of a unit, the same for every text: by the values of the first part, which has thousands."""
    return gate() if block.range == "gate" else symmetric(next(iter(states.parts())).values(block, [unit])[:, 0])


def _scaled(scale: Scale) -> ColourScale:
    return ColourScale.from_attributes(scale, beyond=scale.beyond > 0)


def top(folder: str, unit: Unit, n: Places = 10, lowest: bool = False, contexts: int = 200) -> bytes:
    """Find where a unit is highest, or lowest, like `lstm-trace corpus top`."""
    with opened(folder) as states:
        before, after = _AROUND[spaced(states)]
        found = states.top(unit, n=min(n, contexts), lowest=lowest, before=before, after=after)
        return _contexts(states, *states.layout.unit(unit), found)


def match(
    folder: str, line: Line, units: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(max_length=1000)],
    level: Ends = ENDS,
    min_length: Annotated[int, Field(ge=1, lt=2**31, description="minimum number of steps of a stretch")] = 1,
    n: Places = 10, contexts: int = 200,
) -> bytes:  # fmt: skip
    """Find stretches in which units of a line are active together, like `lstm-trace corpus match`.

    Their values are those of the unit that is closest to the level.
    """
    with opened(folder) as states:
        before, after = _AROUND[spaced(states)]
        found = states.match(units, line, *level, min_length=min_length, n=min(n, contexts), before=before, after=after)
        return _contexts(states, states.layout.chosen(line)[0], units[0], found)


def _contexts(states: States, block: Block, unit: int, found: Contexts) -> bytes:
    labelled = has_tokens(states)
    records = []
    for one in found:
        tokens, values = one.tokens[:_LONGEST] if labelled else None, to_list(one.values[:_LONGEST])
        shown = {"sequence": str(one.sequence), "tokens": shown_tokens(tokens), "values": values}
        records.append(ContextRecord.from_attributes(one, **shown))
    return as_json(ContextsReply(spaced(states), _scaled(scale_of(states, block, unit)), records))


def select(
    folder: str, sequence: SequenceId, first: Step, last: Step, line: Line, level: Ends = ENDS, strict: bool = False,
    listed: int = 10_000,
) -> bytes:  # fmt: skip
    """The units of a line that are beyond a level in each step of a span; strict: but not right before and after it."""
    from ..tracking.contexts import level as level_of

    with opened(folder) as states:
        asked = (sequence, first, last, line, *level)
        units = states.select(*asked, exclusive=strict)
        beside = len(states.select(*asked)) if strict and not units else 0
        part, rows = states.rows_of(sequence)
        at = rows.start - int(part.t[rows.start])
        block, span = states.layout.chosen(line)[0], slice(at + first, at + last + 1)
        values = part.values(block, units)[span] if units else np.empty((1, 0))
    mean, nearest = values.mean(axis=0, dtype=np.float64), level_of(*level).nearest(values, axis=0)
    found = [
        ActiveUnit(f"{line}[{units[k]}]", word(float(mean[k])), word(float(nearest[k])))
        for k in np.argsort(-np.abs(mean), kind="stable")[:listed].tolist()
    ]
    return as_json(ActiveReply(found, max(len(units) - listed, 0), beside))


def units(folder: str, line: Line, kept: str = "") -> bytes:
    """Summarize each unit of a line over the corpus, like `lstm-trace corpus units`. The result is cached.

    Args:
        folder: folder of the states.
        line: as in `lines` of the states.
        kept: folder of cached tables.
    """
    with opened(folder) as states:
        said = [__version__, states.manifest.key, line, [span.number for span in states.spans]]
        path = Path(kept) / f"{hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]}.json"
        with suppress(OSError):
            return path.read_bytes()
        frame = states.units(line, progress=tell).to_frame()
    table = as_json(UnitsTable(list(map(str, frame.columns)), as_plain([*frame.itertuples(index=False)])))
    with suppress(OSError):  # if it cannot be cached, it is computed again next time
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with written(path, "wb") as file:
            file.write(table)
        for old in sorted(path.parent.glob("*.json"), key=lambda one: one.stat().st_mtime)[:-_KEPT]:
            old.unlink(missing_ok=True)
    return table


#: Views of a corpus (GET `/states/{name}/…`).
VIEWS = (
    ReadRoute("sequences", sequences, SequencesReply),
    ReadRoute("text", text, TextReply),
    ReadRoute("units", units, UnitsTable, whole=True),
    ReadRoute("top", top, ContextsReply, whole=True),
    ReadRoute("match", match, ContextsReply, whole=True),
    ReadRoute("select", select, ActiveReply),
)
