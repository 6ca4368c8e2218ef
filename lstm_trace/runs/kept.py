"""Kept runs: files named by what the run follows from, written whole, the least recently used dropped first.

A run is `ID.safetensors`, its trace, and `ID.json`, four lines: the source, the edits, what it was made of, the reply.
The second file is written last, and a run is there when both are. Of a run that is dropped the second one stays for a
while, from which it can be made again, and then `ID.gone` for another while. Several servers may share the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..base.files import written
from ..trace.files import trace_file
from ..trace.trace import Trace
from .errors import DroppedRunError

#: Traces that a worker holds open, and bytes of one that it made itself; larger ones are mapped again from the file.
OPEN, HELD = 32, 4 << 20
#: Dropped runs that can be made again, for each run that is kept; and bytes of what is known of one, at most.
REMEMBERED, RECIPE = 4, 1 << 20
TRACE = ".safetensors"
#: Seconds after which what a killed writer has left is removed.
LEFT = 600.0
_open: OrderedDict[str, Trace] = OrderedDict()


class Bounds(NamedTuple):
    """The limits that concern runs: values of one, units of a live one, how many are kept, their bytes."""

    values: int
    live: int
    runs: int
    bytes: int


class Recipe(NamedTuple):
    """What a run follows from. source: JSON of a spec without its edits; edits: by address, in order; item: the
    SHA-256 of the file of the library that it is of, if any.
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


class Record(NamedTuple):
    """What stands beside the trace of a run."""

    recipe: Recipe
    parent: str | None
    reply: bytes

    def answer(self, parent: str | None, changed: list[Any] | None = None) -> bytes:
        """The reply to who asks for the run. parent, changed: of an edit that leads to it."""
        more = json.dumps({"parent": parent, "changed": changed}).encode()
        return self.reply[:-1] + b", " + more[1:]


def is_there(path: Path) -> bool:
    """Whether the run whose trace is at `path` is kept; it then counts as used."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return path.with_suffix(".json").exists()


def record(path: str | Path) -> Record:
    """What stands beside the trace at `path`. Raises DroppedRunError."""
    try:
        source, edits, made, reply = Path(path).with_suffix(".json").read_bytes().split(b"\n")
    except FileNotFoundError:
        raise gone(Path(path).stem) from None
    said = json.loads(made)
    return Record(Recipe(source, json.loads(edits), said["item"]), said["parent"], reply)


def keep(path: Path, trace: Trace, found: Record) -> None:
    """Write what stands beside a trace that was saved at `path`, and hold the trace if it is small."""
    made = json.dumps({"item": found.recipe.item, "parent": found.parent}).encode()
    rows = found.recipe.source, json.dumps(dict(found.recipe.edits)).encode(), made, found.reply
    with written(path.with_suffix(".json"), "wb") as file:
        file.write(b"\n".join(rows))
    path.with_suffix(".gone").unlink(missing_ok=True)
    if path.stat().st_size <= HELD:
        _hold(str(path), trace)


def opened(path: str) -> Trace:
    """The trace of a run; run files never change, so one that was opened stays as it is. Raises DroppedRunError."""
    if path in _open:
        _open.move_to_end(path)
        return _open[path]
    if not os.path.exists(path):
        raise gone(Path(path).stem)
    return _hold(path, trace_file.load(path))


def _hold(path: str, trace: Trace) -> Trace:
    _open[path] = trace
    if len(_open) > OPEN:
        _open.popitem(last=False)
    return trace


def gone(run: str) -> DroppedRunError:
    """The error for a run that was dropped."""
    return DroppedRunError(f"the run {run} is no longer kept: the least recently used are dropped first; make it again")


def drop(folder: Path, bounds: Bounds) -> None:
    """Remove the traces of the least recently used runs beyond the bounds, but never the latest, and what is old."""
    names, found = os.listdir(folder), []
    for name in names:
        with suppress(FileNotFoundError):  # another server drops too
            if name.endswith(TRACE):
                text = (folder / name).with_suffix(".json")
                found.append((os.stat(folder / name), text.stat().st_size if text.exists() else 0, text))
            elif name.endswith(".part") and time.time() - os.stat(folder / name).st_mtime > LEFT:
                os.unlink(folder / name)  # of a killed writer
    size = 0
    for at, (trace, known, text) in enumerate(sorted(found, key=lambda run: -run[0].st_mtime)):
        size += trace.st_size + known
        if at and (at >= bounds.runs or size > bounds.bytes):
            if known > RECIPE:
                _forget(text)
            text.with_suffix(TRACE).unlink(missing_ok=True)
    for suffix, remove in ((".json", _forget), (".gone", lambda path: path.unlink(missing_ok=True))):
        those = [folder / name for name in names if name.endswith(suffix)]
        if len(those) > REMEMBERED * bounds.runs:  # some at once: this looks at all of them
            old = sorted(those, key=lambda path: path.stat().st_mtime if path.exists() else 0.0)[: len(those) // 4]
            for path in old:
                if not path.with_suffix(TRACE).exists():
                    remove(path)


def _forget(text: Path) -> None:
    """Remove what is known of a run, so that it cannot be made again."""
    text.with_suffix(".gone").touch()
    text.unlink(missing_ok=True)
