"""What takes longer than a moment is a job: followed, cancelled, and kept for a while."""

from __future__ import annotations

import gc
import json
import time
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lstm_trace.errors import LstmTraceError

from ..support import worker_calls as calls

anyio = pytest.importorskip("anyio")
pytest.importorskip("fastapi")

from starlette.exceptions import HTTPException  # noqa: E402
from starlette.responses import Response  # noqa: E402

from lstm_trace.service.jobs import Jobs, attachment  # noqa: E402
from lstm_trace.service.settings import Limits  # noqa: E402
from lstm_trace.workers import Workers  # noqa: E402


def with_jobs(test: Callable[[Jobs], Awaitable[Any]], **limits: Any) -> Any:
    given = Limits.model_validate({"at_once": 1, "reply_within": 0.2, **limits})

    async def run() -> Any:
        async with Workers(at_once=given.at_once, seconds=given.seconds) as workers, Jobs(workers.call, given) as jobs:
            await workers.until_warm()
            return await test(jobs)

    return anyio.run(run)


def read(jobs: Jobs, id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(jobs.find(id).text())
    return found


async def ended(jobs: Jobs, id: str) -> dict[str, Any]:
    """The record of a job once it does not run."""
    with anyio.fail_after(10):
        while (found := read(jobs, id))["state"] in ("queued", "running"):
            await anyio.sleep(0.02)
    return found


async def begun(jobs: Jobs, *call: Any, **options: Any) -> str:
    """The id of a job."""
    reply = await jobs.reply(*call, **options)
    assert reply.status_code == 202
    found = json.loads(bytes(reply.body))
    assert found["state"] == "running"
    assert reply.headers["location"] == found["href"] == f"/api/v1/jobs/{found['id']}"
    return str(found["id"])


def test_what_is_quick_is_answered_at_once() -> None:
    async def test(jobs: Jobs) -> None:
        reply = await jobs.reply(calls.told_json, '{"a": 1}')
        assert (reply.status_code, reply.body, reply.media_type) == (200, b'{"a": 1}', "application/json")
        with pytest.raises(LstmTraceError, match="found too late"):
            await jobs.reply(calls.raise_after, 0.0)
        assert not jobs._kept

    with_jobs(test, reply_within=20)


@pytest.mark.few(0)
def test_what_takes_longer_is_followed() -> None:
    async def test(jobs: Jobs) -> None:
        id = await begun(jobs, calls.told_json, '{"a": [1, "NaN"]}', 1.0)
        found = read(jobs, id)
        assert (found["state"], found["progress"], "result" in found) == ("running", None, False)
        assert 0.15 < found["seconds"] < 1.5
        with pytest.raises(HTTPException, match="the job is running, and has no result"):
            jobs.result(id)
        found = await ended(jobs, id)
        assert (found["state"], found["progress"], found["result"]) == ("done", 1.0, {"a": [1, "NaN"]})
        assert 0.95 < found["seconds"] < 5
        assert read(jobs, id)["seconds"] == found["seconds"]
        assert (jobs.result(id).status_code, jobs.result(id).body) == (200, b'{"a": [1, "NaN"]}')
        jobs.cancel(id)
        with pytest.raises(HTTPException, match="there is no job of this id"):
            jobs.find(id)

    with_jobs(test)


@pytest.mark.few(0)
def test_a_result_that_is_no_json_has_an_address() -> None:
    async def test(jobs: Jobs) -> None:
        id = await begun(jobs, calls.told_json, "# Title", 1.0, media="text/markdown")
        assert (await ended(jobs, id))["result"] == {"href": f"/api/v1/jobs/{id}/result"}
        assert jobs.result(id).body == b"# Title"

    with_jobs(test)


@pytest.mark.few(0)
def test_a_file_is_not_shown_within_a_record() -> None:
    async def work(progress: Any) -> Response:
        await anyio.sleep(0.5)
        return Response(b'{"a": 1}', 201, attachment("a.json"), "application/json")

    async def test(jobs: Jobs) -> None:
        id = json.loads(bytes((await jobs.follow(work)).body))["id"]
        assert (await ended(jobs, id))["result"] == {"href": f"/api/v1/jobs/{id}/result"}
        reply = jobs.result(id)
        assert (reply.status_code, reply.body) == (201, b'{"a": 1}')
        assert reply.headers["content-disposition"] == "attachment; filename*=UTF-8''a.json"

    with_jobs(test)


@pytest.mark.few(0)
def test_progress_is_shown() -> None:
    async def test(jobs: Jobs) -> None:
        async def work(progress: Any) -> Response:
            return Response(await jobs.call(calls.tell_steps, 20, 0.05, progress=progress))

        reply = await jobs.follow(work)
        id = json.loads(bytes(reply.body))["id"]
        seen = []
        while (found := read(jobs, id))["state"] in ("queued", "running"):
            seen.append(found["progress"])
            await anyio.sleep(0.05)
        shown = [progress for progress in seen if progress is not None]
        assert shown == sorted(shown)
        assert len(set(shown)) > 3
        assert 0 < shown[0] < 0.6 < shown[-1] <= 1

    with_jobs(test)


@pytest.mark.few(0)
def test_a_job_that_fails_has_the_problem() -> None:
    async def test(jobs: Jobs) -> None:
        found = await ended(jobs, id := await begun(jobs, calls.raise_after, 1.0))
        assert found["state"] == "failed"
        assert (found["problem"]["status"], found["problem"]["detail"]) == (422, "found too late")
        with pytest.raises(LstmTraceError, match="found too late"):
            jobs.result(id)
        slow = await ended(jobs, await begun(jobs, calls.sleep, 30))
        assert slow["problem"]["type"] == "/problems/too-long"
        assert slow["problem"]["status"] == 422

    with_jobs(test, seconds=2)


@pytest.mark.few(0)
def test_an_unexpected_failure_is_logged_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    async def work(progress: Any) -> Response:
        await anyio.sleep(1.0)
        raise ZeroDivisionError("secret")

    async def test(jobs: Jobs) -> None:
        reply = await jobs.follow(work)
        found = await ended(jobs, json.loads(bytes(reply.body))["id"])
        assert found["problem"]["status"] == 500
        assert "secret" not in json.dumps(found)

    with_jobs(test)
    assert "ZeroDivisionError: secret" in capsys.readouterr().err


class Sent:
    """Stands for the body of a request."""


@pytest.mark.few(0)
@pytest.mark.parametrize("later", [False, True])
def test_a_failure_keeps_nothing_of_the_request(later: bool) -> None:
    async def asked(jobs: Jobs, bodies: list[weakref.ref[Sent]]) -> Response:
        body = Sent()
        bodies.append(weakref.ref(body))

        async def work(progress: Any) -> Response:
            await anyio.sleep(0.5 if later else 0)
            await jobs.call(calls.raise_after, 0.0)
            return Response(repr(body))

        return await jobs.follow(work)

    async def test(jobs: Jobs) -> None:
        bodies: list[weakref.ref[Sent]] = []
        if later:
            id = json.loads(bytes((await asked(jobs, bodies)).body))["id"]
            assert (await ended(jobs, id))["problem"]["detail"] == "found too late"
            for _ in range(2):
                with pytest.raises(LstmTraceError, match="found too late"):
                    jobs.result(id)
            assert jobs.find(id).size == len("found too late")
        else:
            try:
                await asked(jobs, bodies)
            except LstmTraceError as error:
                assert str(error) == "found too late"  # noqa: PT017 - pytest.raises would keep its traceback
            else:
                raise AssertionError("nothing was raised")
        await anyio.sleep(0.05)
        assert bodies[0]() is None

    gc.disable()  # which would find them in the end; until then each request has its 64 MB
    try:
        with_jobs(test, reply_within=0.2 if later else 20)
    finally:
        gc.enable()


@pytest.mark.few(0)
def test_a_job_that_is_cancelled_computes_no_longer(tmp_path: Path) -> None:
    async def test(jobs: Jobs) -> None:
        id = await begun(jobs, calls.spin, str(tmp_path / "pid"))
        with anyio.fail_after(10):
            while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
                await anyio.sleep(0.02)
        pid = int((tmp_path / "pid").read_text())
        jobs.cancel(id)
        assert (await ended(jobs, id))["state"] == "cancelled"
        assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()
        with pytest.raises(HTTPException, match="the job is cancelled"):
            jobs.result(id)
        after = await jobs.reply(calls.told_json, "1")
        assert after.status_code == 200 or (await ended(jobs, json.loads(bytes(after.body))["id"]))["result"] == 1

    with_jobs(test, seconds=60)


@pytest.mark.few(0)
def test_whoever_goes_before_the_reply_stops_the_work(tmp_path: Path) -> None:
    async def test(jobs: Jobs) -> None:
        with anyio.move_on_after(0.5):
            await jobs.reply(calls.spin, str(tmp_path / "pid"))
        began = time.monotonic()
        assert (await jobs.reply(calls.told_json, "1")).body == b"1"
        assert time.monotonic() - began < 15  # and not the 60 s that the other may take
        assert not jobs._kept

    with_jobs(test, seconds=60, reply_within=30)


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({"jobs": 2}, 2),
        ({"job_bytes": 25}, 2),  # ten bytes each
        ({"job_bytes": 5}, 1),  # the newest stays, however large it is
        ({}, 5),
        ({"job_seconds": 0.01}, 0),
    ],
)
def test_finished_jobs_are_bounded(limits: dict[str, Any], kept: int) -> None:
    async def test(jobs: Jobs) -> list[str]:
        ids = []
        for k in range(5):
            ids.append(await begun(jobs, calls.told_json, f'"1234567{k}"', 0.02))
            await jobs._kept[ids[-1]].finished.wait()
        await anyio.sleep(0.05)
        left = []
        for id in ids:
            try:
                left.append(read(jobs, id)["result"])
            except HTTPException:
                continue
        return left

    assert with_jobs(test, reply_within=0, **limits) == [f"1234567{k}" for k in range(5 - kept, 5)]


@pytest.mark.few(0)
def test_what_runs_at_the_end_is_stopped(tmp_path: Path) -> None:
    async def test(jobs: Jobs) -> None:
        await begun(jobs, calls.spin, str(tmp_path / "pid"))

    began = time.monotonic()
    with_jobs(test, seconds=60)
    assert time.monotonic() - began < 30


@pytest.mark.few(0)
def test_what_is_too_old_goes_while_nobody_asks() -> None:
    async def test(jobs: Jobs) -> None:
        await jobs._kept[await begun(jobs, calls.told_json, '"1"', 0.02)].finished.wait()
        with anyio.fail_after(10):
            while jobs._kept:
                await anyio.sleep(0.02)

    with_jobs(test, reply_within=0, job_seconds=0.05)
