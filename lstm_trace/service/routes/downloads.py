"""The files of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from ...runs import printing
from ...runs.asked import ReportOptions
from ...runs.runs import RunId
from ...workers import Progress
from ..held import Service
from ..json_body import JsonRoute
from ..sent_file import LaterFile, attachment

router = APIRouter(prefix="/api/v1/runs/{id}", tags=["runs"], route_class=JsonRoute)
_PREFER = "`respond-async` (RFC 7240): what takes longer than a second is answered with 202 and a job"


@router.get("/download/{file}", response_class=Response)
async def download(
    service: Service,
    id: str,
    file: str,
    options: Annotated[ReportOptions, Query()],
    prefer: Annotated[str, Header(description=_PREFER)] = "",
) -> Response:
    """A file of a run, under a name made from its title; `/choices` lists the files, and which options each takes.

    A link in a browser and a line of curl cannot follow a job, so there is one only for those who prefer it.
    """
    given = options.model_dump(exclude_none=True)

    async def work(progress: Progress | None = None) -> Response:
        content, name = await service.runs.call(printing.download, RunId(id), file, given, progress=progress)
        media = printing.MEDIA[Path(file).suffix]
        if content is None:
            return LaterFile(lambda: service.runs.open(id), media, name)
        return Response(content, headers=attachment(name), media_type=media)

    return await (service.jobs.follow(work) if "respond-async" in prefer else work())
