"""What there is to choose from, what is allowed, equations as they are typed, and jobs."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, Response

from ... import __version__
from ...base.files import read_data
from ...cell.arithmetic import FORMATS
from ...cell.kinds import KINDS
from ...examples import examples, text
from ...languages import languages
from ...languages.strings import words
from ...report.content.notations import NOTATIONS
from ...runs import describing, plotting
from ...runs.inspecting import inspect_example
from ...runs.printing import FILES
from ...weights.read import readable
from ..bodies import JsonRoute
from ..jobs import Service
from ..settings import Limits
from .meta_models import LATER, CellKind, CellText, Choices, Equations, Example, Health, JobRecord

# What reads files is a plain function, which FastAPI calls in another thread: other requests do not wait for it.
router = APIRouter(prefix="/api/v1", tags=["what there is"], route_class=JsonRoute)

#: The number of decimals that exercises round to, and a common fixed-point format of chips.
ARITHMETICS = ("by-hand-2", "by-hand-3", "by-hand-4", "by-hand-6", *FORMATS, "q4.12")


@router.get("/health", response_model=Health)
async def health() -> Any:
    """Whether the service answers, and its version."""
    return {"status": "ok", "version": __version__}


@router.get("/limits", response_model=Limits)
async def limits(service: Service) -> Any:
    """What a request may cost. `lstm-trace serve --help` has the options that change it."""
    return service.settings.limits


@router.get("/cells", response_model=list[CellKind])
def cells() -> Any:
    """The cells that have a name, with their options."""
    return _cells()


@router.get("/examples", response_model=list[Example])
def list_examples() -> Any:
    """The problems that ship with the package."""
    return _examples()


@router.get("/examples/{name}", response_model=dict[str, Any])
def example(name: str) -> Any:
    """One of them as a problem, as `POST /runs` takes it."""
    return read_data(f"{name}.yaml", text(name).encode())


@router.get("/choices", response_model=Choices)
def choices() -> Any:
    """Languages, notations, arithmetics, and files and pictures with the options that each reads."""
    return _choices()


@router.post("/equations", response_model=CellText, responses=LATER)
async def read_equations(service: Service, body: Equations) -> Response:
    """Read equations, and say what they need; a fault is answered with the row and a caret under the place."""
    return await service.jobs.reply(describing.equations, body.equations)


@router.get("/jobs/{id}", response_model=JobRecord, tags=["jobs"])
async def job(service: Service, id: str) -> Response:
    """How far a computation is that took longer than a second, and its result."""
    return Response(service.jobs.find(id).text(), media_type="application/json")


@router.get("/jobs/{id}/result", tags=["jobs"], response_class=Response)
async def job_result(service: Service, id: str) -> Response:
    """The reply itself, with its status and type, as it would have come within a second."""
    return service.jobs.result(id)


@router.delete("/jobs/{id}", status_code=204, tags=["jobs"])
async def cancel_job(service: Service, id: str) -> None:
    """Stop a computation; of one that is done, drop the result."""
    service.jobs.cancel(id)


@lru_cache(maxsize=1)
def _cells() -> list[dict[str, Any]]:
    said = words("en")
    return [
        {
            "name": name,
            "title": said.word(f"cell.{name}"),
            "equations": kind().equations(),
            "options": {option.name: option.default for option in fields(kind)},
        }
        for name, kind in KINDS.items()
    ]


@lru_cache(maxsize=1)
def _choices() -> dict[str, Any]:
    return {
        "languages": [{"code": code, "name": words(code).word("language")} for code in languages()],
        "notations": list(NOTATIONS),
        "arithmetics": list(ARITHMETICS),
        "formats": [{"file": name, "options": list(file.options)} for name, file in FILES.items()],
        "models": readable(),
        "plots": {"kinds": plotting.kinds(), "common": list(plotting.COMMON), "formats": list(plotting.FORMATS)},
    }


@lru_cache(maxsize=1)
def _examples() -> list[dict[str, Any]]:
    found = {name: inspect_example(name) for name in examples()}
    return [{"name": name, **{key: facts[key] for key in ("title", "cell", "sizes")}} for name, facts in found.items()]
