"""Two thousand connections that are slow on purpose, to a server of 1,024 descriptors, beside a user."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

from ..support import crowd
from ..support.serving import ROOT, Server, serving
from .test_load import Caller, edit

pytest.importorskip("fastapi")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

#: Descriptors of the server, as a shell has them by default, and connections that hold one each.
DESCRIPTORS, SLOW = 1024, 2000
#: Seconds in which the user is timed, before the crowd and beside it.
SECONDS = 20.0
#: What a user calls at once, whatever it took before: below it a page does not say that it is busy.
UNNOTICED = 250.0


@contextmanager
def crowded(server: Server, item: str) -> Iterator[dict[str, Any]]:
    """A crowd that has come in full; afterwards what it did. It is niced: what is tried is the server, no scheduler."""
    port, said = server.url.rpartition(":")[2], {}
    command = ["nice", sys.executable, "-m", "tests.support.crowd", port, item, str(SLOW)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            time.sleep(SLOW / crowd.PACE + 2)
            yield said
        finally:
            said |= json.loads(process.communicate()[0])


def used(server: Server) -> list[float]:
    """How long each edit with its step took, in ms, over new connections and one that is kept."""
    times, rng, end = [], np.random.default_rng(1), time.monotonic() + SECONDS
    run = lt.client(server.url).run(example="three-steps")
    with Caller(server) as kept:
        while time.monotonic() < end:
            began = time.perf_counter()
            [changed] = edit(rng)["edits"]
            found = run.edit({changed["address"]: changed["value"]})
            assert found.at("2/c_t[1]")["address"]
            try:
                assert kept("GET", "/health")[0] == 200
            except (http.client.RemoteDisconnected, ConnectionResetError):  # idle for too long, as browsers know it
                kept.connection.close()
                assert kept("GET", "/health")[0] == 200
            times.append((time.perf_counter() - began) * 1000)
            time.sleep(0.2)  # nobody edits faster than they see
    return times


def descriptors(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def test_two_thousand_slow_connections_are_not_noticed(tmp_path: Path) -> None:
    with serving(tmp_path, descriptors=DESCRIPTORS) as server:
        large = {"weight_ih_l0": 500, "weight_hh_l0": 500, "bias_ih_l0": 0, "bias_hh_l0": 0}
        np.savez(tmp_path / "large.npz", **{name: np.ones((2000, k) if k else 2000) for name, k in large.items()})
        item = lt.client(server.url).upload(tmp_path / "large.npz")["id"]
        alone = descriptors(server)
        for _ in range(2):  # once more: another program may have taken this machine
            before = used(server)
            with crowded(server, item) as said:
                beside = used(server)
            p50, p95 = ([round(float(np.percentile(each, q))) for each in (before, beside)] for q in (50, 95))
            print(f"before and beside, ms: p50 {p50}, p95 {p95}; the crowd: {said}")
            if p95[1] <= 3 * p95[0] + UNNOTICED:
                break
        assert said["opened"] >= SLOW
        assert said["closed"] > 0
        end = time.monotonic() + 30  # of a body or a reply that stands still, and some for a busy machine
        while descriptors(server) > alone + 10 and time.monotonic() < end:
            time.sleep(0.2)
        assert descriptors(server) <= alone + 10
    log = (tmp_path / "serve.log").read_text()
    assert len(log) == 0, log[-2000:]
    assert p95[1] <= 3 * p95[0] + UNNOTICED
