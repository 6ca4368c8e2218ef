"""A server as a user starts it: `lstm-trace serve` in a process of its own, on a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
