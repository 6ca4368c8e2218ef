"""Connections that are slow on purpose, from a process of their own: `python -m tests.support.crowd PORT ITEM COUNT`.

It holds COUNT connections to a server of this machine, and opens again what the server closes, `PACE` in each second,
until its stdin ends; then it prints what it did. ITEM: a large item of the library.
"""

from __future__ import annotations

import json
import resource
import select
import socket
import sys
import time
from dataclasses import dataclass

#: Connections that are opened in a second at most.
PACE = 150
_GET = "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_BODY = "Content-Type: application/octet-stream\r\nContent-Length: 9999999\r\n\r\nhalf of it"


@dataclass
class Kind:
    """What a client sends at once, what each second after that, and whether it reads the reply."""

    first: bytes
    later: bytes = b""
    reads: bool = True


def kinds(item: str) -> list[Kind]:
    """One after the other is opened: half heads, half bodies, idle ones after a request, and some that do not read."""
    head, post = _GET % "/api/v1/health", _GET.replace("GET", "POST") % "/api/v1/inspections?label=a.json"
    often = [Kind(head.encode(), b"A: b\r\n"), Kind((post + _BODY).encode(), b"x"), Kind(f"{head}\r\n".encode())]
    unread = Kind(f"{_GET % f'/api/v1/library/{item}/file'}\r\n".encode(), reads=False)
    return [*often * 3, unread]


class Crowd:
    """The open connections, and how many were opened and closed by the server."""

    def __init__(self, port: int, item: str) -> None:
        self.port, self.kinds = port, kinds(item)
        self.poll = select.epoll()
        self.all: dict[int, tuple[socket.socket, Kind]] = {}
        self.sent: set[int] = set()
        self.opened = self.closed = self.most = 0

    def open(self) -> None:
        """One more."""
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", self.port))
        self.all[one.fileno()] = one, self.kinds[self.opened % len(self.kinds)]
        self.poll.register(one, select.EPOLLOUT)
        self.opened += 1
        self.most = max(self.most, len(self.all))

    def look(self) -> None:
        """Send what is due, and hear what the server says."""
        for number, event in self.poll.poll(0.02):
            one, kind = self.all[number]
            try:
                if event & select.EPOLLOUT:
                    one.send(kind.first)
                    self.sent.add(number)
                    self.poll.modify(one, select.EPOLLIN if kind.reads else 0)  # that it is closed is told anyway
                elif not kind.reads or not one.recv(65_536):
                    self.close(number)
            except BlockingIOError:
                continue
            except OSError:
                self.close(number)

    def trickle(self) -> None:
        """Send a little more of what has begun."""
        for number in list(self.sent):
            one, kind = self.all[number]
            try:
                one.send(kind.later)
            except BlockingIOError:
                continue
            except OSError:
                self.close(number)

    def close(self, number: int) -> None:
        """The server has closed one."""
        self.all.pop(number)[0].close()
        self.sent.discard(number)
        self.closed += 1


def main(port: str, item: str, count: str) -> None:
    """Hold the connections until stdin ends."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    crowd, ended = Crowd(int(port), item), select.poll()
    ended.register(sys.stdin, select.POLLIN | select.POLLHUP)
    before = told = time.monotonic()
    allowed = 0.0
    while not ended.poll(0):
        now = time.monotonic()
        allowed, before = min(allowed + PACE * (now - before), PACE / 4), now
        while allowed >= 1 and len(crowd.all) < int(count):
            crowd.open()
            allowed -= 1
        crowd.look()
        if now > told + 1:
            told = now
            crowd.trickle()
    print(json.dumps({"opened": crowd.opened, "closed": crowd.closed, "most": crowd.most}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
