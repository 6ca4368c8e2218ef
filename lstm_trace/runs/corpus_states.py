"""The states of a corpus: what there is, the text of a sequence with a unit, and where units are active."""

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
from .records import Number, ReadRoute, Record, as_json
from .states_folder import opened

if TYPE_CHECKING:
    from ..corpus.rows import Block
    from ..corpus.states import States
    from ..tracking import Contexts


class StatesLine(Record):
    """A recorded line.

    Attributes:
        line: what it is asked for by; a unit is line[unit]. Examples: c_t, 1/reverse/c_t.
        scope: layer/direction.
        width: units.
    """

    line: str
    scope: str
    name: str
    width: int


class StatesInfo(Record):
    """The states of a corpus in a folder; only `name` and `problem` where they cannot be read.

    Attributes:
        problem: why they cannot be read; empty if they can.
        title: of the model.
        dtype: of the stored values.
        sequences: that are there.
        parts_missing: that are not computed yet, or failed.
        targets: further columns of the input.
        tokens: whether steps have tokens.
    """

    name: str
    problem: str = ""
    title: str = ""
    cell: str = ""
    dtype: str = ""
    lines: list[StatesLine] = field(default_factory=list)
    sequences: int = 0
    steps: int = 0
    parts: int = 0
    parts_missing: int = 0
    targets: list[str] = field(default_factory=list)
    tokens: bool = False


class Beginning(Record):
    """A sequence in a list.

    Attributes:
        text: how it begins; empty without tokens.
    """

    id: str
    steps: int
    text: str


class SequencesReply(Record):
    """Some of the sequences, in the order of the files."""

    total: int
    offset: int
    sequences: list[Beginning]


class ColourScale(Record):
    """Where the colours of a unit end, the same for all sequences.

    Attributes:
        two: whether 0 is in the middle, with a colour on each side.
        beyond: whether some values lie outside.
    """

    low: float
    high: float
    two: bool
    beyond: bool


class TextReply(Record):
    """Steps of a sequence with the values of a unit.

    Attributes:
        begin: the first step of the sequence.
        steps: of the sequence.
        first: the first step in this reply; the others follow it.
        spaced: whether spaces are set between the tokens.
    """

    sequence: str
    unit: str
    begin: int
    steps: int
    first: int
    spaced: bool
    tokens: list[str] | None
    values: list[Number]
    scale: ColourScale


class ContextRecord(Record):
    """A place where a unit is high or low, or where several are.

    Attributes:
        t: the step of the place, or the first one of a stretch.
        length: steps of the stretch; 1 of a single place.
        first: the step of the first token; of a long stretch only the beginning is there.
        values: at these tokens: of the unit, of several the one nearest to the level.
    """

    sequence: str
    t: int
    length: int
    value: Number
    first: int
    tokens: list[str] | None
    values: list[Number]


class ContextsReply(Record):
    """Places of a corpus, the strongest first.

    Attributes:
        spaced: whether spaces are set between the tokens.
    """

    spaced: bool
    scale: ColourScale
    contexts: list[ContextRecord]


class ActiveUnit(Record):
    """A unit that is beyond the level in a whole span.

    Attributes:
        nearest: the value that is nearest to the level.
    """

    unit: str
    mean: Number
    nearest: Number


class ActiveReply(Record):
    """The units that are active in a span.

    Attributes:
        left_out: further ones.
        beside: where none is: those that are active in the span, and right before or after it too.
    """

    units: list[ActiveUnit]
    left_out: int
    beside: int


class UnitsTable(Record):
    """What each unit does over the whole corpus; see docs/corpus.md."""

    columns: list[str]
    rows: list[list[Any]]


#: Tables of units that are kept; of a hundred corpora and more some are computed again.
_KEPT = 256
#: Steps before and after a place, of words and of letters.
_AROUND = {True: (8, 5), False: (30, 12)}
#: Steps of a context that are shown; a stretch may be a whole sequence.
_LONGEST = 300
SequenceId = Annotated[str, Field(max_length=4000, description="the id of a sequence")]
Unit = Annotated[str, Field(max_length=400, description="a unit of a line: c_t[35], 1/reverse/c_t[35]")]
Line = Annotated[str, Field(max_length=400, description="a line, as `lines` of the states has it")]
Step = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Count = Annotated[int, Field(ge=1, le=100_000)]
Places = Annotated[int, Field(ge=1, le=100_000, description="contexts")]
#: Of the text of a sequence in a list: the steps that are read, the columns that are shown.
_READ, _WIDE = 60, 72


_End = Annotated[float | None, Field(allow_inf_nan=False)]


class Ends(NamedTuple):
    """When a unit is active: above a value, below one, or both; above 0.3 if neither is given."""

    above: _End = None
    below: _End = None


ENDS = Ends()


def listed(folders: Mapping[str, str]) -> bytes:
    """What is said of the states in each folder. One that cannot be read says why, and leaves the others be."""
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
    """Some of the sequences, in the order of the files: their ids, lengths, and how their texts begin."""
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
    folder: str,
    sequence: SequenceId,
    unit: Unit,
    at: Annotated[Step | None, Field(description="a step that is shown; the first one if none")] = None,
    steps: Count = 1000,
    shown_steps: int = 4000,
) -> bytes:
    """Steps of a sequence: their tokens, and the values of a unit.

    Args:
        folder: of the states.
        sequence: its id.
        unit: as `c_t[35]`.
        at: a step that is shown; the first one if None.
        steps: that are shown: the first so many, or the next ones, ….
        shown_steps: the most that are.

    Returns:
        JSON as `TextReply` describes it.

    Raises:
        MissingError: for a sequence, step or unit that there is not.
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
        values = part.values(block, [number])[window, 0]
        shown = shown_tokens(part.tokens and part.tokens[window])
        scale, apart = scale_of(states, block, number), spaced(states)
    return as_json(
        TextReply(sequence, unit, begin, length, begin + first, apart, shown, to_list(values), _scaled(scale))
    )


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
    return symmetric(next(iter(states.parts())).values(block, [unit])[:, 0])


def _scaled(scale: Scale) -> ColourScale:
    return ColourScale.from_attributes(scale, beyond=scale.beyond > 0)


def top(folder: str, unit: Unit, n: Places = 10, lowest: bool = False, contexts: int = 200) -> bytes:
    """Where a unit is highest, or lowest, as `lstm-trace corpus top`."""
    with opened(folder) as states:
        before, after = _AROUND[spaced(states)]
        found = states.top(unit, n=min(n, contexts), lowest=lowest, before=before, after=after)
        return _contexts(states, *states.layout.unit(unit), found)


def match(
    folder: str,
    line: Line,
    units: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(max_length=1000)],
    level: Ends = ENDS,
    min_length: Annotated[int, Field(ge=1, lt=2**31, description="steps of a stretch at least")] = 1,
    n: Places = 10,
    contexts: int = 200,
) -> bytes:
    """Stretches in which units of a line are active together, as `lstm-trace corpus match`.

    Their values are those of the unit that is nearest to the level.
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
    folder: str,
    sequence: SequenceId,
    first: Step,
    last: Step,
    line: Line,
    level: Ends = ENDS,
    strict: bool = False,
    listed: int = 10_000,
) -> bytes:
    """The units of a line that are beyond a level in each step of a span; strict: and not right before and after it."""
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
    """What each unit of a line does over the corpus, as `lstm-trace corpus units`. It is computed once, and kept.

    Args:
        folder: of the states.
        line: as `lines` of the states has it.
        kept: the folder of the tables that were computed before.
    """
    with opened(folder) as states:
        said = [__version__, states.manifest.key, line, [span.number for span in states.spans]]
        path = Path(kept) / f"{hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]}.json"
        with suppress(OSError):
            return path.read_bytes()
        frame = states.units(line, progress=tell).to_frame()
    rows = as_plain([*frame.itertuples(index=False)])
    table = as_json(UnitsTable(list(map(str, frame.columns)), rows))
    with suppress(OSError):  # where nothing can be kept, it is computed the next time
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with written(path, "wb") as file:
            file.write(table)
        by_age = sorted(path.parent.glob("*.json"), key=lambda one: one.stat().st_mtime)
        for old in by_age[:-_KEPT]:
            old.unlink(missing_ok=True)
    return table


#: What is asked of a corpus by a GET of `/states/{name}/…`.
VIEWS = (
    ReadRoute("sequences", sequences, SequencesReply),
    ReadRoute("text", text, TextReply),
    ReadRoute("units", units, UnitsTable, whole=True),
    ReadRoute("top", top, ContextsReply, whole=True),
    ReadRoute("match", match, ContextsReply, whole=True),
    ReadRoute("select", select, ActiveReply),
)
