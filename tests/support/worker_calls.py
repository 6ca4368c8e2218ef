"""Functions that tests of the workers of the service call in them."""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

from lstm_trace.errors import LstmTraceError, MissingError, ShapeError
from lstm_trace.workers import tell


def pid() -> int:
    return os.getpid()


def double(value: Any) -> Any:
    return 2 * value


def sleep(seconds: float, note: str = "") -> int:
    """note: a file that gets the number of the process first."""
    if note:
        Path(note).write_text(str(os.getpid()))
    time.sleep(seconds)
    return os.getpid()


def spin(note: str) -> NoReturn:
    """Compute for ever, without a pause in which a signal could be seen."""
    Path(note).write_text(str(os.getpid()))
    while True:
        sum(range(100_000))


def tell_steps(count: int, pause: float) -> str:
    for step in range(count):
        tell(step + 1, count)
        time.sleep(pause)
    return "told"


def wrong() -> NoReturn:
    raise ShapeError("the first problem", "the second, line 1\n  line 2")


def missing() -> NoReturn:
    raise MissingError("there is no such line")


class TwoPartError(Exception):
    """Is pickled, and cannot be made again from what is pickled."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} at {where}")


def fault(kind: str) -> Any:
    match kind:
        case "value":
            raise ValueError("no number")
        case "two parts":
            raise TwoPartError("fault", "place")
        case "exit":
            sys.exit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "unpicklable":
            return threading.Lock()
        case "memory":
            return bytearray(1 << 45)
        case "die":
            os._exit(7)
        case "cut file":
            with tempfile.TemporaryFile() as file:
                file.truncate(1 << 16)
                with mmap.mmap(file.fileno(), 1 << 16) as mapped:
                    file.truncate(0)
                    return mapped[1 << 15]
        case "print":
            print("on standard output")
            os.write(1, b"and by the system\n")
            return sys.stdin.read()
    raise AssertionError(kind)


def grow(size: int) -> int:
    """Hold memory after the call."""
    globals()["_held"] = bytearray(b"x") * size
    return os.getpid()


def warm() -> None:
    time.sleep(0.5)
    globals()["_warm"] = True


def is_warm() -> bool:
    return bool(globals().get("_warm"))


def environment(name: str) -> str:
    return os.environ.get(name, "")


def found(path: str) -> bytes:
    return Path(path).read_bytes()


def told_json(text: str, seconds: float = 0.0) -> bytes:
    time.sleep(seconds)
    return text.encode()


def raise_after(seconds: float) -> NoReturn:
    time.sleep(seconds)
    raise LstmTraceError("found too late")


def raise_problems(count: int) -> NoReturn:
    raise LstmTraceError(*(f"fault {n}" for n in range(count)))
