"""A file as a reply: opened before the reply begins, so that it is whole even if it is removed meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from starlette.responses import StreamingResponse

_CHUNK = 1 << 20


def sent_file(file: BinaryIO, media: str, headers: Mapping[str, str]) -> StreamingResponse:
    """The reply with an open file, which it closes.

    Args:
        file: at its beginning.
        media: its type.
        headers: more of the reply's.

    Returns:
        The reply.
    """
    length = str(os.fstat(file.fileno()).st_size)
    return StreamingResponse(_chunks(file), media_type=media, headers={**headers, "Content-Length": length})


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
