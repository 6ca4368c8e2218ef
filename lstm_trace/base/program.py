"""Another program, run apart: with a time limit, in a folder of its own, and with few of our variables."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import IO

from ..errors import MissingError, OptionError, reading

#: What it gets of our environment: where programs and libraries are, no proxies, no keys.
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
#: Bytes of its standard error that are kept, from the end.
MOST_SAID = 4096


def words_of(command: str) -> list[str]:
    """The words of a command line, with absolute paths, for a program that runs in another folder.

    Raises OptionError for a quotation that does not end, MissingError for a program that is not there.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise OptionError(f"{command!r}: {str(error).lower()}") from None
    if not words or shutil.which(words[0]) is None:
        raise MissingError(f"there is no program {words[0] if words else ''}, or it may not be run; give its path")
    paths = [name != "-m" and os.path.exists(word) for name, word in pairwise(["", *words])]  # of Python's, a module
    return [os.path.abspath(word) if path else word for word, path in zip(words, paths, strict=True)]


def run_apart(command: Sequence[str], home: str | Path, limit: float) -> tuple[int | None, str]:
    """Run a program whose working folder and home is `home`, and kill it and its process group at the end.

    Python programs find the modules of the current folder and of ours.

    Args:
        command: the program and its arguments.
        home: a folder that exists.
        limit: the most seconds that it may take.

    Returns:
        The exit code (negative: the number of a signal; None: it took too long), and the last line on standard error,
        after the name of the signal.

    Raises:
        FileError: if it cannot be started.
    """
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(home)) | {"OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, ("", *sys.path)))
    with reading(command[0]):
        process = subprocess.Popen(  # noqa: S603 - the user names the program
            command, cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, bufsize=0, start_new_session=True,
        )  # fmt: skip
    said = bytearray()
    listener = Thread(target=_listen, args=(process.stderr, said), daemon=True)
    listener.start()
    code = None
    try:
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(limit)
    finally:
        if os.name == "posix":
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
    listener.join(1)  # what it has started may have left its group, and go on
    text = (bytes(said).decode("utf-8", "replace").strip().splitlines() or [""])[-1]
    signals = {one.value: one.name for one in signal.Signals}
    number = 0 if code is None else -code if code < 0 else code - 128  # as a shell says it
    name = signals.get(number, f"signal {number}" if code is not None and code < 0 else "")
    return code, "; ".join(filter(None, (name, text)))


def _listen(stream: IO[bytes], said: bytearray) -> None:
    """Read all that a program says, and keep the end of it."""
    with stream:
        for piece in iter(partial(stream.read, MOST_SAID), b""):
            said[:] = (said + piece)[-MOST_SAID:]
