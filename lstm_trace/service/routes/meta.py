"""Available choices, limits, and jobs."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Response

from ... import __version__
from ...base.files import read_data
from ...cell.arithmetic import COMMON
from ...cell.named_cells import KINDS
from ...cell.notations import NotationName
from ...examples import examples, text
from ...languages import languages
from ...languages.strings import words
from ...runs import plotting
from ...runs.inspecting import inspect_example
from ...runs.printing import FILES
from ...runs.records import Record, doc
from ...weights.read import readable
from ..jobs import JobRecord, JsonRoute, Service
from ..settings import Limits

# Functions that read files are plain functions, which FastAPI calls in another thread: other requests need not wait.
router = APIRouter(prefix="/api/v1", tags=["what there is"], route_class=JsonRoute)


class Health(Record):
    """The state of the service."""

    status: Literal["ok"]
    version: Annotated[str, doc("version of lstm-trace")]


class CellKind(Record):
    """A named cell."""

    name: Annotated[str, doc("as `cell` in a problem")]
    title: str
    equations: Annotated[str, doc("with its default options")]
    options: Annotated[dict[str, Any], doc("each option with its default")]


class Example(Record):
    """A problem that ships with the package."""

    name: str
    title: str
    cell: Annotated[str, doc("the kind of cell, and options that differ from the defaults")]
    sizes: Annotated[dict[str, int], doc("T, B, I, H, layers, directions")]


class Language(Record):
    """A language of reports. name: its name in that language."""

    code: str
    name: str


class FileKind(Record):
    """A file of a run."""

    file: Annotated[str, doc("as in `/runs/{id}/download/{file}`")]
    options: Annotated[tuple[str, ...], doc("the options that it accepts; any other is an error")]


class PlotChoices(Record):
    """The pictures of runs."""

    kinds: list[plotting.PlotKind]
    common: Annotated[tuple[str, ...], doc("options that every kind accepts")]
    formats: tuple[str, ...]


class Choices(Record):
    """Possible values for the options of other requests."""

    languages: list[Language]
    notations: tuple[str, ...]
    arithmetics: Annotated[tuple[str, ...], doc("common ones; docs/arithmetic.md lists all")]
    formats: list[FileKind]
    models: Annotated[list[str], doc("suffixes of the model files that this server can read")]
    plots: PlotChoices


@router.get("/health", response_model=Health)
async def health() -> Any:
    """Report whether the service is running, and its version."""
    return Health("ok", __version__)


@router.get("/limits", response_model=Limits)
async def limits(service: Service) -> Any:
    """Return the limits of a request. `lstm-trace serve --help` lists the options that change them."""
    return service.settings.limits


@router.get("/cells", response_model=list[CellKind])
@cache
def cells() -> Any:
    """List the named cells, with their options."""
    return [
        CellKind(name, words().word(f"cell.{name}"), kind().equations(), {f.name: f.default for f in fields(kind)})
        for name, kind in KINDS.items()
    ]


@router.get("/examples", response_model=list[Example])
@cache
def list_examples() -> Any:
    """List the problems that ship with the package."""
    facts = {name: inspect_example(name) for name in examples()}
    return [Example(name, one["title"], one["cell"], one["sizes"]) for name, one in facts.items()]


@router.get("/examples/{name}", response_model=dict[str, Any])
def example(name: str) -> Any:
    """Return an example as a problem, in the form that `POST /runs` accepts."""
    return read_data(f"{name}.yaml", text(name).encode())


@router.get("/choices", response_model=Choices)
@cache
def choices() -> Any:
    """List languages, notations, arithmetics, and files and pictures with the options that each accepts."""
    return Choices(
        languages=[Language(code, words(code).word("language")) for code in languages()],
        notations=get_args(NotationName),
        arithmetics=COMMON,
        formats=[FileKind(name, file.options) for name, file in FILES.items()],
        models=readable(),
        plots=PlotChoices(plotting.kinds(), plotting.COMMON, tuple(plotting.FORMATS)),
    )


@router.get("/jobs/{id}", response_model=JobRecord, tags=["jobs"])
async def job(service: Service, id: str) -> Response:
    """Return the state of a computation that takes longer than a second: `queued` or `running`, progress, and result.

    A request that takes longer is answered with 202 and a job. A file is not in the job but at `…/result`.
    """
    return Response(service.jobs.find(id).text(), media_type="application/json")


@router.get("/jobs/{id}/result", tags=["jobs"], response_class=Response)
async def job_result(service: Service, id: str) -> Response:
    """Return the reply itself, with its status and type, as if it had come within a second."""
    return service.jobs.result(id)


@router.delete("/jobs/{id}", status_code=204, tags=["jobs"])
async def cancel_job(service: Service, id: str) -> None:
    """Stop a computation; if it is finished, drop the result."""
    service.jobs.cancel(id)
