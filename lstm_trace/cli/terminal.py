"""The terminal: standard streams in whatever state the shell passes them, width and colours, a progress bar."""

from __future__ import annotations

import errno
import io
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn


class _Closed(io.TextIOBase):
    """Replaces a stream that the shell has closed (`>&-`): reading or writing it is an error with its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def buffer(self) -> Any:
        """The same for bytes."""
        return self

    def read(self, size: int | None = -1, /) -> NoReturn:
        """Raises OSError."""
        raise OSError(errno.EBADF, f"{self.name} is closed", "-")

    def write(self, text: Any, /) -> NoReturn:
        """Raises OSError."""
        raise OSError(errno.EBADF, f"{self.name} is closed", "-")


def prepare() -> None:
    """Make the standard streams usable: a closed one is an error only on use, and no odd character stops the output.

    If the shell has closed one, the next file opened would get its descriptor, and anything that a library prints would
    end up in that file; so the descriptors are occupied first.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_RDWR), number)
    if sys.stdin is None:
        sys.stdin = _Closed("standard input")
    if sys.stdout is None:
        sys.stdout = _Closed("standard output")
    if sys.stderr is None:  # nobody reads the messages; the exit code remains
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process runs
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def discard() -> None:
    """Discard the pending output on standard output: its reader has gone, or its disk is full."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# -- what a screen shows ---------------------------------------------------------------------------------------------


def in_colours(drawn: Callable[[int, bool], str]) -> str:
    """What is drawn for a given width, in colours if the terminal supports them."""
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return drawn(shutil.get_terminal_size().columns, bool(colours))


#: Seconds before a bar is shown, and between updates.
PATIENCE = 2.0
PAUSE = 0.1


class ProgressBar:
    """A progress bar on stderr, on terminals only, for anything that takes longer than two seconds.

    Call it with the amount done and the total; it is a context manager, and the bar disappears at its end.

    what: the activity; unit: what is counted; total: the total amount, for `advance`.
    """

    def __init__(self, what: str = "tracing", unit: str = "steps", total: int = 0) -> None:
        self.what, self.unit, self.total, self.done = what, unit, total, 0
        self._shown: Any = None
        self._task: Any = None
        self._next = time.monotonic() + PATIENCE if sys.stderr.isatty() else float("inf")

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown is not None:
            self._shown.stop()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + PAUSE
        if self._shown is None:
            self._show(total)
        self._shown.update(self._task, completed=done)

    def advance(self, more: int) -> None:
        """Report that this many more are done."""
        self.done += more
        self(self.done, self.total)

    def _show(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        said = TextColumn(self.what), BarColumn(), MofNCompleteColumn(), TextColumn(f"{self.unit},")
        self._shown = Progress(*said, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        self._task = self._shown.add_task("", total=total)
        self._shown.start()
