"""A progress bar on stderr, on terminals only, for what takes longer than two seconds."""

from __future__ import annotations

import sys
import time
from typing import Any

#: Seconds until the bar is shown, and between its changes.
PATIENCE = 2.0
PAUSE = 0.1


class Bar:
    """Called with what is done and what there is in all; a context, at whose end the bar is gone.

    what: is done; unit: what is counted; total: of it in all, for `advance`.
    """

    def __init__(self, what: str = "tracing", unit: str = "steps", total: int = 0) -> None:
        self.what, self.unit, self.total, self.done = what, unit, total, 0
        self._shown: Any = None
        self._task: Any = None
        self._next = time.monotonic() + PATIENCE if sys.stderr.isatty() else float("inf")

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown is not None:
            self._shown.stop()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + PAUSE
        if self._shown is None:
            self._show(total)
        self._shown.update(self._task, completed=done)

    def advance(self, more: int) -> None:
        """So many more are done."""
        self.done += more
        self(self.done, self.total)

    def _show(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        said = TextColumn(self.what), BarColumn(), MofNCompleteColumn(), TextColumn(f"{self.unit},")
        self._shown = Progress(*said, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        self._task = self._shown.add_task("", total=total)
        self._shown.start()
