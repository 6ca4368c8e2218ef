"""The open connections of a server: each has a time limit, and their number is limited.

A client that sends half a request, reads half a reply or only holds a connection costs a descriptor; 1,100 of them
left a server with 1,024 descriptors unreachable. So each connection has a time limit, which bytes extend (like Apache's
mod_reqtimeout), and if there are too many, the one that has shown the least activity is closed first.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from itertools import islice
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .settings import Limits

#: Descriptors of a process that are not connections: pipes to workers, database, files, and newly accepted ones.
RESERVED = 160
#: Seconds within which an active client continues; connections with recent progress are closed last.
YOUNG = 1.0
#: The value of SO_LINGER that discards unsent data: on, zero seconds.
_AT_ONCE = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)
#: Number of bytes of a body that count as progress.
_PROGRESS = 1 << 16
_REFUSAL = (
    b"HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n%s"
)
_LATE = b"The request did not arrive in time. Send it again, without long pauses.\n"
_FULL = b"Too many connections are open, and this one was without progress for longest. Try again in a moment.\n"
LATE = _REFUSAL % (408, b"Request Timeout", len(_LATE), b"", _LATE)
FULL = _REFUSAL % (503, b"Service Unavailable", len(_FULL), b"Retry-After: 1\r\n", _FULL)


def network(address: str) -> str:
    """The key under which an address is counted: the address itself, or for IPv6 its 64-bit network.

    >>> network("192.0.2.7"), network("2001:db8::7"), network("")
    ('192.0.2.7', '2001:db8::', '')
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((int(found) >> 64 << 64, 64)).network_address)


class Connections:
    """The open connections, by address.

    limits: their maximum number and duration. descriptors: of this process; None if unlimited.
    """

    def __init__(self, limits: Limits, descriptors: int | None = None) -> None:
        self.limits = limits
        # an upload in progress has a file in addition to its connection
        most = limits.connections if descriptors is None else min(limits.connections, (descriptors - RESERVED) // 2)
        self.most = max(most, 1)
        self.most_of_one = min(limits.connections_of_one, max(3 * self.most // 4, 1))  # the rest is for other clients
        self._of: dict[str, set[Connection]] = {}
        self._count = 0

    def made(self, new: Connection) -> None:
        """Count a new connection; if there are too many, close some: of that address, or of the one with the most.

        A sixteenth of them at once, as nginx closes 32: searching for one at each arrival took a third of all time.
        """
        here = self._of.setdefault(new.address, set())
        here.add(new)
        self._count += 1
        if self._count > self.most:
            here = max(self._of.values(), key=len)
        elif len(here) <= self.most_of_one:
            return
        late = new.loop.time() - YOUNG
        order = sorted(here, key=lambda one: (one.since > late, one.answered, one.since))
        waiting = (one for one in order if not one.served)
        for one in list(islice(waiting, 1 + len(here) // 16)) or [new]:
            one.give_up(FULL)

    def lost(self, one: Connection) -> None:
        """Note that a connection is closed, or about to be."""
        here = self._of.get(one.address, set())
        if one in here:
            here.remove(one)
            self._count -= 1
        if not here:
            self._of.pop(one.address, None)

    def sweep(self, now: float) -> None:
        """Close those that are late."""
        for here in list(self._of.values()):
            for one in list(here):
                one.look(now)


class Connection(H11Protocol):
    """An HTTP/1.1 connection with time limits. all: the set it belongs to; the other arguments are uvicorn's."""

    def __init__(self, *, all: Connections, **given: Any) -> None:
        super().__init__(**given)
        self._all, self.address = all, ""
        self.since, self.answered = self.loop.time(), 0  # time of the last progress, and number of answered requests
        self._waits_for = ""
        self._deadline = 0.0
        self._received = self._left = self._new = 0

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        super().connection_made(transport)
        self.address = network(self.client[0] if self.client else "")
        self._all.made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._all.lost(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Continue reading."""
        self._received += len(data)
        self._new += len(data)
        if self._new >= _PROGRESS:
            self._progress()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self.answered += 1
        self._progress()
        super().on_response_complete()

    def resume_writing(self) -> None:
        """Continue writing: the client has read."""
        super().resume_writing()
        self._progress()
        self._waits_for = ""  # restarts the clock

    def _progress(self) -> None:
        self._new, self.since = 0, self.loop.time()

    @property
    def waits_for(self) -> str:
        """What the client must do next: send a `head` or a `body`, read a `reply`; empty while the server is working.

        Also empty between two requests, for which uvicorn has a time limit.
        """
        if self.transport.get_write_buffer_size():
            return "reply"
        if self.conn.their_state is h11.SEND_BODY:
            return "" if self.flow.read_paused else "body"
        between = self.cycle is None or self.cycle.response_complete
        return "head" if between and self.timeout_keep_alive_task is None else ""

    @property
    def served(self) -> bool:
        """Whether the server is working for it."""
        return not self.waits_for and self.timeout_keep_alive_task is None

    def look(self, now: float) -> None:
        """Close the connection if its client is late, or slower than `least_rate`."""
        limits, before = self._all.limits, self._waits_for
        self._waits_for = what = self.waits_for
        left = self.transport.get_write_buffer_size()
        done = self._received if what == "body" else max(self._left - left, 0)
        self._received, self._left = 0, left
        patience = limits.head_seconds if what == "head" else limits.stalled_seconds
        if what != before:
            self._deadline = now + patience
        elif what:
            extended = self._deadline + (0 if what == "head" else done / limits.least_rate)
            self._deadline = min(extended, now + patience)
            if now > self._deadline:
                self.give_up(LATE)

    def give_up(self, refusal: bytes) -> None:
        """Close it, with a reply if the client can still receive one."""
        self._all.lost(self)
        if (what := self.waits_for) == "reply":  # without the option the system keeps unread data for minutes
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.transport.abort()
            return
        begun = self.conn.trailing_data[0] if what == "head" else what and not self.cycle.response_started
        if begun:
            self.transport.write(refusal)
        self.transport.close()
