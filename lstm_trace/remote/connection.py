"""Requests to a server, and what it answers: JSON, a file, the result of a job, or what is wrong."""

from __future__ import annotations

import json
import random
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException, IncompleteRead
from typing import Any

from ..base.arrays import as_plain
from ..errors import LstmTraceError

#: Seconds to wait for an answer, or for more of one. What takes longer than a second is a job, which is asked about
#: again and again; only an upload waits for as long as the server may take to read the file (10 s, or its `--seconds`).
PATIENCE = 60.0
#: Seconds in which a request that the server is too busy for is sent again, as often as the server wants it to be.
STUBBORN = 120.0
#: Bytes of a file that are read at once.
PART = 1 << 20
_BASE = "/api/v1"
#: By which a server tells this program from others of the same address, so that they take turns.
_NAME = secrets.token_urlsafe(9)


class ServiceError(LstmTraceError):
    """What the server says is wrong, or that there is no server. status: of HTTP; 0 where there was no answer."""

    def __init__(self, status: int, *problems: str) -> None:
        super().__init__(*problems)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return ServiceError, (self.status, *self.problems)


@dataclass(frozen=True)
class Connection:
    """A way to a server. url: of the server. token: the one that it was started with, if any."""

    url: str
    token: str | None = field(default=None, repr=False)

    def _json(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """The answer as data; of a job, when it is done."""
        with self._answer(method, path, body, query) as answer:
            found = json.loads(answer.read() or b"null")
            status = answer.status
        return self._finished(found["id"]) if status == 202 else found

    def _parts(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[bytes]:
        """A file, in parts as they arrive; of a job, when it is done. Raises ServiceError, also where it is cut off."""
        with self._answer("GET", path, query=query) as answer:
            if answer.status != 202:
                while part := answer.read(PART):
                    yield part
                if answer.length:  # `read` of a part does not say so
                    raise IncompleteRead(b"", answer.length)
                return
            job = json.loads(answer.read())
        yield from self._parts(self._finished(job["id"])["href"].removeprefix(_BASE))

    def _finished(self, job: str) -> Any:
        pause = 0.05
        while True:
            found = self._json("GET", f"/jobs/{quoted(job)}")
            if found["state"] == "done":
                return found["result"]
            if found["state"] not in ("queued", "running"):
                problem = found.get("problem") or {"detail": f"the job was {found['state']}"}
                raise _refused(problem.get("status", 0), problem)
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    @contextmanager
    def _answer(
        self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> Iterator[Any]:
        headers = {"Accept": "application/json", "Prefer": "respond-async", "X-Client": _NAME}
        if isinstance(body, bytes):
            headers["Content-Type"] = "application/octet-stream"
        elif body is not None:
            body = json.dumps(as_plain(body), allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        asked = urllib.parse.urlencode({k: v for k, v in (query or {}).items() if v not in (None, "")}, doseq=True)
        url = f"{self.url.rstrip('/')}{_BASE}{path}{'?' if asked else ''}{asked}"
        if not url.startswith(("http://", "https://")):
            raise ServiceError(0, f"{self.url!r} is no address of a server; expected http://… or https://…")
        end = time.monotonic() + STUBBORN
        while True:
            request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
                    yield answer
                    return
            except urllib.error.HTTPError as error:
                with error:
                    if error.code == 429 and time.monotonic() < end:
                        pause = min(float(error.headers.get("Retry-After") or 1), 10.0)
                        time.sleep(pause * random.uniform(0.7, 1.3))  # noqa: S311 - so that not all come at once
                        continue
                    raise _refused(error.code, _document(error.read())) from None
            except (OSError, HTTPException) as error:
                reason = getattr(error, "reason", error)
                if body is not None and isinstance(reason, ConnectionError):
                    self._check_size(len(body))
                raise ServiceError(
                    0, f"{self.url}: no answer ({reason}); is the server running? lstm-trace serve starts one"
                ) from None

    def _check_size(self, size: int) -> None:
        """Raise ServiceError for a body that is too large: the server refuses it unread, and closes the connection."""
        try:
            most = int(self._json("GET", "/limits")["body_bytes"])
        except ServiceError:
            return
        if size > most:
            raise ServiceError(413, f"the body has {size:,} bytes, and {self.url} reads at most {most:,}")


def quoted(text: str) -> str:
    """A text as a part of a path: only the slashes of an address stay.

    >>> quoted("0/forward/W_xi @ x_t[0]")
    '0/forward/W_xi%20%40%20x_t%5B0%5D'
    """
    return urllib.parse.quote(text, safe="/")


def _document(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"detail": content[:500].decode("utf-8", "replace")}


def _refused(status: int, problem: Mapping[str, Any]) -> ServiceError:
    told = problem.get("problems") or [problem.get("detail") or problem.get("title") or f"the server said {status}"]
    return ServiceError(int(status), *map(str, told))
