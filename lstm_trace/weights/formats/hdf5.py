"""HDF5 files as a flat table of arrays, with guards: nothing outside of the file, and no claim larger than the file.

The file is opened in a process of its own (see `hdf5_reader`), which may crash, hang or ask for too much memory
without harm; what comes back is checked here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from typing import Any, Protocol

import numpy as np

from ...base.extras import missing
from ...errors import FileError, MissingError
from ..guards import ARRAYS, Lazy, afford, checked_shape, entries, widened
from .hdf5_reader import FAULTS, RefusedError, Stored

#: The script that reads a file, and how many seconds it may take for an answer: some, and one more for so many bytes.
READER = Path(__file__).with_name("hdf5_reader.py")
SECONDS = 20
BYTES_A_SECOND = 5_000_000
#: Seconds in which a reader that has stopped answering must have ended.
PATIENCE = 5
#: Bytes that reading may take beside the file's own and the array's: the library's, and the table of a large model.
MEMORY = 1 << 29
#: Bytes of an answer without its array: a table of arrays, with the model's configuration.
MOST_TABLE = 1 << 28
#: Characters of a model's configuration, which takes up to 30 times the memory when it is parsed.
MOST_CONFIG = 1 << 24


class Answers(Protocol):
    """What gives the contents of a file: another process, or this one."""

    def table(self) -> Mapping[str, Any]:
        """See `hdf5_reader.Stored`."""

    def numbers(self, name: str, size: int) -> Any:
        """An array of `size` bytes, without a shape."""


class Dataset(Lazy):
    """An array that stays in its file until its numbers are asked for."""

    def __init__(self, answers: Answers, name: str, facts: Mapping[str, Any], where: str) -> None:
        self._answers, self._name, self._facts, self._where = answers, name, facts, f"{where}: {name}"
        self.shape = checked_shape(facts["shape"], self._where)
        self.half = bool(facts["half"])
        self.dtype = np.dtype("V2" if self.half or not facts["numbers"] else str(facts["dtype"]))

    def read(self) -> Any:
        """The numbers; bfloat16 as the equal float32. Raises FileError for a claim that the file does not bear out."""
        facts = self._facts
        if facts["elsewhere"]:
            raise FileError(f"{self._where} takes its numbers from other files, which is never followed")
        if not facts["numbers"]:
            raise FileError(f"{self._where} has the dtype {facts['dtype']}; expected numbers")
        stored = np.dtype(str(facts["dtype"]))
        size, there = entries(self.shape) * stored.itemsize, int(facts["stored"])
        if not facts["chunked"] and size != there:
            raise FileError(f"{self._where} claims {size:,} bytes and stores {there:,}: the file is not whole")
        if there == 0 < size:
            raise FileError(f"{self._where} claims {size:,} bytes and stores none")
        afford(size, there, self._where)
        values = self._answers.numbers(self._name, size).view(stored).reshape(self.shape)
        if self.half or values.dtype.kind == "V":
            if values.dtype.itemsize != 2:
                raise FileError(f"{self._where} has the dtype {values.dtype}; expected numbers")
            return widened(values.view(np.uint16))
        return values


@dataclass
class Tree:
    """The arrays of a file by path, those attributes of its groups that are texts, and its layers' names in order."""

    arrays: dict[str, Dataset] = field(default_factory=dict)
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def text(self, path: str, name: str) -> str:
        """An attribute that is a text; empty where it is not there."""
        return self.attributes.get(path, {}).get(name, "")


@contextmanager
def opened(path: str | Path, where: str, entry: str = "", size: int = 0) -> Iterator[Tree]:
    """What is in a file, for as long as it is open. entry: where it stands in an archive, of `size` bytes there.

    Raises MissingError without h5py, FileError for a foreign or damaged file, and for one that leads out of itself.
    """
    try:
        there = find_spec("h5py") is not None
    except ValueError:  # something else by that name
        there = False
    if not there:
        raise MissingError(missing(where, "h5py", ARRAYS))
    size = size or os.stat(path).st_size
    with _child(path, entry, size, where) if interpreter() else _here(path, entry, where) as answers:
        table = answers.table()
        arrays = {name: Dataset(answers, name, facts, where) for name, facts in table["arrays"].items()}
        yield Tree(arrays, table["attributes"], table["order"])


def interpreter() -> str:
    """The Python that can be started; empty where the program is frozen, or Python is part of another program.

    Then a file is read in this process: no other is there.
    """
    name = Path(sys.executable or "").stem.lower()
    return "" if getattr(sys, "frozen", False) or not name.startswith(("python", "pypy")) else sys.executable


def parsed(text: str, where: str) -> Any:
    """JSON text in a file. Raises FileError."""
    if len(text) > MOST_CONFIG:
        raise FileError(
            f"{where}: the model's configuration has {len(text):,} characters; at most {MOST_CONFIG:,} are read"
        )
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise FileError(f"{where}: the model's configuration is not JSON; is the file cut off?") from None


# -- in this process -------------------------------------------------------------------------------------------------


class _Here:
    def __init__(self, stored: Stored, where: str) -> None:
        self._stored, self._where = stored, where

    def table(self) -> Mapping[str, Any]:
        return self._stored.table

    def numbers(self, name: str, size: int) -> Any:
        try:
            return self._stored.numbers(name).reshape(-1).view(np.uint8)
        except FAULTS as error:
            raise FileError(f"{self._where}: cannot be read: {str(error)[:200]}") from None


@contextmanager
def _here(path: str | Path, entry: str, where: str) -> Iterator[_Here]:
    try:
        stored = Stored(str(path), entry)
    except FAULTS as error:
        said = str(error)[:200]
        raise FileError(f"{where}: {said if isinstance(error, RefusedError) else f'cannot be read: {said}'}") from None
    try:
        yield _Here(stored, where)
    finally:
        stored.close()


# -- in another ------------------------------------------------------------------------------------------------------


class _Child:
    """The conversation with a reader. Each answer has its time; a reader that exceeds it is killed."""

    def __init__(self, process: Any, first: Mapping[str, Any], seconds: float, where: str) -> None:
        self._process, self._first, self._seconds, self._where = process, first, seconds, where
        self._late = False

    def table(self) -> Mapping[str, Any]:
        return self._asked(self._first, None)[0]

    def numbers(self, name: str, size: int) -> Any:
        return self._asked({"name": name, "memory": MEMORY + 2 * size}, size)[1]

    def _asked(self, request: Mapping[str, Any], size: int | None) -> tuple[Mapping[str, Any], Any]:
        """The answer to a request, with the bytes that follow it. Raises FileError."""
        timer = Timer(self._seconds, self._stop)
        timer.start()
        try:
            with suppress(BrokenPipeError, OSError):  # it has ended: the answer will be missing
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
            line = self._process.stdout.readline(MOST_TABLE)
            reply: Any = None
            with suppress(ValueError, RecursionError):
                reply = json.loads(line) if line.endswith(b"\n") else None
            if isinstance(reply, dict) and "error" in reply:
                said = str(reply["error"])
                raise FileError(f"{self._where}: {said if reply.get('refused') else f'cannot be read: {said}'}")
            content = np.empty(size or 0, np.uint8)
            if not isinstance(reply, dict) or (size is not None and not self._filled(reply, content)):
                raise FileError(f"{self._where}: cannot be read: {self._ended()}")
            return reply, content
        finally:
            timer.cancel()

    def _filled(self, reply: Mapping[str, Any], content: Any) -> bool:
        """Whether as many bytes came as the array has."""
        view, done = memoryview(content), 0
        while reply.get("bytes") == len(view) and done < len(view):
            count = self._process.stdout.readinto(view[done:])
            if not count:
                return False
            done += count
        return reply.get("bytes") == len(view)

    def _stop(self) -> None:
        self._late = True
        self._process.kill()

    def _ended(self) -> str:
        """Why there is no answer, in words."""
        if self._late:
            return f"it took more than {self._seconds:.0f} seconds; the file is damaged, or not a file of weights"
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return "the reader gave no answer that can be understood"
        by = f"code {code}"
        if code < 0:
            with suppress(ValueError):
                by = signal.Signals(-code).name
        return f"it made the HDF5 library crash ({by}); the file is damaged, or made to do so"


@contextmanager
def _child(path: str | Path, entry: str, size: int, where: str) -> Iterator[_Child]:
    """A reader of a file, in a process that ends with the context."""
    # -I: neither the current folder nor the reader's, where torch.py and onnx.py are ours, is searched for modules
    command = [interpreter(), "-I", str(READER)]
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        process = subprocess.Popen(  # noqa: S603 - this Python, and a script of ours
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **threads},  # numpy's pools would take more memory and time than the file
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise FileError(f"{where}: no process can be started to read it ({error.strerror or error})") from None
    modules = [str(Path(part).absolute()) for part in sys.path]  # where this process finds h5py
    first = {"path": str(Path(path).absolute()), "entry": entry, "modules": modules, "memory": MEMORY + 4 * size}
    try:
        yield _Child(process, first, SECONDS + size / BYTES_A_SECOND, where)
    finally:
        process.kill()
        with suppress(OSError):  # what it was asked last it may not have read
            process.communicate()
