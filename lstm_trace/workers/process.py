"""A worker as the server sees it: it is started, called, and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from pickle import loads
from typing import Any

from .errors import DiedError
from .frames import CALL, PROGRESS, READY, RESULT, receive, send
from .telling import Progress

#: Libraries that start threads of their own read one of these before their first product. Two workers on two cores
#: with two threads each were seen to take three times as long as with one.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Process:
    """A process that computes. The methods block; one thread calls at a time, and any may `kill`.

    memory: bytes that it may allocate. warm: `module:function`, called before the first call. ready: whether it has
    been. smaller: what makes a computation smaller, for the messages where memory runs out.
    """

    def __init__(self, memory: int, warm: str = "", smaller: str = "") -> None:
        main = f"from {__package__}.child import main; main({memory}, {warm!r}, {smaller!r})"
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
        """Bytes of memory that it occupies; 0 where the system does not say."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
        except (OSError, ValueError, IndexError):
            return 0

    def wait_ready(self) -> None:
        """Wait until everything is imported. Raises DiedError where the process ended before."""
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

        Raises what the function raised, or DiedError where the process ended meanwhile.
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
        """Why the process ended, as far as its end shows."""
        with suppress(subprocess.TimeoutExpired):  # its pipe is closed, so it has ended but for an instant
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
