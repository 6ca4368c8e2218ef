"""Two thousand connections that are slow on purpose, to a server of 1,024 descriptors, beside a user."""

from __future__ import annotations

import http.client
import json
import os
import selectors
import socket
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import lstm_trace as lt

from ..support.serving import Server, serving
from .test_load import Caller, edit

pytest.importorskip("fastapi")
resource = pytest.importorskip("resource")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

#: Descriptors of the server, as a shell has them by default, and connections that hold one each.
DESCRIPTORS, SLOW = 1024, 2000
HEAD = b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BODY = (
    b"POST /api/v1/inspections?label=a.json HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\n"
)
#: What a slow client sends at once, and what it sends of it again each second: half a head, half a body, one whole
#: request (then it stays), and a request whose reply is large and not read.
KINDS = (
    (HEAD, b"A: b\r\n"),
    (BODY, b"x"),
    (HEAD + b"\r\n", b""),
    (b"GET /api/v1/library/%s/file HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b""),
)


class Crowd(threading.Thread):
    """Clients that are slow, opened again as soon as the server has closed them, until `stop` is set."""

    def __init__(self, server: Server, item: str) -> None:
        super().__init__()
        self.sent = [first.replace(b"%s", item.encode()) for first, _ in KINDS]
        self.port = int(server.url.rpartition(":")[2])
        self.stop, self.opened, self.refused = threading.Event(), 0, 0

    def run(self) -> None:
        ready = selectors.DefaultSelector()
        open_now: list[tuple[socket.socket, int]] = []
        began = told = time.monotonic()
        while not self.stop.is_set():
            # a hundred and fifty in each second, and those that were closed again
            allowed = int(150 * (time.monotonic() - began)) - self.opened
            for _ in range(min(SLOW - len(open_now), allowed)):
                one = socket.socket()
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", self.port))
                kind = len(KINDS) - 1 if self.opened % 20 == 0 else self.opened % (len(KINDS) - 1)
                ready.register(one, selectors.EVENT_WRITE, kind)
                open_now.append((one, kind))
                self.opened += 1
            closed = set()
            for key, event in ready.select(0.02):
                one: socket.socket = key.fileobj  # type: ignore[assignment]
                try:
                    if event & selectors.EVENT_WRITE:
                        one.send(self.sent[key.data])
                        ready.modify(one, selectors.EVENT_READ, key.data)
                    elif key.data == len(KINDS) - 1:
                        ready.unregister(one)  # and never read it
                    elif not one.recv(65_536):
                        raise ConnectionError
                except BlockingIOError:
                    continue
                except OSError:
                    closed.add(one)
            if time.monotonic() > told + 1:
                told = time.monotonic()
                for one, kind in open_now:
                    try:
                        one.send(KINDS[kind][1])
                        if kind == len(KINDS) - 1 and one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                            closed.add(one)
                    except BlockingIOError:
                        continue
                    except OSError:
                        closed.add(one)
            for one in closed:
                self.refused += 1
                if one in ready.get_map():
                    ready.unregister(one)
                one.close()
            open_now = [pair for pair in open_now if pair[0] not in closed]
        for one, _ in open_now:
            one.close()


def used(server: Server, seconds: float) -> list[float]:
    """How long each edit with its step took, in ms, over new connections and one that is kept."""
    times, again, rng, end = [], 0, np.random.default_rng(1), time.monotonic() + seconds
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
                again += 1
                assert kept("GET", "/health")[0] == 200
            times.append((time.perf_counter() - began) * 1000)
            time.sleep(0.05)
    print(f"{len(times)} edits, sent again: {again}")
    return times


def test_two_thousand_slow_connections_are_not_noticed(tmp_path: Path) -> None:
    mine = resource.getrlimit(resource.RLIMIT_NOFILE)
    if mine[1] < SLOW + 200:
        pytest.skip("needs more descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(mine[0], SLOW + 200), mine[1]))
    with serving(tmp_path, descriptors=DESCRIPTORS) as server:
        before = used(server, 8)
        size = np.sqrt(250_000).astype(int)
        large = {f"{name}_l0": np.ones((4 * size, size), "f4") for name in ("weight_ih", "weight_hh")}
        np.savez(tmp_path / "large.npz", **large, **{f"bias_{n}_l0": np.ones(4 * size, "f4") for n in ("ih", "hh")})
        crowd = Crowd(server, lt.client(server.url).upload(tmp_path / "large.npz")["id"])
        crowd.start()
        try:
            time.sleep(14)
            began, cpu = time.monotonic(), processor(server)
            beside = used(server, 30)
            share = (processor(server) - cpu) / (time.monotonic() - began)
        finally:
            crowd.stop.set()
            crowd.join()
        time.sleep(1)
        descriptors = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    log = (tmp_path / "serve.log").read_text()
    p95 = [float(np.percentile(times, 95)) for times in (before, beside)]
    print(json.dumps({"p95": p95, "p50": [float(np.median(t)) for t in (before, beside)], "opened": crowd.opened,
                      "closed": crowd.refused, "cpu": share, "fd": descriptors, "log": len(log)}))  # fmt: skip
    assert crowd.opened >= SLOW
    assert len(log) == 0, log[-2000:]
    assert descriptors < 60
    assert p95[1] < 2 * p95[0] + 50


def processor(server: Server) -> float:
    """Seconds of the processor that the server itself has taken."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
