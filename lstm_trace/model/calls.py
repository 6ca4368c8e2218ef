"""What is seen of the calls of live modules within a block."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from ..errors import Faults, LstmTraceError
from ..weights.found import Found


@dataclass
class Call:
    """One call of a module: what it got, what it returned under the names of `results`, and the ulp of its numbers."""

    name: str
    found: Found
    arguments: dict[str, Any]
    returned: dict[str, Any]
    what: str
    ulp: float
    options: dict[str, Any] = field(default_factory=dict)


class Watch:
    """Takes the calls, of any thread. What goes wrong on our side is noted for the end of the block.

    The model's own pass goes on.
    """

    def __init__(self, take: Callable[[Call], None]) -> None:
        self.take = take
        self.faults = Faults()
        self.cause: Exception | None = None
        self._lock = RLock()

    @contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """Note an error that is raised within, instead of raising it. name: of the module that is watched."""
        with self._lock:
            try:
                yield
            except Exception as error:
                self._note(name, error)

    def _note(self, name: str, error: Exception) -> None:
        self.cause = error
        if not isinstance(error, LstmTraceError):
            own = f"cannot be traced, by a fault of lstm-trace: {type(error).__name__}: {error}"
            error = LstmTraceError(own)
        told = [text if text.startswith(name) else f"{name}: {text}" for text in error.problems]
        with self.faults.gather():  # once each, however many calls
            raise type(error)(*(text for text in told if text not in self.faults.problems)) from None

    def tell(self) -> None:
        """Raise what was noted, or do nothing."""
        self.faults.tell(self.cause)


def aside(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of ours that torch.compile is to leave alone, where it is at work around us."""
    dynamo = sys.modules.get("torch._dynamo")
    return (function if dynamo is None else dynamo.disable(function))(*args)


def uncompiled(function: Any) -> None:
    """Let torch.compile, where it is loaded, not compile a function that calls `aside` when it comes upon it alone.

    What it compiles as a whole may still go through the function: to disable it there would break that.
    """
    frames = sys.modules.get("torch._dynamo.eval_frame")
    if frames is not None:
        for one in (function, aside):
            frames.skip_code(one.__code__)
