"""Runs that are dropped while they are asked for: made again, and files that are sent whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ...support.asgi import ask

pytest.importorskip("fastapi")

from fastapi import FastAPI

from lstm_trace.runs import printing
from lstm_trace.runs.errors import DroppedRunError
from lstm_trace.service.held import Held
from lstm_trace.service.problems import add_handlers
from lstm_trace.service.routes import downloads
from lstm_trace.service.settings import Settings


class Dropping:
    """Stands for the workers and the runs: the file is gone again `times` times before it can be opened."""

    def __init__(self, folder: Path, times: int) -> None:
        self.path, self.times = folder / "run.safetensors", times

    async def using(self, runs: list[str], read: Any) -> Any:
        for _ in range(5):
            self.path.write_bytes(b"numbers")
            try:
                return await read({runs[0]: str(self.path)})
            except DroppedRunError:
                continue
        raise DroppedRunError("gone")

    async def call(self, function: Any, *args: Any) -> Any:
        assert function is printing.download
        self.times -= 1
        if self.times >= 0:
            self.path.unlink()
        return self.path, "run.safetensors"


@pytest.mark.parametrize(("times", "status"), [(0, 200), (2, 200), (9, 410)])
def test_a_trace_that_is_dropped_before_it_is_sent(tmp_path: Path, times: int, status: int) -> None:
    app, both = FastAPI(), Dropping(tmp_path, times)
    app.state.settings = Settings()
    app.state.held = Held(Settings(), both, None, both, None)  # type: ignore[arg-type]
    add_handlers(app)
    app.include_router(downloads.router)
    reply = ask(app, "/api/v1/runs/abc/download/trace.safetensors")
    assert reply.status == status
    if status == 200:
        assert (reply.body, reply.headers["content-length"]) == (b"numbers", "7")
        assert reply.headers["content-type"] == "application/octet-stream"
