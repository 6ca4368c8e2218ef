"""A run that is dropped is made again when it is asked for, as a job where that takes long, and its file sent whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from ...support.kept_runs import BOUNDS

pytest.importorskip("fastapi")

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from lstm_trace.runs import printing, running
from lstm_trace.runs.runs import Runs
from lstm_trace.service.jobs import Jobs, Resources
from lstm_trace.service.problems import add_handlers
from lstm_trace.service.routes import meta, runs
from lstm_trace.service.settings import Limits, Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Dropping:
    """Calls functions where it is, and drops a run once its file is named and before it can be sent."""

    async def call(self, function: Callable[..., Any], *args: Any, progress: Any = None) -> Any:
        found = function(*args)
        if function is printing.download:
            Path(args[0]).unlink()
        return found


class Slow:
    """Calls functions where it is, and takes a while to make a run again, or a file of it."""

    async def call(self, function: Callable[..., Any], *args: Any, progress: Any = None) -> Any:
        if function in (running.remake, printing.download):
            if progress is not None:
                progress(1, 4)
            await anyio.sleep(0.5)
        return function(*args)


@asynccontextmanager
async def served(folder: Path, workers: Any, **limits: Any) -> AsyncIterator[tuple[Runs, AsyncClient]]:
    """Kept runs, and a client of their routes."""
    settings, nothing = Settings(limits=Limits(**limits)), None
    kept, app = Runs(folder, BOUNDS, workers, nothing), FastAPI()  # type: ignore[arg-type]
    async with Jobs(kept.call, settings.limits) as jobs:
        app.state.settings = settings
        app.state.resources = Resources(settings, workers, jobs, kept, nothing)  # type: ignore[arg-type]
        add_handlers(app)
        for router in (runs.comparisons, meta.router, runs.router):
            app.include_router(router)
        async with AsyncClient(transport=ASGITransport(app), base_url="http://here/api/v1") as client:
            yield kept, client


async def test_a_run_that_nobody_had_is_said_at_once(tmp_path: Path) -> None:
    async with served(tmp_path, Slow()) as (_, client):
        reply = await client.get(f"/runs/{'0' * 32}/step")
        assert (reply.status_code, reply.json()["type"]) == (404, "/problems/not-found")


async def test_a_trace_that_is_dropped_before_it_is_sent(tmp_path: Path) -> None:
    async with served(tmp_path, Dropping()) as (kept, client):
        made = await kept.make(b'{"example": "q22"}')
        content = kept.path(made.id).read_bytes()
        reply = await client.get(f"/runs/{made.id}/download/trace.safetensors")
        assert (reply.status_code, reply.headers["content-length"]) == (200, str(len(content)))
        assert reply.content == content


async def test_a_body_is_held_as_long_as_its_run_is_made(tmp_path: Path) -> None:
    async with served(tmp_path, Slow(), reply_within=0.1, small_body_bytes=10, waiting_bytes=50) as (kept, client):
        bodies = client._transport.app.state.resources.jobs.bodies  # type: ignore[attr-defined]
        seen = []
        kept._workers.call = lambda *args, progress=None: seen.append(bodies.held) or Slow.call(Slow(), *args)
        for body, status in ((b'{"example": "q22"}', 201), (b'{"example": "none"}', 422), (b'{"example": 1}', 422)):
            reply = await client.post("/runs", content=body, headers={"content-type": "application/json"})
            assert (reply.status_code, seen.pop(0), bodies.held) == (status, len(body), 0)
            seen.clear()
