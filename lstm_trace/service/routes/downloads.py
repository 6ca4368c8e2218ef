"""The files of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Response

from ...runs import printing
from ...runs.asked import ReportOptions
from ...runs.runs import RunId
from ..held import Service
from ..json_body import JsonRoute
from ..sent_file import sent_file

router = APIRouter(prefix="/api/v1/runs/{id}", tags=["runs"], route_class=JsonRoute)


@router.get("/download/{file}", response_class=Response)
async def download(service: Service, id: str, file: str, options: Annotated[ReportOptions, Query()]) -> Response:
    """A file of a run, under a name made from its title; `/choices` lists the files, and which options each reads."""
    given = options.model_dump(exclude_none=True)
    content, name = await service.runs.call(printing.download, RunId(id), file, given)
    media = printing.MEDIA[Path(file).suffix]
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    if isinstance(content, Path):
        return sent_file(await service.runs.open(id), media, headers)
    return Response(content, headers=headers, media_type=media)
