"""The files of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse

from ...runs import printing
from ..json_body import JsonRoute
from .runs import Service

router = APIRouter(prefix="/api/v1/runs/{id}", tags=["runs"], route_class=JsonRoute)


@router.get("/download/{file}", response_class=Response)
async def download(
    service: Service,
    id: str,
    file: str,
    language: str | None = None,
    notation: str | None = None,
    detail: str | None = None,
    digits: int | None = None,
    significant: int | None = None,
    decimal_comma: bool | None = None,
    trim: bool | None = None,
    count_from: int | None = None,
    everything: Annotated[bool | None, Query(description="leave nothing out")] = None,
) -> Response:
    """A file of a run, under a name made from its title; `/choices` lists them. The options are those of reports."""
    given = {
        "language": language, "notation": notation, "detail": detail, "digits": digits, "significant": significant,
        "decimal_comma": decimal_comma, "trim": trim, "count_from": count_from, "everything": everything,
    }  # fmt: skip
    options = {name: value for name, value in given.items() if value is not None}
    content, name = await service.workers.call(printing.download, await service.runs.ready(id), file, options)
    media = printing.MEDIA[Path(file).suffix]
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    if isinstance(content, Path):
        return FileResponse(content, headers=headers, media_type=media)
    return Response(content, headers=headers, media_type=media)
