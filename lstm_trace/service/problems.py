"""Every error as a problem document (RFC 9457): the command line's message, and never what was sent; and the log.

FastAPI's own answer to invalid input repeats the input; where that holds NaN, its JSON cannot be written, and the
answer is 500 and a traceback. On stderr no message comes over and over again, which would fill a disk.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from ..errors import LstmTraceError, MissingError, TooLargeError, shortened
from ..printable import json_text, message
from ..runs.asked import DroppedRunError, NoArrowError, NotJsonError, RunFolderError, UnknownRunError
from ..store.files import LostFileError, StoreError, UnknownItemError
from ..workers.process import BusyError, DiedError, TooLongError

#: Seconds in which a message is printed once.
PAUSE = 60.0
#: Messages that are remembered.
_MOST = 200


class Log:
    """Prints messages, each kind of them once in `PAUSE` seconds; the next one says how many were left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}  # when it was printed last, and how often it came since

    def say(self, kind: str, text: str) -> None:
        """Print a text. kind: what texts have in common that say the same."""
        now = self._clock()
        printed, count = self._seen.get(kind, (-PAUSE, 0))
        if now - printed < PAUSE:
            self._seen[kind] = printed, count + 1
            return
        self._seen.pop(kind, None)
        if len(self._seen) >= _MOST:  # the kind that was printed first
            del self._seen[next(iter(self._seen))]
        self._seen[kind] = now, 0
        again = f"{text.rstrip()}\n({count:,} more like this since it was printed last)" if count else text
        print(again, file=sys.stderr, flush=True)


_log = Log()


def unexpected(error: BaseException) -> None:
    """Print an unexpected error, with the traceback of the worker where it comes from one."""
    _log.say(_kind(error), "".join(getattr(error, "__notes__", ())) or "".join(traceback.format_exception(error)))


def of_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Print what went wrong outside of requests, as a handler of exceptions of an event loop."""
    said, error = str(context.get("message", "")), context.get("exception")
    text = said if error is None else f"{said}\n{''.join(traceback.format_exception(error))}"
    _log.say(f"{said} {'' if error is None else _kind(error)}", text)


def _kind(error: BaseException) -> str:
    """The class of an error and where it was raised: its text may hold what was sent."""
    place = "".join(getattr(error, "__notes__", ()))[-2000:].rpartition('File "')[2].split("\n")[0]
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} {place} {(frames[-1].filename, frames[-1].lineno) if frames else ''}"


PACKAGE = Path(__file__).parent.parent
MEDIA = "application/problem+json"
_READING = ("GET", "HEAD")
_METHODS = (*_READING, "POST", "PUT", "PATCH", "DELETE")

#: Status, slug (the end of the document's type) and title, the same for every problem of a type.
Answer = tuple[int, str, str]
_NOWHERE: Answer = (404, "not-found", "Nothing is at this address")
_GONE: Answer = (410, "gone", "This is no longer kept")
_LARGE: Answer = (413, "too-large", "The request is too large")
#: By the class of an error or the nearest one above it; of an HTTPException by its status, where that has a row.
ANSWERS: dict[type[BaseException] | int, Answer] = {
    NotJsonError: (400, "not-json", "The body cannot be read as JSON"),
    ClientDisconnect: (400, "cut-off", "The request ended before its body did"),
    UnknownRunError: _NOWHERE,
    UnknownItemError: _NOWHERE,
    404: _NOWHERE,
    NoArrowError: (406, "not-acceptable", "The reply cannot be of the type that is asked for"),
    DroppedRunError: _GONE,
    LostFileError: _GONE,
    TooLargeError: (413, "too-much", "What is asked for would be too large"),
    413: _LARGE,
    415: (415, "media-type", "The body is of another type than expected"),
    TooLongError: (422, "too-long", "The computation took too long and was stopped"),
    DiedError: (422, "stopped", "The computation ended without an answer"),
    RequestValidationError: (422, "not-valid", "The request is not of the expected form"),
    LstmTraceError: (422, "not-possible", "The request cannot be carried out"),
    BusyError: (429, "busy", "Too many computations at once"),
    Exception: (500, "unexpected", "An unexpected error"),
    StoreError: (503, "store", "The library cannot be used now"),
    RunFolderError: (503, "runs", "Runs cannot be kept now"),
}


#: Folders that a reply never shows: of Python, of this package, of its user and of what it keeps for a moment.
_FOLDERS = (sys.prefix, sys.base_prefix, str(PACKAGE), tempfile.gettempdir(), os.getcwd(), os.path.expanduser("~"))
_NAMES = {path.rstrip("/") for folder in _FOLDERS for path in (folder, os.path.realpath(folder)) if path.strip("/")}
_EITHER = "|".join(map(re.escape, sorted(_NAMES, key=len, reverse=True)))
#: One of them, and whatever stands behind it up to a space, a quote or a colon.
_OURS = re.compile(rf"(?:{_EITHER})(?:/[^\s'\":;,()]*)?(?![\w-])")


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
    status, slug, title = _answer(error, method)
    shown = shortened(_found(error))  # before there are sentences of all
    told = [message(hidden(one if isinstance(one, str) else _sentence(one))) for one in shown]
    said = {"type": f"/problems/{slug}", "title": title, "status": status}
    return {**said, "detail": "\n".join(told), "problems": told}


def hidden(text: str) -> str:
    """A text without the places of this machine: of a path below one of them only the name is left."""
    return _OURS.sub(lambda found: found[0].rpartition("/")[2] or "…", text)


def response(error: BaseException, method: str = "POST", headers: Mapping[str, str] | None = None) -> Response:
    """The reply to a request that led to an error."""
    found = document(error, method)
    return Response(json_text(found), found["status"], dict(headers or {}), MEDIA)


def add_handlers(app: FastAPI) -> None:
    """Let an application answer every error with a problem document."""

    async def answer(request: Request, error: Exception) -> Response:
        headers = dict(getattr(error, "headers", None) or {})
        if isinstance(error, HTTPException) and error.status_code == 405:
            routes, scope = request.app.router.routes, dict(request.scope)  # Starlette says those of one route alone
            fits = [m for m in _METHODS if any(r.matches(scope | {"method": m})[0] is Match.FULL for r in routes)]
            headers["Allow"] = ", ".join(fits)
        if isinstance(error, BusyError):
            headers["Retry-After"] = str(request.app.state.settings.limits.retry_after)
        return response(error, request.method, headers)

    async def fault(request: Request, error: Exception) -> Response:
        unexpected(error)
        return response(error)

    for kind in (LstmTraceError, RequestValidationError, HTTPException, ClientDisconnect):
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(Exception, fault)


def _answer(error: BaseException, method: str) -> Answer:
    if isinstance(error, HTTPException):
        phrase = HTTPStatus(error.status_code).phrase
        return ANSWERS.get(error.status_code, (error.status_code, phrase.lower().replace(" ", "-"), phrase))
    if isinstance(error, MissingError) and method in _READING:
        return _NOWHERE
    return next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)


def _found(error: BaseException) -> Sequence[Any]:
    """What is wrong: sentences, or the faults that pydantic found, of which there may be as many as a body has keys."""
    if isinstance(error, LstmTraceError):
        return error.problems
    if isinstance(error, RequestValidationError):
        return error.errors()
    if isinstance(error, HTTPException):
        return (str(error.detail),)
    cut = isinstance(error, ClientDisconnect)
    return ("the body is cut off" if cut else "This is a fault of lstm-trace; the server's log has it.",)


def _sentence(fault: Mapping[str, Any]) -> str:
    """One fault that pydantic found: the place and what was expected, and not what was sent."""
    kind, *path = fault["loc"]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    said = str(fault["msg"]).removeprefix("Value error, ")
    where = {"body": "", "query": "parameter ", "path": "address: "}.get(str(kind), f"{kind} ")
    return f"{where}{place or 'the body'}: {said[:1].lower()}{said[1:]}"
