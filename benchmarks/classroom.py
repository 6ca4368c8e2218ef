"""A class at one server: how long an edit takes for one of them, while the others open and change examples.

One headless Chromium drags a weight of question 22 on the served bench. Meanwhile each of the others requests what a
page requests when an example is opened (a run, and its trace), every two seconds. Their edits request nothing, as the
dragging page is shown to. Printed are the median and the 90th percentile of an edit's processor time in the page, in
milliseconds, the requests that the drag made, and how long the others waited.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks.bench_page import measured
from lstm_trace.examples import examples
from tests.browser.chromium import PROGRAM
from tests.support.serving import Server, serving

SIZES = (0, 10, 30)
PAUSE = 2.0


class Other(threading.Thread):
    """Somebody who opens one example after the other."""

    def __init__(self, server: Server, number: int) -> None:
        super().__init__(daemon=True)
        self.host, self.number, self.ended = server.url.removeprefix("http://"), number, threading.Event()
        self.waited: list[float] = []
        self.refused = 0

    def run(self) -> None:
        names = [*examples()]
        self.ended.wait(PAUSE * np.random.default_rng(self.number).random())
        for count in range(1000):
            begun = time.monotonic()
            made = self._asked("POST", "/api/v1/runs", {"example": names[(self.number + count) % len(names)]})
            if made is not None:
                self._asked("GET", f"/api/v1/runs/{made['id']}/download/trace.json")
                self.waited.append(time.monotonic() - begun)
            if self.ended.wait(PAUSE):
                return

    def _asked(self, method: str, path: str, body: object = None) -> dict[str, str] | None:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        given = None if body is None else json.dumps(body)
        connection.request(method, path, given, {"Content-Type": "application/json"} if given else {})
        reply = connection.getresponse()
        found = json.loads(reply.read())
        connection.close()
        if reply.status in (200, 201):
            return dict(found)
        self.refused += 1
        return None


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{server.opened[server.opened.index('http') :]}#bench?source=example:q22")
        page.locator("#value").wait_for()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/api/" in request.url else None)
        for size in SIZES:
            others = [Other(server, number) for number in range(size)]
            for one in others:
                one.start()
            time.sleep(2 * PAUSE if size else 0)
            asked.clear()
            processor, _ = (np.percentile(times, [50, 90]) for times in measured(page))
            for one in others:
                one.ended.set()
            for one in others:
                one.join(60)
            waits = [wait for one in others for wait in one.waited]
            said = f"edit {processor[0]:.1f} ({processor[1]:.1f}) ms, {len(asked)} requests"
            if waits:
                waited = 1000 * np.percentile(waits, [50, 90])
                said += f"; {len(waits)} examples opened after {waited[0]:.0f} ({waited[1]:.0f}) ms"
                said += f", {sum(one.refused for one in others)} requests put off or refused"
            print(f"{size} others: {said}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
