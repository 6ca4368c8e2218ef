"""A worker from both sides: `Process`, as the server starts, calls and kills it; `main`, which runs in it.

The process carries out one call after the other, and lives no longer than the server. They exchange frames on a
pipe: a letter, a length, and that many bytes of a pickle. Both ends are processes of ours that share a pipe with
nobody else; nothing from a request is ever unpickled as such.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from pickle import loads
from pkgutil import resolve_name
from typing import IO, Any, NoReturn

from ..errors import LstmTraceError, TooLargeError, shortened


class BusyError(LstmTraceError):
    """All workers are busy, and too many wait, or this request waited too long and was not a job."""


class TooLongError(LstmTraceError):
    """A computation took more time than it may, and was stopped."""


class DiedError(LstmTraceError):
    """The process of a computation ended without an answer; most often the system killed it for its memory."""


_HEAD = struct.Struct("<cQ")
READY, CALL, PROGRESS, RESULT, ERROR = b"Y", b"C", b"T", b"R", b"E"


def pickled(value: Any) -> bytes:
    """A value as bytes. Raises what pickle raises for a value that cannot be pickled."""
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def send(stream: IO[bytes], kind: bytes, payload: bytes = b"") -> None:
    """Write one frame. Raises OSError if the other end is gone."""
    stream.write(_HEAD.pack(kind, len(payload)))
    stream.write(payload)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """Read one frame: its kind and its payload. Raises EOFError if the other end is gone."""
    kind, length = _HEAD.unpack(_whole(stream, _HEAD.size))
    return kind, _whole(stream, length)


def _whole(stream: IO[bytes], length: int) -> bytes:
    if len(content := stream.read(length)) < length:
        raise EOFError
    return content


#: Called with the amount done and the total amount.
Progress = Callable[[int, int], None]
#: Seconds between two messages: a person does not notice more.
PAUSE = 0.1

_hearer: Progress | None = None
_next = 0.0


def tell(done: int, of: int) -> None:
    """Report how far a computation is, as `progress=` of a run; at most ten times a second, and nothing outside
    workers.

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


#: Libraries that start threads of their own read one of these before their first product. Two workers on two cores
#: with two threads each took three times as long as with one.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Process:
    """A process that computes. The methods block; one thread calls at a time, and any may `kill`.

    memory: bytes that it may allocate. warm: `module:function`, called before the first call. ready: whether that has
    happened. smaller: what makes a computation smaller, for the messages if memory runs out.
    """

    def __init__(self, memory: int, warm: str = "", smaller: str = "") -> None:
        main = f"from {__package__}.process import main; main({memory}, {warm!r}, {smaller!r})"
        # -P: the current folder is no place for modules unless it is one for the server. A session of its own: Ctrl-C
        # in the terminal reaches the server alone
        self._child = subprocess.Popen(  # noqa: S603 - our own Python and code
            [sys.executable, "-P", "-c", f"import sys; sys.path[:] = {sys.path!r}; {main}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | dict.fromkeys(THREADS, "1"),
            start_new_session=True,
        )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._to, self._from = self._child.stdin, self._child.stdout
        self._called = threading.Lock()
        self._smaller = smaller
        self.ready = False

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._child.poll() is None

    @property
    def size(self) -> int:
        """Bytes of memory that it occupies; 0 if the system does not say."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
        except (OSError, ValueError, IndexError):
            return 0

    def wait_ready(self) -> None:
        """Wait until everything is imported. Raises DiedError if the process ended before."""
        with self._called:
            if self.ready:
                return
            try:
                kind, _ = receive(self._from)
            except (EOFError, OSError):
                raise DiedError("a process that computes could not be started; the server's messages say why") from None
            assert kind == READY
            self.ready = True

    def call(self, call: bytes, progress: Progress | None) -> Any:
        """What a call, a pickled function and its arguments, returns.

        Raises what the function raised, or DiedError if the process ended meanwhile.
        """
        with self._called:
            try:
                send(self._to, CALL, call)
                while (frame := receive(self._from))[0] == PROGRESS:
                    if progress is not None:
                        progress(*loads(frame[1]))  # noqa: S301 - written by our own child
            except (EOFError, OSError):
                raise DiedError(f"the process that computed this ended without an answer, {self._why()}") from None
        kind, content = frame
        value = loads(content)  # noqa: S301 - written by our own child
        if kind == RESULT:
            return value
        raise value

    def _why(self) -> str:
        """Why the process ended, as far as its exit status shows."""
        with suppress(subprocess.TimeoutExpired):  # its pipe is closed, so it is just ending
            if self._child.wait(1) == -getattr(signal, "SIGBUS", 0):
                return "since a file became shorter while it was read; ask again, with a whole file"
        return f"most often because memory ran out{self._smaller and f'; {self._smaller}'}"

    def kill(self) -> None:
        """Kill the process; whoever waits for it gets DiedError."""
        self._child.kill()

    def end(self) -> None:
        """Kill the process, and wait until it is gone and its pipes are closed."""
        self.kill()
        self._child.wait()
        with self._called:
            for pipe in (self._to, self._from):
                with suppress(OSError):  # what was to be written has no reader
                    pipe.close()


#: Set to anything, it lets warnings of libraries through, as on the command line.
DEBUG = "LSTM_TRACE_DEBUG"


def main(memory: int, warm: str, smaller: str) -> NoReturn:
    """Serve calls from standard input until it ends.

    memory: bytes that may be allocated. warm: `module:function`, called before the first call, so that none waits
    for imports. smaller: what makes a computation smaller, for the message where memory runs out.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the server, which ends us
    # the pipes from and to the server; what is printed within a call goes to standard error instead
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if not os.environ.get(DEBUG):
        warnings.simplefilter("ignore")
    if sys.platform == "linux":  # RLIMIT_DATA counts what is allocated; mapped files, as those of traces, are free
        import resource

        with suppress(OSError, ValueError):  # there is a lower limit already
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    if warm:
        resolve_name(warm)()
    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(inbox, calls), daemon=True).start()
    kind, reply = READY, b""
    while True:
        try:
            send(outbox, kind, reply)
        except OSError:  # the server has gone
            os._exit(0)
        kind, reply = _answer(calls.get(), outbox, smaller)


def _read(inbox: IO[bytes], calls: queue.SimpleQueue[bytes]) -> None:
    """Pass calls on; end the process at once when the server ends, however it ends and whatever is being computed."""
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
        error.problems = shortened(error.problems)  # a body may have one for each of a million keys
        return ERROR, pickled(error)
    except MemoryError:
        return ERROR, pickled(TooLargeError(f"not enough memory{smaller and f'; {smaller}'}"))
    except BaseException as error:
        return ERROR, _carried(error)
    finally:
        heard_by(None)


def _carried(error: BaseException) -> bytes:
    """An unexpected error with its traceback as a note, for the log of the server.

    One that cannot be recreated there becomes a plain one, and so does SystemExit, which would end the server.
    """
    said, plain = traceback.format_exc(), RuntimeError(f"{type(error).__name__}: {error}")
    with suppress(Exception):
        if isinstance(error, Exception):
            error.add_note(said)
            content = pickled(error)
            loads(content)  # noqa: S301 - our own
            return content
    plain.add_note(said)
    return pickled(plain)
