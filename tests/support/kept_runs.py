"""Runs that are made and kept without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lstm_trace.runs import running
from lstm_trace.runs.kept import Bounds

BOUNDS = Bounds(values=20_000_000, live=64, runs=256, bytes=1_000_000_000)


class Kept:
    """A folder of runs; `make` and `edit` give the reply as data, `path` where a run is."""

    def __init__(self, folder: Path, bounds: Bounds = BOUNDS) -> None:
        self.folder, self.bounds = folder, bounds

    def make(self, item: running.Item | None = None, /, **spec: Any) -> Any:
        return json.loads(running.make(json.dumps(spec).encode(), str(self.folder), self.bounds, item).reply)

    def edit(self, run: Any, edits: dict[str, Any] | None = None, **more: Any) -> Any:
        said = {"edits": [{"address": name, "value": value} for name, value in (edits or {}).items()], **more}
        return json.loads(running.edit(json.dumps(said).encode(), self.path(run), self.bounds).reply)

    def spec(self, run: Any) -> Any:
        return json.loads(running.spec(self.path(run)))

    def path(self, run: Any) -> str:
        return str(self.folder / f"{run['id']}.safetensors")
