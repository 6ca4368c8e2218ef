"""A run that is dropped is made again when it is asked for, as a job where that takes long, and its file sent whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("fastapi")


from httpx import AsyncClient

from . import test_dropped_runs
from .test_dropped_runs import Slow, served

pytestmark = pytest.mark.anyio
anyio_backend = test_dropped_runs.anyio_backend


PARTS = ["", "/spec", "/premises", "/values", "/step", "/symbols", "/at/0/h_t[0]"]


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
