"""Runs: made from a spec, changed into other runs, described; their values, files and pictures.

Also comparisons of two runs, explanations of a value, verification of every line, and the states of corpora: a list of
them, their sequences, a text coloured by a unit, and where units are active.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from ...runs import comparing, corpus_states, plotting, printing, reading, running
from ...runs.asked import DownloadOptions, Edits, NamedRun, Pair, Question, Spec
from ...runs.describing import RunReply
from ...runs.plotting import PlotOptions
from ...runs.reading import Batch, Direction, Layer, ValueSelection
from ...runs.records import ReadRoute
from ...runs.runs import RunId
from ...runs.states_folder import nowhere
from ...workers import Progress
from ..description import add_views, body_of
from ..jobs import JSON, LATER, JsonRoute, Resources, SentFile, Service, attachment, check_media

router = APIRouter(prefix="/api/v1", tags=["runs"], route_class=JsonRoute, responses=LATER)
comparisons = APIRouter(prefix="/api/v1", tags=["comparisons"], route_class=JsonRoute, responses=LATER)
corpora = APIRouter(prefix="/api/v1", tags=["states"], route_class=JsonRoute, responses=LATER)
#: Properties of a route that makes a run.
MADE: dict[str, Any] = {
    "status_code": 201,
    "response_model": RunReply,
    "responses": {200: {"model": RunReply, "description": "the run existed already"}},
}


@router.post("/runs", **MADE, openapi_extra=body_of(Spec))
async def make(request: Request, service: Service) -> Response:
    """Run a `problem`, an `example`, or an `item` or `model` of the library, with the changes in `holds` in order.

    The same spec gives the same run: if it exists already, the status is 200 instead of 201.
    """
    return await _made(request, service, service.runs.make)


@router.post("/runs/{id}/edits", **MADE, openapi_extra=body_of(Edits))
async def edit(request: Request, service: Service, id: str) -> Response:
    """Make a new run with changes; the original run stays as it is."""
    service.runs.check(id)  # before the body is read
    return await _made(request, service, lambda body, progress: service.runs.edit(id, body, progress))


async def _made(request: Request, service: Resources, make: Callable[..., Awaitable[running.Made]]) -> Response:
    """The reply with the run that a body describes; a worker reads the body, which may contain millions of numbers."""
    check_media(request, JSON)
    bodies = service.jobs.bodies
    body = await bodies.read(request.stream())

    async def work(progress: Progress) -> Response:
        try:
            made = await make(body, progress)
        finally:
            bodies.drop(body)
        return Response(made.reply, 201 if made.new else 200, {"Location": f"/api/v1/runs/{made.id}"}, JSON)

    return await service.jobs.follow(work)


async def _reply(service: Resources, view: ReadRoute, id: str, *args: Any) -> Response:
    return await service.jobs.reply(view.function, RunId(id), *args)


add_views(router, "/runs/{id}", running.VIEWS, _reply)
ARROW = "application/vnd.apache.arrow.stream"


@router.get("/runs/{id}/values", response_model=reading.ValuesReply, responses={200: {"content": {ARROW: {}}}})
async def values(
    service: Service, id: str, part: Annotated[ValueSelection, Query()], accept: Annotated[str, Header()] = ""
) -> Response:
    """Return values of lines as JSON; if there are too many, the first ones.

    With `Accept: application/vnd.apache.arrow.stream`, all of them, as an Arrow stream.
    """
    if ARROW in accept:
        return await service.jobs.reply(reading.table, RunId(id), part, media=ARROW)
    return await service.jobs.reply(reading.values, RunId(id), part, service.settings.limits.listed)


add_views(router, "/runs/{id}", (*reading.VIEWS, *comparing.VIEWS), _reply)
_PREFER = "`respond-async` (RFC 7240): if it takes longer than a second, reply with 202 and a job"
Prefer = Annotated[str, Header(description=_PREFER)]


#: How OpenAPI describes a picture.
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {media.partition(";")[0]: {} for media in plotting.FORMATS.values()}}
}


@router.get("/runs/{id}/download/{file}", response_class=Response)
async def download(
    service: Service, id: str, file: str, options: Annotated[DownloadOptions, Query()], prefer: Prefer = ""
) -> Response:
    """Return a file of a run, named after its title; `/choices` lists the files and the options that each accepts.

    Files are `problem.yaml`, `report.md` (and other formats), `trace.json`, `values.csv`, `values.xlsx`, `run.py`, ….
    If it takes longer than a second, the reply is a job only with the header `Prefer: respond-async`, since a link in a
    browser and a curl command cannot follow one.
    """
    given = options.model_dump(exclude_none=True)
    media = printing.MEDIA.get(Path(file).suffix, "")
    return await file_reply(service, prefer, media, id, printing.download, RunId(id), file, given)


@router.get("/runs/{id}/plot/{kind}", response_class=Response, responses=PICTURE)
async def plot(
    service: Service, id: str, kind: str, options: Annotated[PlotOptions, Query()], prefer: Prefer = ""
) -> Response:
    """Draw a picture of a run, as `lstm-trace plot` does; `/choices` lists the kinds and the options that each accepts.

    The options are text, for example `unit=3,5`, `line` (repeatable) and `steps=2:5`; `format` is `svg`, `html`, `png`,
    or `json` for a Vega-Lite specification. For jobs see the other files.
    """
    media = plotting.FORMATS[options.format]
    return await file_reply(service, prefer, media, id, plotting.drawn, RunId(id), kind, options.format, options.given)


async def file_reply(
    service: Resources, prefer: str, media: str, id: str, function: Callable[..., tuple[bytes | None, str]], *args: Any
) -> Response:
    """The reply with a file that a worker makes and its name; or with the trace of the run, if it makes none."""

    async def work(progress: Progress | None = None) -> Response:
        content, name = await service.runs.call(function, *args, progress=progress)
        if content is None:
            return SentFile(lambda: service.runs.open(id), media, name)
        return Response(content, headers=attachment(name), media_type=media)

    return await (service.jobs.follow(work) if "respond-async" in prefer else work())


# -- two runs, and findings about one ----------------------------------------------------------------------------

Run = Annotated[str, Query(max_length=100, description="id of a run")]


class PairPlotOptions(PlotOptions):
    """Options for pictures of two runs."""

    a: Run
    b: Run


@comparisons.post("/diffs", response_model=comparing.DiffReply)
async def diff(service: Service, body: Pair) -> Response:
    """Compare b with a, the reference, as `lstm-trace diff` does."""
    return await service.jobs.reply(comparing.compared, RunId(body.a), RunId(body.b), body)


@comparisons.get("/diffs/map", response_model=comparing.DiffMap)
async def diff_map(
    service: Service, a: Run, b: Run, line: Annotated[str, Query(max_length=400)], layer: Layer = None,
    direction: Direction = None, batch: Batch = 0,
) -> Response:  # fmt: skip
    """Return |b - a| of one line, by step and unit."""
    most = service.settings.limits.mapped
    return await service.jobs.reply(comparing.mapped, RunId(a), RunId(b), line, layer, direction, batch, most)


@comparisons.get("/diffs/plot/{kind}", response_class=Response, responses=PICTURE)
async def plot_of_two(
    service: Service, kind: str, options: Annotated[PairPlotOptions, Query()], prefer: Prefer = ""
) -> Response:
    """Draw a picture of two runs, `diff` or `weights`: b against a, as `lstm-trace plot B --against A` does."""
    asked = plotting.drawn, RunId(options.a), kind, options.format, options.given, RunId(options.b)
    return await file_reply(service, prefer, plotting.FORMATS[options.format], options.b, *asked)


@comparisons.post("/explanations", response_model=comparing.ExplanationReply)
async def explain(service: Service, body: Question) -> Response:
    """Explain a value, as `lstm-trace explain` and `diff --attribute` do.

    `more` has further tables: for a split, those by block (the sums over each given matrix or vector) and by step.
    """
    against = None if body.against is None else RunId(body.against)
    return await service.jobs.reply(comparing.explained, RunId(body.run), against, body, service.settings.limits.listed)


@comparisons.post("/verifications", response_model=comparing.VerificationReply)
async def verify(service: Service, body: NamedRun) -> Response:
    """Derive every line again from its operands, as `lstm-trace verify` does."""
    return await service.jobs.reply(comparing.verified, RunId(body.run), body.language)


# -- the states of corpora -------------------------------------------------------------------------------------------


@corpora.get("/states", response_model=list[corpus_states.StatesInfo])
async def states(service: Service) -> Response:
    """List the states that the server was started with (`lstm-trace serve --states`).

    With their lines and widths, sequences, steps, targets, and whether there are tokens.
    """
    return await service.jobs.reply(corpus_states.listed, dict(service.settings.states))


async def _states_reply(service: Resources, view: ReadRoute, name: str, *args: Any) -> Response:
    """The reply of a view of the states with this name. Raises MissingError if they are not served."""
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


add_views(corpora, "/states/{name}", corpus_states.VIEWS, _states_reply)
