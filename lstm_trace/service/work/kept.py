"""Kept runs: files named by what the run follows from, written whole, the least recently used dropped first.

A run is `ID.safetensors`, its trace, and `ID.json`, four lines: the source, the edits, what it was made of, the reply.
The second file is written last, so that a run is there as soon as that is. Several servers may share the folder.
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

from ... import __version__
from ...base.files import written
from ...trace.files import trace_file
from ...trace.trace import Trace
from ..errors import GoneError

#: Traces that a worker holds open, and bytes of one that it made itself; larger ones are mapped again from the file.
OPEN, HELD = 32, 4 << 20
#: Ids of dropped runs that are remembered, for each run that is kept.
REMEMBERED = 16
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
        return self.reply[:-1] + b', "spec": ' + self.recipe.spec + b", " + more[1:]


def record(path: str | Path) -> Record:
    """What stands beside the trace at `path`. Raises GoneError."""
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
    """The trace of a run; run files never change, so one that was opened stays as it is. Raises GoneError."""
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


def gone(run: str) -> GoneError:
    """The error for a run that was dropped."""
    return GoneError(f"the run {run} is no longer kept: the least recently used are dropped first; make it again")


def drop(folder: Path, bounds: Bounds) -> None:
    """Remove the least recently used runs beyond the bounds, but never the latest; and what killed writers left."""
    found: dict[str, list[os.stat_result]] = {}
    dropped: list[tuple[float, str]] = []
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):  # another server drops too
            stem, _, suffix = entry.name.partition(".")
            if suffix == "gone":
                dropped.append((entry.stat().st_mtime, stem))
            elif stem:
                found.setdefault(stem, []).append(entry.stat())
            elif entry.name.endswith(".part") and time.time() - entry.stat().st_mtime > LEFT:
                os.unlink(entry.path)
    latest = sorted(found, key=lambda stem: -max(file.st_mtime for file in found[stem]))
    size = 0
    for at, stem in enumerate(latest):
        size += sum(file.st_size for file in found[stem])
        if at and (at >= bounds.runs or size > bounds.bytes):
            (folder / f"{stem}.gone").touch()
            for suffix in ("json", "safetensors"):
                (folder / f"{stem}.{suffix}").unlink(missing_ok=True)
    for _, stem in sorted(dropped)[: max(len(dropped) - REMEMBERED * bounds.runs, 0)]:
        (folder / f"{stem}.gone").unlink(missing_ok=True)
