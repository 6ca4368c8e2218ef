"""Connections that are slow on purpose are closed in time, and a crowd of them shuts nobody out."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

import asyncio
from functools import partial

import uvicorn

from lstm_trace.service import problems
from lstm_trace.service.connections import Connection, Connections
from lstm_trace.service.jobs import SentFile
from lstm_trace.service.middleware import Guard
from lstm_trace.service.server import _bound, _Server
from lstm_trace.service.settings import Limits, Settings

from ..support.asgi import ask

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
QUICK = {"head_seconds": 0.6, "stalled_seconds": 0.6, "idle_seconds": 1, "least_rate": 10_000}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body; replies with 20 MB at /large, else with its length."""
    count, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        count, more = count + len(message["body"]), message["more_body"]
    body = b"x" * 20_000_000 if scope["path"] == "/large" else str(count).encode()
    length = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def listening(descriptors: int | None = None, **limits: Any) -> Iterator[tuple[int, Connections]]:
    """The port of a server in another thread."""
    connections = Connections(Limits.model_validate(QUICK | limits), descriptors)
    http: Any = partial(Connection, all=connections)
    config = uvicorn.Config(
        app, http=http, lifespan="off", ws="none", log_config=None, log_level="critical", access_log=False,
        timeout_keep_alive=connections.limits.idle_seconds, timeout_graceful_shutdown=1,
    )  # fmt: skip
    answers = threading.Event()
    server = _Server(config, connections, answers.set)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            assert answers.wait(10)
            yield listener.getsockname()[1], connections
        finally:
            server.should_exit = True
            thread.join(10)


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def answer(one: socket.socket) -> bytes:
    """A reply whose body is `0`, which may come in two parts."""
    found = b""
    while not found.endswith(b"\r\n\r\n0"):
        found += one.recv(65_536) or b"closed\r\n\r\n0"
    return found


def until_closed(one: socket.socket, each: Callable[[], None] = lambda: None) -> tuple[float, bytes]:
    """After how many seconds the server closes a connection, and what it said; `each` is done every 50 ms."""
    began, found = time.monotonic(), b""
    one.settimeout(0.05)
    while time.monotonic() < began + 8:
        try:
            each()
            part = one.recv(65_536)
        except TimeoutError:
            continue
        except OSError:
            return time.monotonic() - began, found
        if not part:
            return time.monotonic() - began, found
        found += part
    raise AssertionError("it is still open")


@pytest.mark.parametrize(
    ("sent", "trickled", "says"),
    [
        (b"", b"", b""),  # a connection alone
        (HEAD, b"", b"HTTP/1.1 408 "),
        (HEAD, b"A: b\r\n", b"HTTP/1.1 408 "),  # and more of it all the time
        (POST, b"", b"HTTP/1.1 408 "),
        (POST + b"half", b"x", b"HTTP/1.1 408 "),
        (HEAD + b"\r\n", b"", b"HTTP/1.1 200 "),  # between two requests
    ],
)
def test_what_is_slow_is_closed(sent: bytes, trickled: bytes, says: bytes) -> None:
    with listening() as (port, _), connected(port) as one:
        one.sendall(sent)
        seconds, said = until_closed(one, lambda: one.sendall(trickled))
        assert 0.4 < seconds < 5
        assert said[: len(says)] == says
        assert bool(said) == bool(says)


def test_a_reply_that_nobody_reads_is_dropped() -> None:
    with listening() as (port, connections), connected(port) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        end = time.monotonic() + 8
        while connections._of or time.monotonic() < end - 7:
            time.sleep(0.05)
            assert time.monotonic() < end, "it is still held"
        with pytest.raises(ConnectionResetError):  # nor does the system hold what is left
            list(iter(lambda: one.recv(65_536), b""))


def test_a_file_is_closed_whose_client_goes_before_its_first_byte(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    opened = (tmp_path / "file").open("rb")

    async def waits(*_: Any) -> Any:
        await asyncio.sleep(60)

    async def given() -> Any:
        return opened

    async def run() -> None:
        scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(SentFile(given, "text/plain", "file")(scope, waits, waits), 0.1)

    asyncio.run(run())
    assert opened.closed


def test_a_slow_reader_takes_little_of_the_system() -> None:
    """By itself it takes 4 MB of a reply that nobody reads."""
    with _bound(socket.AF_INET, ("127.0.0.1", 0)) as listener, socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(listener.getsockname())
        served, _ = listener.accept()
        taken, again = 0, time.monotonic() + 1  # until nothing more is taken for a while
        with served:
            served.setblocking(False)
            while time.monotonic() < again:
                try:
                    taken += served.send(b"x" * 65_536)
                except BlockingIOError:
                    time.sleep(0.01)
        assert taken < 1_500_000


def test_what_is_slow_and_steady_is_served() -> None:
    """A body at 40 kB a second takes four times as long as one may stand still."""
    with listening() as (port, _), connected(port) as one:
        one.sendall(POST)
        for _ in range(50):
            one.sendall(b"x" * 2000)
            time.sleep(0.05)
        said = one.recv(65_536)
        assert said.startswith(b"HTTP/1.1 200 ")
        assert b"100000" in said + one.recv(65_536)


def test_a_crowd_shuts_nobody_out() -> None:
    """Of one address ten may be open: forty halves come, and each user among them is answered."""
    with listening(connections_of_one=10, head_seconds=60) as (port, connections):
        kept = connected(port)
        crowd = []
        for n in range(40):
            crowd.append(connected(port))
            crowd[-1].sendall(HEAD)
            if n % 5 == 0:
                with connected(port) as user:
                    user.sendall(HEAD + b"\r\n")
                    assert answer(user).startswith(b"HTTP/1.1 200 ")
                kept.sendall(HEAD + b"\r\n")
                assert answer(kept).startswith(b"HTTP/1.1 200 ")
            time.sleep(0.01)
        assert connections._count <= 11
        assert crowd[0].recv(65_536).startswith(b"HTTP/1.1 503 ")
        for one in (kept, *crowd):
            one.close()


def test_the_descriptors_of_the_system_are_never_used_up() -> None:
    assert Connections(Limits(), 1024).most == 432
    assert Connections(Limits(), 1024).most_of_one == 324
    assert Connections(Limits(), None).most == Limits().connections
    assert Connections(Limits(), 64).most == 1


def test_large_heads_are_refused() -> None:
    guarded = Guard(app, Settings())
    host = ("host", "127.0.0.1:8000")
    assert ask(guarded, "/", [host, ("a", "x" * 70_000)]).status == 431
    assert ask(guarded, "/", [host, *[("a", "b")] * 5000]).status == 431
    assert ask(guarded, "/?" + "x" * 100_000, [host]).status == 414
    assert ask(guarded, "/", [host, ("a", "x" * 20_000)], body=[b""]).status == 200


def test_the_log_repeats_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    said = problems.Log(lambda: now)
    for n in range(10_000):
        now = n * 0.001
        said.say("accept", f"too many open files, {n}\n")
        said.say(f"other {n % 3}", f"other {n % 3}\n")
    now = 70.0
    said.say("accept", "too many open files\n")
    err = capsys.readouterr().err
    assert err == (
        "too many open files, 0\n\nother 0\n\nother 1\n\nother 2\n\n"
        "too many open files\n(9,999 more like this since it was printed last)\n"
    )


def test_the_log_of_an_event_loop(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        for fd in range(5000):
            loop.call_exception_handler({"message": "accept() failed", "exception": OSError(24, f"files {fd}")})

    async def handled() -> None:
        asyncio.get_running_loop().set_exception_handler(problems.of_loop)
        await run()

    asyncio.run(handled())
    err = capsys.readouterr().err
    assert err.count("accept() failed") == 1
