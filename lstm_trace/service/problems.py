"""Every error as a problem document (RFC 9457): the command line's message, never the content sent; and the log.

FastAPI's own reply to invalid input repeats the input; if that contains NaN, its JSON cannot be written, and the reply
is 500 with a traceback. On stderr a message is not repeated over and over, which would fill a disk.
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

from ..base.packaged import packaged
from ..errors import LstmTraceError, MissingError, shortened
from ..printable import json_text, message
from ..workers.process import BusyError

#: Seconds during which a message is printed only once.
PAUSE = 60.0
#: Number of messages that are remembered.
_MOST = 200


class Log:
    """Prints messages, each kind once in `PAUSE` seconds; the next one says how many were omitted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}  # time of the last print, and occurrences since then

    def say(self, kind: str, text: str) -> None:
        """Print a text. kind: identifies texts with the same meaning."""
        now = self._clock()
        printed, count = self._seen.get(kind, (-PAUSE, 0))
        if now - printed < PAUSE:
            self._seen[kind] = printed, count + 1
            return
        self._seen.pop(kind, None)
        if len(self._seen) >= _MOST:  # forget the kind that was printed first
            del self._seen[next(iter(self._seen))]
        self._seen[kind] = now, 0
        again = f"{text.rstrip()}\n({count:,} more like this since it was printed last)" if count else text
        print(again, file=sys.stderr, flush=True)


_log = Log()


def unexpected(error: BaseException) -> None:
    """Print an unexpected error, with the traceback of the worker if it comes from one."""
    _log.say(_kind(error), "".join(getattr(error, "__notes__", ())) or "".join(traceback.format_exception(error)))


def of_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Print errors outside of requests; an exception handler of an event loop."""
    said, error = str(context.get("message", "")), context.get("exception")
    text = said if error is None else f"{said}\n{''.join(traceback.format_exception(error))}"
    _log.say(f"{said} {'' if error is None else _kind(error)}", text)


def _kind(error: BaseException) -> str:
    """The class of an error and where it was raised: its text may contain sent data."""
    place = "".join(getattr(error, "__notes__", ()))[-2000:].rpartition('File "')[2].split("\n")[0]
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} {place} {(frames[-1].filename, frames[-1].lineno) if frames else ''}"


PACKAGE = Path(__file__).parent.parent
MEDIA = "application/problem+json"
_READING = ("GET", "HEAD")
_METHODS = (*_READING, "POST", "PUT", "PATCH", "DELETE")

#: Status, slug (the end of the document's type) and title, the same for every problem of a type.
Answer = tuple[int, str, str]
#: By the class of an error or its nearest base class; for an HTTPException by its status, if it is in the table.
ANSWERS: dict[str, Answer] = {name: tuple(row) for name, row in packaged("service/tables.toml")["answers"].items()}


#: Folders that a reply never shows: of Python, of this package, of its user and for temporary files.
_FOLDERS = (sys.prefix, sys.base_prefix, str(PACKAGE), tempfile.gettempdir(), os.getcwd(), os.path.expanduser("~"))
_NAMES = {path.rstrip("/") for folder in _FOLDERS for path in (folder, os.path.realpath(folder)) if path.strip("/")}
_EITHER = "|".join(map(re.escape, sorted(_NAMES, key=len, reverse=True)))
#: One of them, and everything after it up to a space, a quote or a colon.
_OURS = re.compile(rf"(?:{_EITHER})(?:/[^\s'\":;,()]*)?(?![\w-])")


class ProblemDocument(BaseModel):
    """An error, as the command line reports it."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="the kind of problem", examples=["/problems/not-possible"])
    title: str = Field(description="the kind in words")
    status: int = Field(description="the status of the reply", ge=400, le=599)
    detail: str = Field(description="all problems; lines of equations have a caret below the position")
    problems: list[str] = Field(description="one message for each problem")


def document(error: BaseException, method: str = "POST") -> dict[str, Any]:
    """The problem document of an error. method: of the request; when reading, a missing resource is a 404."""
    status, slug, title = _answer(error, method)
    shown = shortened(_found(error))  # before all of them are put into sentences
    told = [message(hidden(one if isinstance(one, str) else _sentence(one))) for one in shown]
    said = {"type": f"/problems/{slug}", "title": title, "status": status}
    return {**said, "detail": "\n".join(told), "problems": told}


def hidden(text: str) -> str:
    """A text without paths of this machine: of a path inside one of these folders only the name is kept."""
    return _OURS.sub(lambda found: found[0].rpartition("/")[2] or "…", text)


def response(error: BaseException, method: str = "POST", headers: Mapping[str, str] | None = None) -> Response:
    """The reply to a request that caused an error."""
    found = document(error, method)
    return Response(json_text(found), found["status"], dict(headers or {}), MEDIA)


def add_handlers(app: FastAPI) -> None:
    """Make an application answer every error with a problem document."""

    async def answer(request: Request, error: Exception) -> Response:
        headers = dict(getattr(error, "headers", None) or {})
        if isinstance(error, HTTPException) and error.status_code == 405:
            routes, scope = request.app.router.routes, dict(request.scope)  # Starlette lists one route's alone
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
        return ANSWERS.get(str(error.status_code), (error.status_code, phrase.lower().replace(" ", "-"), phrase))
    if isinstance(error, MissingError) and method in _READING:
        return ANSWERS["404"]
    return next(ANSWERS[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in ANSWERS)


def _found(error: BaseException) -> Sequence[Any]:
    """The problems: sentences, or the faults that pydantic found, of which there may be as many as keys in a body."""
    if isinstance(error, LstmTraceError):
        return error.problems
    if isinstance(error, RequestValidationError):
        return error.errors()
    if isinstance(error, HTTPException):
        return (str(error.detail),)
    cut = isinstance(error, ClientDisconnect)
    return ("the body is cut off" if cut else "This is a bug in lstm-trace; the server's log has the details.",)


def _sentence(fault: Mapping[str, Any]) -> str:
    """One fault that pydantic found: its location and what was expected, but not the sent value."""
    kind, *path = fault["loc"]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    said = str(fault["msg"]).removeprefix("Value error, ")
    where = {"body": "", "query": "parameter ", "path": "address: "}.get(str(kind), f"{kind} ")
    return f"{where}{place or 'the body'}: {said[:1].lower()}{said[1:]}"
