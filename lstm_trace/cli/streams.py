"""The three standard streams as the shell may hand them over: closed, or unable to print a character."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any, NoReturn


class _Closed(io.TextIOBase):
    """Stands for a stream that the shell has closed (`>&-`): to read or write it is an error with its name."""

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
    """Make the streams fit to be used: a closed one is reported when it is needed, an odd character never stops a page.

    Where the shell has closed one, the next file to be opened would get its number, and whatever a library prints
    would go into that file; so the numbers are taken first.
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
    if sys.stderr is None:  # nobody wants the messages; the exit code tells
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process runs
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def discard() -> None:
    """Send what is still to be written to standard output nowhere: its reader has gone, or its disk is full."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
