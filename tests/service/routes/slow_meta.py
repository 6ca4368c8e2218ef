"""What there is: compared with the package itself and, for equations, with the command line's messages."""

from __future__ import annotations

import pytest

from ...support.serving import Server

pytest.importorskip("fastapi")


import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from fastapi import FastAPI

from lstm_trace.service.routes import meta

from ...support import asgi
from . import test_meta
from .test_meta import ask

server = test_meta.server


def test_examples_are_described_as_the_same_file_in_the_library_is(server: Server) -> None:
    found = {one["name"]: one for one in ask(server, "/examples")[1]}
    assert found["gru"] == {
        "name": "gru",
        "title": "A GRU of two units over two steps",
        "cell": "gru",
        "sizes": {"T": 2, "B": 1, "I": 2, "H": 2, "layers": 1, "directions": 1},
    }
    assert found["batch"]["sizes"]["B"] == 3


@pytest.mark.parametrize("path", ["/cells", "/examples", "/examples/q22", "/choices"])
def test_what_reads_files_holds_no_other_request_up(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """It is carried out in another thread than the one that answers."""
    app, threads = FastAPI(), set()
    app.include_router(meta.router)

    def heard(read: Callable[..., Any], *args: Any) -> Any:
        threads.add(threading.get_ident())
        return read(*args)

    for made_once in (meta.cells, meta.list_examples, meta.choices):
        made_once.cache_clear()
    for name in ("inspect_example", "read_data", "words"):
        monkeypatch.setattr(meta, name, partial(heard, getattr(meta, name)))
    assert asgi.ask(app, f"/api/v1{path}").status == 200
    assert threads - {threading.get_ident()} == threads != set()


def test_a_request_of_meta_is_quick(server: Server) -> None:
    ask(server, "/choices")
    began = time.perf_counter()
    for _ in range(20):
        assert ask(server, "/choices")[0] == 200
    assert (time.perf_counter() - began) / 20 < 0.05
