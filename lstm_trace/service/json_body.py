"""JSON bodies, read strictly: what two readers could understand differently is refused, with its place."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from ..runs import asked
from .bounded import bounded, check_length

JSON = "application/json"
_SMALL = "body of this request"


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
            most = request.app.state.settings.limits.small_body_bytes
            check_length(request.headers, most, _SMALL)
            request = Request(request.scope, bounded(request.receive, most, _SMALL))
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
