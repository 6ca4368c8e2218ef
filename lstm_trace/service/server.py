"""`lstm-trace serve`: the server process, from the address that it prints to its end by a signal."""

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

#: Seconds that running requests have after the signal before they are cancelled.
GRACE = 3
#: If a port is in use, this many following ones are tried, to suggest a free one.
_NEIGHBOURS = 20
#: Connections that the system holds until they are accepted, and how many are accepted before others are served.
_BACKLOG, _AT_A_TIME = 1024, 64
#: Bytes of a reply that the system buffers: the default is 4 MB, which for 432 slow readers is 1.7 GB.
_SENT = 1 << 18
#: Tenths of a second between two checks of the connections.
_LOOK = 5
#: Maximum useful number of descriptors, even if the system allows more.
_DESCRIPTORS = 65_536


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        settings: how the service is started. Port 0 means any free port.
        ready: called with the address once the server responds.

    Raises:
        OptionError: if the host or port cannot be used, or the token is missing.
        LstmTraceError: if the store cannot be opened.
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
        workers.start()  # they import their modules while this process does the same
        from .app import create_app

        app = create_app(settings, workers)
        connections = Connections(limits, _descriptors())
        config = uvicorn.Config(
            app,
            http=cast(Any, partial(Connection, all=connections)),  # called as a class is
            h11_max_incomplete_event_size=limits.head_bytes,
            timeout_keep_alive=limits.idle_seconds,
            backlog=_AT_A_TIME,
            lifespan="off",  # see below: uvicorn would print the traceback of an error at startup
            ws="none",
            log_config=None,  # setting it would close the handlers of every package in this process, and their streams
            log_level="critical",  # `problems` prints unexpected errors; a request that is cut off is not an error
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
    """The address to open; includes the token, if there is one."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.port}/" + (f"?token={quote(settings.token, safe='')}" if settings.token else "")


def open_browser(url: str) -> None:
    """Open a page if there is a screen; do not wait."""
    if sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _descriptors() -> int | None:
    """The number of files and connections that this process may open, raised as far as the system permits."""
    if sys.platform == "win32":
        return None
    import resource

    kind, unlimited = resource.RLIMIT_NOFILE, resource.RLIM_INFINITY
    soft, hard = resource.getrlimit(kind)
    wanted = _DESCRIPTORS if hard == unlimited else min(hard, _DESCRIPTORS)
    if soft != unlimited and soft < wanted:
        with suppress(OSError, ValueError):  # macOS allows less than it reports
            resource.setrlimit(kind, (wanted, hard))
    return None if (found := resource.getrlimit(kind)[0]) == unlimited else found


class _Server(uvicorn.Server):
    """A server that reports when it is ready, checks its connections, and leaves signals to us."""

    def __init__(self, config: uvicorn.Config, connections: Connections, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._connections, self._answers = connections, ready

    async def on_tick(self, counter: int) -> bool:
        """Do the work that is due ten times a second."""
        if counter % _LOOK == 0:
            self._connections.sweep(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_BACKLOG)
        if self.started:
            self._answers()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: uvicorn would raise the signals again at the end, so that a clean exit would not be a success."""
        yield


@contextmanager
def _until_signal(server: uvicorn.Server) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM stop the server, also while it starts; a second signal cuts running requests off."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread can receive signals
        yield
        return
    before = {number: signal.signal(number, server.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket. Raises OptionError."""
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
    # if the protocol is given, asyncio sets TCP_NODELAY; otherwise each reply waits 40 ms for the client's delayed ACK
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # on Windows, two servers could share one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT)
        listener.bind(where)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _free_after(family: int, where: Any) -> int | None:
    """A free port after that of an address."""
    for port in range(where[1] + 1, min(where[1] + _NEIGHBOURS, 65_536)):
        with suppress(OSError):
            _bound(family, (where[0], port, *where[2:])).close()
            return port
    return None
