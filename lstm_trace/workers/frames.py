"""What a server and its worker say to each other: a letter, a length, and as many bytes of a pickle.

Both ends are processes of ours that share a pipe with nobody else; nothing of a request is ever unpickled as such.
"""

from __future__ import annotations

import pickle
import struct
from typing import IO, Any

_HEAD = struct.Struct("<cQ")
READY, CALL, PROGRESS, RESULT, ERROR = b"Y", b"C", b"T", b"R", b"E"


def pickled(value: Any) -> bytes:
    """A value as bytes. Raises what pickle raises for a value that cannot be."""
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def send(stream: IO[bytes], kind: bytes, payload: bytes = b"") -> None:
    """Write one frame. Raises OSError where the other end is gone."""
    stream.write(_HEAD.pack(kind, len(payload)))
    stream.write(payload)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """Read one frame: its kind and its payload. Raises EOFError where the other end is gone."""
    kind, length = _HEAD.unpack(_whole(stream, _HEAD.size))
    return kind, _whole(stream, length)


def _whole(stream: IO[bytes], length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content
