"""Kept runs: files named by a hash of everything that determines the run, written atomically; the least recently used
are dropped first.

A run is `ID.safetensors`, its trace, and `ID.json`, five lines: the source, the edits, what it was made of and the seal
of its trace, the reply, and a digest of all that. The second file is written last, and a run exists if both files do.
When a run is dropped, the second file stays for a while, so that the run can be made again, and then `ID.gone` for
another while. Damaged files and files of another run are removed when they are found, as if they had been dropped.
Several servers may share the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..base.writing import written
from ..errors import FileError, reason
from ..trace.files import trace_file
from ..trace.trace import Trace
from .asked import DroppedRunError, RunFolderError
from .records import as_json

#: Number of traces that a worker keeps open.
OPEN = 32
#: Number of dropped runs that can be made again, per kept run; and maximum size of the facts about one.
REMEMBERED, RECIPE = 4, 1 << 20
TRACE = ".safetensors"
#: Seconds after which leftovers of a killed writer are removed.
LEFT = 600.0
#: Number of parts of a trace file that its seal covers, and their size: up to 4 MiB that is the whole file, and it
#: never takes more than some milliseconds.
PARTS, PART = 64, 64 << 10
#: Traces by their path, each with the identity of its file.
_open: OrderedDict[str, tuple[Trace, tuple[int, int] | None]] = OrderedDict()


class Bounds(NamedTuple):
    """The limits on runs: values of one, units of a live one, number and total size of kept ones."""

    values: int
    live: int
    runs: int
    bytes: int


class Recipe(NamedTuple):
    """Everything that determines a run. source: JSON of a spec without its edits; edits: by address, in order; item:
    the
    SHA-256 of the file in the library that it is made from, if any.
    """

    source: bytes
    edits: Mapping[str, Any]
    item: str = ""

    @property
    def spec(self) -> bytes:
        """The spec as JSON."""
        if not self.edits:
            return self.source
        edits = [{"address": address, "value": value} for address, value in self.edits.items()]
        return self.source[:-1] + b', "edits": ' + json.dumps(edits).encode() + b"}"

    @property
    def id(self) -> str:
        """The same for the same run, in any process: 128 bits of a SHA-256."""
        return hashlib.sha256(b"\n".join((__version__.encode(), self.item.encode(), self.spec))).hexdigest()[:32]


class RunRecord(NamedTuple):
    """The facts stored next to the trace of a run. seal: of the trace file, once it is written."""

    recipe: Recipe
    parent: str | None
    reply: bytes
    seal: str = ""

    def answer(self, parent: str | None, changed: list[Any] | None = None) -> bytes:
        """The reply to a request for the run. parent, changed: of the edit that led to it."""
        return self.reply[:-1] + b", " + as_json({"parent": parent, "changed": changed})[1:]


def is_there(path: Path) -> bool:
    """Whether the run whose trace is at `path` is kept; marks it as used. Raises RunFolderError."""
    with _as_folder_error("the run cannot be used", path):
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
    return path.with_suffix(".json").exists()


def record(path: str | Path) -> RunRecord:
    """The facts stored next to the trace at `path`.

    Raises DroppedRunError, also for damaged ones, and RunFolderError.
    """
    text = Path(path).with_suffix(".json")
    with _as_folder_error("the run cannot be read", path), suppress(FileNotFoundError, IsADirectoryError):
        *rows, digest = text.read_bytes().split(b"\n")
        if digest == _digest(text.stem, rows):
            source, edits, made, reply = rows
            said = json.loads(made)
            return RunRecord(Recipe(source, json.loads(edits), said["item"]), said["parent"], reply, said["seal"])
    if text.exists():
        _forget(text)
    raise gone(text.stem)


def save(path: Path, trace: Trace) -> None:
    """Write the trace of a run. Raises RunFolderError."""
    with _as_folder_error("the run cannot be kept", path):
        if path.is_dir():
            _remove(path)
        trace_file.save(trace, path)


def keep(path: Path, found: RunRecord) -> None:
    """Write the facts next to a trace that was saved at `path`. Raises RunFolderError."""
    with _as_folder_error("the run cannot be kept", path):
        made = json.dumps({"item": found.recipe.item, "parent": found.parent, "seal": _seal(path)}).encode()
        rows = [found.recipe.source, json.dumps(dict(found.recipe.edits)).encode(), made, found.reply]
        with written(path.with_suffix(".json"), "wb") as file:
            file.write(b"\n".join([*rows, _digest(path.stem, rows)]))
        path.with_suffix(".gone").unlink(missing_ok=True)


def opened(path: str) -> Trace:
    """The trace of a run; an open one remains valid while its file is unchanged, or after it is dropped.

    Raises DroppedRunError, also for a file that is damaged or belongs to another run, and RunFolderError.
    """
    with _as_folder_error("the run cannot be read", path):
        there = _identity(path)
        if path in _open and there in (None, _open[path][1]):
            _open.move_to_end(path)
            return _open[path][0]
        _open.pop(path, None)
        if there is not None:
            with suppress(FileNotFoundError, IsADirectoryError):
                if _seal(path) == record(path).seal:
                    _open[path] = trace_file.load(path), _identity(path)
                    if len(_open) > OPEN:
                        _open.popitem(last=False)
                    return _open[path][0]
            _remove(Path(path))
    raise gone(Path(path).stem)


def check(path: str) -> None:
    """Make sure that the trace of a run is intact. Raises as `opened` does."""
    opened(path)


@contextmanager
def _as_folder_error(what: str, path: str | Path) -> Iterator[None]:
    """Convert file system errors about the run at `path` to RunFolderError; clients must not see our paths."""
    try:
        yield
    except FileError as error:
        if isinstance(cause := error.__context__, OSError):
            raise RunFolderError(f"{what}: {reason(cause, paths=False)}") from None
        raise FileError(*(problem.replace(str(path), "the run") for problem in error.problems)) from None
    except OSError as error:
        raise RunFolderError(f"{what}: {reason(error, paths=False)}") from None


def _identity(path: str) -> tuple[int, int] | None:
    """Identifies a file, to detect replacement or truncation; None if there is no file."""
    with suppress(FileNotFoundError):
        found = os.stat(path)
        return found.st_ino, found.st_size
    return None


def _seal(path: str | Path) -> str:
    """A digest of a file's size and of some of its parts, including the beginning. Raises OSError."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        found = hashlib.sha256(b"%d" % size)
        for at in range(0, size, max(PART, size // PARTS)):
            file.seek(at)
            found.update(file.read(PART))
    return found.hexdigest()


def _digest(run: str, rows: list[bytes]) -> bytes:
    """A digest of the facts about a run, including its id."""
    return hashlib.sha256(b"\n".join([run.encode(), *rows])).hexdigest().encode()


def gone(run: str) -> DroppedRunError:
    """The error for a run that was dropped."""
    return DroppedRunError(f"the run {run} is no longer kept: the least recently used are dropped first; make it again")


def drop(folder: Path, bounds: Bounds) -> None:
    """Remove the traces of the least recently used runs beyond the bounds, except the latest, and old files."""
    # each new run looks at all of them: 200 take 2.2 ms with names as text, 4.7 ms with paths
    names, found = set(os.listdir(folder)), []
    for name in names:
        with suppress(FileNotFoundError):  # another server drops too
            if name.endswith(TRACE):
                text = f"{name.removesuffix(TRACE)}.json"
                known = os.stat(os.path.join(folder, text)).st_size if text in names else 0
                found.append((os.stat(os.path.join(folder, name)), known, text))
            elif name.endswith(".part") and time.time() - os.stat(folder / name).st_mtime > LEFT:
                os.unlink(folder / name)  # left by a killed writer
    size = 0
    for at, (trace, known, text) in enumerate(sorted(found, key=lambda run: -run[0].st_mtime)):
        size += trace.st_size + known
        if at and (at >= bounds.runs or size > bounds.bytes):
            if known > RECIPE:
                _forget(folder / text)
            _remove((folder / text).with_suffix(TRACE))
    for suffix, remove in ((".json", _forget), (".gone", _remove)):
        those = [name for name in names if name.endswith(suffix)]
        if len(those) > REMEMBERED * bounds.runs:  # several at once, because this inspects all of them
            paths = sorted(map(folder.joinpath, those), key=lambda path: path.stat().st_mtime if path.exists() else 0.0)
            for path in paths[: len(those) // 4]:
                if not path.with_suffix(TRACE).exists():
                    remove(path)


def _forget(text: Path) -> None:
    """Remove the facts about a run, so that it cannot be made again."""
    text.with_suffix(".gone").touch()
    _remove(text)


def _remove(path: Path) -> None:
    """Remove a file of ours; a folder in its place, which is not ours to empty, is renamed."""
    with suppress(FileNotFoundError):
        if path.is_dir():
            path.rename(path.with_name(f"{path.name}.{time.time_ns()}.damaged"))
        else:
            path.unlink()
