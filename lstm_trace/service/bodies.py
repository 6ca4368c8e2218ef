"""Bodies of requests: their size, held against limits while and before they are read, and JSON, read strictly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from ..runs import asked
from ..workers.process import BusyError


def check_length(headers: Headers, most: int, of: str = "body") -> None:
    """Refuse a body that is said to have more than `most` bytes, before it is read. Raises HTTPException."""
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > most:
        raise _too_large(most, of)


def bounded(receive: Receive, most: int, of: str = "body") -> Receive:
    """`receive`, which raises HTTPException once a body is too large, whether or not it said its length."""
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

    Sixteen requests of one client may wait, with 64 MB each. Small bodies are not counted, so that whoever sends many
    large ones shuts nobody out who changes a number; of those there are no more than connections.

    Args:
        most: bytes of the large ones, all together.
        small: bytes up to which a body is small.
    """

    def __init__(self, most: int, small: int) -> None:
        self.most, self.small = most, small
        self.held = 0

    async def read(self, stream: AsyncIterator[bytes]) -> bytes:
        """A whole body, which is held until it is dropped.

        Args:
            stream: its pieces, of a request whose body has a limit.

        Returns:
            The body.

        Raises:
            BusyError: where there are too many bytes.
            Exception: what the stream raises.
        """
        body, counted = bytearray(), 0
        try:
            async for part in stream:
                body += part
                more = self._counted(body) - counted
                others = self.held - counted  # without them it is bounded already
                if more and others and self.held + more > self.most:
                    raise BusyError(f"bodies of {self.held:,} bytes wait; try again in a moment")
                counted += more
                self.held += more
            return bytes(body)
        except BaseException:
            self.held -= counted
            raise

    def drop(self, body: bytes) -> None:
        """Hold a body no longer."""
        self.held -= self._counted(body)

    def _counted(self, body: bytes | bytearray) -> int:
        return len(body) if len(body) > self.small else 0


def _too_large(most: int, of: str) -> HTTPException:
    said = f"the {of} has more than {most:,} bytes, which is the most that is read; see /api/v1/limits"
    return HTTPException(413, said, {"Connection": "close"})  # the rest of it is not read


JSON = "application/json"


class JsonRoute(APIRoute):
    """A route whose body, if its function takes one, is JSON and says so.

    Every router of the service is made with `route_class=JsonRoute`. Where the function reads the stream of the
    request itself, nothing is read here. All other requests wait while a body is parsed and checked (26 s for 12 MB of
    unknown keys), so it may have `small_body_bytes` at most.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of FastAPI, behind our reading of the body."""
        inner = super().get_route_handler()
        if self.body_field is None:
            return inner

        async def handler(request: Request) -> Response:
            most, of = request.app.state.settings.limits.small_body_bytes, "body of this request"
            check_length(request.headers, most, of)
            request = Request(request.scope, bounded(request.receive, most, of))
            body = await request.body()
            if body or "content-type" in request.headers:
                check_media(request, JSON)
            if body:
                request._json = asked.data(body)  # which request.json() gives from then on
            return await inner(request)

        return handler


def check_media(request: Request, expected: str) -> None:
    """Refuse a request whose body is not of the type `expected`. Raises HTTPException."""
    found = request.headers.get("content-type", "")
    if found.partition(";")[0].strip().lower() != expected:
        said = f"the body is declared as {found or 'no type'}; send it with Content-Type: {expected}"
        raise HTTPException(415, said)
