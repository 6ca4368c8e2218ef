"""Requests and replies: limits on bodies while they arrive; replies sent at once, as a job, or as a file."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Annotated, Any, BinaryIO, Literal
from urllib.parse import quote

import anyio
from anyio.abc import TaskGroup
from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from ..errors import LstmTraceError
from ..runs.asked import data
from ..runs.runs import Runs
from ..store.store import Store
from ..workers import Asked, Progress, Workers, asked
from ..workers.process import BusyError
from . import problems
from .settings import Limits, Settings


def bounded(headers: Headers, receive: Receive, most: int, of: str = "body") -> Receive:
    """`receive`, raising HTTPException once more than `most` bytes of a body have been read.

    Raises it at once for a body that is declared to have more; not every length is declared.
    """
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > most:
        raise _too_large(most, of)
    read = 0

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            raise _too_large(most, of)
        return message

    return counted


class Bodies:
    """The bodies that are in memory while they arrive, and while their requests wait for a turn.

    Sixteen requests of one client may wait, with 64 MB each. Small bodies are not counted, so that a client with many
    large ones cannot block those who change a number; the number of small ones is limited by that of connections.

    Args:
        most: maximum size in bytes of all large bodies together.
        small: maximum size in bytes of a small body.
    """

    def __init__(self, most: int, small: int) -> None:
        self.most, self.small = most, small
        self.held = 0

    async def read(self, stream: AsyncIterator[bytes]) -> bytes:
        """Read a whole body, which is counted until it is dropped.

        Args:
            stream: its pieces, from a request whose body is limited.

        Returns:
            The body.

        Raises:
            BusyError: if there are too many bytes.
            Exception: any exception of the stream.
        """
        body, counted = bytearray(), 0
        try:
            async for part in stream:
                body += part
                more = self._counted(body) - counted
                others = self.held - counted  # a single body is limited already
                if more and others and self.held + more > self.most:
                    raise BusyError(f"bodies of {self.held:,} bytes are waiting; try again in a moment")
                counted += more
                self.held += more
            return bytes(body)
        except BaseException:
            self.held -= counted
            raise

    def drop(self, body: bytes) -> None:
        """Stop counting a body."""
        self.held -= self._counted(body)

    def _counted(self, body: bytes | bytearray) -> int:
        return len(body) if len(body) > self.small else 0


def _too_large(most: int, of: str) -> HTTPException:
    said = f"the {of} has more than {most:,} bytes, the maximum; see /api/v1/limits"
    return HTTPException(413, said, {"Connection": "close"})  # the rest is not read


JSON = "application/json"


class JsonRoute(APIRoute):
    """A route whose body, if its function takes one, is declared to be JSON.

    Every router of the service is made with `route_class=JsonRoute`. If the function reads the stream of the request
    itself, nothing is read here. All other requests wait while a body is parsed and checked (26 s for 12 MB of unknown
    keys), so such a body is limited to `small_body_bytes`.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of FastAPI, preceded by our reading of the body."""
        inner = super().get_route_handler()
        if self.body_field is None:
            return inner

        async def handler(request: Request) -> Response:
            most, of = request.app.state.settings.limits.small_body_bytes, "body of this request"
            request = Request(request.scope, bounded(request.headers, request.receive, most, of))
            if (body := await request.body()) or "content-type" in request.headers:
                check_media(request, JSON)
            if body:
                request._json = data(body)  # returned by request.json() from now on
            return await inner(request)

        return handler


def check_media(request: Request, expected: str) -> None:
    """Reject a request whose body is not of the type `expected`. Raises HTTPException."""
    found = request.headers.get("content-type", "")
    if found.partition(";")[0].strip().lower() != expected:
        said = f"the body is declared as {found or 'no type'}; send it with Content-Type: {expected}"
        raise HTTPException(415, said)


State = Literal["queued", "running", "done", "failed", "cancelled"]


class JobRecord(BaseModel):
    """A computation that takes longer than a second; follow it at `href`."""

    id: str
    href: str
    state: State = Field(description="queued: waiting for its turn, for as long as that takes")
    progress: float | None = Field(description="between 0 and 1, if the computation reports it")
    seconds: float = Field(description="since the request, or until the job ended")
    result: Any = Field(None, description="the reply of a finished job; {href} if it is not JSON")
    problem: dict[str, Any] | None = Field(None, description="the problem document of a failed job")


#: Responses of a route that replies with a job if it takes longer than a second.
LATER: dict[int | str, dict[str, Any]] = {
    202: {
        "model": JobRecord,
        "description": "it takes longer: follow the job, whose `result` is the reply",
        "headers": {"Location": {"schema": {"type": "string"}, "description": "the address of the job"}},
    }
}


@dataclass(eq=False)
class Job:
    """A computation that a client waits for.

    request: its own one, which waits for its turn as long as that takes. ended_as: its final state.
    progress: between 0 and 1, None before the first report. reply: of a finished job. error: of a failed one.
    """

    request: Asked
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    ended_as: Literal["done", "failed", "cancelled"] | None = None
    progress: float | None = None
    reply: Response | None = None
    error: Exception | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    finished: anyio.Event = field(default_factory=anyio.Event)
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None

    @property
    def state(self) -> State:
        """Its state; if it has not ended, whether it is waiting for its turn."""
        return self.ended_as or ("queued" if self.request.waiting else "running")

    @property
    def href(self) -> str:
        """Its address."""
        return f"/api/v1/jobs/{self.id}"

    @property
    def size(self) -> int:
        """Size in bytes of its reply, or of its error, in memory."""
        return len(self.reply.body if self.reply else str(self.error or ""))

    def report(self, done: int, of: int) -> None:
        """Receive a progress report."""
        self.progress = min(done / of, 1.0) if of > 0 else None

    def text(self) -> bytes:
        """The reply to GET at its address; the result is inserted unchanged if it is JSON and not a file."""
        seconds = round((self.ended or time.monotonic()) - self.started, 3)
        record: dict[str, Any] = {"id": self.id, "href": self.href, "state": self.state, "progress": self.progress}
        record |= {"seconds": seconds} | ({"problem": problems.document(self.error)} if self.error else {})
        text = json.dumps(record).encode()
        if self.reply is None:
            return text
        plain = self.reply.media_type == JSON and "content-disposition" not in self.reply.headers
        result = bytes(self.reply.body) if plain else json.dumps({"href": f"{self.href}/result"}).encode()
        return text[:-1] + b', "result": ' + result + b"}"


class Jobs:
    """Answers requests with results from workers, at once or through a job. A context manager.

    Args:
        call: `Runs.call`, or a function that computes like it.
        limits: when a reply becomes a job, and how many are kept.
    """

    def __init__(self, call: Callable[..., Awaitable[Any]], limits: Limits) -> None:
        self.call, self.limits = call, limits
        self.bodies = Bodies(limits.waiting_bytes, limits.small_body_bytes)
        self._kept: dict[str, Job] = {}
        self._tasks: TaskGroup = anyio.create_task_group()

    async def __aenter__(self) -> Jobs:
        """Start to accept jobs."""
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._tidy)
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Cancel running jobs. An exception raised within propagates unchanged: the task group would wrap it."""
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def reply(self, function: Callable[..., bytes], *args: Any, media: str = JSON) -> Response:
        """Return the reply that `function(*args)` makes in a worker, or 202 if it takes longer than a second.

        Args:
            function: a module-level function that returns the content of the reply.
            args: as for `Runs.call`.
            media: type of the content.

        Returns:
            The reply.

        Raises:
            Exception: any exception of `Runs.call`, within the first second.
        """

        async def work(progress: Progress) -> Response:
            return Response(await self.call(function, *args, progress=progress), media_type=media)

        return await self.follow(work)

    async def follow(self, work: Callable[[Progress], Awaitable[Response]]) -> Response:
        """Return the reply that `work` makes, or 202 if it takes longer than a second; then it continues as a job.

        Args:
            work: called with a function that receives its progress, `progress` of `Runs.call`; its reply must hold its
                whole content, or be repeatable.

        Returns:
            The reply.

        Raises:
            Exception: any exception of `work` within the first second; BusyError by then at the latest, since a request
                that has a place in the queue keeps it.
        """
        request = asked.get(None) or Asked()
        request.patient = True
        job = Job(request)
        self._tasks.start_soon(self._carry_out, job, work)
        try:
            with anyio.move_on_after(self.limits.reply_within):
                await job.finished.wait()
        except BaseException:  # the client has gone
            job.scope.cancel()
            raise
        if (error := job.error) is not None:
            job.error = None
            try:
                raise error
            finally:  # its traceback refers to this frame, and so to the body: without cycles both go with the request
                del error
        if job.reply is not None:
            return job.reply
        self._kept[job.id] = job
        return Response(job.text(), 202, {"Location": job.href}, JSON)

    def find(self, id: str) -> Job:
        """The job with this id. Raises HTTPException."""
        self._forget()
        if (found := self._kept.get(id)) is None:
            kept = f"finished ones are kept for {self.limits.job_seconds:g} s at most"
            raise HTTPException(404, f"there is no job of this id; {kept}")
        return found

    def result(self, id: str) -> Response:
        """The reply of the job with this id. Raises HTTPException if it has none, and the error of its computation."""
        job = self.find(id)
        if job.error is not None:
            raise job.error.with_traceback(None)
        if job.reply is None:
            raise HTTPException(404, f"the job is {job.state}, and has no result")
        return job.reply

    def cancel(self, id: str) -> None:
        """Stop the job with this id, or drop the reply of a finished one. Raises HTTPException."""
        job = self.find(id)
        if job.ended_as is None:
            job.scope.cancel()
        else:
            del self._kept[id]

    async def _carry_out(self, job: Job, work: Callable[[Progress], Awaitable[Response]]) -> None:
        asked.set(job.request)
        try:
            with job.scope:
                job.reply = await work(job.report)
                job.ended_as, job.progress = "done", 1.0
        except Exception as error:
            job.ended_as = "failed"
            expected = isinstance(error, LstmTraceError)
            if job.id in self._kept and not expected:
                problems.unexpected(error)
            if job.id in self._kept or expected:  # frames refer to the body and the call: 120 MB for a request of 64 MB
                error.__traceback__ = error.__context__ = error.__cause__ = None
            job.error = error
        job.ended_as = job.ended_as or "cancelled"
        job.ended = time.monotonic()
        job.finished.set()
        self._forget()

    async def _tidy(self) -> None:
        """Drop old jobs even if there are no requests: replies may be large."""
        while True:
            await anyio.sleep(self.limits.job_seconds)
            self._forget()

    def _forget(self) -> None:
        """Drop finished jobs that are too old, and the oldest if they are too many or too large."""
        ended, held = [(job.ended, job) for job in self._kept.values() if job.ended is not None], 0
        for k, (at, job) in enumerate(sorted(ended, key=lambda one: -one[0])):
            held += job.size
            old = time.monotonic() - at > self.limits.job_seconds
            if old or k >= self.limits.jobs or (k and held > self.limits.job_bytes):
                del self._kept[job.id]


#: Bytes in memory for each client that reads slowly.
_CHUNK = 1 << 18


def attachment(name: str) -> dict[str, str]:
    """The header of a file that is downloaded under a name (RFC 6266).

    >>> attachment("Größe 1/2.csv")
    {'Content-Disposition': "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe%201%2F2.csv"}
    """
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}


class SentFile(Response):
    """A reply with a file that is opened when it is sent: a job may keep it for minutes, and send it twice.

    Args:
        opened: returns the file, at its beginning.
        media: type of the content.
        name: file name for the download.
    """

    def __init__(self, opened: Callable[[], Awaitable[BinaryIO]], media: str, name: str) -> None:
        super().__init__(media_type=media, headers=attachment(name))
        self._opened, self._media, self._name = opened, media, name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises errors of opening the file before anything is sent."""
        with await self._opened() as file:
            headers = {**attachment(self._name), "Content-Length": str(os.fstat(file.fileno()).st_size)}
            chunks = iter(lambda: file.read(_CHUNK), b"")
            await StreamingResponse(chunks, media_type=self._media, headers=headers)(scope, receive, send)


@dataclass(frozen=True)
class Resources:
    """The resources of a service from its start to its end.

    settings: how it was started. workers, jobs: where and how it computes. runs: the kept runs. store: the library.
    """

    settings: Settings
    workers: Workers
    jobs: Jobs
    runs: Runs
    store: Store


async def resources(request: Request) -> Resources:
    """The resources of the service that answers a request. (FastAPI would call a plain function in another thread.)"""
    found: Resources = request.app.state.resources
    return found


#: An argument of a route.
Service = Annotated[Resources, Depends(resources)]
