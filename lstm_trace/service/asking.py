"""Who asks, for the queue before the workers: an address, and which page or program there."""

from __future__ import annotations

import zlib

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..workers import Asked, Client, asked
from .connections import network

#: The header in which a page or a program names itself, at random: thirty students may share one address.
HEADER = "X-Client"
#: How many of one address are told apart; a name is free to invent.
_SHARES = 64


class Asking:
    """ASGI middleware that notes who asks.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            asked.set(Asked(client(scope)))
        await self.app(scope, receive, send)


def client(scope: Scope) -> Client:
    """Who sent a request."""
    address, _ = scope.get("client") or ("", 0)
    page = Headers(scope=scope).get(HEADER, "")
    return Client(network(address), str(zlib.crc32(page.encode()) % _SHARES) if page else "")
