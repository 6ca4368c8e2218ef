"""`lstm-trace serve`: the server as a process, from the address that it prints to its end by a signal."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, cast
from urllib.parse import quote

import uvicorn

from ..errors import OptionError, reason
from ..workers import Workers
from . import problems
from .connections import Connection, Connections
from .settings import Settings

#: Seconds that running requests have to end after the signal; then they are cancelled.
GRACE = 3
#: How many ports after one that is in use are tried, to name a free one.
_NEIGHBOURS = 20
#: Connections that the system holds until they are accepted, and how many are accepted before others are looked at.
_BACKLOG, _AT_A_TIME = 1024, 64
#: Bytes that the system takes of a reply before they are read: by itself 4 MB, which 432 slow readers make 1.7 GB.
_SENT = 1 << 18
#: Tenths of a second between two looks at the connections.
_LOOK = 5
#: Descriptors that are of use: what the system allows beyond that is no reason for more.
_DESCRIPTORS = 65_536
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        settings: how the service is started. Port 0 means any that is free.
        ready: called with the address once the server answers.

    Raises:
        OptionError: where the host or port cannot be used, or the token is missing.
        LstmTraceError: where the store cannot be opened.
    """
    settings.check()
    with _listening(settings.host, settings.port) as listener:
        settings = replace(settings, port=listener.getsockname()[1])
        limits = settings.limits
        workers = Workers(
            "lstm_trace.runs.warming:warm",
            of_one=max(limits.at_once - 1, 1),
            way="start the server with a larger --seconds",
            memory=limits.worker_bytes,
            smaller="trace fewer steps, units or lines",
            **limits.model_dump(include={"at_once", "waiting", "waiting_of_one", "wait_seconds", "seconds"}),
        )
        workers.start()  # they import what they need while this process does
        from .app import create_app

        app = create_app(settings, workers)
        connections = Connections(limits, _descriptors())
        config = uvicorn.Config(
            app,
            http=cast(Any, partial(Connection, all=connections)),  # called as a class is
            h11_max_incomplete_event_size=limits.head_bytes,
            timeout_keep_alive=limits.idle_seconds,
            backlog=_AT_A_TIME,
            lifespan="off",  # below: uvicorn would print the traceback of what the start raises
            ws="none",
            log_config=None,  # setting it would close the handlers of every package of this process, and their streams
            log_level="critical",  # what is unexpected `problems` prints; a request that is cut off is nobody's fault
            access_log=False,  # its lines would hold tokens
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
        server = _Server(config, connections, lambda: ready(address(settings)))

        async def run() -> None:
            asyncio.get_running_loop().set_exception_handler(problems.of_loop)
            async with app.router.lifespan_context(app):
                await server.serve([listener])

        with _until_signal(server):
            asyncio.run(run())


def address(settings: Settings) -> str:
    """The address to open; with the token in it, if there is one."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.port}/" + (f"?token={quote(settings.token, safe='')}" if settings.token else "")


def open_browser(url: str) -> None:
    """Open a page where there is a screen, and wait for nothing."""
    if sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _descriptors() -> int | None:
    """How many files and connections this process may have open; as many as the system lets it allow itself."""
    if sys.platform == "win32":
        return None
    import resource

    kind, unlimited = resource.RLIMIT_NOFILE, resource.RLIM_INFINITY
    soft, hard = resource.getrlimit(kind)
    wanted = _DESCRIPTORS if hard == unlimited else min(hard, _DESCRIPTORS)
    if soft != unlimited and soft < wanted:
        with suppress(OSError, ValueError):  # macOS allows less than it says
            resource.setrlimit(kind, (wanted, hard))
    found = resource.getrlimit(kind)[0]
    return None if found == unlimited else found


class _Server(uvicorn.Server):
    """A server that says when it answers, looks after its connections, and leaves signals to us."""

    def __init__(self, config: uvicorn.Config, connections: Connections, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._connections, self._answers = connections, ready

    async def on_tick(self, counter: int) -> bool:
        """Do what is done ten times a second."""
        if counter % _LOOK == 0:
            self._connections.sweep(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_BACKLOG)
        if self.started:
            self._answers()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: uvicorn's own would raise them again at the end, so that a clean end is no success."""
        yield


@contextmanager
def _until_signal(server: uvicorn.Server) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the server, from its start on; a second one cuts running requests off."""
    if threading.current_thread() is not threading.main_thread():  # only there signals can be caught
        yield
        return
    before = {number: signal.signal(number, server.handle_exit) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens. Raises OptionError."""
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise OptionError(f"--host {host}: {getattr(error, 'strerror', None) or 'no such host'}") from None
    try:
        listener = _bound(family, where)
    except OSError as error:
        said = f"cannot listen on port {port} of {host}: {reason(error)}; choose another --port or --host"
        if error.errno == errno.EADDRINUSE:
            free = _free_after(family, where)
            said = f"port {port} of {host} is in use, perhaps by another lstm-trace serve; choose "
            said += f"{f'--port {free}, or ' if free else ''}--port 0 for any that is free"
        raise OptionError(said) from None
    with listener:
        yield listener


def _bound(family: int, where: Any) -> socket.socket:
    """A socket that is bound to an address and listens. Raises OSError."""
    # with the protocol named asyncio sets TCP_NODELAY; without, each reply waits 40 ms for the client's delayed ACK
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # there it would let two servers have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT)
        listener.bind(where)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _free_after(family: int, where: Any) -> int | None:
    """A free port after the one of an address."""
    for port in range(where[1] + 1, min(where[1] + _NEIGHBOURS, 65_536)):
        with suppress(OSError):
            _bound(family, (where[0], port, *where[2:])).close()
            return port
    return None
