"""The process of a worker: it carries out one call after the other, and lives no longer than the server."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from pickle import loads
from pkgutil import resolve_name
from typing import IO, NoReturn

from ..errors import LstmTraceError, TooLargeError, shortened
from .frames import CALL, ERROR, PROGRESS, READY, RESULT, pickled, receive, send
from .telling import heard_by

#: Set to anything, it lets warnings of libraries through, as on the command line.
DEBUG = "LSTM_TRACE_DEBUG"


def main(memory: int, warm: str, smaller: str) -> NoReturn:
    """Serve calls from standard input until it ends.

    memory: bytes that may be allocated. warm: `module:function`, called before the first call, so that none waits
    for imports. smaller: what makes a computation smaller, for the message where memory runs out.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the server, which ends us
    inbox, outbox = _taken_streams()
    if not os.environ.get(DEBUG):
        warnings.simplefilter("ignore")
    _bound(memory)
    if warm:
        resolve_name(warm)()
    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(inbox, calls), daemon=True).start()
    send(outbox, READY)
    while True:
        kind, reply = _answer(calls.get(), outbox, smaller)
        try:
            send(outbox, kind, reply)
        except OSError:  # the server has gone
            os._exit(0)


def _taken_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes from and to the server; what is printed within a call goes to standard error instead."""
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return inbox, outbox


def _bound(memory: int) -> None:
    """Let an allocation beyond `memory` fail in this process, where the system can do that."""
    if sys.platform == "linux":  # RLIMIT_DATA counts what is allocated; mapped files, as those of traces, are free
        import resource

        with suppress(OSError, ValueError):  # a lower limit is there already
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def _read(inbox: IO[bytes], calls: queue.SimpleQueue[bytes]) -> None:
    """Pass calls on; end the process at once when the server ends, however it does and whatever is computed."""
    try:
        while True:
            kind, call = receive(inbox)
            assert kind == CALL
            calls.put(call)
    finally:
        os._exit(0)


def _answer(call: bytes, outbox: IO[bytes], smaller: str) -> tuple[bytes, bytes]:
    """The kind and the content of the reply to a call."""
    heard_by(lambda done, of: send(outbox, PROGRESS, pickled((done, of))))
    try:
        function, args = loads(call)  # noqa: S301 - written by the server, whose child this is
        return RESULT, pickled(function(*args))
    except LstmTraceError as error:
        return ERROR, pickled(_shortened(error))
    except MemoryError:
        return ERROR, pickled(TooLargeError(f"not enough memory{smaller and f'; {smaller}'}"))
    except Exception as error:
        return ERROR, _carried(error)
    except BaseException as error:  # raised in the server, SystemExit would end that
        return ERROR, pickled(_plain(error, traceback.format_exc()))
    finally:
        heard_by(None)


def _shortened(error: LstmTraceError) -> LstmTraceError:
    """An error without the problems that are not reported; a body may have one for each of a million keys."""
    error.problems = shortened(error.problems)
    return error


def _carried(error: Exception) -> bytes:
    """An unexpected error with its traceback as a note, for the log of the server."""
    said = traceback.format_exc()
    error.add_note(said)
    try:
        content = pickled(error)
        loads(content)  # noqa: S301 - our own; some exceptions are pickled and cannot be made again
    except Exception:
        content = pickled(_plain(error, said))
    return content


def _plain(error: BaseException, said: str) -> RuntimeError:
    plain = RuntimeError(f"{type(error).__name__}: {error}")
    plain.add_note(said)
    return plain
