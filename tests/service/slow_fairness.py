"""A busy server: what waits never fails for that, one client does not delay another, and replies show no paths."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

from ..support import worker_calls as calls
from ..support.serving import serving

anyio = pytest.importorskip("anyio")
pytest.importorskip("fastapi")

from lstm_trace.service.jobs import Bodies, Jobs  # noqa: E402
from lstm_trace.service.middleware import client  # noqa: E402
from lstm_trace.service.problems import document  # noqa: E402
from lstm_trace.service.settings import Limits  # noqa: E402
from lstm_trace.workers import Asked, ClientId, Workers, asked  # noqa: E402
from lstm_trace.workers.process import BusyError  # noqa: E402


def with_jobs(test: Callable[[Jobs], Awaitable[Any]], **queue: Any) -> None:
    async def run() -> None:
        limits = Limits(reply_within=0.1)
        async with Workers(**queue) as workers, Jobs(workers.call, limits) as jobs:
            await workers.until_warm()
            await test(jobs)

    anyio.run(run)


async def reply(jobs: Jobs, name: str, seconds: float) -> Any:
    """The record of a request of some client: of a job, or the reply itself."""
    asked.set(Asked(ClientId("192.0.2.1", name)))
    found = await jobs.reply(calls.told_json, "1", seconds)
    return json.loads(bytes(found.body))


async def ended(jobs: Jobs, record: Any) -> str:
    if record == 1:
        return "done"
    with anyio.fail_after(20):
        while (state := jobs.find(record["id"]).state) in ("queued", "running"):
            await anyio.sleep(0.02)
    return state


def test_a_job_waits_as_long_as_it_takes() -> None:
    """Today's `wait_seconds` is far too short for the fourth; it is of no concern to what is a job."""

    async def test(jobs: Jobs) -> None:
        records = [await reply(jobs, "a", 0.4) for _ in range(4)]
        assert [record["state"] for record in records[1:]] == ["queued"] * 3
        assert [await ended(jobs, record) for record in records] == ["done"] * 4

    with_jobs(test, at_once=1, wait_seconds=0.05)


def test_what_finds_no_place_is_refused_at_once() -> None:
    async def test(jobs: Jobs) -> None:
        records = [await reply(jobs, "a", 0.5) for _ in range(3)]
        began = time.monotonic()
        with pytest.raises(BusyError):
            await reply(jobs, "a", 0.5)
        assert time.monotonic() - began < 0.3
        assert document(BusyError("x"))["status"] == 429
        assert [await ended(jobs, record) for record in records] == ["done"] * 3

    with_jobs(test, at_once=1, waiting=2)


def test_a_request_of_two_calls_keeps_its_place() -> None:
    """A run that was dropped is made again before it is read: the second call meets a queue that has filled."""

    async def test(jobs: Jobs) -> None:
        async def work(progress: Any) -> Any:
            from starlette.responses import Response

            await jobs.call(calls.told_json, "1", 0.3)
            return Response(await jobs.call(calls.told_json, "1", 0.1))

        asked.set(Asked(ClientId("192.0.2.1", "a")))
        first = json.loads(bytes((await jobs.follow(work)).body))
        others = [await reply(jobs, "a", 0.3) for _ in range(2)]
        assert [await ended(jobs, record) for record in (first, *others)] == ["done"] * 3

    with_jobs(test, at_once=1, waiting=2)


def test_another_client_is_served_beside_one_that_asks_for_much() -> None:
    async def test(jobs: Jobs) -> None:
        for _ in range(8):
            await reply(jobs, "hog", 2.0)
        began = time.monotonic()
        record = await reply(jobs, "user", 0.0)
        assert await ended(jobs, record) == "done"
        assert time.monotonic() - began < 1.0

    with_jobs(test, at_once=2, of_one=1)


async def sent(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)


def test_the_bodies_that_wait_have_a_limit_together() -> None:
    async def test() -> None:
        bodies = Bodies(1000, 100)
        alone = await bodies.read(sent(600, 600))  # one alone is bounded elsewhere
        for _ in range(50):
            await bodies.read(sent(50, 50))  # a small one finds room
        with pytest.raises(BusyError):
            await bodies.read(sent(50, 51))
        bodies.drop(alone)
        first = await bodies.read(sent(200, 200))
        with pytest.raises(BusyError):
            await bodies.read(sent(90, 90, 90, 90, 90, 90, 90))
        await bodies.read(sent(599))
        bodies.drop(first)
        bodies.drop(bytes(599))
        assert bodies.held == 0

    anyio.run(test)


def test_who_asks() -> None:
    def of(address: str, name: str = "") -> ClientId:
        return client({"type": "http", "client": (address, 5), "headers": [(b"x-client", name.encode())]})

    assert of("192.0.2.1") == ClientId("192.0.2.1", "")
    assert of("192.0.2.1", "a") == of("192.0.2.1", "a") != of("192.0.2.1", "b")
    assert of("2001:db8::1") == of("2001:db8::2") != of("2001:db8:0:1::1")
    assert of("::ffff:192.0.2.1") == of("192.0.2.1")
    assert len({of("192.0.2.1", f"invented {n}") for n in range(1000)}) == 64


def test_one_user_does_not_starve_another(tmp_path: Path) -> None:
    """Runs that take a worker for seconds, in six requests at once; the client of another user waits for none."""
    draw, numbers = np.random.default_rng(0), count()
    weights = {f"W_{s}{g}": draw.normal(size=(16, 2 if s == "x" else 16)).tolist() for s in "xh" for g in "ifco"}

    def slow() -> bytes:
        x = [[float(next(numbers)), 1.0], *[[1.0, 0.5]] * 300]  # another run each time: one that is kept takes no time
        return json.dumps({"problem": {"weights": weights, "x": x}, "arithmetic": "by-hand-6"}).encode()

    with serving(tmp_path, "--seconds", "4") as server:
        stop = threading.Event()

        def hog() -> None:
            while not stop.is_set():
                request = urllib.request.Request(  # noqa: S310
                    f"{server.api}/runs", slow(), {"Content-Type": "application/json"}
                )
                try:
                    urllib.request.urlopen(request, timeout=30).close()  # noqa: S310
                except urllib.error.HTTPError as error:
                    error.close()
                    time.sleep(0.1)

        threads = [threading.Thread(target=hog) for _ in range(6)]
        for thread in threads:
            thread.start()
        try:
            time.sleep(1)
            times = []
            run = lt.client(server.url).run(example="three-steps")
            for n in range(5):
                began = time.monotonic()
                run = run.edit({"0/forward/W_xi[0,0]": n / 7})
                times.append(time.monotonic() - began)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert float(np.median(times)) < 1.5, times


@pytest.mark.parametrize("name", ["a.pt", "a.keras", "a.h5", "a.onnx", "a.npz", "a.safetensors", "a.yaml", "a.json"])
def test_no_reply_shows_where_the_server_is(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    import sys

    from lstm_trace.base import extras
    from lstm_trace.errors import LstmTraceError
    from lstm_trace.runs.inspecting import inspect

    folder = tmp_path_factory.mktemp("private")
    (folder / "part").write_bytes(b"PK\x03\x04 no such file")
    for missing in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(extras._audience, "elsewhere", True)
            if missing:
                patch.setitem(sys.modules, "torch", None)
                patch.setitem(sys.modules, "onnx", None)
            with pytest.raises(LstmTraceError) as found:
                inspect(str(folder / "part"), name)
        told = document(found.value)["detail"]
        assert name in told
        assert "/" not in told.replace("and/or", ""), told
        assert "pip" not in told


def test_a_path_in_an_unexpected_place_is_hidden() -> None:
    import sys

    from lstm_trace.errors import FileError

    told = document(FileError(f"cannot read {sys.prefix}/lib/a b, '{lt.__file__}': see /api/v1/limits"))["detail"]
    assert told == "cannot read lib b, '__init__.py': see /api/v1/limits".replace("lib b", "a b")


def test_yaml_is_read_up_to_a_size(tmp_path: Path) -> None:
    from lstm_trace.errors import FileError
    from lstm_trace.runs.inspecting import inspect

    (tmp_path / "part").write_bytes(b"x: [" + b"1," * 10_000_000 + b"1]\n")
    began = time.monotonic()
    with pytest.raises(FileError, match=r"^a\.yaml: 20,000,007 bytes of YAML; .*save it as \.json, or the weights as"):
        inspect(str(tmp_path / "part"), "a.yaml")
    assert time.monotonic() - began < 1
