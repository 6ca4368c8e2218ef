"""A run that is dropped is made again when it is asked for, as a job where that takes long, and its file sent whole."""

from __future__ import annotations

import re
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
from lstm_trace.service.routes import comparisons, meta, runs
from lstm_trace.service.settings import Limits, Settings

pytestmark = pytest.mark.anyio
PARTS = ["", "/spec", "/premises", "/values", "/step", "/picture", "/symbols", "/at/0/h_t[0]"]


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
        for routes in (comparisons, meta, runs):
            app.include_router(routes.router)
        async with AsyncClient(transport=ASGITransport(app), base_url="http://here/api/v1") as client:
            yield kept, client


async def ended(client: AsyncClient, href: str) -> Any:
    """The record of a job once it does not run."""
    with anyio.fail_after(10):
        while (record := (await client.get(f"http://here{href}")).json())["state"] in ("queued", "running"):
            await anyio.sleep(0.02)
    return record


async def described(client: AsyncClient, path: str) -> Any:
    """What the description says of the reply 202 of a GET, as a schema that can stand alone."""
    found = (await client.get("http://here/openapi.json")).json()
    places = {re.sub("{address}", ".+", re.sub("{(id|file|kind)}", "[^/]+", place)): place for place in found["paths"]}
    [place] = [given for form, given in places.items() if re.fullmatch(form, f"/api/v1{path.partition('?')[0]}")]
    said = found["paths"][place]["get"]["responses"]["202"]
    assert "Location" in said["headers"]
    return said["content"]["application/json"]["schema"] | {"components": found["components"]}


@pytest.mark.parametrize("path", [*(f"/runs/RUN{part}" for part in PARTS), "/diffs/map?a=RUN&b=RUN&line=h_t"])
async def test_a_run_that_is_made_again_is_a_job(tmp_path: Path, path: str) -> None:
    """The reply is 202 while the dropped run is still made."""
    async with served(tmp_path, Slow(), reply_within=0.1) as (kept, client):
        made = await kept.make(b'{"example": "q22"}')
        kept.path(made.id).unlink()
        reply = await client.get(path.replace("RUN", made.id))
        assert reply.status_code == 202
        pytest.importorskip("jsonschema").validate(reply.json(), await described(client, path))
        record = (await client.get(f"http://here{reply.json()['href']}")).json()
        assert (record["state"], record["progress"]) == ("running", 0.25)
        record = await ended(client, reply.json()["href"])
        assert record["result"] == (await client.get(path.replace("RUN", made.id))).json()


@pytest.mark.parametrize("file", ["report.md", "trace.json", "values.csv", "trace.safetensors"])
async def test_a_file_that_takes_long_is_a_job_for_those_who_prefer_it(tmp_path: Path, file: str) -> None:
    async with served(tmp_path, Slow(), reply_within=0.1) as (kept, client):
        made = await kept.make(b'{"example": "q22"}')
        path = f"/runs/{made.id}/download/{file}"
        direct = await client.get(path)
        assert (direct.status_code, len(direct.content) > 200) == (200, True)
        reply = await client.get(path, headers={"Prefer": "respond-async"})
        assert (reply.status_code, reply.headers["location"]) == (202, reply.json()["href"])
        assert await described(client, path)
        record = await ended(client, reply.json()["href"])
        assert record["state"] == "done"
        for _ in range(2):  # as often as it is asked for, and even if the run is dropped
            kept.path(made.id).unlink()
            found = await client.get(f"http://here{record['result']['href']}")
            assert (found.status_code, found.content) == (200, direct.content)
            for name in ("content-type", "content-disposition", "content-length"):
                assert found.headers[name] == direct.headers[name]
            await kept.ready(made.id)


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
