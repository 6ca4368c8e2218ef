"""Every error as a problem document (RFC 9457): the command line's message, and never what was sent.

FastAPI's own answer to invalid input repeats the input; where that holds NaN, its JSON cannot be written, and the
answer is 500 and a traceback.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from ..errors import LstmTraceError, MissingError, TooLargeError
from ..printable import json_text, message
from .errors import BodyError, BodyTooLargeError, BusyError, ServiceError, UnknownError

MEDIA = "application/problem+json"
#: Problems of one document; the rest is counted.
MOST = 50
_READING = ("GET", "HEAD")
_METHODS = (*_READING, "POST", "PUT", "PATCH", "DELETE")


class ProblemDocument(BaseModel):
    """What went wrong, as the command line says it."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="what kind of problem it is", examples=["/problems/not-possible"])
    title: str = Field(description="the kind in words")
    status: int = Field(description="the status of the reply", ge=400, le=599)
    detail: str = Field(description="all problems; rows of equations have a caret under the place")
    problems: list[str] = Field(description="one message for each problem")


def document(error: BaseException, method: str = "POST") -> dict[str, Any]:
    """The problem document of an error. method: of the request, since what is read and not there is 404."""
    status, slug, title, problems = _kind(error, method)
    told = [message(problem) for problem in problems[:MOST]]
    if len(problems) > MOST:
        told.append(f"and {len(problems) - MOST:,} more")
    return {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": "\n".join(told),
        "problems": told,
    }


def response(error: BaseException, method: str = "POST", headers: Mapping[str, str] | None = None) -> Response:
    """The reply to a request that led to an error."""
    found = document(error, method)
    return Response(json_text(found), found["status"], dict(headers or {}), MEDIA)


def add_handlers(app: FastAPI) -> None:
    """Let an application answer every error with a problem document."""

    async def answer(request: Request, error: Exception) -> Response:
        headers = dict(getattr(error, "headers", None) or {})
        if isinstance(error, HTTPException) and error.status_code == 405:
            headers["Allow"] = ", ".join(_allowed(request))
        if isinstance(error, BusyError):
            headers["Retry-After"] = str(request.app.state.settings.limits.retry_after)
        if isinstance(error, BodyTooLargeError):  # the rest of it is not read
            headers["Connection"] = "close"
        return response(error, request.method, headers)

    async def unexpected(request: Request, error: Exception) -> Response:
        log(error)
        return response(error)

    for kind in (LstmTraceError, RequestValidationError, HTTPException, ClientDisconnect):
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(Exception, unexpected)


def _allowed(request: Request) -> list[str]:
    """The methods of the request's address; Starlette says those of one route alone."""
    routes = request.app.router.routes
    scope = dict(request.scope)
    return [
        method
        for method in _METHODS
        if any(route.matches(scope | {"method": method})[0] is Match.FULL for route in routes)
    ]


def log(error: BaseException) -> None:
    """Print an unexpected error on stderr, with the traceback of the worker where it comes from one."""
    notes = getattr(error, "__notes__", ())
    print("".join(notes) or "".join(traceback.format_exception(error)), file=sys.stderr, flush=True)


def _kind(error: BaseException, method: str) -> tuple[int, str, str, tuple[str, ...]]:
    """Status, slug, title and problems of an error."""
    match error:
        case ServiceError():
            return error.status, error.slug, error.title, error.problems
        case TooLargeError():
            return BodyTooLargeError.status, BodyTooLargeError.slug, BodyTooLargeError.title, error.problems
        case MissingError() if method in _READING:
            return UnknownError.status, UnknownError.slug, UnknownError.title, error.problems
        case LstmTraceError():
            return ServiceError.status, ServiceError.slug, ServiceError.title, error.problems
        case RequestValidationError():
            return 422, "not-valid", "The request is not of the expected form", tuple(map(_sentence, error.errors()))
        case HTTPException():
            phrase = HTTPStatus(error.status_code).phrase
            return error.status_code, phrase.lower().replace(" ", "-"), phrase, (str(error.detail),)
        case ClientDisconnect():
            return BodyError.status, "cut-off", "The request ended before its body did", ("the body is cut off",)
    return 500, "unexpected", "An unexpected error", ("This is a fault of lstm-trace; the server's log has it.",)


def _sentence(fault: Mapping[str, Any]) -> str:
    """One fault that pydantic found: the place and what was expected, and not what was sent."""
    kind, *path = fault["loc"]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    said = str(fault["msg"]).removeprefix("Value error, ")
    where = {"body": "", "query": "parameter ", "path": "address: "}.get(str(kind), f"{kind} ")
    return f"{where}{place or 'the body'}: {said[:1].lower()}{said[1:]}"
