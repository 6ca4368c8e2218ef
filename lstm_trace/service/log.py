"""What a server says on stderr: what is unexpected, and no message over and over again, which would fill a disk."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

#: Seconds in which a message is printed once.
PAUSE = 60.0
#: Messages that are remembered.
_MOST = 200


class Log:
    """Prints messages, each kind of them once in `PAUSE` seconds; the next one says how many were left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}  # when it was printed last, and how often it came since

    def say(self, kind: str, text: str) -> None:
        """Print a text. kind: what texts have in common that say the same."""
        now = self._clock()
        printed, count = self._seen.get(kind, (-PAUSE, 0))
        if now - printed < PAUSE:
            self._seen[kind] = printed, count + 1
            return
        self._seen.pop(kind, None)
        if len(self._seen) >= _MOST:  # the kind that was printed first
            del self._seen[next(iter(self._seen))]
        self._seen[kind] = now, 0
        again = f"{text.rstrip()}\n({count:,} more like this since it was printed last)" if count else text
        print(again, file=sys.stderr, flush=True)


_log = Log()


def unexpected(error: BaseException) -> None:
    """Print an unexpected error, with the traceback of the worker where it comes from one."""
    notes = getattr(error, "__notes__", ())
    _log.say(_kind(error), "".join(notes) or "".join(traceback.format_exception(error)))


def of_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Print what went wrong outside of requests, as a handler of exceptions of an event loop."""
    said, error = str(context.get("message", "")), context.get("exception")
    text = said if error is None else f"{said}\n{''.join(traceback.format_exception(error))}"
    _log.say(f"{said} {'' if error is None else _kind(error)}", text)


def _kind(error: BaseException) -> str:
    """The class of an error and where it was raised: its text may hold what was sent."""
    notes = getattr(error, "__notes__", ())
    place = "".join(notes)[-2000:].rpartition('File "')[2].split("\n")[0]
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} {place} {(frames[-1].filename, frames[-1].lineno) if frames else ''}"
