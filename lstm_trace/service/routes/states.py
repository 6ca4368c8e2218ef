"""The states of corpora: which there are, their sequences, a text with a unit, and where units are active."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from ...runs import corpus_states
from ...runs.records import View
from ...runs.states_folder import nowhere
from ...workers import Progress
from ..description import add_views
from ..jobs import JSON, LATER, JsonRoute, Resources, Service

router = APIRouter(prefix="/api/v1", tags=["states"], route_class=JsonRoute, responses=LATER)


@router.get("/states", response_model=list[corpus_states.StatesInfo])
async def states(service: Service) -> Response:
    """The states that the server was started with (`lstm-trace serve --states`).

    Their lines with widths, sequences, steps, targets, and whether there are tokens.
    """
    return await service.jobs.reply(corpus_states.listed, dict(service.settings.states))


async def _reply(service: Resources, view: View, name: str, *args: Any) -> Response:
    """The reply of a view of the states of that name. Raises MissingError where they are not served."""
    served, limits = service.settings.states, service.settings.limits
    if name not in served:
        raise nowhere(name, list(served))
    if not view.whole:
        return await service.jobs.reply(view.function, served[name], *args)

    async def work(progress: Progress) -> Response:
        seconds = limits.seconds * limits.pass_times
        content = await service.workers.call(view.function, served[name], *args, progress=progress, seconds=seconds)
        return Response(content, media_type=JSON)

    return await service.jobs.follow(work)


add_views(router, "/states/{name}", corpus_states.VIEWS, _reply)
