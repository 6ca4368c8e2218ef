"""A server as a user starts it: `lstm-trace serve` in a process of its own, on a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import ROOT


@dataclass(frozen=True)
class Server:
    """A running server. url: without a slash at the end. opened: the address that it printed, with the token."""

    url: str
    process: subprocess.Popen[str]
    opened: str

    @property
    def api(self) -> str:
        return f"{self.url}/api/v1"


@contextmanager
def serving(folder: Path, *arguments: str, descriptors: int | None = None) -> Iterator[Server]:
    """A server whose store is in `folder`; it is ended as by Ctrl-C, and must then end well.

    descriptors: how many it may have, files and connections.
    """
    bound = () if descriptors is None else ("sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"}
    given = () if "--store" in arguments else ("--store", f"sqlite:///{folder}/store.db")
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603
            [*bound, sys.executable, "-m", "lstm_trace", "serve", "--no-open", "--port", "0", *given, *arguments],
            stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd=folder, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            found = re.search(r"http://[^\s/]+", line)
            assert found, f"no address in {line!r}\n{(folder / 'serve.log').read_text()}"
            yield Server(found[0], process, line.strip())
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                code = process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            process.stdout.close()
    assert code in (0, -signal.SIGKILL), (folder / "serve.log").read_text()


def following(server: Server, under: str = "", timeout: float = 30) -> Any:
    """An `httpx.Client` of a server's API, or what is `under` an address of it, that follows jobs.

    What takes longer than a second is answered with 202 and a job, so on a busy machine anything may be. As users'
    clients do, it waits then, and gives the reply that there would have been.
    """
    import httpx

    class Client(httpx.Client):
        def request(self, *args: Any, **given: Any) -> httpx.Response:
            reply = super().request(*args, **given)
            if reply.status_code != 202:
                return reply
            job = server.url + reply.headers["location"]
            while super().request("GET", job).json()["state"] in ("queued", "running"):
                time.sleep(0.05)
            return super().request("GET", f"{job}/result")

    return Client(base_url=server.api + under, timeout=timeout)
