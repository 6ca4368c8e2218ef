"""A run that is dropped while its file is asked for: it is made again, and its file is sent whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from ...support.asgi import ask
from ...support.kept_runs import BOUNDS

pytest.importorskip("fastapi")

from fastapi import FastAPI

from lstm_trace.runs import printing
from lstm_trace.runs.runs import Runs
from lstm_trace.service.held import Held
from lstm_trace.service.problems import add_handlers
from lstm_trace.service.routes import downloads
from lstm_trace.service.settings import Settings


class Dropping:
    """Calls functions where it is, and drops a run once its file is named and before it can be sent."""

    async def call(self, function: Callable[..., Any], *args: Any, told: Any = None) -> Any:
        found = function(*args)
        if function is printing.download:
            Path(args[0]).unlink()
        return found


def test_a_trace_that_is_dropped_before_it_is_sent(tmp_path: Path) -> None:
    workers: Any = Dropping()
    runs, app = Runs(tmp_path, BOUNDS, workers, None), FastAPI()  # type: ignore[arg-type]
    app.state.settings = Settings()
    app.state.held = Held(Settings(), workers, None, runs, None)  # type: ignore[arg-type]
    add_handlers(app)
    app.include_router(downloads.router)
    made = anyio.run(runs.make, b'{"example": "q22"}')
    content = runs.path(made.id).read_bytes()
    reply = ask(app, f"/api/v1/runs/{made.id}/download/trace.safetensors")
    assert (reply.status, reply.headers["content-length"]) == (200, str(len(content)))
    assert reply.body == content
