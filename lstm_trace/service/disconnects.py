"""Stops the work on a request whose client has gone: a page that drags a number takes back most of what it asks."""

from __future__ import annotations

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_EMPTY: Message = {"type": "http.request", "body": b"", "more_body": False}


class Disconnects:
    """ASGI middleware that cancels the application where the client goes before it has its reply.

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
        if not has_body:
            read.set()
        first = not has_body

        async def reading() -> Message:
            nonlocal first
            if first:
                first = False
                return _EMPTY
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
            except Exception as error:  # raised below: a group of tasks would wrap it
                failed = error
            tasks.cancel_scope.cancel()
        if failed is not None:
            raise failed
