"""The size of a request's body, held against a limit before and while it is read."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive


def check_length(headers: Headers, most: int, of: str = "body") -> None:
    """Refuse a body that is said to have more than `most` bytes, before it is read. Raises HTTPException."""
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > most:
        raise _too_large(most, of)


def bounded(receive: Receive, most: int, of: str = "body") -> Receive:
    """`receive`, which raises HTTPException once a body is too large, whether or not it said its length."""
    read = 0

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            raise _too_large(most, of)
        return message

    return counted


def _too_large(most: int, of: str) -> HTTPException:
    said = f"the {of} has more than {most:,} bytes, which is the most that is read; see /api/v1/limits"
    return HTTPException(413, said, {"Connection": "close"})  # the rest of it is not read
