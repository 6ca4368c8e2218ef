"""Another program, run apart: with a time limit, in a folder of its own, and with few of our variables."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

#: What it gets of our environment: where programs and libraries are, no proxies, no keys.
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")


def run_apart(command: Sequence[str], home: str | Path, limit: float) -> tuple[int | None, str]:
    """Run a program whose working folder and home is `home`, and kill it and what it has started at the end.

    Python programs find the modules of the current folder and of ours.

    Args:
        command: the program and its arguments.
        home: a folder that exists.
        limit: the most seconds that it may take.

    Returns:
        The exit code (negative: the number of a signal; None: it took too long), and the last line on standard error,
        after the name of the signal.
    """
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(home)) | {"OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, ("", *sys.path)))
    with open(Path(home, "said"), "w+b") as said:
        process = subprocess.Popen(  # noqa: S603 - the user names the program
            command, cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
            start_new_session=True,
        )  # fmt: skip
        code = None
        try:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(limit)
        finally:
            if os.name == "posix":
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
        said.seek(max(0, said.seek(0, os.SEEK_END) - 4096))
        text = (said.read().decode("utf-8", "replace").strip().splitlines() or [""])[-1]
        names = {-one.value: one.name for one in signal.Signals}
        name = "" if code is None or code >= 0 else names.get(code, f"signal {-code}")
        return code, "; ".join(filter(None, (name, text)))
