"""JSON bodies, read strictly: what two readers could understand differently is refused, with its place."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from ..runs import asked

JSON = "application/json"


class _Read(Request):
    """A request whose body has been read."""

    data: Any = None

    async def json(self) -> Any:
        """The data of the body."""
        return self.data


class JsonRoute(APIRoute):
    """A route whose body, if its function takes one, is JSON and says so.

    Every router of the service is made with `route_class=JsonRoute`. Where the function reads the stream of the
    request itself, nothing is read here.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of FastAPI, behind our reading of the body."""
        inner = super().get_route_handler()
        if self.body_field is None:
            return inner

        async def handler(request: Request) -> Response:
            body = await request.body()
            if body or "content-type" in request.headers:
                check_media(request, JSON)
            read = _Read(request.scope, request.receive)
            read._body = body
            if body:
                read.data = asked.data(body)
            return await inner(read)

        return handler


def check_media(request: Request, expected: str) -> None:
    """Refuse a request whose body is not of the type `expected`. Raises HTTPException."""
    found = Message()
    found["content-type"] = request.headers.get("content-type", "")
    if found.get_content_type() != expected or not request.headers.get("content-type"):
        said = request.headers.get("content-type") or "no type"
        raise HTTPException(415, f"the body is declared as {said}; send it with Content-Type: {expected}")
