"""What a server and its worker send each other: errors, frames on a pipe, and how far a computation is.

A frame is a letter, a length, and as many bytes of a pickle. Both ends are processes of ours that share a pipe with
nobody else; nothing of a request is ever unpickled as such.
"""

from __future__ import annotations

import pickle
import struct
import time
from collections.abc import Callable
from typing import IO, Any

from ..errors import LstmTraceError


class BusyError(LstmTraceError):
    """All workers compute, and those who wait are too many, or this one waited too long and was no job."""


class TooLongError(LstmTraceError):
    """A computation took more time than it may, and was stopped."""


class DiedError(LstmTraceError):
    """The process of a computation ended without an answer; most often the system killed it for its memory."""


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


#: Called with what is done and what there is in all.
Progress = Callable[[int, int], None]
#: Seconds between two messages: a person sees no more.
PAUSE = 0.1

_hearer: Progress | None = None
_next = 0.0


def tell(done: int, of: int) -> None:
    """Say how far a computation is, as `progress=` of a run; at most ten times a second, and nothing outside workers.

    Args:
        done: what is done, in steps.
        of: what there is to do, in steps.
    """
    global _next
    if _hearer is not None and (now := time.monotonic()) >= _next:
        _next = now + PAUSE
        _hearer(done, of)


def heard_by(hearer: Progress | None) -> None:
    """Let `tell` speak to `hearer` from now on."""
    global _hearer, _next
    _hearer, _next = hearer, 0.0
