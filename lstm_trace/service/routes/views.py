"""What a run holds, as a page and as a program look at it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response

from ...runs import reading
from ...runs.reading import Look, Part
from ...runs.runs import RunId
from ..bodies import JsonRoute
from ..jobs import Service
from .meta_models import LATER
from .run_models import At, Picture, Premises, Step, Symbols, Values

router = APIRouter(prefix="/api/v1/runs/{id}", tags=["runs"], route_class=JsonRoute, responses=LATER)
ARROW = "application/vnd.apache.arrow.stream"

Layer = Annotated[int | None, Query(description="from 0; may be left out where there is one")]
Direction = Annotated[str | None, Query(description="forward, reverse or joined; likewise")]
Batch = Annotated[int, Query(description="which sequence, from 0")]
Unit = Annotated[int | None, Query(ge=0, description="of what has no room as a whole, the unit that is shown")]


def look(
    language: Annotated[str, Query(description="of words: en, de, …")] = "en",
    notation: Annotated[str, Query(description="of symbols: exercise, pytorch, …")] = "exercise",
    digits: Annotated[int | None, Query(ge=0, le=17, description="decimals that are shown")] = None,
    count_from: Annotated[int | None, Query(ge=0, le=1, description="steps and units in words and symbols")] = None,
) -> Look:
    """How numbers and formulas are shown; the options of reports."""
    return Look(language, notation, digits, count_from)


Looked = Annotated[Look, Depends(look)]


@router.get("/premises", response_model=Premises)
async def premises(service: Service, id: str, unit: Unit = None) -> Response:
    """What is given: the input, weights, initial states and supplied lines, with their values."""
    most = service.settings.limits.listed
    return await service.jobs.reply(reading.premises, RunId(id), unit, most)


@router.get("/values", response_model=Values, responses={200: {"content": {ARROW: {}}}})
async def values(
    service: Service,
    id: str,
    line: Annotated[list[str] | None, Query(description="names of lines; all if none")] = None,
    layer: Layer = None,
    direction: Direction = None,
    t: Annotated[str | None, Query(max_length=40, description="a step, or A:B (B excluded)")] = None,
    unit: Annotated[str | None, Query(max_length=40, description="a unit, or A:B")] = None,
    batch: Annotated[int | None, Query(description="which sequence, from 0; all if none")] = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Values of lines as JSON, of many the first ones; as a stream of Arrow, where that is accepted, all of them."""
    run, part = RunId(id), Part(tuple(line or ()), layer, direction, t, unit, batch)
    if ARROW in accept:
        return await service.jobs.reply(reading.table, run, part, media=ARROW)
    return await service.jobs.reply(reading.values, run, part, service.settings.limits.listed)


@router.get("/step", response_model=Step)
async def step(
    service: Service,
    id: str,
    look: Looked,
    layer: Layer = None,
    direction: Direction = None,
    t: Annotated[int, Query(description="its position in the input; negative ones count from the end")] = 0,
    batch: Batch = 0,
    unit: Unit = None,
) -> Response:
    """All that a page shows of one step of one layer and direction."""
    live = service.settings.limits.live_units
    return await service.jobs.reply(reading.step, RunId(id), layer, direction, t, batch, unit, live, look)


@router.get("/picture", response_model=Picture)
async def picture(
    service: Service, id: str, look: Looked, layer: Layer = None, direction: Direction = None
) -> Response:
    """The drawing of the cell, with empty texts where the values of a step go."""
    return await service.jobs.reply(reading.picture, RunId(id), layer, direction, look)


@router.get("/symbols", response_model=Symbols)
async def symbols(service: Service, id: str, look: Looked) -> Response:
    """What lines and premises are called in a notation; one that joins two products has lines of its own."""
    return await service.jobs.reply(reading.symbols, RunId(id), look)


@router.get("/at/{address:path}", response_model=At)
async def at(
    service: Service,
    id: str,
    address: str,
    look: Looked,
    of: Annotated[str | None, Query(max_length=400, description="address of a value to take the gradient of")] = None,
) -> Response:
    """One value: its equation in symbols and numbers, what it is made of, what reads it, its gradient."""
    return await service.jobs.reply(reading.at, RunId(id), address, of, look)
