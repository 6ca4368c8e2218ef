"""The random traces of `tests/lines`, run by the modules of the page in Chromium."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lstm_trace.trace.files.trace_file import to_json

from .. import ROOT
from ..lines.problems import RUN, check, random_trace
from .chromium import PROGRAM, Browser

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here")

COUNT, BLOCK = 2_000, 50


class Quiet(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript"}

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def page(driver: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A page that has the modules; `answer(texts)` is what they make of traces."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "lines").symlink_to(ROOT / "lstm_trace" / "lines")
    script = RUN.replace("LINES", "./lines").replace("export const answer", "globalThis.answer")
    (folder / "index.html").write_text(
        f'<!doctype html><link rel="icon" href="data:,"><script type="module">{script}</script>'
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        driver.visit(f"http://127.0.0.1:{server.server_port}/index.html")
        driver.wait_for("globalThis.answer")
        yield driver
        server.shutdown()


@pytest.mark.parametrize("first", range(0, COUNT, BLOCK))
def test_random_traces(page: Browser, first: int) -> None:
    traces = [random_trace(seed) for seed in range(first, first + BLOCK)]
    texts = json.dumps([to_json(trace) for trace in traces])
    found = json.loads(page.run(f"JSON.stringify(answer({texts}))"), parse_int=_number)
    for seed, (trace, reply) in enumerate(zip(traces, found, strict=True), first):
        check(trace, reply, f"seed {seed}")
    assert not page.complaints


def _number(text: str) -> int | float:
    """JavaScript has one kind of number: 1e20 is written as a whole one."""
    return int(text) if len(text) < 16 else float(text)
