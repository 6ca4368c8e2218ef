"""A file as a reply: opened before the reply begins, so that it is whole even if it is removed meanwhile."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import BinaryIO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

#: Bytes that are in memory for each client that reads slowly.
_CHUNK = 1 << 18


def attachment(name: str) -> dict[str, str]:
    """The header of a file that is saved under a name (RFC 6266).

    >>> attachment("Größe 1/2.csv")
    {'Content-Disposition': "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe%201%2F2.csv"}
    """
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}


class SentFile(StreamingResponse):
    """The reply with an open file, which it closes, even where the client goes before the first byte.

    Args:
        file: at its beginning.
        media: its type.
        name: under which it is saved.
    """

    def __init__(self, file: BinaryIO, media: str, name: str) -> None:
        length = str(os.fstat(file.fileno()).st_size)
        chunks = iter(lambda: file.read(_CHUNK), b"")
        super().__init__(chunks, media_type=media, headers={**attachment(name), "Content-Length": length})
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._file:
            await super().__call__(scope, receive, send)


class LaterFile(Response):
    """The reply with a file that is opened when it is sent: a job may keep it for minutes, and send it twice.

    Args:
        opened: gives the file, at its beginning.
        media: its type.
        name: under which it is saved.
    """

    def __init__(self, opened: Callable[[], Awaitable[BinaryIO]], media: str, name: str) -> None:
        super().__init__(media_type=media, headers=attachment(name))
        self._opened, self._media, self._name = opened, media, name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises what opening it raises, before anything is sent."""
        await SentFile(await self._opened(), self._media, self._name)(scope, receive, send)
