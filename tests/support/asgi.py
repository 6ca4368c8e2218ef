"""One request to an ASGI application, byte by byte as a client sends it, without a server between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What came back. headers: by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(
    app: Any,
    path: str = "/",
    headers: Iterable[tuple[str, str]] = (("host", "127.0.0.1:8000"),),
    *,
    method: str = "GET",
    body: Iterable[bytes] = (b"",),
) -> Reply:
    """The reply of an application. body: its pieces as they arrive; a reader that wants more finds the client gone."""
    path, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8000), "state": {},
    }  # fmt: skip
    pieces = list(body)
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not pieces:
            await asyncio.sleep(3600)
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    async def run() -> None:
        await asyncio.wait_for(app(scope, receive, send), 20)

    asyncio.run(run())
    start = messages[0]
    found = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
    return Reply(start["status"], found, b"".join(message.get("body", b"") for message in messages[1:]))
