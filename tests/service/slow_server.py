"""`lstm-trace serve` as a process: its address, its messages, its end, and requests as they come over a socket."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .. import ROOT
from ..support.serving import Server, serving

pytest.importorskip("fastapi")


TOKEN = "0123456789abcdefXYZ"  # noqa: S105


EVERYWHERE = ("--host", "0.0.0.0")  # noqa: S104


HEALTH = "GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def failing(folder: Path, *arguments: str, **variables: str) -> str:
    """What a server that does not start says on stderr."""
    environment = {key: value for key, value in os.environ.items() if key != "LSTM_TRACE_TOKEN"}
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "lstm_trace", "serve", "--no-open", *arguments],
        capture_output=True, text=True, cwd=folder, timeout=30, env=environment | {"PYTHONPATH": str(ROOT)} | variables,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (2, ""), ran
    assert ran.stderr.startswith("error: ")
    assert "Traceback" not in ran.stderr
    assert not list(folder.glob("store*"))
    return ran.stderr


def port_of(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


def exchanged(server: Server, sent: bytes) -> bytes:
    """All that comes back on a connection, until the server closes it or says nothing for a while."""
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=3) as connection:
        connection.sendall(sent)
        found = b""
        try:
            while part := connection.recv(65_536):
                found += part
        except TimeoutError:
            pass
        return found


def health(server: Server) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=10)
    try:
        connection.request("GET", "/api/v1/health")
        return connection.getresponse().status
    finally:
        connection.close()


def family(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def until(condition: Callable[[], bool]) -> bool:
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_however_it_ends_nothing_is_left(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with serving(tmp_path) as server:
        assert health(server) == 200
        workers = family(server.process.pid)
        assert len(workers) >= 2
        server.process.send_signal(number)
        assert server.process.wait(10) == code
        assert server.process.stdout is not None
        assert server.process.stdout.read() == ""
    assert (tmp_path / "serve.log").read_text() == ""
    assert until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers))


def test_it_ends_while_a_connection_is_open(tmp_path: Path) -> None:
    with serving(tmp_path) as server, socket.create_connection(("127.0.0.1", port_of(server))) as connection:
        connection.sendall(b"POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nhalf")
        time.sleep(0.2)
        began = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(10) == 0
        assert time.monotonic() - began < 6
    assert (tmp_path / "serve.log").read_text() == ""


def test_a_port_that_is_in_use_is_one_message(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = failing(tmp_path, "--port", str(port))
    assert f"port {port} of 127.0.0.1 is in use, perhaps by another lstm-trace serve; choose --port " in said
    assert "or --port 0 for any that is free" in said


def test_hosts_that_cannot_be(tmp_path: Path) -> None:
    assert "--host 0.0.0.0 lets other machines in: give a token" in failing(tmp_path, *EVERYWHERE)
    assert "at least 16 characters" in failing(tmp_path, *EVERYWHERE, "--token", "short")
    assert "at least 16 characters" in failing(tmp_path, LSTM_TRACE_TOKEN="short")  # noqa: S106
    assert "cannot listen on port 0 of 192.0.2.1" in failing(
        tmp_path, "--host", "192.0.2.1", "--token", TOKEN, "--port", "0"
    )
    assert "--host no such host: " in failing(tmp_path, "--host", "no such host", "--token", TOKEN)


def test_a_token_from_the_environment_is_in_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTM_TRACE_TOKEN", TOKEN)
    with serving(tmp_path, *EVERYWHERE) as server:
        assert health(server) == 401
        reply = exchanged(server, f"GET /?token={TOKEN} HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n".encode())
        head = reply.partition(b"\r\n\r\n")[0].decode().lower()
        assert head.startswith("http/1.1 303")
        assert "location: /\r\n" in head
        assert f"set-cookie: lstm-trace-{port_of(server)}={TOKEN}; path=/; httponly; samesite=strict".lower() in head
        assert TOKEN not in Path(f"/proc/{server.process.pid}/cmdline").read_text()
    assert TOKEN not in (tmp_path / "serve.log").read_text()


def test_the_address_of_a_token_of_openssl_opens(tmp_path: Path) -> None:
    """`openssl rand -base64` has + and /, and + in an address is a space."""
    with serving(tmp_path, "--token", "ab+cd/ef+gh/ij+kl==") as server:
        head = f"GET {server.opened.removeprefix(server.url)} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        assert exchanged(server, head.encode())[9:12] == b"303"


def test_six(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with serving(tmp_path, "--host", "::1") as server:
        assert server.url.startswith("http://[::1]:")


def test_what_comes_over_a_socket(tmp_path: Path) -> None:
    """Half requests, no HTTP, heads that are too large, lengths that lie: each is answered or closed, none a fault."""
    big = b'{"equations": "' + b"x" * 100_000
    chunks = b"%x\r\n" % len(big) + big + b"\r\n0\r\n\r\n"
    with serving(tmp_path) as server:
        for sent, status in (
            (f"{HEALTH}Connection: close\r\n\r\n".encode(), b"200"),
            (HEALTH.replace("127.0.0.1", "attacker.example").encode() + b"Connection: close\r\n\r\n", b"400"),
            (b"GET /api/v1/health HTTP/1.0\r\n\r\n", b"400"),  # without a Host
            (b"no http at all\r\n\r\n", b"400"),
            (b"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
            (
                b"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks,
                b"400",
            ),
            (b"TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"405"),
            (b"GET /%ff%00%2e%2e HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"404"),
            (b"GET /?%ff=%00&a[]=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"200"),
        ):
            assert exchanged(server, sent)[9:12] == status, sent[:80]
        assert health(server) == 200
    assert "Traceback" not in (tmp_path / "serve.log").read_text()


def test_a_client_that_goes_frees_its_worker(tmp_path: Path) -> None:
    """Without that, requests of a page that took them back would fill the waiting room."""
    text = "h_t = x_t" + " + x_t" * 9_000 + "\ny_t = tang(h_t)"
    slow = json.dumps({"problem": {"cell": {"equations": text}, "weights": {}, "x": [[1.0]]}})
    head = "POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    sent = f"{head}Content-Length: {len(slow)}\r\n\r\n{slow}".encode()
    with serving(tmp_path, "--at-once", "1") as server:
        for _ in range(30):
            with socket.create_connection(("127.0.0.1", port_of(server))) as connection:
                connection.sendall(sent)
        body = json.dumps({"example": "q22"})
        small = f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        assert until(lambda: exchanged(server, small)[9:12] in (b"200", b"201"))
    assert "Traceback" not in (tmp_path / "serve.log").read_text()
