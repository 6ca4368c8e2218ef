"""Inputs of a corpus whose parts kill the worker that reads them, or fail: a worker imports them from here."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Faulty:
    """A source that notes every part that is read, and at some has accidents.

    kills: at the first time that a part is read, its process is killed. fails: a part that never can be read.
    """

    source: Any
    notes: Path
    kills: tuple[int, ...] = ()
    fails: tuple[int, ...] = ()

    def read(self, span: Any) -> Any:
        first = not any(self.notes.glob(f"{span.number}.*"))
        for n in range(100):
            try:
                (self.notes / f"{span.number}.{n}").touch(exist_ok=False)
                break
            except FileExistsError:
                continue
        if first and span.number in self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        if span.number in self.fails:
            raise OSError("a part that nobody can read")
        return self.source.read(span)

    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = self.source.described()
        return found

    @property
    def width(self) -> int:
        return int(self.source.width)
