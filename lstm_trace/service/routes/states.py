"""The states of corpora: which there are, their sequences, a text with a unit, and where units are active."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from ...runs import corpus_states
from ...runs.corpus_states import Ends
from ...runs.states_folder import nowhere
from ...workers import Progress
from ..bodies import JSON, JsonRoute
from ..jobs import LATER, Resources, Service

router = APIRouter(prefix="/api/v1/states", tags=["states"], route_class=JsonRoute, responses=LATER)

Sequence = Annotated[str, Query(max_length=4000, description="the id of a sequence")]
Unit = Annotated[str, Query(max_length=400, description="a unit of a line: c_t[35], 1/reverse/c_t[35]")]
Line = Annotated[str, Query(max_length=400, description="a line, as `lines` of the states has it")]
Step = Annotated[int, Query(ge=-(2**31), lt=2**31)]
Count = Annotated[int, Query(ge=1, le=100_000)]
_End = Annotated[float | None, Query(allow_inf_nan=False)]
N = Annotated[int, Query(ge=1, le=100_000, description="contexts")]


def level(above: _End = None, below: _End = None) -> Ends:
    """When a unit is active: above a value, below one, or both; above 0.3 if neither is given."""
    return above, below


Level = Annotated[Ends, Depends(level)]


@router.get("", response_model=list[corpus_states.StatesInfo])
async def states(service: Service) -> Response:
    """The states that the server was started with (`lstm-trace serve --states`)."""
    return await service.jobs.reply(corpus_states.listed, dict(service.settings.states))


@router.get("/{name}/sequences", response_model=corpus_states.SequencesReply)
async def sequences(
    service: Service, name: str, offset: Annotated[int, Query(ge=0, lt=2**53)] = 0, limit: Count = 50
) -> Response:
    """Some of the sequences, with how they begin."""
    most = min(limit, service.settings.limits.contexts)
    return await service.jobs.reply(corpus_states.sequences, folder(service, name), offset, most)


@router.get("/{name}/text", response_model=corpus_states.TextReply)
async def text(
    service: Service,
    name: str,
    sequence: Sequence,
    unit: Unit,
    at: Annotated[Step | None, Query(description="a step that is shown; the first one if none")] = None,
    steps: Count = 1000,
) -> Response:
    """Steps of a sequence: their tokens, and the values of a unit."""
    most = min(steps, service.settings.limits.shown_steps)
    return await service.jobs.reply(corpus_states.text, folder(service, name), sequence, unit, at, most)


@router.get("/{name}/units", response_model=corpus_states.UnitsTable)
async def units(service: Service, name: str, line: Line) -> Response:
    """What each unit of a line does over the corpus, as `lstm-trace corpus units`. It is computed once, and kept."""
    kept = str(service.store.folder / "states")
    return await _passed(service, corpus_states.units, folder(service, name), line, kept)


@router.get("/{name}/top", response_model=corpus_states.ContextsReply)
async def top(service: Service, name: str, unit: Unit, n: N = 10, lowest: bool = False) -> Response:
    """Where a unit is highest, or lowest, as `lstm-trace corpus top`."""
    most = min(n, service.settings.limits.contexts)
    return await _passed(service, corpus_states.top, folder(service, name), unit, most, lowest)


@router.get("/{name}/match", response_model=corpus_states.ContextsReply)
async def match(
    service: Service,
    name: str,
    line: Line,
    units: Annotated[list[Annotated[int, Query(ge=0, lt=2**31)]], Query(max_length=1000)],
    level: Level,
    min_length: Annotated[int, Query(ge=1, lt=2**31, description="steps of a stretch at least")] = 1,
    n: N = 10,
) -> Response:
    """Stretches in which units of a line are active together, as `lstm-trace corpus match`."""
    most = min(n, service.settings.limits.contexts)
    return await _passed(
        service, corpus_states.match, folder(service, name), line, tuple(units), level, min_length, most
    )


@router.get("/{name}/select", response_model=corpus_states.ActiveReply)
async def select(
    service: Service,
    name: str,
    sequence: Sequence,
    first: Step,
    last: Step,
    line: Line,
    level: Level,
    strict: bool = False,
) -> Response:
    """The units of a line that are beyond a level in each step of a span; strict: and not right before and after it."""
    span, most = (first, last), service.settings.limits.listed
    return await service.jobs.reply(
        corpus_states.select, folder(service, name), sequence, span, line, level, strict, most
    )


def folder(service: Resources, name: str) -> str:
    """The folder of states that are served. Raises MissingError for others."""
    served = service.settings.states
    if name not in served:
        raise nowhere(name, list(served))
    return served[name]


async def _passed(service: Resources, function: Callable[..., bytes], *args: Any) -> Response:
    """The reply of a function that reads a whole corpus, and may take as long as that is."""
    limits = service.settings.limits

    async def work(progress: Progress) -> Response:
        seconds = limits.seconds * limits.pass_times
        return Response(
            await service.workers.call(function, *args, progress=progress, seconds=seconds), media_type=JSON
        )

    return await service.jobs.follow(work)
