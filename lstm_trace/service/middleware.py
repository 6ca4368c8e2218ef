"""In front of the application: a guard, which also identifies clients, and cancellation for clients that have gone.

The guard protects a service on a person's own machine, where every web page that they open can reach it. It is one
layer below the application, so that no route can bypass it. It checks the name in the Host header (against DNS
rebinding), the token, the origin of requests that change something, and the size of bodies, and adds headers to every
reply that keep a browser from using it for anything but our page.
"""

from __future__ import annotations

import hmac
import re
import zlib
from urllib.parse import parse_qsl, quote, urlencode

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..base.packaged import packaged
from ..workers import Asked, ClientId, asked
from .connections import network
from .jobs import bounded
from .problems import response
from .settings import Settings

#: Methods that change nothing (RFC 9110, section 9.2.1).
SAFE = ("GET", "HEAD", "OPTIONS")
HEADERS: dict[str, str] = packaged("service/tables.toml")["headers"]
#: Hosts on which a server is reachable by any name of the machine.
_ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not listened on
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?", re.ASCII | re.IGNORECASE)


class Guard:
    """ASGI middleware that rejects requests that come neither from our page nor from a program of the user.

    Args:
        app: the application.
        settings: the host, the token and the limits.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.token = app, settings.token
        self.limits, self.most = settings.limits, settings.limits.body_bytes
        self.cookie = f"lstm-trace-{settings.port}"  # a browser sends cookies to every port of a host
        host = f"[{settings.host}]" if ":" in settings.host else settings.host.lower()
        # with a token a foreign name is harmless: the browser has no cookie for it
        self.names = None if self.token and settings.host in _ANYWHERE else {"127.0.0.1", "localhost", "[::1]", host}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = MutableHeaders(scope=message)
                added.update(HEADERS)
                if scope["path"].startswith("/api/"):  # a reply of the API is not cached unless its route says so
                    added.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            self._check_head(scope)
            self._check_host(headers)
            if (cookie := self._check_token(scope, headers)) is not None:
                rest = [one for one in parse_qsl(scope["query_string"].decode("latin-1")) if one[0] != "token"]
                path = "/" + quote(scope["path"].lstrip("/"))  # never //, which would begin the name of another host
                target = {"Location": path + ("?" + urlencode(rest) if rest else ""), "Set-Cookie": cookie}
                await Response(None, 303, target | {"Cache-Control": "no-store"})(scope, receive, guarded)
                return
            if scope["method"] not in SAFE:  # other sites can make a browser send these; programs send no origin
                site, origin = headers.get("sec-fetch-site"), headers.get("origin")
                ours = {None, *(f"{scheme}://{headers['host']}".lower() for scheme in ("http", "https"))}
                if site not in (None, "same-origin", "none") or (origin and origin.lower()) not in ours:
                    said = "the request comes from a page of another site; only the server's own page may"
                    raise HTTPException(403, said)
            receive = bounded(headers, receive, self.most)
        except HTTPException as error:
            extra = {"Connection": "close"} | dict(getattr(error, "headers", None) or {})
            await response(error, scope["method"], extra)(scope, receive, guarded)
            return
        asked.set(Asked(client(scope)))
        await self.app(scope, receive, guarded)

    def _check_head(self, scope: Scope) -> None:
        """Reject an address or headers that are too large: they may arrive in one piece, and are complete then.

        Raises HTTPException.
        """
        most, count = self.limits.head_bytes, self.limits.headers
        if (address := len(scope.get("raw_path") or b"") + len(scope["query_string"])) > most:
            raise HTTPException(414, f"the address has {address:,} bytes; the maximum is {most:,}")
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if address + size > most or len(scope["headers"]) > count:
            said = f"{len(scope['headers']):,} headers of {size:,} bytes; the maximum is {count} of {most:,} bytes"
            raise HTTPException(431, f"the request has {said}")

    def _check_host(self, headers: Headers) -> None:
        """Reject a request for another host name. Raises HTTPException."""
        given = headers.getlist("host")
        found = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        unknown = found is not None and self.names is not None and found[1].lower() not in self.names
        if found is None or int(found[2] or 0) > 65_535 or unknown:
            names = " or ".join(sorted(self.names)) if self.names else "the name of this machine"
            raise HTTPException(400, f"the header Host does not name this server; open it as {names}")

    def _check_token(self, scope: Scope, headers: Headers) -> str | None:
        """Reject a request without the token; return the cookie to set if the token is in the address.

        Raises HTTPException.
        """
        if self.token is None:
            return None
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        if scope["method"] == "GET" and self._is_token(query.get("token", "")):
            return f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_token(given.strip()):
            return None
        if self._is_token(HTTPConnection(scope).cookies.get(self.cookie, "")):
            return None
        said = "this server needs its token: open the address with ?token=… once, as the server printed it, or send"
        raise HTTPException(401, f"{said} the header Authorization: Bearer", {"WWW-Authenticate": "Bearer"})

    def _is_token(self, given: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(given.encode(), (self.token or "").encode()) and bool(self.token)


_EMPTY: Message = {"type": "http.request", "body": b"", "more_body": False}


class Disconnects:
    """ASGI middleware that cancels the application if the client disconnects before it has its reply.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        read, gone = anyio.Event(), anyio.Event()
        answered = False
        failed: Exception | None = None
        nothing = [] if has_body else [_EMPTY]
        if not has_body:
            read.set()

        async def reading() -> Message:
            if nothing:
                return nothing.pop()
            if read.is_set():
                await gone.wait()
                return {"type": "http.disconnect"}
            message = await receive()
            if message["type"] == "http.disconnect":
                gone.set()
            if not message.get("more_body", False):
                read.set()
            return message

        async def sending(message: Message) -> None:
            nonlocal answered
            answered = answered or (message["type"] == "http.response.body" and not message.get("more_body", False))
            await send(message)

        async def watch() -> None:
            await read.wait()
            while not gone.is_set():
                if (await receive())["type"] == "http.disconnect":
                    gone.set()
            if not answered:
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            try:
                await self.app(scope, reading, sending)
            except Exception as error:  # raised below: a task group would wrap it
                failed = error
            tasks.cancel_scope.cancel()
        if failed is not None:
            raise failed


#: The header with a random name of a page or a program: thirty students may share one address.
HEADER = "X-Client"
#: Maximum number of names per address; anyone can invent names.
_SHARES = 64


def client(scope: Scope) -> ClientId:
    """The sender of a request."""
    address, _ = scope.get("client") or ("", 0)
    page = Headers(scope=scope).get(HEADER, "")
    return ClientId(network(address), str(zlib.crc32(page.encode()) % _SHARES) if page else "")
