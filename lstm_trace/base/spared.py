"""Files that are read are not written over: an output that is one of the inputs is refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from ..errors import FileError


def spare(output: str | Path, inputs: Iterable[str | Path]) -> None:
    """Raise FileError where `output` is one of the files `inputs`, by whatever name or link: it would be lost.

    '-' is the file that the shell has opened as standard output, or input.
    """
    target = _identity(output, 1)
    for source in inputs:
        if target is not None and target == _identity(source, 0):
            also = "" if str(source) == str(output) else f" {source} by another name,"
            raise FileError(f"{output}: this is{also} an input, which would be lost; write to another file")


#: The files that a command is about to write, for files that it meets on the way: those that a problem names.
_OUTPUTS: ContextVar[tuple[str | Path, ...]] = ContextVar("outputs", default=())


@contextmanager
def sparing(outputs: Iterable[str | Path]) -> Iterator[None]:
    """While `outputs` are to be written, `read_from` refuses to read them."""
    token = _OUTPUTS.set((*_OUTPUTS.get(), *outputs))
    try:
        yield
    finally:
        _OUTPUTS.reset(token)


def read_from(path: str | Path) -> None:
    """Raise FileError where a file that is about to be read is one that a command is going to write."""
    for output in _OUTPUTS.get():
        spare(output, [path])


def _identity(path: str | Path, standard: int) -> tuple[int, int] | None:
    """What two names of one file have in common; None where nothing could be lost: no file yet, a terminal, a pipe."""
    try:
        found = os.fstat(standard) if str(path) == "-" else os.stat(path)
    except (OSError, ValueError):  # a name that no file can have
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None
