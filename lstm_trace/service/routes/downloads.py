"""The files of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, BinaryIO
from urllib.parse import quote

from anyio import to_thread
from fastapi import APIRouter, Query, Response

from ...runs import printing
from ...runs.asked import ReportOptions
from ...runs.kept import gone
from ..held import Service
from ..json_body import JsonRoute
from ..sent_file import sent_file

router = APIRouter(prefix="/api/v1/runs/{id}", tags=["runs"], route_class=JsonRoute)


@router.get("/download/{file}", response_class=Response)
async def download(service: Service, id: str, file: str, options: Annotated[ReportOptions, Query()]) -> Response:
    """A file of a run, under a name made from its title; `/choices` lists them. The options are those of reports."""
    given = options.model_dump(exclude_none=True)

    async def read(paths: Mapping[str, str]) -> tuple[bytes | BinaryIO, str]:
        content, name = await service.workers.call(printing.download, paths[id], file, given)
        return (await to_thread.run_sync(_opened, content) if isinstance(content, Path) else content), name

    content, name = await service.runs.using([id], read)
    media = printing.MEDIA[Path(file).suffix]
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    if isinstance(content, bytes):
        return Response(content, headers=headers, media_type=media)
    return sent_file(content, media, headers)


def _opened(path: Path) -> BinaryIO:
    """The trace of a run. Raises DroppedRunError."""
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise gone(path.stem) from None
