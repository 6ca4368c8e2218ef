"""Fifty clients at once for a minute, on this machine alone; four of them that edit; and what memory that takes."""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ..support.serving import Server, serving

pytest.importorskip("fastapi")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

#: Seconds of load.
SECONDS = 60.0
#: How much larger the processes of a server may be at the end than after a third of the time, in MB.
GROWTH = 40.0


class Caller:
    """One connection that is kept."""

    def __init__(self, server: Server) -> None:
        self.host = server.url.removeprefix("http://")
        self.connection = http.client.HTTPConnection(self.host, timeout=60)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        text = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        self.connection.request(method, f"/api/v1{path}", text, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content[:1] in (b"{", b"[") else content


def together(count: int, server: Server, visit: Callable[[int, Caller], None]) -> None:
    """The same visit in so many threads, each with a connection of its own; the first failure is raised."""
    failed: list[BaseException] = []

    def one(n: int) -> None:
        try:
            with Caller(server) as call:
                visit(n, call)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def memory(server: Server) -> float:
    """What the server and its workers hold, in MB."""
    pids, found = {str(server.process.pid)}, 0.0
    for _ in range(3):
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[1] in pids:
                pids.add(stat.parent.name)
    for pid in pids:
        try:
            rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        found += sum(int(row.split()[1]) for row in rows if row.startswith(("Private_Dirty", "Private_Clean"))) / 1024
    return found


def edit(rng: np.random.Generator) -> dict[str, Any]:
    gate, row, column = "ifco"[rng.integers(4)], rng.integers(2), rng.integers(2)
    return {"edits": [{"address": f"W_x{gate}[{row},{column}]", "value": round(float(rng.uniform(-2, 2)), 3)}]}


def first_run(call: Caller) -> str:
    while True:
        status, run = call("POST", "/runs", {"example": "three-steps"})
        if status in (200, 201):
            return str(run["id"])
        assert status in (202, 429), run  # the same spec has the same run: it is there once its job has ended
        time.sleep(0.2)


def test_fifty_clients_for_a_minute(tmp_path: Path) -> None:
    statuses: Counter[int] = Counter()
    sizes: list[tuple[float, float]] = []
    with serving(tmp_path) as server:
        began = time.monotonic()

        def visit(n: int, call: Caller) -> None:
            rng = np.random.default_rng(n)
            run = first_run(call)
            while time.monotonic() < began + SECONDS:
                if n == 0 and (not sizes or time.monotonic() > sizes[-1][0] + 2):
                    sizes.append((time.monotonic(), memory(server)))
                asked: list[tuple[str, str, Any]] = [
                    ("POST", f"/runs/{run}/edits", edit(rng)),
                    ("GET", f"/runs/{run}/step?t={rng.integers(3)}", None),
                    ("GET", f"/runs/{run}/at/{rng.integers(3)}/c_t%5B{rng.integers(2)}%5D?of=2/h_t%5B0%5D", None),
                    ("GET", f"/runs/{run}/values?line=h_t", None),
                    ("GET", f"/runs/{run}/download/report.md", None),
                    ("POST", "/verifications", {"run": run}),
                    ("GET", "/library", None),
                    ("GET", "/health", None),
                ]
                status, found = call(*asked[rng.integers(len(asked))])
                statuses[status] += 1
                assert status in (200, 201, 202, 429), (status, found)
                if status == 429:
                    time.sleep(rng.uniform(0.05, 0.3))

        together(50, server, visit)
    print(dict(statuses), [round(size) for _, size in sizes])
    assert statuses[200] > 500
    settled = [size for _, size in sizes][len(sizes) // 3 :]
    assert max(settled[-3:]) < min(settled[:3]) + GROWTH


def test_a_small_edit_is_quick_while_four_are_active(tmp_path: Path) -> None:
    times: list[float] = []
    with serving(tmp_path) as server:

        def visit(n: int, call: Caller) -> None:
            rng = np.random.default_rng(n)
            run = first_run(call)
            for _ in range(60):
                began = time.perf_counter()
                status, found = call("POST", f"/runs/{run}/edits", edit(rng))
                assert status in (200, 201), found
                assert call("GET", f"/runs/{found['id']}/step?t=1")[0] == 200
                times.append(time.perf_counter() - began)
                time.sleep(0.1)  # nobody edits faster than they see

        together(4, server, visit)
    middle, most = np.percentile(np.array(times) * 1000, [50, 95])
    print(f"an edit and its step, four at once: {middle:.0f} ms, p95 {most:.0f} ms")
    assert most < 150
